"""`WrapDir`: a directory shown through another, and with it all that is below."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from fusetree.nodes.base import Node, node_class
from fusetree.nodes.directory import Dir
from fusetree.nodes.filenode import FileNode
from fusetree.nodes.wrapping import passing
from fusetree.nodes.wrapping.file import WrapFile
from fusetree.nodes.wrapping.fresh import widened
from fusetree.nodes.wrapping.leaves import WrapSpecial, WrapSymlink
from fusetree.nodes.wrapping.members import WrapMember, unwrapped
from fusetree.nodes.wrapping.passing import then

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from fusetree.nodes.attributes import FileSystemSize
    from fusetree.nodes.wrapping.tree import WrapTree

__all__ = ["WrapDir"]

# In a class that has a method `list`, the name means that.
_Names = list[str]
_Items = list[tuple[str, Node]]


@node_class
class WrapDir(WrapMember, Dir):
    """A directory shown through another, with all that is below it: what is asked of it is asked of the node
    inside, and whatever that answers is wrapped as well.

    A subclass changes what it overrides: `to_inner` and `to_outer` rename, `shows` hides, `passing` refuses,
    logs or counts, `file_class` and its handles change what is read and written, and each capability
    (fusetree.nodes.capabilities) can be overridden by itself. Any directory can be inside: declared ones,
    trees in memory, live objects, directories of the host.

    One node inside has one wrapper, so hard links stay hard links. When the program changes a node inside, a
    mount of the wrapper is told. Names and attributes are kept by the kernel for `ttl` seconds, which is 0:
    a class that answers always the same while nothing changes inside may say ``ttl = math.inf``.

    Arguments:
        inner: The directory inside.
        above: The wrapper that asks for it; None begins a tree of wrappers.
    """

    #: What wraps regular files.
    file_class: ClassVar[type[WrapFile]] = WrapFile
    #: What wraps symbolic links.
    symlink_class: ClassVar[type[WrapSymlink]] = WrapSymlink

    _inner_: Any = attrs.field(init=False, default=None, repr=False)
    _wrapped_: WrapTree = attrs.field(init=False, repr=False)

    def __init__(self, inner: Dir, above: WrapMember | None = None) -> None:
        if getattr(inner, "file_type", None) != stat.S_IFDIR:
            raise TypeError(f"a WrapDir wraps a directory node, not {type(inner).__name__}")
        Dir.__init__(self)
        self._wrap_(inner, above)

    # ---- what subclasses change

    def to_inner(self, name: str) -> str:
        """The name inside of a name that programs use. It only computes: it may be called with locks held."""
        return name

    def to_outer(self, name: str) -> str:
        """The name that programs use for a name inside; the inverse of `to_inner`."""
        return name

    def shows(self, name: str) -> bool:
        """Whether a name (as programs would use it) is there at all: what is not shown is neither found nor
        listed, and cannot be made (EACCES).
        """
        return True

    def wrap(self, inner: Node, name: str) -> Node | None:
        """The wrapper for a node inside that has none yet: by default of this class for a directory, of
        `file_class` for a file. The node itself may come back, then it is shown as it is, or None, then it is
        not found.

        Arguments:
            inner: The node inside.
            name: The name under which it was found, as programs use it.
        """
        if isinstance(inner, Dir):
            return type(self)(inner, self)
        if isinstance(inner, FileNode):
            return self.file_class(inner, self)
        if passing.is_link(inner):
            return self.symlink_class(inner, self)
        return WrapSpecial(inner, self)

    # ---- names

    def _wrapper_(self, inner: Any, name: str) -> Any:
        if inner is None:
            return None
        return self._wrapped_.wrapped(inner, lambda: self.wrap(inner, name))

    def _place_for_(self, name: str) -> str:
        if not self.shows(name):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return self.to_inner(name)

    def lookup(self, name: str) -> Any:
        """The wrapper of what has the name inside, or None."""
        self._pass_("lookup", name)
        return self._lookup_(name)

    def _lookup_(self, name: str) -> Any:
        if not self.shows(name):
            return None
        found = passing.lookup(self._inner_, self.to_inner(name))
        return then(found, lambda inner: self._wrapper_(inner, name))

    def list(self) -> Any:
        """The names inside, as programs use them, with the nodes inside, which have the same types and inode
        numbers as their wrappers.
        """
        self._pass_("list")
        return then(passing.listing(self._inner_), self._outer_)

    def _outer_(self, listed: Any) -> Any:
        return self._outer_later_(listed) if hasattr(listed, "__aiter__") else self._outer_now_(listed)

    def _outer_now_(self, listed: Iterable[Any]) -> Iterator[Any]:
        for taken in listed:
            shown = self._shown_(taken)
            if shown is not None:
                yield shown

    async def _outer_later_(self, listed: Any) -> AsyncIterator[Any]:
        async for taken in listed:
            shown = self._shown_(taken)
            if shown is not None:
                yield shown

    def _shown_(self, taken: Any) -> Any:
        name, *node = (taken,) if isinstance(taken, str) else taken
        outer = self.to_outer(name)
        if not self.shows(outer):
            return None
        return (outer, *node) if node else outer

    # ---- changing names

    def create(self, name: str, mode: int) -> Any:
        """A new file inside, wrapped."""
        self._pass_("create", name, mode)
        made = passing.create(self._inner_, self._place_for_(name), mode)
        return then(made, lambda inner: self._wrapper_(inner, name))

    def create_open(self, name: str, mode: int, flags: int) -> Any:
        """A new file inside, wrapped, and opened where the directory inside makes and opens in one step.
        `passing` hears of it as "create" and "open".
        """
        self._pass_("create", name, mode)
        made = passing.create_open(self._inner_, self._place_for_(name), mode, widened(flags))
        return then(made, lambda made: self._wrapped_open_(made, name, flags))

    def tmpfile(self, mode: int, flags: int) -> Any:
        """A new file inside that has no name, wrapped: `wrap` is called with the name "". The name that it
        may get later goes through `link`.
        """
        self._pass_("tmpfile", mode, flags)
        made = passing.tmpfile(self._inner_, mode, widened(flags))
        return then(made, lambda made: self._wrapped_open_(made, "", flags))

    def _wrapped_open_(self, made: tuple[Any, object | None], name: str, flags: int) -> Any:
        """The wrapper of a file that was just made, and what is open of it."""
        inner, opened = made
        wrapper = self._wrapper_(inner, name)
        if opened is None or wrapper is inner:
            return wrapper, opened
        if isinstance(wrapper, WrapFile) and wrapper.inner is inner:
            return then(wrapper._opened_by_(opened, flags, widened(flags)), lambda handle: (wrapper, handle))
        # Something else is shown, which is opened as any.
        releasing = passing.capability(opened, "release")
        return then(None if releasing is None else releasing(), lambda _: (wrapper, None))

    def mkdir(self, name: str, mode: int) -> Any:
        """A new directory inside, wrapped."""
        self._pass_("mkdir", name, mode)
        made = passing.mkdir(self._inner_, self._place_for_(name), mode)
        return then(made, lambda inner: self._wrapper_(inner, name))

    def mknod(self, name: str, mode: int, rdev: int) -> Any:
        """A new special file inside, wrapped."""
        self._pass_("mknod", name, mode, rdev)
        made = passing.mknod(self._inner_, self._place_for_(name), mode, rdev)
        return then(made, lambda inner: self._wrapper_(inner, name))

    def symlink(self, name: str, target: str) -> Any:
        """A new symbolic link inside, wrapped."""
        self._pass_("symlink", name, target)
        made = passing.symlink(self._inner_, self._place_for_(name), target)
        return then(made, lambda inner: self._wrapper_(inner, name))

    def link(self, name: str, node: Node) -> Any:
        """One more name inside."""
        self._pass_("link", name, node)
        return passing.link(self._inner_, self._place_for_(name), unwrapped(node))

    def unlink(self, name: str) -> Any:
        """A name inside goes."""
        self._pass_("unlink", name)
        return passing.unlink(self._inner_, self.to_inner(name))

    def rmdir(self, name: str) -> Any:
        """A directory inside goes."""
        self._pass_("rmdir", name)
        return passing.rmdir(self._inner_, self.to_inner(name))

    def rename(self, name: str, directory: Dir, new_name: str, flags: int) -> Any:
        """A name inside moves."""
        self._pass_("rename", name, directory, new_name, flags)
        if not isinstance(directory, WrapDir) or directory._wrapped_ is not self._wrapped_:
            passing.refuse(errno.EXDEV)
        new = directory._place_for_(new_name)
        return passing.rename(self._inner_, self.to_inner(name), directory._inner_, new, flags)

    def statfs(self) -> FileSystemSize:
        """What the directory inside says."""
        self._pass_("statfs")
        size: FileSystemSize = passing.statfs(self._inner_)
        return size

    # ---- for the program

    def declares(self, name: str) -> bool:
        declares: bool = self._inner_.declares(self.to_inner(name))
        return declares

    def child(self, name: str) -> Node | None:
        """The wrapper of a name, or None."""
        found: Node | None = self._lookup_(name)
        return found

    def keys(self) -> _Names:
        """The names at this moment."""
        return [shown if isinstance(shown, str) else shown[0] for shown in self._listed_()]

    def _listed_(self) -> Iterable[Any]:
        return self._outer_now_(passing.listing(self._inner_))

    def items(self) -> _Items:
        """Names and wrappers at this moment."""
        return [(name, node) for name in self.keys() if (node := self.child(name)) is not None]

    def __len__(self) -> int:
        return sum(1 for _ in self._listed_())

    def __setitem__(self, path: str, value: Any) -> None:
        directory, name = self._place_(path)
        if isinstance(directory, WrapDir):
            directory._inner_[directory.to_inner(name)] = (
                unwrapped(value) if isinstance(value, Node) else value
            )
        else:
            directory[name] = value

    def __delitem__(self, path: str) -> None:
        directory, name = self._place_(path)
        if isinstance(directory, WrapDir):
            if not directory.shows(name):
                raise KeyError(path)
            del directory._inner_[directory.to_inner(name)]
        else:
            del directory[name]

    def move(self, old: str, new: str) -> None:
        """Refused: move it in the directory inside."""
        raise TypeError("names of a wrapped directory are moved in the directory inside")
