"""Special files: `Fifo`, `Socket` and `Device`. The kernel serves what is opened there; nodes give the
place.
"""

from __future__ import annotations

import operator
import os
import stat
from typing import ClassVar

import attrs

from fusetree.nodes.base import Node, node_class

__all__ = ["Device", "Fifo", "Socket", "SpecialNode"]


def _check_rdev(rdev: int) -> int:
    rdev = operator.index(rdev)
    if not 0 <= rdev < 1 << 32:
        raise ValueError(f"{rdev:#x} is not a device number as os.makedev() makes them (32 bits)")
    return rdev


@node_class
class SpecialNode(Node):
    """What all special files have in common. Use `Fifo`, `Socket` or `Device`."""

    file_type: ClassVar[int] = stat.S_IFIFO

    _rdev_: int = attrs.field(default=0, alias="rdev", kw_only=True, converter=_check_rdev, repr=False)

    @property
    def rdev(self) -> int:
        """The device number; 0 for what is no device."""
        return self._rdev_


@node_class
class Fifo(SpecialNode):
    """A named pipe: the kernel connects those who open it.

    Arguments:
        mode: Permission bits.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.
    """

    file_type: ClassVar[int] = stat.S_IFIFO

    def __init__(
        self, mode: int = 0o666, *, uid: int | None = None, gid: int | None = None, ino: int = 0
    ) -> None:
        SpecialNode.__init__(self, mode=mode, uid=uid, gid=gid, ino=ino)


@node_class
class Socket(SpecialNode):
    """The place of a UNIX socket. What makes one is bind(2); a `Socket` that a program declares refuses
    connections.

    Arguments:
        mode: Permission bits.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.
    """

    file_type: ClassVar[int] = stat.S_IFSOCK

    def __init__(
        self, mode: int = 0o777, *, uid: int | None = None, gid: int | None = None, ino: int = 0
    ) -> None:
        SpecialNode.__init__(self, mode=mode, uid=uid, gid=gid, ino=ino)


@node_class
class Device(SpecialNode):
    """A character or block device. Opening it takes a mount with ``dev=True``.

    Arguments:
        rdev: The device number, as `os.makedev` makes it.
        mode: Permission bits.
        block: Whether it is a block device.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.
    """

    _block_: bool = attrs.field(default=False, alias="block", kw_only=True, converter=bool, repr=False)

    def __init__(
        self,
        rdev: int,
        mode: int = 0o600,
        *,
        block: bool = False,
        uid: int | None = None,
        gid: int | None = None,
        ino: int = 0,
    ) -> None:
        SpecialNode.__init__(self, mode=mode, uid=uid, gid=gid, ino=ino)
        self._rdev_ = _check_rdev(rdev)
        self._block_ = bool(block)

    @property
    def file_type(self) -> int:  # type: ignore[override]  # one class for both: the node never changes it
        """`stat.S_IFCHR` or `S_IFBLK`."""
        return stat.S_IFBLK if self._block_ else stat.S_IFCHR

    def __repr__(self) -> str:
        numbers = f"{os.major(self._rdev_)}:{os.minor(self._rdev_)}"
        return f"<{type(self).__name__} {'block' if self._block_ else 'character'} {numbers}>"
