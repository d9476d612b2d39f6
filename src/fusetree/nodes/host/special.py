"""Symbolic links and special files of the host. A link is shown as it is: who follows it is the kernel of the
program that asks, from the place where it is shown.
"""

from __future__ import annotations

import errno
import os
import stat
import weakref
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from fusetree.nodes.base import Node, node_class
from fusetree.nodes.host.member import HostMember
from fusetree.nodes.refusals import refused
from fusetree.nodes.special import SpecialNode
from fusetree.nodes.symlink import Symlink

if TYPE_CHECKING:
    from fusetree.nodes.host.directory import HostDir
    from fusetree.nodes.host.inodes import HostInode
    from fusetree.nodes.host.tree import HostTree

__all__ = ["SPECIAL", "HostSpecial", "HostSymlink"]


@node_class
class HostSymlink(HostMember, Symlink):
    """A symbolic link of the host."""

    _host_: HostTree = attrs.field(init=False, repr=False)
    _inode_: HostInode = attrs.field(init=False, repr=False)
    _shown_: weakref.ref[Node] | None = attrs.field(init=False, default=None, repr=False)

    def __init__(self, host: HostTree, inode: HostInode, above: HostDir | None) -> None:
        Node.__init__(self)
        self._start_(host, inode, above)

    def readlink(self) -> str:
        """The target on the host."""
        return os.readlink(b"", dir_fd=self._inode_.descriptor()).decode("utf-8", "surrogateescape")

    @property
    def target(self) -> str:
        """The path it stands for."""
        return self.readlink()

    @target.setter
    def target(self, target: str | os.PathLike[str]) -> None:
        raise refused(errno.EPERM)  # no system call changes it


@node_class
class HostSpecial(HostMember, SpecialNode):
    """A named pipe of the host, and with a class for each all other special files."""

    _host_: HostTree = attrs.field(init=False, repr=False)
    _inode_: HostInode = attrs.field(init=False, repr=False)
    _shown_: weakref.ref[Node] | None = attrs.field(init=False, default=None, repr=False)

    def __init__(self, host: HostTree, inode: HostInode, above: HostDir | None) -> None:
        SpecialNode.__init__(self)
        self._start_(host, inode, above)

    @property
    def rdev(self) -> int:
        return self._inode_.stat.st_rdev


class HostSocket(HostSpecial):
    """A socket."""

    __slots__ = ()
    file_type: ClassVar[int] = stat.S_IFSOCK


class HostCharacterDevice(HostSpecial):
    """A character device."""

    __slots__ = ()
    file_type: ClassVar[int] = stat.S_IFCHR


class HostBlockDevice(HostSpecial):
    """A block device."""

    __slots__ = ()
    file_type: ClassVar[int] = stat.S_IFBLK


#: The class of each type of special file.
SPECIAL: Final[dict[int, type[HostSpecial]]] = {
    stat.S_IFIFO: HostSpecial,
    stat.S_IFSOCK: HostSocket,
    stat.S_IFCHR: HostCharacterDevice,
    stat.S_IFBLK: HostBlockDevice,
}
