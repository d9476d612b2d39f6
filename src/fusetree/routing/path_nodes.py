"""The nodes of whole paths: each knows its directory and its name, and calls the handlers with the path.

The methods that are capabilities have an underscore at both ends here; the classes that a `PathTree` makes
have those of them whose handlers are defined, under their own names.

A handler that did not find a path which changed meanwhile, since a directory above it was renamed, is called
again with the new one.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs

from fusetree.nodes import Attributes, FileNode, Node, Symlink
from fusetree.nodes.base import node_class
from fusetree.nodes.owed import Owed
from fusetree.nodes.refusals import refused
from fusetree.nodes.special import SpecialNode
from fusetree.routing.path_values import checked, is_missing, time_of, told_by
from fusetree.routing.positions import Position
from fusetree.routing.steps import stepwise

if TYPE_CHECKING:
    from fusetree.routing.path_dirs import PathDir
    from fusetree.routing.path_handles import PathHandle
    from fusetree.routing.path_tree import PathTree

    _Base = Node
else:
    _Base = object

__all__ = [
    "DIRECTORY_METHODS",
    "FILE_METHODS",
    "MEMBER_METHODS",
    "PathFile",
    "PathLink",
]

Steps = Generator[Any, Any, Any]

#: The capabilities of each kind of nodes, and the handlers of which one is enough to have them.
MEMBER_METHODS: Final[dict[str, tuple[str, ...]]] = {
    "getattr": (),
    "setattr": ("chmod", "chown", "truncate", "utimens"),
    "access": ("access",),
    "getxattr": ("getxattr",),
    "listxattr": ("listxattr",),
    "setxattr": ("setxattr",),
    "removexattr": ("removexattr",),
}
DIRECTORY_METHODS: Final[dict[str, tuple[str, ...]]] = {
    "create": ("create", "mknod"),
    "mkdir": ("mkdir",),
    "mknod": ("mknod",),
    "symlink": ("symlink",),
    "link": ("link",),
    "unlink": ("unlink",),
    "rmdir": ("rmdir",),
    "rename": ("rename",),
    "statfs": ("statfs",),
    "fsync": ("fsyncdir",),
}
FILE_METHODS: Final[dict[str, tuple[str, ...]]] = {
    # What is removed while it is open must be known to be open.
    "open": (
        *("open", "create", "release", "flush", "fsync", "unlink", "rename"),
        *("fallocate", "lseek", "ioctl", "poll", "copy_file_range", "lock", "flock"),
    ),
    "read": ("read",),
    "write": ("write",),
}


class PathMember(_Base):
    """Mixed into each class of such nodes."""

    __slots__ = ()

    if TYPE_CHECKING:
        _position_: Position

    @property
    def ttl(self) -> float:
        return self._position_.tree.operations.ttl

    @property
    def nlink(self) -> int:
        """How many names of it are known; `getattr` may know of more."""
        return max(1, len(self._position_.names))

    def _ask_(self, handler: Any, *arguments: Any) -> Any:
        """Call a handler with the path, and what it is to get besides."""
        position = self._position_
        path = position.path()
        try:
            result = handler(path, *arguments)
        except OSError as error:
            if not is_missing(error):
                raise
            now = position.path()
            if now == path:
                raise
            result = handler(now, *arguments)
        if type(result) is CoroutineType:
            return self._ask_later_(Owed(result), path, handler, arguments)
        return checked(result)

    async def _ask_later_(self, owed: Owed, path: str, handler: Any, arguments: tuple[Any, ...]) -> Any:
        try:
            return checked(await owed.coroutine)
        except OSError as error:
            if not is_missing(error):
                raise
            now = self._position_.path()
            if now == path:
                raise
            return checked(await handler(now, *arguments))

    def _getattr_(self) -> Any:
        """What the handler says."""
        position = self._position_
        getattr_ = position.tree.operations.getattr
        if position.removed and position.handles:
            found = self._ask_(getattr_, position.handles[-1].fh)
        else:
            found = self._ask_(getattr_)
        return self._getattr_later_(Owed(found)) if type(found) is CoroutineType else self._told_(found)

    async def _getattr_later_(self, owed: Owed) -> Attributes:
        return self._told_(await owed.coroutine)

    def _told_(self, found: Any) -> Attributes:
        """Attributes, of what the handler said."""
        file_type, _, _, told = told_by(found, self._position_.tree.operations.use_ns)
        if file_type != self.file_type:
            raise refused(errno.ESTALE)  # something else has this path now
        return self._counted_(told)

    def _counted_(self, told: Attributes) -> Attributes:
        """The same with the number of names, if more are known than the handler told of."""
        position = self._position_
        if position.removed:
            return attrs.evolve(told, nlink=0)
        names = position.names
        if len(names) > 1 and (told.nlink or 1) < len(names):
            return attrs.evolve(told, nlink=len(names))
        return told

    @stepwise
    def _setattr_(self, changes: Attributes) -> Steps:
        """Call the handlers for what is to change; EROFS for what has none."""
        tree = self._position_.tree
        operations = tree.operations
        wanted = (
            ("chmod", changes.mode is not None),
            ("chown", changes.uid is not None or changes.gid is not None),
            ("truncate", changes.size is not None),
            ("utimens", changes.atime_ns is not None or changes.mtime_ns is not None),
        )
        for name, is_wanted in wanted:
            if is_wanted and name not in tree.defined:
                raise refused(errno.EROFS)
        if changes.mode is not None:
            yield self._ask_(operations.chmod, changes.mode | self.file_type)
        if changes.uid is not None or changes.gid is not None:
            uid = -1 if changes.uid is None else changes.uid
            gid = -1 if changes.gid is None else changes.gid
            yield self._ask_(operations.chown, uid, gid)
        if changes.size is not None:
            position = self._position_
            if position.removed and position.handles:
                yield self._ask_(operations.truncate, changes.size, position.handles[-1].fh)
            else:
                yield self._ask_(operations.truncate, changes.size)
        if changes.atime_ns is not None or changes.mtime_ns is not None:
            times = (changes.atime_ns, changes.mtime_ns)
            if None in times:  # the other one stays
                found = yield self._getattr_()
                times = (
                    found.atime_ns or 0 if changes.atime_ns is None else changes.atime_ns,
                    found.mtime_ns or 0 if changes.mtime_ns is None else changes.mtime_ns,
                )
            given = tuple(time_of(ns or 0, in_ns=operations.use_ns) for ns in times)
            yield self._ask_(operations.utimens, given)
        self._tell_if_kept_()

    def _tell_if_kept_(self) -> None:
        """Something has changed, of which more may be kept than the kernel has thrown away by itself."""
        if self._position_.tree.operations.ttl:
            self.changed()

    @stepwise
    def _access_(self, mask: int) -> Steps:
        """Whether the handler lets it."""
        try:
            yield self._ask_(self._position_.tree.operations.access, mask)
        except PermissionError:
            return False
        return True

    def _getxattr_(self, name: str) -> Any:
        """What the handler says."""
        return self._ask_(self._position_.tree.operations.getxattr, name)

    @stepwise
    def _listxattr_(self) -> Steps:
        """What the handler says."""
        names = yield self._ask_(self._position_.tree.operations.listxattr)
        return names or ()

    def _setxattr_(self, name: str, value: bytes) -> Any:
        """Let the handler set it."""
        return self._ask_(self._position_.tree.operations.setxattr, name, value, 0)

    def _removexattr_(self, name: str) -> Any:
        """Let the handler remove it."""
        return self._ask_(self._position_.tree.operations.removexattr, name)

    def __repr__(self) -> str:
        position = self._position_
        return f"<{type(self).__name__} {position.path()!r}{', removed' if position.removed else ''}>"


# ----------------------------------------------------------------------------------------- files


@node_class
class PathFile(PathMember, FileNode):
    """A file by its path."""

    _position_: Position
    # What `create` returned, for the open that follows; None when there is nothing.
    _created_: tuple[Any] | None

    def __init__(self, tree: PathTree, directory: PathDir | None, name: str, ino: int = 0) -> None:
        FileNode.__init__(self, mode=0o644, ino=ino)
        self._position_ = Position(tree, directory, name)
        self._created_ = None

    @property
    def writable(self) -> bool:
        return "write" in self._position_.tree.defined

    def _open_(self, flags: int) -> Any:
        """A handle with what the handler returned."""
        created = self._created_
        if created is not None:
            self._created_ = None
            return self._opened_as_(created[0])
        tree = self._position_.tree
        if not tree.opens:
            return self._opened_as_(0)
        fh = self._ask_(tree.operations.open, flags & ~(os.O_TRUNC | os.O_CREAT | os.O_EXCL))
        return self._open_later_(Owed(fh)) if type(fh) is CoroutineType else self._opened_as_(fh)

    async def _open_later_(self, owed: Owed) -> PathHandle:
        return self._opened_as_(await owed.coroutine)

    def _opened_as_(self, fh: Any) -> PathHandle:
        position = self._position_
        tree = position.tree
        handle: PathHandle = tree.handle_class(self, 0 if fh is None else fh)
        if tree.tracks:
            with tree.lock:
                position.handles = (*position.handles, handle)
        return handle

    def _read_(self, size: int, offset: int) -> Any:
        """What the handler reads, without an open."""
        return self._ask_(self._position_.tree.operations.read, size, offset, 0)

    def _write_(self, data: bytes, offset: int) -> Any:
        """What the handler writes, without an open."""
        return self._write_through_(data, offset, 0)

    def _write_through_(self, data: bytes, offset: int, fh: Any) -> Any:
        operations = self._position_.tree.operations
        written = self._ask_(operations.write, data, offset, fh)
        if operations.ttl:
            return self._then_tell_(written)
        return written

    @stepwise
    def _then_tell_(self, written: Any) -> Steps:
        written = yield written
        self.changed()
        return written


# ----------------------------------------------------------------------------------------- others


@node_class
class PathLink(PathMember, Symlink):
    """A symbolic link by its path."""

    _position_: Position
    # Size and time of the target that the kernel may have kept.
    _mark_: tuple[int | None, int | None]

    def __init__(self, tree: PathTree, directory: PathDir | None, name: str, ino: int = 0) -> None:
        Symlink.__init__(self, "?", ino=ino)
        self._position_ = Position(tree, directory, name)
        self._mark_ = (None, None)

    @property  # type: ignore[misc]  # it is the handler's to say
    def target(self) -> str:
        """The target at this moment."""
        found: str = self.readlink()
        return found

    def readlink(self) -> Any:
        """What the handler says; EINVAL when there is none."""
        tree = self._position_.tree
        if "readlink" not in tree.defined:
            raise refused(errno.EINVAL)
        return self._ask_(tree.operations.readlink)


@node_class
class PathSpecial(PathMember, SpecialNode):
    """A special file by its path; a class for each type."""

    _position_: Position

    def __init__(self, tree: PathTree, directory: PathDir | None, name: str, ino: int = 0) -> None:
        SpecialNode.__init__(self, mode=0o600, ino=ino)
        self._position_ = Position(tree, directory, name)


def special_class(file_type: int) -> type[PathSpecial]:
    """The base of special files of a type."""
    return {
        stat.S_IFIFO: PathSpecial,
        stat.S_IFSOCK: PathSocket,
        stat.S_IFCHR: PathCharacterDevice,
        stat.S_IFBLK: PathBlockDevice,
    }[file_type]


class PathSocket(PathSpecial):
    """A socket."""

    __slots__ = ()
    file_type: ClassVar[int] = stat.S_IFSOCK


class PathCharacterDevice(PathSpecial):
    """A character device."""

    __slots__ = ()
    file_type: ClassVar[int] = stat.S_IFCHR


class PathBlockDevice(PathSpecial):
    """A block device."""

    __slots__ = ()
    file_type: ClassVar[int] = stat.S_IFBLK
