"""`MemoryDir`: a directory in which programs may do whatever they may do on a disk."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from fusetree.nodes.attributes import FileSystemSize
from fusetree.nodes.auto import as_node
from fusetree.nodes.base import check_mode, node_class
from fusetree.nodes.directory import Dir
from fusetree.nodes.memory.file import MemoryFile
from fusetree.nodes.memory.member import MemoryMember
from fusetree.nodes.memory.space import PAGE, Space
from fusetree.nodes.special import SpecialNode
from fusetree.nodes.symlink import Symlink, check_target

if TYPE_CHECKING:
    import os

    from fusetree.nodes.base import Node

__all__ = ["MemoryDir"]


@node_class
class MemoryDir(MemoryMember, Dir):
    """A writable directory in memory: the top of a complete POSIX file system.

    Files, directories, symbolic and hard links, special files, sparse files, extended attributes, locks and
    all flags of rename(2) work as on a disk. What programs make in it is of the same kind and on the same
    account. The program itself uses it as any `Dir`; text and bytes become a `MemoryFile` in it, and a
    mapping a `MemoryDir`.

    Arguments:
        children: What it holds at first.
        mode: Permission bits.
        max_bytes: How many bytes the contents of all files may take, in pages of 4096; more is ENOSPC. None:
            as many as the machine has.
        max_inodes: How many files and directories there may be, this one included; more is ENOSPC. None: any
            number.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.

    Raises:
        OSError: ENOSPC, the children do not fit.
    """

    _mode_: int = attrs.field(default=0o755, alias="mode", kw_only=True, converter=check_mode, repr=False)
    _space_: Space | None = attrs.field(init=False, default=None, repr=False)
    _xattrs_: dict[str, bytes] | None = attrs.field(init=False, default=None, repr=False)
    # Set before the last name goes, and never reset.
    _removed_: bool = attrs.field(init=False, default=False, repr=False)

    def __init__(
        self,
        children: Mapping[str, Any] | None = None,
        mode: int = 0o755,
        *,
        max_bytes: int | None = None,
        max_inodes: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        ino: int = 0,
    ) -> None:
        self._begin_(children, mode, Space(max_bytes, max_inodes), uid=uid, gid=gid, ino=ino)

    def _begin_(self, children: Mapping[str, Any] | None, mode: int, space: Space, **owner: Any) -> None:
        self._space_ = None
        self._xattrs_ = None
        self._removed_ = False
        self._join_(space)
        Dir.__init__(self, children, mode, **owner)
        self._start_()

    def __attrs_post_init__(self) -> None:
        self._join_(Space())
        Dir.__attrs_post_init__(self)
        self._start_()

    @property
    def _account_of_(self) -> Space:
        space = self._space_
        assert space is not None  # since it was made
        return space

    def _child_dir_(self, children: Mapping[str, Any] | None, mode: int) -> MemoryDir:
        """A directory on the same account."""
        made = MemoryDir.__new__(MemoryDir)
        made._begin_(children, mode, self._account_of_)
        return made

    def _as_child_(self, value: Any) -> Node:
        if isinstance(value, (bytes, bytearray, memoryview, str)):
            value = MemoryFile(value)
        elif isinstance(value, Mapping):
            return self._child_dir_(value, 0o755)
        node = as_node(value)
        if isinstance(node, MemoryMember):
            node._join_(self._account_of_)
        return node

    @property
    def nlink(self) -> int:
        """2 and one for each directory in it; 0 when it was removed."""
        return 0 if self._removed_ else Dir.nlink.fget(self)  # type: ignore[attr-defined]  # a property

    # ---- capabilities: returning allows, and the library does it

    def create(self, name: str, mode: int) -> MemoryFile:
        """A file."""
        made = MemoryFile(mode=mode)
        made._join_(self._account_of_)
        return made

    def tmpfile(self, mode: int, flags: int) -> MemoryFile:
        """A file that has no name yet."""
        return self.create("", mode)

    def mkdir(self, name: str, mode: int) -> Dir:
        """A directory."""
        return self._child_dir_(None, mode)

    def mknod(self, name: str, mode: int, rdev: int) -> Node:
        """A named pipe, socket or device."""
        made = _MEMORY_SPECIAL[stat.S_IFMT(mode)](mode=mode & 0o7777, rdev=rdev)
        made._join_(self._account_of_)
        return made

    def symlink(self, name: str, target: str) -> Node:
        """A symbolic link."""
        made = MemorySymlink(target)
        made._join_(self._account_of_)
        return made

    def link(self, name: str, node: Node) -> None:
        """Any file may have any number of names."""

    def unlink(self, name: str) -> None:
        """Any name may go."""

    def rmdir(self, name: str) -> None:
        """Any empty directory may go."""
        _mark_removed(self.child(name))

    def rename(self, name: str, directory: Dir, new_name: str, flags: int) -> None:
        """Any name may move."""
        replaced = directory.child(new_name)
        moving = self.child(name)
        if flags or replaced is moving or not isinstance(moving, Dir):
            return
        if isinstance(replaced, Dir) and not len(replaced):
            _mark_removed(replaced)

    def statfs(self) -> FileSystemSize:
        """What the account says."""
        space = self._account_of_
        blocks, used, files = space.total_bytes // PAGE, -(-space.used_bytes // PAGE), space.free_inodes
        return FileSystemSize(
            block_size=PAGE,
            blocks=blocks,
            free_blocks=max(0, blocks - used),
            files=space.used_inodes + files,
            free_files=files,
        )


def _mark_removed(directory: Node | None) -> None:
    if isinstance(directory, MemoryDir):
        directory._removed_ = True


@node_class
class MemorySymlink(MemoryMember, Symlink):
    """A symbolic link that a program made."""

    _space_: Space | None = attrs.field(init=False, default=None, repr=False)
    _xattrs_: dict[str, bytes] | None = attrs.field(init=False, default=None, repr=False)

    def __init__(self, target: str | os.PathLike[str]) -> None:
        Symlink.__init__(self, check_target(target))
        self._space_ = None
        self._xattrs_ = None
        self._start_()


@node_class
class MemorySpecial(MemoryMember, SpecialNode):
    """A special file that a program made; a class for each type."""

    _space_: Space | None = attrs.field(init=False, default=None, repr=False)
    _xattrs_: dict[str, bytes] | None = attrs.field(init=False, default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        self._start_()


@node_class
class MemorySocket(MemorySpecial):
    """A socket that a program bound."""

    file_type: ClassVar[int] = stat.S_IFSOCK


@node_class
class MemoryCharacterDevice(MemorySpecial):
    """A character device."""

    file_type: ClassVar[int] = stat.S_IFCHR


@node_class
class MemoryBlockDevice(MemorySpecial):
    """A block device."""

    file_type: ClassVar[int] = stat.S_IFBLK


_MEMORY_SPECIAL: dict[int, type[MemorySpecial]] = {
    stat.S_IFIFO: MemorySpecial,
    stat.S_IFSOCK: MemorySocket,
    stat.S_IFCHR: MemoryCharacterDevice,
    stat.S_IFBLK: MemoryBlockDevice,
}
