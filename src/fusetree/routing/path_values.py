"""What handlers of whole paths return and are given, in the words of the nodes: attributes, times, sizes."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Any, Final

from fusetree.nodes import Attributes, FileSystemSize

__all__ = ["attributes_of", "checked", "file_system_size", "number_of", "time_of", "type_of"]

_TIMES: Final = ("st_atime", "st_mtime", "st_ctime")


def checked(result: Any) -> Any:
    """What a handler returned, or OSError when it is a negated errno."""
    if isinstance(result, int) and result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


def number_of(found: Any, key: str) -> int | None:
    """One value of what `getattr` returned: a dict, or an object such as `os.stat_result`."""
    value = found.get(key) if isinstance(found, Mapping) else getattr(found, key, None)
    return None if value is None else int(value)


def type_of(found: Any) -> int:
    """The file type that `getattr` told.

    Raises:
        TypeError: It told none.
    """
    mode = number_of(found, "st_mode")
    if mode is None or not stat.S_IFMT(mode):
        raise TypeError(f"getattr() must tell st_mode with the file type (stat.S_IFREG, ...), not {found!r}")
    return stat.S_IFMT(mode)


def attributes_of(found: Any, *, in_ns: bool) -> Attributes:
    """What `getattr` returned.

    Arguments:
        found: A dict with keys as in struct stat, or an object with such attributes.
        in_ns: Whether the times of a dict are nanoseconds, and not seconds.
    """
    if not isinstance(found, Mapping):
        return _of_object(found)
    get = found.get
    mode = get("st_mode")
    return Attributes(
        mode=None if mode is None else mode & 0o7777,
        uid=get("st_uid"),
        gid=get("st_gid"),
        size=get("st_size"),
        nlink=get("st_nlink"),
        blocks=get("st_blocks"),
        atime_ns=_ns(get("st_atime"), in_ns),
        mtime_ns=_ns(get("st_mtime"), in_ns),
        ctime_ns=_ns(get("st_ctime"), in_ns),
    )


def _of_object(found: Any) -> Attributes:
    times = []
    for name in _TIMES:
        exact = getattr(found, f"{name}_ns", None)
        times.append(_ns(getattr(found, name, None), False) if exact is None else int(exact))
    return Attributes(
        mode=found.st_mode & 0o7777,
        uid=number_of(found, "st_uid"),
        gid=number_of(found, "st_gid"),
        size=number_of(found, "st_size"),
        nlink=number_of(found, "st_nlink"),
        blocks=number_of(found, "st_blocks"),
        atime_ns=times[0],
        mtime_ns=times[1],
        ctime_ns=times[2],
    )


def _ns(value: float | None, in_ns: bool) -> int | None:
    if value is None:
        return None
    if in_ns:
        return int(value)
    seconds = int(value // 1)
    return seconds * 10**9 + round((value - seconds) * 10**9)


def time_of(ns: int, *, in_ns: bool) -> int | float:
    """A time as a handler of utimens gets it."""
    return ns if in_ns else ns / 10**9


def file_system_size(found: Mapping[str, int]) -> FileSystemSize:
    """What `statfs` returned: a dict with keys as in struct statvfs.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(found, Mapping):
        raise TypeError(f"statfs() must return a dict with keys as in struct statvfs, not {found!r}")
    get = found.get
    return FileSystemSize(
        block_size=get("f_frsize") or get("f_bsize") or 4096,
        blocks=get("f_blocks", 0),
        free_blocks=get("f_bavail", get("f_bfree", 0)),
        files=get("f_files", 0),
        free_files=get("f_ffree", get("f_favail", 0)),
    )
