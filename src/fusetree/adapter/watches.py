"""poll(2) on files of values, as sysfs has it: POLLERR | POLLPRI once the value has changed, until it is read
from the beginning again.

An open file is watched from its first poll on. Until then nobody pays for it: its reads are answered in C,
and the node has no further observer. From then on its reads come here, since each from offset 0 takes the
content anew.

Rule 1: the observer is attached before it is asked whether the node has changed since the open, and `changed`
    is cleared before the content is read: a change in between is told once too often and never missed.
Rule 2: nobody is woken under the lock.
"""

from __future__ import annotations

import logging
import select
import threading
from typing import TYPE_CHECKING, Final

from fusetree.nodes.observers import Change

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.nodes.base import Node
    from fusetree.nodes.directory import Dir
    from fusetree.nodes.filenode import FileNode

__all__ = ["CHANGED", "Watch", "Watches"]

logger = logging.getLogger("fusetree.adapter")

#: What poll(2) tells of a value that has changed (Documentation/filesystems/sysfs.rst of Linux).
CHANGED: Final = select.POLLERR | select.POLLPRI

_ATTRIBUTES: Final = Change.ATTRIBUTES


class Watch:
    """What is known of one open file that somebody polls.

    Attributes:
        node: The file.
        changed: Whether the content has changed since it was last read from the beginning.
        wake: Wakes who waits, also those that epoll(7) tells of edges only, which do not ask again before
            they are woken; None: nobody has waited yet.
        woken: Whether that was done since somebody asked or read. So a value that changes all the time costs
            one wake-up for each look at it.
    """

    __slots__ = ("changed", "node", "wake", "woken")

    def __init__(self, node: FileNode) -> None:
        self.node = node
        self.changed = False
        self.wake: Callable[[], object] | None = None
        self.woken = False

    def ask(self, wake: Callable[[], object] | None) -> bool:
        """Whether it has changed; *wake* is called at the next change."""
        if wake is not None:
            self.wake = wake
        self.woken = False
        return self.changed

    def begin_anew(self) -> None:
        """It is about to be read from the beginning."""
        self.woken = self.changed = False

    def tell(self) -> None:
        """It has changed."""
        self.changed = True
        wake = self.wake
        if wake is not None and not self.woken:
            self.woken = True
            try:
                wake()
            except OSError:
                logger.exception("who polls %s could not be woken", self.node)


class _Watched:
    """The observer of one node that is watched. There is nothing to be settled, and it is no directory."""

    __slots__ = ("watches",)

    def __init__(self) -> None:
        self.watches: tuple[Watch, ...] = ()  # replaced under Watches._lock

    def changed(self, node: Node, what: Change) -> object | None:
        """Tell who watches."""
        if what is not _ATTRIBUTES:
            for watch in self.watches:
                watch.tell()
        return None

    def child_set(self, directory: Dir, name: str, child: Node) -> object | None:
        """Nothing."""
        return None

    def child_removed(self, directory: Dir, name: str, child: Node) -> object | None:
        """Nothing."""
        return None

    def link_lost(self, node: Node) -> None:
        """Nothing."""

    def settle(self, tickets: list[object]) -> None:
        """Nothing."""

    def suspend(self, nodes: list[Node], names: list[tuple[Dir, str]]) -> None:
        """Nothing."""

    def flip_begins(self) -> None:
        """Nothing."""

    def flip_ends(self, nodes: list[Node]) -> None:
        """Nothing."""


class Watches:
    """The files of one mount that somebody polls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nodes: dict[FileNode, _Watched] = {}  # guarded by _lock

    def add(self, node: FileNode) -> Watch:
        """Watch a node for one more open file."""
        watch = Watch(node)
        with self._lock:
            watched = self._nodes.get(node)
            if watched is None:
                watched = self._nodes[node] = _Watched()
                node.attach(watched)
            watched.watches = (*watched.watches, watch)
        return watch

    def remove(self, watch: Watch) -> None:
        """The open file is no more."""
        with self._lock:
            watched = self._nodes.get(watch.node)
            if watched is None:
                return
            watched.watches = tuple(other for other in watched.watches if other is not watch)
            if not watched.watches:
                del self._nodes[watch.node]
                watch.node.detach(watched)

    def close(self) -> None:
        """Watch nothing any more."""
        with self._lock:
            for node, watched in self._nodes.items():
                watched.watches = ()
                node.detach(watched)
            self._nodes.clear()
