"""`OnDemandDir`: a directory whose nodes are made when they are asked for, and remembered while somebody
knows them.

Rule 1: one name is one node as long as the kernel, an open file or the program holds it (weakly remembered).
Rule 2: `_known_` changes under the directory's gate; no code of the program runs under it.
"""

from __future__ import annotations

import errno
import weakref
from collections.abc import AsyncIterator
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

from fusetree.nodes import Dir, Node, Symlink
from fusetree.nodes.base import node_class
from fusetree.nodes.links import add_link, drop_link
from fusetree.nodes.locks import LINKS, gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["OnDemandDir"]

N = TypeVar("N", bound=Node)

# In a class that has a method `list`, the name means that.
_Names = list[str]
_Items = list[tuple[str, Node]]


@node_class
class OnDemandDir(Dir):
    """The base: subclasses answer `lookup` and `list`."""

    # Nodes that somebody knows, by name; made when it is needed, changed under gate(self).
    _known_: weakref.WeakValueDictionary[str, Node] | None

    def __init__(
        self, children: Mapping[str, Any] | None = None, mode: int = 0o555, **attributes: Any
    ) -> None:
        Dir.__init__(self, children, mode, **attributes)
        self._known_ = None

    @property
    def nlink(self) -> int:
        """1: nobody counts the directories in it, and programs know that number for it."""
        return 1

    def lookup(self, name: str) -> Node | None:
        """The node of a name; None when there is none."""
        raise NotImplementedError

    def list(self) -> Iterable[str | tuple[str, Node]]:
        """The names at this moment."""
        raise NotImplementedError

    # ---- what is known

    def _known_as_(self, name: str) -> Node | None:
        """The node that is known by a name."""
        known = self._known_
        return None if known is None else known.get(name)

    def _remember_(self, name: str, kind: type[N], make: Callable[[], N]) -> N:
        """The node that is known by a name if it is of the right kind, else a new one."""
        known = self._known_as_(name)
        if type(known) is kind:
            return known
        made = make()
        with LINKS:
            add_link(made, self, is_directory=False)
        return self._enter_(name, made, kind)

    def _enter_(self, name: str, made: N, kind: type[N]) -> N:
        with gate(self):
            if self._known_ is None:
                self._known_ = weakref.WeakValueDictionary()
            known = self._known_.get(name)
            if type(known) is kind:  # another thread was quicker
                return known
            self._known_[name] = made
            return made

    def _forget_(self, name: str) -> Node | None:
        """What is made under a name from now on is another node; the one of before is returned."""
        with gate(self):
            return None if self._known_ is None else self._known_.pop(name, None)

    def _linked_(self, name: str, target: str) -> Symlink:
        """A link, which is another one when its target is another: the kernel keeps targets."""
        known = self._known_as_(name)
        if isinstance(known, Symlink):
            if known.target == target:
                return known
            self._forget_(name)
        return self._remember_(name, Symlink, lambda: Symlink(target))

    def _take_over_(self, name: str, node: Node | None, source: Dir) -> None:
        """A node has come from another directory, or from another name; whatever had this one loses it."""
        self._forget_(name)
        if node is None:
            return
        with LINKS:
            drop_link(node, source)
            add_link(node, self, is_directory=False)
        with gate(self):
            if self._known_ is None:
                self._known_ = weakref.WeakValueDictionary()
            self._known_[name] = node

    def _all_known_(self) -> _Items:
        with gate(self):
            return [] if self._known_ is None else [*self._known_.items()]

    # ---- for the program, and for messages

    def child(self, name: str) -> Node | None:
        """The node of a name, or None. Where it takes an ``async`` handler, only what is known is found."""
        try:
            found: Any = self.lookup(name)
        except OSError as error:
            if error.errno == errno.ENOENT or isinstance(error, FileNotFoundError):
                return None
            raise
        if isinstance(found, CoroutineType):
            found.close()
            return self._tree_().get(name) or self._known_as_(name)
        node: Node | None = found
        return node

    def children_snapshot(self) -> _Items:
        """The nodes that are known at this moment: nobody is asked for others."""
        return [*Dir.children_snapshot(self), *self._all_known_()]

    def keys(self) -> _Names:
        """The names at this moment; of those that an ``async`` handler tells, the ones that are known."""
        names: Any = self.list()
        if isinstance(names, CoroutineType):
            names.close()
        if isinstance(names, (CoroutineType, AsyncIterator)):
            return [name for name, _ in self.children_snapshot()]
        return [name if isinstance(name, str) else name[0] for name in names]

    def items(self) -> _Items:
        """Names and nodes at this moment."""
        return [(name, node) for name in self.keys() if (node := self.child(name)) is not None]

    def __len__(self) -> int:
        return len(self.keys())

    def __setitem__(self, path: str, value: Any) -> None:
        directory, name = self._place_(path)
        if directory is self:
            raise TypeError(f"{self!r} makes its names by itself; nothing can be put into it")
        directory[name] = value

    def __delitem__(self, path: str) -> None:
        directory, name = self._place_(path)
        if directory is self:
            raise TypeError(f"{self!r} makes its names by itself; nothing can be taken out of it")
        del directory[name]
