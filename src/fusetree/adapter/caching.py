"""Telling the kernel of changes: the observer that a mount attaches to the nodes it knows.

What may be cached, and for how long (E: for ever, taken back on change):

    node                             names   attributes   content
    directory, symbolic link         E       E            E (listing, link target)
    file in memory (Policy.PAGE)     E       E            E, in the page cache
    file of a value (SNAPSHOT)       E       E            not at all: OPEN pins the bytes of that moment
    computed, document (DYNAMIC)     E       its ttl      not at all: made anew at each open

Rule 1: recording a change only withdraws answers and queues a notice (in C, under the table's lock); it is
    done with a lock of the tree held, so it never waits.
Rule 2: what the kernel of this mount did itself (a name that it made, bytes that it wrote) it has in its
    caches already: answers are withdrawn, and no notice is sent. (To take back the name of a new directory
    would take the working directory from who has just entered it.)
Rule 3: `settle` waits until the kernel has been told, for `wait` seconds at most. It does not wait where the
    kernel may be waiting for us: inside a handler of any mount, and on a thread whose event loop serves a
    mount. Each time it did not, or waited in vain, is counted; the first time of each cause is logged.
"""

from __future__ import annotations

import logging
import stat
import threading
from typing import TYPE_CHECKING, Final, cast

import attrs

from fusetree.adapter.usercode import inside_handler, is_told
from fusetree.nodes.observers import Change
from fusetree.server.loops import on_serving_loop, serving_loop

if TYPE_CHECKING:
    from fusetree._lowlevel.notices import Ticket
    from fusetree.lowlevel import InodeTable
    from fusetree.nodes.base import Node
    from fusetree.nodes.directory import Dir
    from fusetree.nodes.filenode import FileNode

__all__ = ["CacheObserver", "CacheStatistics", "serving_loop"]

logger = logging.getLogger("fusetree.adapter")

_ATTRIBUTES: Final = Change.ATTRIBUTES

#: How often, and for how long each time (in seconds), a transaction has the kernel forget what was before.
_ROUNDS: Final = 3
_PATIENCE: Final = 0.1


@attrs.frozen
class CacheStatistics:
    """How changes reached the kernel, since the mount began.

    Attributes:
        waited: Changes that returned when the kernel had been told.
        timed_out: Changes that returned after `coherence_wait` seconds, before the kernel was told.
        inside_handler: Changes that did not wait, because they were made on behalf of a request.
        on_serving_loop: Changes that did not wait, because their thread's event loop serves a mount.
    """

    waited: int
    timed_out: int
    inside_handler: int
    on_serving_loop: int


class CacheObserver:
    """One mount's observer: from changes of nodes to the inode table.

    Arguments:
        table: The mount's inode table.
        wait: For how long a change waits until the kernel has been told, in seconds; 0 does not wait.
    """

    __slots__ = ("_inside_handler", "_lock", "_on_loop", "_table", "_timed_out", "_wait", "_waited")

    def __init__(self, table: InodeTable, wait: float) -> None:
        self._table: InodeTable | None = table  # None: closed
        self._wait = wait
        self._lock = threading.Lock()  # guards the counters
        self._waited = 0
        self._timed_out = 0
        self._inside_handler = 0
        self._on_loop = 0

    # ---- recording; called with locks of the tree held

    def changed(self, node: Node, what: Change) -> object | None:
        """Withdraw what is published of the node, and queue a notice if the kernel holds something of it."""
        table = self._table
        if table is None:
            return None
        # Whoever may not read it any more must not get what C would give.
        content = what is not _ATTRIBUTES or (
            node.file_type == stat.S_IFREG and not cast("FileNode", node).readable
        )
        return table.changed(node, content=content, told=is_told(self, node))

    def child_set(self, directory: Dir, name: str, child: Node) -> object | None:
        """Enter the name into the published listing, and queue a notice if the kernel holds the name."""
        table = self._table
        if table is None:
            return None
        if child.file_type == stat.S_IFDIR:
            table.directory_moved(child, directory.ino)
        return table.child_set(
            directory, name, child, child.ino, child.file_type >> 12, told=is_told(self, directory)
        )

    def child_removed(self, directory: Dir, name: str, child: Node) -> object | None:
        """Take the name out of the published listing, and queue a notice if the kernel holds the name."""
        table = self._table
        if table is None:
            return None
        # A directory that is gone may come back, and the kernel would not forgive it that it was told so.
        deleted = child._parents_ is None and child.file_type != stat.S_IFDIR
        return table.child_removed(directory, name, child, deleted=deleted, told=is_told(self, directory))

    def link_lost(self, node: Node) -> None:
        """Withdraw its attributes, and queue a notice: what takes only the lock of the table in C."""
        table = self._table
        if table is not None:
            table.changed(node, content=False)

    # ---- transactions

    def suspend(self, nodes: list[Node], names: list[tuple[Dir, str]]) -> None:
        """Let nothing of them be cached until `flip_ends`, and wait until the kernel has forgotten what it
        had, where a change would wait for that. Requests that wait for the transaction may hold the kernel
        up, so it is not waited for long.
        """
        table = self._table
        if table is None:
            return
        patient = not inside_handler() and not on_serving_loop()
        tickets = [table.suspend_name(directory, name) for directory, name in names]
        for attempt in range(_ROUNDS):  # pages may be read again, and are cached then
            tickets += [table.suspend(node) for node in nodes]
            waited_for = [ticket for ticket in tickets if ticket is not None]
            if not waited_for or not patient:
                break
            table.wait(waited_for, min(self._wait, _PATIENCE))
            tickets = []
            if attempt == 0:
                table.hold_links()

    def flip_begins(self) -> None:
        """What is told until `flip_ends` is one change."""
        if self._table is not None:
            self._table.flip_begins()

    def flip_ends(self, nodes: list[Node]) -> None:
        """All is told."""
        if self._table is not None:
            self._table.flip_ends(nodes)

    # ---- waiting; called with no lock held

    def settle(self, tickets: list[object]) -> None:
        """Return when the kernel has been told of all these changes, or waiting is over or not possible."""
        table = self._table
        if table is None:
            return
        if inside_handler():
            with self._lock:
                self._inside_handler += 1
                first = self._inside_handler == 1
            if first:
                logger.debug(
                    "a change made by a handler did not wait until the kernel was told of it (logged once)"
                )
        elif on_serving_loop():
            with self._lock:
                self._on_loop += 1
                first = self._on_loop == 1
            if first:
                logger.warning(
                    "a change made on the thread of an event loop that serves a mount did not wait until the "
                    "kernel was told of it; readers may see the old value for a moment (logged once)"
                )
        elif table.wait(cast("list[Ticket]", tickets), self._wait):
            with self._lock:
                self._waited += 1
        else:
            with self._lock:
                self._timed_out += 1
                first = self._timed_out == 1
            if first:
                logger.warning(
                    "a change returned after coherence_wait=%g s, before the kernel was told of it; "
                    "readers may see the old value until then (logged once)",
                    self._wait,
                )

    def statistics(self) -> CacheStatistics:
        """How changes reached the kernel so far."""
        with self._lock:
            return CacheStatistics(
                waited=self._waited,
                timed_out=self._timed_out,
                inside_handler=self._inside_handler,
                on_serving_loop=self._on_loop,
            )

    def close(self) -> None:
        """Note nothing any more: nodes that still hold this observer keep nothing of the mount alive."""
        self._table = None
