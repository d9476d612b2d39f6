"""System calls of which the kernel makes events, on paths below an open directory of the mount.

Each is called by the announcing thread, and answered as `fusetree.adapter.announced` says.
"""

from __future__ import annotations

import ctypes
import os
import stat
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from fusetree.nodes.base import Node
    from fusetree.nodes.special import SpecialNode

__all__ = ["make", "move", "open_to_write", "remove", "set_times"]

_AT_SYMLINK_NOFOLLOW: Final = 0x100  # linux/fcntl.h
_UTIME_OMIT: Final = (1 << 30) - 2  # linux/stat.h
_RENAME_NOREPLACE: Final = 1  # linux/fs.h
_EXECUTABLE: Final = 0o111


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


_libc = ctypes.CDLL(None, use_errno=True)


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


def set_times(folder: int, path: bytes, atime_ns: int | None, mtime_ns: int) -> None:
    """utimensat(2), which os.utime() is not: it leaves no time as it is (None). The kernel says IN_MODIFY of
    a file whose mtime alone is set, else IN_ATTRIB.
    """
    times = (_Timespec * 2)()
    for time, value in zip(times, (atime_ns, mtime_ns), strict=True):
        if value is None:
            time.nanoseconds = _UTIME_OMIT
        else:
            time.seconds, time.nanoseconds = divmod(value, 1_000_000_000)
    if _libc.utimensat(folder, path, times, _AT_SYMLINK_NOFOLLOW) != 0:
        raise _error()


def open_to_write(folder: int, path: bytes) -> int | None:
    """Open a file that nothing is written to: closing it is IN_CLOSE_WRITE. None for files that may be
    executed: execve(2) fails (ETXTBSY) while a file is open to be written to.
    """
    if os.stat(path, dir_fd=folder, follow_symlinks=False).st_mode & _EXECUTABLE:
        return None
    return os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)


def make(folder: int, path: bytes, node: Node) -> None:
    """Make something of the node's type."""
    if node.file_type == stat.S_IFDIR:
        os.mkdir(path, 0o700, dir_fd=folder)
    elif node.file_type == stat.S_IFLNK:
        os.symlink(b"-", path, dir_fd=folder)
    else:
        device = node.file_type in (stat.S_IFCHR, stat.S_IFBLK)
        number = cast("SpecialNode", node).rdev if device else 0
        os.mknod(path, node.file_type | 0o600, number, dir_fd=folder)


def remove(folder: int, path: bytes, node: Node) -> None:
    """Remove something of the node's type."""
    (os.rmdir if node.file_type == stat.S_IFDIR else os.unlink)(path, dir_fd=folder)


def move(folder: int, path: bytes, new_path: bytes) -> None:
    """renameat2(2), onto a name that is free: the kernel must not take what it remembers there for replaced,
    which would be the end of a directory.
    """
    if _libc.renameat2(folder, path, folder, new_path, ctypes.c_uint(_RENAME_NOREPLACE)) != 0:
        raise _error()
