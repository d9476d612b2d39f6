"""What all wrappers of one tree share: which node is wrapped by which, and telling on what changes.

Rule 1: one inner node has one wrapper, as long as somebody knows the wrapper: hard links stay what they are.
Rule 2: a wrapper holds its inner node, never the other way round; inner nodes know the observer below, which
    knows wrappers weakly.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from fusetree.nodes.observers import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fusetree.nodes.base import Node
    from fusetree.nodes.directory import Dir
    from fusetree.nodes.observers import Change, Observer
    from fusetree.nodes.wrapping.directory import WrapDir

__all__ = ["WrapTree"]


class WrapTree:
    """The wrappers of one tree, and the observer of what they wrap.

    Arguments:
        top: The wrapper that the program made.
    """

    def __init__(self, top: Node) -> None:
        self._top = weakref.ref(top)
        self._lock = threading.RLock()
        # By identity of the inner node, which the wrapper keeps alive.
        self._wrappers: weakref.WeakValueDictionary[int, Node] = weakref.WeakValueDictionary()

    @property
    def top(self) -> Any:
        """The wrapper that the program made; itself when it is gone."""
        return self._top()

    def wrapped(self, inner: Node, make: Callable[[], Node | None]) -> Node | None:
        """The wrapper of a node; made if there is none."""
        found = self._wrappers.get(id(inner))
        if found is not None:
            return found
        made = make()
        if made is None or getattr(made, "_inner_", None) is not inner:
            return made  # hidden, or shown by something else
        with self._lock:
            known: Node = self._wrappers.setdefault(id(inner), made)
        return known

    def joined(self, wrapper: Any, inner: Node) -> None:
        """A wrapper was made: from now on it hears of changes of what it wraps."""
        top: Any = self._top()
        if wrapper is top:
            with self._lock:
                self._wrappers[id(inner)] = wrapper
        inner.attach(self)

    # ---- as an observer of inner nodes; called with their locks held

    def changed(self, node: Node, what: Change) -> object | None:
        """Tell those who observe the wrapper."""
        wrapper = self._wrappers.get(id(node))
        if wrapper is None:
            return None
        return self._told((one, one.changed(wrapper, what)) for one in wrapper._observing_())

    def child_set(self, directory: Dir, name: str, child: Node) -> object | None:
        """Tell those who observe the wrapper of the directory that a name leads elsewhere."""
        return self._name_told("child_set", directory, name, child)

    def child_removed(self, directory: Dir, name: str, child: Node) -> object | None:
        """Tell those who observe the wrapper of the directory that a name is gone."""
        return self._name_told("child_removed", directory, name, child)

    def link_lost(self, node: Node) -> None:
        """Tell those who observe the wrapper, without a lock."""
        wrapper = self._wrappers.get(id(node))
        if wrapper is not None:
            for observer in wrapper._observers_:
                observer.link_lost(wrapper)

    def settle(self, tickets: list[object]) -> None:
        """Wait as they do."""
        pending: list[Any] = [each for ticket in tickets for each in ticket]  # type: ignore[attr-defined]  # lists
        settle(pending)

    def suspend(self, nodes: list[Node], names: list[tuple[Dir, str]]) -> None:
        """A transaction is about to show what it changed."""
        wrappers = [one for node in nodes if (one := self._wrappers.get(id(node))) is not None]
        outer: list[Any] = [
            (wrapper, wrapper.to_outer(name))
            for directory, name in names
            if (wrapper := self._directory(directory)) is not None
        ]
        for observer in self._observers():
            observer.suspend([one for one in wrappers if observer in one._observers_], outer)

    def flip_begins(self) -> None:
        """What is told from now on is one change."""
        for observer in self._observers():
            observer.flip_begins()

    def flip_ends(self, nodes: list[Node]) -> None:
        """All is told."""
        wrappers = [one for node in nodes if (one := self._wrappers.get(id(node))) is not None]
        for observer in self._observers():
            observer.flip_ends(wrappers)

    def _observers(self) -> Iterable[Observer]:
        top = self._top()
        return () if top is None else top._observing_()

    def _directory(self, inner: Dir) -> WrapDir | None:
        wrapper: Any = self._wrappers.get(id(inner))
        return wrapper if hasattr(wrapper, "to_outer") else None

    def _name_told(self, event: str, directory: Dir, name: str, child: Node) -> object | None:
        wrapper = self._directory(directory)
        if wrapper is None:
            return None
        outer = wrapper.to_outer(name)
        # A mount wants to know the name, and keeps no node of a directory that answers by itself.
        return self._told((one, getattr(one, event)(wrapper, outer, child)) for one in wrapper._observing_())

    @staticmethod
    def _told(tickets: Iterable[tuple[Observer, object | None]]) -> object | None:
        return [(observer, ticket) for observer, ticket in tickets if ticket is not None] or None
