"""Transactions: many changes that become visible at once.

What a block changes is changed at once, in the nodes themselves, so the block sees it. Of each node a copy
as it was is made before (`fusetree.nodes.held`), which is what readers through a mount are shown, and what
the node becomes again when the block fails. At the end:

    suspend    mounts let nothing of the nodes be cached any more, and have it forgotten; readers still get
               what was before
    flip       with `flip_lock` held the copies are dropped and the observers are told of everything; a mount
               takes all of that for one change
    resume     caching goes on, with the new state
    settle     wait until readers can no longer see what was before

Nothing old is in a cache any more when the first reader gets something new. Where the kernel could not be
told in time that is not so, until it is.
"""

from __future__ import annotations

import contextlib
import threading
import types
from typing import TYPE_CHECKING, Any, Final, cast

from fusetree.nodes.held import closed, flip_lock, give_way, mine, state
from fusetree.nodes.locks import LINKS, gate, structure_lock
from fusetree.nodes.observers import settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusetree.nodes.base import Node
    from fusetree.nodes.directory import Dir
    from fusetree.nodes.observers import Observer

__all__ = ["transaction"]

#: What belongs to the node and not to its state: a node that is restored keeps it.
_KEPT: Final = frozenset(("_observers_", "_ino_", "_owner_", "_space_"))

_turn: Final = threading.Lock()  # one transaction at a time; held while it is open

_slots: dict[type, tuple[Any, ...]] = {}
_copies: dict[type, type] = {}


@contextlib.contextmanager
def transaction() -> Iterator[None]:
    """See `Dir.transaction`."""
    holder = state.active
    if holder is not None and mine.get() is holder:
        yield
        return
    if holder is not None and holder.thread == threading.get_ident():
        raise RuntimeError(
            "another task of this thread is in a transaction: do not await in the block of one"
        )
    with _turn:
        give_way()
        opened = _Transaction()
        token = mine.set(opened)
        state.serial += 1
        state.active = opened
        try:
            try:
                yield
            except BaseException:
                opened.take_back()
                raise
            opened.show()
        finally:
            with flip_lock:
                state.held.clear()
            with closed:
                state.active = None
                state.serial += 1
                closed.notify_all()
            mine.reset(token)
        opened.settle()


class _Transaction:
    """What one block has changed."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self._lock = threading.RLock()  # a context may have several threads (asyncio.to_thread)
        self._nodes: list[Node] = []  # those that are held
        self._changed: dict[int, tuple[Node, Any]] = {}
        self._names: list[tuple[Dir, str, str, Node]] = []
        self._pending: list[tuple[Observer, object]] = []

    # ---- while it is open

    def hold(self, node: Node) -> None:
        """Remember the node as it is now, unless it is held already."""
        held = state.held
        if id(node) in held:
            return
        with self._lock:
            above = node._held_with_()
            if above is not None:
                self.hold(above)
            lock = structure_lock(node) if _is_directory(node) else node._gate_()
            with lock:
                if id(node) in held:
                    return
                node.ino  # noqa: B018 - given out now, if it was not: the copy has the same
                node._before_()
                self._nodes.append(node)  # keeps its identity
                held[id(node)] = _copy(node)

    def keep(self, node: Node, event: str, *arguments: Any) -> None:
        """Remember what observers are to be told of. `flip_lock` is held."""
        if event == "changed":
            (what,) = arguments
            _, before = self._changed.get(id(node), (node, what))
            self._changed[id(node)] = (node, before if before is what else before | what)
        else:
            name, child = arguments
            self._names.append((cast("Dir", node), event, name, child))

    # ---- its end

    def take_back(self) -> None:
        """Make the nodes what they were. Readers have never seen anything else."""
        with flip_lock:
            for node in self._nodes:
                before = state.held[id(node)]
                lock = structure_lock(node) if _is_directory(node) else gate(node)
                with lock, LINKS:
                    node._restored_(before)
                    for slot in _slots_of(type(node)):
                        if slot.__name__ not in _KEPT:
                            _copy_slot(slot, before, node)
                    if hasattr(node, "__dict__"):
                        node.__dict__.clear()
                        node.__dict__.update(before.__dict__)

    def show(self) -> None:
        """Make everything visible."""
        names = [(directory, name) for directory, _, name, _ in self._names]
        for directory, _ in names:
            # While the time of change is the same, a listing is unchanged to the kernel; clocks tick slowly.
            before = state.held[id(directory)].mtime_ns
            if directory.mtime_ns <= before:
                directory._times_ = (directory.atime_ns, before + 1, max(directory.ctime_ns, before + 1))
        for observer in self._observers():
            observer.suspend([node for node in self._nodes if observer in node._observers_], names)
        with flip_lock:
            observers = self._observers()
            nodes = list(self._nodes)
            state.flips += 1
            try:
                for observer in observers:
                    observer.flip_begins()
                state.held.clear()
                self._tell()
            finally:
                for observer in observers:
                    observer.flip_ends(nodes)
                state.flips += 1

    def settle(self) -> None:
        """Wait until readers can see nothing else."""
        if self._pending:
            settle(self._pending)

    def _tell(self) -> None:
        for directory, event, name, child in self._names:
            for observer in directory._observing_():
                ticket = getattr(observer, event)(directory, name, child)
                if ticket is not None:
                    self._pending.append((observer, ticket))
        for node, what in self._changed.values():
            for observer in node._observing_():
                ticket = observer.changed(node, what)
                if ticket is not None:
                    self._pending.append((observer, ticket))

    def _observers(self) -> list[Observer]:
        found: dict[int, Observer] = {}
        for node in self._nodes:
            for observer in node._observing_():
                found[id(observer)] = observer
        return list(found.values())


# ------------------------------------------------------------------------------------------------ copies


def _is_directory(node: Node) -> bool:
    return hasattr(node, "_subdirectories_")


def _slots_of(cls: type) -> tuple[Any, ...]:
    """The slots of a class, as descriptors: they know nothing of what a class does at assignment."""
    found = _slots.get(cls)
    if found is None:
        found = _slots[cls] = tuple(
            value
            for base in cls.__mro__
            for value in vars(base).values()
            if isinstance(value, types.MemberDescriptorType)
        )
    return found


def _copy_slot(slot: Any, source: Node, target: Node) -> None:
    try:
        value = slot.__get__(source)
    except AttributeError:
        with contextlib.suppress(AttributeError):
            slot.__delete__(target)
    else:
        slot.__set__(target, value)


def _copy(node: Node) -> Node:
    """A copy that answers as the node did. Nothing happens when it goes."""
    cls = type(node)
    copied = _copies.get(cls)
    if copied is None:
        copied = cls
        if hasattr(cls, "__del__"):
            body = {"__slots__": (), "__del__": lambda self: None, "__module__": cls.__module__}
            copied = types.new_class(cls.__name__, (cls,), exec_body=lambda names: names.update(body))
        _copies[cls] = copied
    copy: Node = object.__new__(copied)
    for slot in _slots_of(cls):
        _copy_slot(slot, node, copy)
    if hasattr(node, "__dict__"):
        copy.__dict__.update(node.__dict__)
    node._after_copy_(copy)
    return copy
