"""System calls that Python does not have, or has for the whole process only.

Rule: each raises the `OSError` of its errno. Those that change ids change them for the calling thread alone:
they go past the C library, which would change them in every thread.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from typing import Any, Final

__all__ = [
    "birth_of",
    "fallocate",
    "open_below",
    "rename",
    "set_thread_gid",
    "set_thread_groups",
    "set_thread_uid",
    "set_times",
]

_libc: Final[Any] = ctypes.CDLL(None, use_errno=True)
# Keeps the GIL: for what does not block.
_quick: Final[Any] = ctypes.PyDLL(None, use_errno=True)

_AT_FDCWD: Final = -100
_AT_EMPTY_PATH: Final = 0x1000
_UTIME_OMIT: Final = (1 << 30) - 2

# linux/openat2.h
_OPENAT2: Final = 437  # the number is the same on every machine
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_BENEATH: Final = 0x08

# setresuid, setresgid, setgroups: asm/unistd.h. On 32-bit machines those with 32-bit ids.
_GENERIC: Final = (147, 149, 159)
_NUMBERS: Final[dict[str, tuple[int, int, int]]] = {
    "x86_64": (117, 119, 116),
    "aarch64": _GENERIC,
    "riscv64": _GENERIC,
    "loongarch64": _GENERIC,
    "ppc64le": (164, 169, 81),
    "ppc64": (164, 169, 81),
    "s390x": (208, 210, 206),
    "i686": (208, 210, 206),
    "armv7l": (208, 210, 206),
}
_MACHINE: Final = platform.machine()
# A 32-bit program on a 64-bit kernel has the numbers of its own kind.
_KIND: Final = (
    {"x86_64": "i686", "aarch64": "armv7l"}.get(_MACHINE, _MACHINE) if sys.maxsize < 1 << 32 else _MACHINE
)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Statx(ctypes.Structure):
    """struct statx, of which only the birth is looked at (linux/stat.h)."""

    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("_before", ctypes.c_uint8 * 76),  # up to stx_btime, which begins at byte 80
        ("seconds", ctypes.c_int64),
        ("nanoseconds", ctypes.c_uint32),
        ("_rest", ctypes.c_uint8 * 164),
    )


_STATX_BTIME: Final = 0x800


def _error(what: object = None) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), what)


# ------------------------------------------------------------------------------------------------ names

_has_openat2 = True  # False once the kernel, or a sandbox, has said no


def open_below(directory: int, names: list[bytes], flags: int) -> int:
    """Open what a chain of names leads to below a directory, following no symbolic link at all and leaving
    the directory on no way.

    Arguments:
        directory: Descriptor of the directory; O_PATH is enough.
        names: At least one; none of them "..", and none with a slash.
        flags: As open(2) has them; O_CLOEXEC and O_NOFOLLOW are added.

    Returns:
        A new descriptor, which is the caller's to close.
    """
    global _has_openat2  # noqa: PLW0603 - the kernel stays the same
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW
    if len(names) == 1 or not _has_openat2:
        return _walk(directory, names, flags)
    how = _OpenHow(flags, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS)
    path = b"/".join(names)
    while True:
        fd: int = _libc.syscall(_OPENAT2, directory, path, ctypes.byref(how), ctypes.sizeof(how))
        if fd >= 0:
            return fd
        number = ctypes.get_errno()
        if number == errno.EAGAIN:
            continue  # somebody renamed a directory on the way: openat2(2)
        if number in (errno.ENOSYS, errno.EPERM):  # EPERM: seccomp filters that do not know it
            _has_openat2 = False
            return _walk(directory, names, flags)
        raise OSError(number, os.strerror(number))


def _walk(directory: int, names: list[bytes], flags: int) -> int:
    """Name by name. A single name without a slash cannot lead out, and O_NOFOLLOW follows nothing."""
    here = directory
    try:
        for name in names[:-1]:
            below = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
            if here != directory:
                os.close(here)
            here = below
        return os.open(names[-1], flags, dir_fd=here)
    finally:
        if here != directory:
            os.close(here)


def rename(source: int, name: bytes, target: int, new_name: bytes, flags: int) -> None:
    """renameat2(2)."""
    if not flags:
        os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
    elif _libc.renameat2(source, name, target, new_name, ctypes.c_uint(flags)) < 0:
        raise _error()


# ---------------------------------------------------------------------------------------------- content


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    """fallocate(2)."""
    if _libc.fallocate64(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)) < 0:
        raise _error()


def set_times(path: str, atime_ns: int | None, mtime_ns: int | None) -> None:
    """utimensat(2) of what *path* leads to; None leaves a time as it is."""
    times = (_Timespec * 2)()
    for place, value in zip(times, (atime_ns, mtime_ns), strict=True):
        if value is None:
            place.nanoseconds = _UTIME_OMIT
        else:
            place.seconds, place.nanoseconds = divmod(value, 10**9)
    if _libc.utimensat(_AT_FDCWD, path.encode(), times, 0) < 0:
        raise _error()


def birth_of(fd: int) -> tuple[int, int] | None:
    """When the file was made, seconds and nanoseconds; None where the file system does not say: statx(2)."""
    found = _Statx()
    if _libc.statx(fd, b"", _AT_EMPTY_PATH, _STATX_BTIME, ctypes.byref(found)) < 0:
        return None  # ENOSYS, or a sandbox that does not know it: nobody says
    return (found.seconds, found.nanoseconds) if found.mask & _STATX_BTIME else None


# -------------------------------------------------------------------------------------- ids of this thread


def _numbers() -> tuple[int, int, int]:
    try:
        return _NUMBERS[_KIND]
    except KeyError:
        raise OSError(
            errno.ENOSYS, f"acting for other users is not known on this kind of machine ({_MACHINE})"
        ) from None


def _for_thread(number: int, *arguments: Any) -> None:
    if _quick.syscall(ctypes.c_long(number), *arguments) < 0:
        raise _error()


_KEEP: Final = ctypes.c_uint32(0xFFFF_FFFF)


def set_thread_uid(uid: int) -> None:
    """Change the effective user id, and with it that for files, of this thread."""
    _for_thread(_numbers()[0], _KEEP, ctypes.c_uint32(uid), _KEEP)


def set_thread_gid(gid: int) -> None:
    """Change the effective group id, and with it that for files, of this thread."""
    _for_thread(_numbers()[1], _KEEP, ctypes.c_uint32(gid), _KEEP)


def set_thread_groups(groups: tuple[int, ...]) -> None:
    """Change the supplementary groups of this thread."""
    _for_thread(_numbers()[2], ctypes.c_size_t(len(groups)), (ctypes.c_uint32 * len(groups))(*groups))
