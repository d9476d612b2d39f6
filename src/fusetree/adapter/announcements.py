"""What is to be announced to those who watch a mount (inotify(7)): noted by the observer, until it is taken.

Rule 1: noting is done with locks of the tree held: it never waits, and nothing is called with the lock held.
Rule 2: at most one note per node and one per name is pending; later changes join it. What comes beyond
    `MOST_PENDING` is dropped and counted, as inotify's own queue does.
Rule 3: what a program did through this mount has its event already, and is not noted.
"""

from __future__ import annotations

import os
import threading
from contextvars import ContextVar
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from fusetree.adapter.caching import CacheObserver
from fusetree.adapter.usercode import inside_handler, is_told
from fusetree.nodes.callers import caller
from fusetree.nodes.observers import Change
from fusetree.nodes.owed import Owed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    from fusetree._lowlevel.notices import Ticket
    from fusetree.lowlevel import InodeTable
    from fusetree.nodes.base import Node
    from fusetree.nodes.directory import Dir

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = ["MOST_PENDING", "Announcements", "AnnouncingObserver", "ChangedName", "ChangedNode"]

_ATTRIBUTES: Final = Change.ATTRIBUTES

# The notes of the mount for whose request this code runs, if that request has an event of its own.
_asked: ContextVar[Announcements | None] = ContextVar("fusetree_asked", default=None)

#: How many notes wait at most.
MOST_PENDING: Final = 16384


@attrs.define(eq=False)
class ChangedNode:
    """What changed of a node, and the last notice of it to the kernel."""

    node: Node
    ticket: Ticket | None = None
    content: bool = False
    attributes: bool = False


@attrs.define(eq=False)
class ChangedName:
    """A name that was set or removed; `removed` is what it led to, if it was removed first."""

    directory: Dir
    name: str
    removed: Node | None = None
    ticket: Ticket | None = None


class Announcements:
    """The notes of one mount."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._lock = threading.RLock()  # a signal handler may change a node while its thread notes something
        self._pending: dict[tuple[int, str | None], ChangedNode | ChangedName] = {}  # guarded by _lock
        self._closed = False
        self.dropped = 0  # guarded by _lock
        self.some = threading.Event()

    def changed(self, node: Node, what: Change, ticket: Ticket | None) -> None:
        """Note that a node changed."""
        if self._idle():
            return
        with self._lock:
            note = self._pending.get((id(node), None))
            if note is None:
                note = ChangedNode(node)
                if not self._add((id(node), None), note):
                    return
            assert isinstance(note, ChangedNode)
            if what is _ATTRIBUTES:
                note.attributes = True
            else:
                note.content = True
            note.ticket = ticket or note.ticket
        self._wake()

    def renamed(self, directory: Dir, name: str, removed: Node | None, ticket: Ticket | None) -> None:
        """Note that a name was removed, or (None) set."""
        if self._idle():
            return
        with self._lock:
            note = self._pending.get((id(directory), name))
            if note is None:
                note = ChangedName(directory, name, removed)
                if not self._add((id(directory), name), note):
                    return
            assert isinstance(note, ChangedName)
            if removed is not None and note.removed is None:
                note.removed = removed
            note.ticket = ticket or note.ticket
        self._wake()

    def marked(self, function: Callable[P, R]) -> Callable[P, R]:
        """A handler that knows whose it is: what it does to the node that it is asked for, is not noted."""

        def handler(*args: P.args, **kwargs: P.kwargs) -> R:
            token = _asked.set(self)
            try:
                result = function(*args, **kwargs)
            finally:
                _asked.reset(token)
            if type(result) is CoroutineType:
                return cast("R", self._marked_rest(Owed(cast("Any", result))))
            return result

        return handler

    async def _marked_rest(self, owed: Owed) -> Any:
        token = _asked.set(self)
        try:
            return await owed.coroutine
        finally:
            _asked.reset(token)

    def _idle(self) -> bool:
        # In the child of a fork the lock may be held by a thread that it does not have.
        return self._closed or os.getpid() != self._process

    def _add(self, key: tuple[int, str | None], note: ChangedNode | ChangedName) -> bool:
        if len(self._pending) >= MOST_PENDING:
            self.dropped += 1
            return False
        self._pending[key] = note
        return True

    def _wake(self) -> None:
        if not self.some.is_set():
            self.some.set()

    def take(self) -> list[ChangedNode | ChangedName]:
        """All notes, in the order in which they began; they are pending no more."""
        with self._lock:
            self.some.clear()
            taken = list(self._pending.values())
            self._pending = {}
        return taken

    def close(self) -> None:
        """Note nothing any more, and let whoever waits for `some` go."""
        self._closed = True
        self.some.set()


class AnnouncingObserver(CacheObserver):
    """An observer that notes as well what the program did."""

    __slots__ = ("_announcements",)

    def __init__(self, table: InodeTable, wait: float, announcements: Announcements) -> None:
        super().__init__(table, wait)
        self._announcements = announcements

    def changed(self, node: Node, what: Change) -> object | None:
        """See `CacheObserver`."""
        ticket = super().changed(node, what)
        if not self._asked_for(node):
            self._announcements.changed(node, what, ticket)  # type: ignore[arg-type]  # a Ticket
        return ticket

    def child_set(self, directory: Dir, name: str, child: Node) -> object | None:
        """See `CacheObserver`."""
        ticket = super().child_set(directory, name, child)
        if not self._asked_for(directory):
            self._announcements.renamed(directory, name, None, ticket)  # type: ignore[arg-type]  # a Ticket
        return ticket

    def child_removed(self, directory: Dir, name: str, child: Node) -> object | None:
        """See `CacheObserver`."""
        ticket = super().child_removed(directory, name, child)
        if not self._asked_for(directory):
            self._announcements.renamed(directory, name, child, ticket)  # type: ignore[arg-type]  # a Ticket
        return ticket

    def _asked_for(self, node: Node) -> bool:
        """Whether a program has just done that to the node through the mount."""
        if is_told(self, node):
            return True
        if _asked.get() is not self._announcements or not inside_handler():
            return False
        table = self._table
        inode = getattr(caller(), "inode", 0)
        return table is not None and inode != 0 and table.node_id(node) == inode
