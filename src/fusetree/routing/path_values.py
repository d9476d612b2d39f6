"""What handlers of whole paths return and are given, in the words of the nodes: attributes, times, sizes."""

from __future__ import annotations

import errno
import functools
import os
import types
from collections.abc import Callable, Mapping
from typing import Any, Final

from fusetree.nodes import Attributes, FileSystemSize

__all__ = ["Told", "checked", "file_system_size", "is_missing", "time_of", "told_by", "value_of"]

Told = tuple[int, int, int, Attributes]

_TIMES: Final = ("st_atime", "st_mtime", "st_ctime")


def checked(result: Any) -> Any:
    """What a handler returned, or OSError when it is a negated errno."""
    if isinstance(result, int) and result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


def is_missing(error: OSError) -> bool:
    """Whether an exception says that there is nothing: also one of a class of the program's own."""
    return error.errno == errno.ENOENT or isinstance(error, FileNotFoundError)


def _getter(found: Any) -> Callable[[str], Any]:
    """What asks for one value of what `getattr` returned: a dict, or an object such as `os.stat_result`."""
    if type(found) is dict or isinstance(found, Mapping):
        get: Callable[[str], Any] = found.get
        return get
    return lambda key: getattr(found, key, None)


def value_of(found: Any, key: str) -> Any:
    """One value of what `getattr` returned; None when it told none."""
    return _getter(found)(key)


def told_by(found: Any, in_ns: bool) -> Told:
    """What `getattr` returned: file type, inode number (0: none), number of names, and all attributes.

    Arguments:
        found: A dict with keys as in struct stat, or an object with such attributes.
        in_ns: Whether the times of a dict are nanoseconds, and not seconds.

    Raises:
        TypeError: It told no file type.
    """
    if type(found) is dict:
        try:
            return _told_before(tuple(found.items()), in_ns)
        except TypeError:  # something in it has no hash; or the dict is wrong, and that is raised again
            pass
    get = _getter(found)
    file_type = (get("st_mode") or 0) & 0o170000
    if not file_type:
        raise TypeError(f"getattr() must tell st_mode with the file type (stat.S_IFREG, ...), not {found!r}")
    made = _of_mapping(found, in_ns) if isinstance(found, Mapping) else _of_object(found)
    return file_type, get("st_ino") or 0, get("st_nlink") or 1, made


@functools.lru_cache(maxsize=512)
def _told_before(items: tuple[tuple[str, Any], ...], in_ns: bool) -> Told:
    """The same of a dict. Most files are asked for more often than they change."""
    return told_by(types.MappingProxyType(dict(items)), in_ns)


def _of_mapping(found: Mapping[str, Any], in_ns: bool) -> Attributes:
    get = found.get
    atime, mtime, ctime = get("st_atime"), get("st_mtime"), get("st_ctime")
    return Attributes(
        mode=found["st_mode"] & 0o7777,
        uid=get("st_uid"),
        gid=get("st_gid"),
        size=get("st_size"),
        nlink=get("st_nlink"),
        blocks=get("st_blocks"),
        atime_ns=None if atime is None else _ns(atime, in_ns),
        mtime_ns=None if mtime is None else _ns(mtime, in_ns),
        ctime_ns=None if ctime is None else _ns(ctime, in_ns),
    )


def _of_object(found: Any) -> Attributes:
    times: list[int | None] = []
    for name in _TIMES:
        exact, seconds = getattr(found, f"{name}_ns", None), getattr(found, name, None)
        times.append(exact if exact is not None or seconds is None else _ns(seconds, False))
    get = _getter(found)
    return Attributes(
        mode=found.st_mode & 0o7777,
        uid=get("st_uid"),
        gid=get("st_gid"),
        size=get("st_size"),
        nlink=get("st_nlink"),
        blocks=get("st_blocks"),
        atime_ns=times[0],
        mtime_ns=times[1],
        ctime_ns=times[2],
    )


def _ns(value: float, in_ns: bool) -> int:
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
