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
from itertools import count
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
    """A name that was set or removed, and how far that was announced.

    The numbers of `removed_at` and `set_at` ascend over all notes of a mount: what was removed and is set
    elsewhere later has moved.
    """

    directory: Dir
    name: str
    removed: Node | None = None  # what it led to, if it was removed: first, or last if it is fresh
    removed_at: int = 0
    fresh: bool = False  # it was set first: nobody has heard yet of what was removed
    child: Node | None = None  # what it was set to last
    set_at: int = 0
    lost: list[Node] = attrs.Factory(list)  # known to the kernel, and without this name now
    ticket: Ticket | None = None
    # ---- of the announcing thread alone
    removal_done: bool = False
    arrival_done: bool = False
    turn_over: bool = False
    postponed: bool = False  # it comes again in the next batch
    waited: bool = False  # for what was removed to turn up elsewhere

    def join(self, later: ChangedName) -> None:
        """Take in what was noted since this note was taken."""
        if self.removed is None or self.removal_done:
            self.fresh = later.fresh
        if later.removed is not None and (self.removed is None or self.removal_done or self.fresh):
            self.removed, self.removed_at, self.removal_done = later.removed, later.removed_at, False
            self.waited = False
        if later.set_at:
            self.child, self.set_at, self.arrival_done = later.child, later.set_at, False
        self.lost += later.lost
        self.ticket = later.ticket or self.ticket


class Announcements:
    """The notes of one mount."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._lock = threading.RLock()  # a signal handler may change a node while its thread notes something
        self._pending: dict[tuple[int, str | None], ChangedNode | ChangedName] = {}  # guarded by _lock
        self._moments = count(1)  # guarded by _lock
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

    def name_removed(
        self, directory: Dir, name: str, child: Node, ticket: Ticket | None, *, known: bool
    ) -> None:
        """Note that a name leads to `child` no more; *known*: the kernel has that node."""
        if self._idle():
            return
        with self._lock:
            note = self._name(directory, name, ticket)
            if note is None:
                return
            if note.removed is None or note.fresh:
                note.removed, note.removed_at = child, next(self._moments)
            if known:
                note.lost.append(child)
        self._wake()

    def name_set(
        self, directory: Dir, name: str, child: Node, ticket: Ticket | None, *, replaced: Node | None
    ) -> None:
        """Note that a name leads to `child` now, in the place of *replaced* if the kernel has that node."""
        if self._idle():
            return
        with self._lock:
            note = self._name(directory, name, ticket)
            if note is None:
                return
            note.fresh |= note.removed is None and not note.set_at
            note.child, note.set_at = child, next(self._moments)
            if replaced is not None:
                note.lost.append(replaced)
        self._wake()

    def _name(self, directory: Dir, name: str, ticket: Ticket | None) -> ChangedName | None:
        key = (id(directory), name)
        note = self._pending.get(key)
        if note is None:
            note = ChangedName(directory, name)
            if not self._add(key, note):
                return None
        assert isinstance(note, ChangedName)
        note.ticket = ticket or note.ticket
        return note

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

    def again(self, notes: list[ChangedNode | ChangedName]) -> None:
        """Put notes that were taken back, before those that have come since."""
        with self._lock:
            later, self._pending = self._pending, {}
            for note in notes:
                if isinstance(note, ChangedName):
                    note.postponed = note.turn_over = False
                    key: tuple[int, str | None] = (id(note.directory), note.name)
                else:
                    key = (id(note.node), None)
                other = later.pop(key, None)
                if isinstance(other, ChangedName):
                    assert isinstance(note, ChangedName)
                    note.join(other)
                elif other is not None:
                    assert isinstance(note, ChangedNode)
                    note.content |= other.content
                    note.attributes |= other.attributes
                    note.ticket = other.ticket or note.ticket
                self._pending[key] = note
            self._pending.update(later)
        self._wake()

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
        before = None if self._table is None else self._table.child(directory, name)
        ticket = super().child_set(directory, name, child)
        if not self._asked_for(directory):
            replaced = before if before is not child and self._is_known(before) else None
            self._announcements.name_set(
                directory,
                name,
                child,
                ticket,  # type: ignore[arg-type]  # a Ticket
                replaced=replaced,  # type: ignore[arg-type]  # a Node
            )
        return ticket

    def child_removed(self, directory: Dir, name: str, child: Node) -> object | None:
        """See `CacheObserver`."""
        ticket = super().child_removed(directory, name, child)
        if not self._asked_for(directory):
            self._announcements.name_removed(
                directory,
                name,
                child,
                ticket,  # type: ignore[arg-type]  # a Ticket
                known=self._is_known(child),
            )
        return ticket

    def _is_known(self, node: object) -> bool:
        """Whether the kernel has the node, so that somebody may watch it."""
        table = self._table
        number = 0 if table is None or node is None else table.node_id(node)
        return number != 0 and table is not None and table.lookup_count(number) > 0

    def _asked_for(self, node: Node) -> bool:
        """Whether a program has just done that to the node through the mount."""
        if is_told(self, node):
            return True
        if _asked.get() is not self._announcements or not inside_handler():
            return False
        table = self._table
        inode = getattr(caller(), "inode", 0)
        return table is not None and inode != 0 and table.node_id(node) == inode
