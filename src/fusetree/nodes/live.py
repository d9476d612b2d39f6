"""Objects of a running program as directories: what a reader sees is how they are at that moment.

A node stands for a place and not for an object: it knows the directory above it and its name there, and asks
for the object each time. So a value that is replaced is the new one to whoever has the file, and nothing has
to be told. The kernel keeps nothing of such nodes (unless `ttl` says so).

Rule 1: the program's objects are touched with no lock of the tree held.
Rule 2: what an object raises becomes an errno in one place, `fusetree.nodes.refusals`.
Rule 3: one name is one node as long as somebody knows the node: a directory remembers its nodes weakly.
"""

from __future__ import annotations

import errno
import weakref
from typing import TYPE_CHECKING, Any, Final

from fusetree.nodes.action import ActionFile, ActionOptions
from fusetree.nodes.base import Node, node_class
from fusetree.nodes.computed import MARK, ComputedFile, Marked
from fusetree.nodes.directory import Dir
from fusetree.nodes.docs import class_doc
from fusetree.nodes.filenode import FileNode
from fusetree.nodes.leaves import OPAQUE, leaf_codec
from fusetree.nodes.links import add_link
from fusetree.nodes.livefile import LiveFile
from fusetree.nodes.locks import LINKS, gate
from fusetree.nodes.manner import Manner, directory_mode
from fusetree.nodes.refusals import refusals, refused
from fusetree.nodes.symlink import Symlink
from fusetree.nodes.views import ObjectView, View, view_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fusetree.nodes.codecs import Codec

__all__ = ["LiveDir"]

# In a class that has a method `list`, the name means that.
_Objects = list[Any]
_Names = list[str]
_Items = list[tuple[str, Node]]

_MISSING: Final = (KeyError, IndexError, AttributeError)


@node_class
class LiveDir(Dir):
    """An object as a directory; `fusetree.expose`, `MappingDir` and `DynamicDir` make them.

    Reading it from the program (``root["a/b"]``, ``list(root)``, ``items()``) shows the moment, too. Setting
    and deleting names by item changes the object.
    """

    _above_: LiveDir | None
    _name_: str
    _object_: Any
    _manner_: Manner
    # Nodes that somebody knows, by name; made when it is needed, changed under gate(self).
    _known_: weakref.WeakValueDictionary[str, Node] | None

    def __init__(
        self,
        value: Any = None,
        manner: Manner | None = None,
        *,
        above: LiveDir | None = None,
        name: str = "",
        **attributes: Any,
    ) -> None:
        Dir.__init__(self, None, **attributes)
        self._object_ = value
        self._above_ = above
        self._name_ = name
        self._manner_ = manner or Manner()
        self._known_ = None

    # ---- the object

    def _value_(self) -> Any:
        """The object as it is now; KeyError or the like when there is none any more."""
        above = self._above_
        return self._object_ if above is None else above._view_().get(self._name_)

    def _view_(self) -> View:
        """How it is a directory; KeyError when it is none any more."""
        view = view_of(self._value_())
        if view is None:
            raise KeyError(self._name_)
        return view

    def _chain_(self) -> _Objects:
        """The objects from this one up to the root."""
        chain = []
        here: LiveDir | None = self
        while here is not None:
            chain.append(here._value_())
            here = here._above_
        return chain

    # ---- what programs ask

    @property
    def ttl(self) -> float:
        return self._manner_.ttl

    @property
    def nlink(self) -> int:
        return 1  # nobody counts the directories in it, and programs know 1 for that

    def lookup(self, name: str) -> Node | None:
        """The node of a name, which stays the same as long as somebody knows it; None when there is none."""
        manner = self._manner_
        try:
            view = self._view_()
            value = view.get(name)
        except _MISSING:
            return None
        except Exception:
            if not isinstance(view, ObjectView):
                raise
            # A property that fails: it is there, and whoever opens it is told.
            return self._remember_(name, LiveFile, lambda: LiveFile(self, name, False))
        if isinstance(value, Node):
            return value
        if manner.exact and callable(value) and not isinstance(value, type):
            is_action = isinstance(getattr(value, MARK, None), ActionOptions)
            kind = ActionFile if is_action else ComputedFile
            return self._remember_(name, kind, lambda: self._function_(name, value))
        codec = leaf_codec(value, view.annotation(name), exact=manner.exact)
        if codec is None and view_of(value) is not None:
            chain = self._chain_()
            if any(passed is value for passed in chain):
                steps = next(steps for steps, passed in enumerate(chain) if passed is value)
                target = "/".join([".."] * steps) or "."
                return self._remember_(name, Symlink, lambda: Symlink(target), target)
            if len(chain) < manner.depth:
                return self._remember_(name, LiveDir, lambda: self._directory_(name, value))
        return self._remember_(name, LiveFile, lambda: self._file_(name, view, codec, value))

    def list(self) -> Iterable[str]:
        """The names at this moment."""
        with refusals():
            return self._view_().names()

    def create(self, name: str, mode: int) -> FileNode:
        """A new item, with the value that `new` makes."""
        made = self._insert_(name, self._manner_.new)
        if not isinstance(made, FileNode):
            raise refused(errno.EINVAL)
        return made

    def mkdir(self, name: str, mode: int) -> Dir:
        """A new item, with the value that `new_directory` makes."""
        made = self._insert_(name, self._manner_.new_directory)
        if not isinstance(made, Dir):
            raise refused(errno.EINVAL)
        return made

    def unlink(self, name: str) -> None:
        """Remove an item."""
        with refusals():
            self._growing_().remove(name)
        self._forget_(name)

    def rmdir(self, name: str) -> None:
        """Remove an item that is a directory: a mapping or a sequence only when it is empty."""
        with refusals():
            view = self._growing_()
            if _holds(view.get(name)):
                raise refused(errno.ENOTEMPTY)
            view.remove(name)
        self._forget_(name)

    def rename(self, name: str, directory: Dir, new_name: str, flags: int = 0) -> None:
        """Move an item. A file that comes over another one is stored into it: its text becomes a value of the
        type that is there.
        """
        if not isinstance(directory, LiveDir):
            raise refused(errno.EXDEV)
        if flags & ~1:  # RENAME_NOREPLACE was looked after
            raise refused(errno.EINVAL)
        source, target = self.lookup(name), directory.lookup(new_name)
        if source is target:
            return
        with refusals():
            view, into = self._growing_(), directory._view_()
            value = view.get(name)
            if directory._is_below_(value):
                raise refused(errno.EINVAL)
            if isinstance(target, LiveFile) and isinstance(source, LiveFile):
                before = into.get(new_name)
                if type(before) is not type(value):
                    value = target._codec_().decode(source.content())
                into.set(new_name, value)
            elif isinstance(target, Dir):
                if not isinstance(source, Dir):
                    raise refused(errno.EISDIR)
                directory.rmdir(new_name)
                directory._growing_().insert(new_name, value)
            elif target is not None:
                raise refused(errno.ENOTDIR if isinstance(source, Dir) else errno.EINVAL)
            else:
                directory._growing_().insert(new_name, value)
            view.remove(name)
        self._forget_(name)

    # ---- making nodes

    def _remember_(
        self, name: str, kind: type[Node], make: Callable[[], Node], target: str | None = None
    ) -> Node:
        """The node that is known by a name if it is still of the right kind, else a new one."""
        made: Node | None = None
        for _ in range(2):
            with gate(self):
                if self._known_ is None:
                    self._known_ = weakref.WeakValueDictionary()
                known = self._known_.get(name)
                if type(known) is kind and (
                    target is None or (isinstance(known, Symlink) and known.target == target)
                ):
                    return known
                if made is not None:
                    self._known_[name] = made
                    break
            made = make()  # with no lock held
        assert made is not None
        with LINKS:
            add_link(made, self, is_directory=False)
        return made

    def _forget_(self, name: str) -> None:
        """What is made under a name from now on is another file."""
        with gate(self):
            if self._known_ is not None:
                self._known_.pop(name, None)

    def _directory_(self, name: str, value: Any) -> LiveDir:
        return LiveDir(
            None,
            self._manner_,
            above=self,
            name=name,
            mode=directory_mode(view_of(value), self._manner_),
            uid=self.uid,
            gid=self.gid,
        )

    def _file_(self, name: str, view: View, codec: Codec | None, value: Any) -> LiveFile:
        writable = (
            self._manner_.writable and view.settable(name) and codec is not None and codec is not OPAQUE
        )
        return LiveFile(self, name, writable)

    def _function_(self, name: str, function: Any) -> Node:
        marked = getattr(function, MARK, None)
        if isinstance(marked, Marked):
            return marked.make(function)
        return ComputedFile(lambda: self._view_().get(name)())

    # ---- changing

    def _growing_(self) -> View:
        """The view, if names may be made and removed; else EROFS."""
        view = self._view_()
        if not (self._manner_.writable and view.grows):
            raise refused(errno.EROFS)
        return view

    def _insert_(self, name: str, new: Callable[[], Any]) -> Node:
        with refusals(errno.EINVAL):
            self._growing_().insert(name, new())
        made = self.lookup(name)
        if made is None:  # gone again, or kept under another name
            raise refused(errno.ENOENT)
        return made

    def _is_below_(self, value: Any) -> bool:
        return view_of(value) is not None and any(passed is value for passed in self._chain_())

    def _doc_(self) -> str | None:
        try:
            value = self._value_()
        except Exception:  # noqa: BLE001 - there is nothing to say of what is not there
            return None
        doc = class_doc(type(value)) if isinstance(view_of(value), ObjectView) else None
        # What dataclasses and named tuples write themselves says nothing.
        return None if doc is None or doc.startswith(f"{type(value).__name__}(") else doc

    # ---- for the program

    def child(self, name: str) -> Node | None:
        """The node of a name, or None."""
        return self.lookup(name)

    def keys(self) -> _Names:
        """The names at this moment."""
        return [*self.list()]

    def items(self) -> _Items:
        """Names and nodes at this moment."""
        return [(name, node) for name in self.list() if (node := self.lookup(name)) is not None]

    def __len__(self) -> int:
        return sum(1 for _ in self.list())

    def __setitem__(self, path: str, value: Any) -> None:
        directory, name = self._place_(path)
        if not isinstance(directory, LiveDir):
            directory[name] = value
            return
        view = directory._view_()
        try:
            view.get(name)
        except _MISSING:
            view.insert(name, value)
        else:
            view.set(name, value)

    def __delitem__(self, path: str) -> None:
        directory, name = self._place_(path)
        if not isinstance(directory, LiveDir):
            del directory[name]
            return
        directory._view_().remove(name)
        directory._forget_(name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._name_ or self._object_!r:.80}>"


def _holds(value: Any) -> bool:
    """Whether there is something in a directory that somebody could and should remove before it."""
    if isinstance(value, Dir):
        return any(not value.declares(name) for name in value)
    view = view_of(value)
    return view is not None and view.keeps and any(True for _ in view.names())
