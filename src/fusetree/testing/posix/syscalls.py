"""System calls of Linux that Python has no function for, each raising ``OSError``.

They go through the C library where that has them, else by number; what this machine's table of numbers lacks
is ENOSYS.  While a call waits, other threads run.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from typing import Any

_libc: Any = ctypes.CDLL(None, use_errno=True)
_libc.opendir.restype = ctypes.c_void_p
_libc.readdir64.restype = ctypes.c_void_p
_libc.telldir.restype = ctypes.c_long
_libc.syscall.restype = ctypes.c_long

AT_FDCWD = -100
AT_SYMLINK_FOLLOW = 0x400
AT_EMPTY_PATH = 0x1000

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2

FALLOC_FL_KEEP_SIZE = 1
FALLOC_FL_PUNCH_HOLE = 2
FALLOC_FL_ZERO_RANGE = 16

UTIME_NOW = (1 << 30) - 1
UTIME_OMIT = (1 << 30) - 2

F_OFD_GETLK = 36
F_OFD_SETLK = 37
F_OFD_SETLKW = 38

# linux's tables of system calls: setgroups, setresuid, setresgid, renameat2
_NUMBERS = {
    "x86_64": (116, 117, 119, 316),
    "aarch64": (159, 147, 149, 276),
    "riscv64": (159, 147, 149, 276),
    "ppc64le": (81, 164, 169, 357),
    "s390x": (206, 208, 210, 347),
}


def _checked(result: int, what: object = None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def _number(index: int) -> int:
    try:
        return _NUMBERS[platform.machine()][index]
    except KeyError:
        raise OSError(
            errno.ENOSYS, f"numbers of system calls on {platform.machine()} are not known"
        ) from None


def become(uid: int, gid: int, groups: tuple[int, ...] = ()) -> None:
    """Give the calling thread, and no other, these ids for good (the C library's functions change all
    threads).
    """
    c_groups = (ctypes.c_uint * max(len(groups), 1))(*groups)
    _checked(_libc.syscall(_number(0), len(groups), c_groups))
    _checked(_libc.syscall(_number(2), gid, gid, gid))
    _checked(_libc.syscall(_number(1), uid, uid, uid))


def renameat2(old: str, new: str, flags: int) -> None:
    """renameat2(2) with both paths as they are."""
    c_old, c_new = os.fsencode(old), os.fsencode(new)
    _checked(_libc.syscall(_number(3), AT_FDCWD, c_old, AT_FDCWD, c_new, flags), new)


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    """fallocate(2); offset and length in bytes."""
    _checked(_libc.fallocate64(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)))


def utimensat(path: str, atime: tuple[int, int], mtime: tuple[int, int], flags: int = 0) -> None:
    """utimensat(2); times as (seconds, nanoseconds), where the nanoseconds may be UTIME_NOW or UTIME_OMIT."""
    times = (ctypes.c_long * 4)(*atime, *mtime)
    _checked(_libc.utimensat(AT_FDCWD, os.fsencode(path), times, flags), path)


def link_following(old: str, new: str) -> None:
    """linkat(2) with AT_SYMLINK_FOLLOW; ``os.link`` calls link(2) for that, which follows nothing."""
    _checked(_libc.linkat(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), AT_SYMLINK_FOLLOW), new)


def linkat_empty(fd: int, new: str) -> None:
    """linkat(2) with AT_EMPTY_PATH: a name for an open file.  Takes CAP_DAC_READ_SEARCH."""
    _checked(_libc.linkat(fd, b"", AT_FDCWD, os.fsencode(new), AT_EMPTY_PATH), new)


class DirectoryStream:
    """opendir(3) and what belongs to it.  A context manager.

    ``telldir`` and ``seekdir`` are the C library's; positions are valid for this stream only.
    """

    def __init__(self, path: str) -> None:
        self._stream = ctypes.c_void_p(_libc.opendir(os.fsencode(path)))
        if self._stream.value is None:
            _checked(-1, path)

    def __enter__(self) -> DirectoryStream:
        return self

    def __exit__(self, *exc: object) -> None:
        _libc.closedir(self._stream)

    def read(self) -> str | None:
        """The next name, or None at the end."""
        ctypes.set_errno(0)
        entry = _libc.readdir64(self._stream)
        if not entry:
            if ctypes.get_errno():
                _checked(-1)
            return None
        # struct dirent64: d_ino, d_off (8 bytes each), d_reclen (2), d_type (1), d_name
        return os.fsdecode(ctypes.string_at(entry + 19))

    def rest(self) -> list[str]:
        """All names from here on."""
        names = []
        while (name := self.read()) is not None:
            names.append(name)
        return names

    def tell(self) -> int:
        """The position."""
        return int(_libc.telldir(self._stream))

    def seek(self, position: int) -> None:
        """Go to a position that tell() returned."""
        _libc.seekdir(self._stream, ctypes.c_long(position))

    def rewind(self) -> None:
        """Go to the start, and see what the directory has now."""
        _libc.rewinddir(self._stream)


# struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid
_FLOCK = struct.Struct("hhqqi4x")


def lock_request(kind: int, start: int = 0, length: int = 0, whence: int = os.SEEK_SET) -> bytes:
    """A struct flock for fcntl(2); *start* and *length* in bytes (length 0: to the end of the file)."""
    return _FLOCK.pack(kind, whence, start, length, 0)


def lock_answer(data: bytes) -> tuple[int, int, int, int]:
    """What F_GETLK left: kind, start, length, process id."""
    kind, _, start, length, pid = _FLOCK.unpack(data)
    return kind, start, length, pid
