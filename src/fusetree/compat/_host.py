"""Functions of the originals that have to do with files of the host and not with FUSE."""

from __future__ import annotations

import operator
import os
from typing import Any, Literal

NamespaceT = Literal["system", "user"]


def _text(value: object, what: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")


def _namespace(value: object) -> None:
    # It chooses the kind of attribute on FreeBSD only; on Linux the name says it.
    if value not in ("system", "user"):
        raise ValueError(f"namespace must be 'system' or 'user', not {value!r}")


def get_sup_groups(pid: int) -> set[int]:
    """Supplementary groups of the process *pid*, from ``/proc/PID/status`` (proc(5)).

    :raises OSError: there is no such process.
    :raises TypeError: *pid* is no number.
    """
    pid = operator.index(pid)
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
        for line in status:
            if line.startswith("Groups:"):
                return {int(group) for group in line.split()[1:]}
    raise RuntimeError(f"/proc/{pid}/status tells no groups")


def listdir(path: str) -> list[str]:
    """Names in the directory *path*, without "." and ".."."""
    _text(path, "path")
    return os.listdir(path)


def setxattr(path: str, name: str, value: bytes, namespace: NamespaceT = "user") -> None:
    """Set the extended attribute *name* of *path*, following symbolic links (setxattr(2)).

    :param name: the full name, such as "user.comment".
    :param namespace: checked, and without effect on Linux.
    """
    _text(path, "path")
    _text(name, "name")
    if not isinstance(value, bytes):
        raise TypeError(f"value must be bytes, not {type(value).__name__}")
    _namespace(namespace)
    os.setxattr(path, name, value)


def getxattr(path: str, name: str, size_guess: int = 128, namespace: NamespaceT = "user") -> bytes:
    """Value of the extended attribute *name* of *path*, following symbolic links (getxattr(2)).

    :param size_guess: a number, and without effect.
    :param namespace: checked, and without effect on Linux.
    :raises OSError: ENODATA when there is none of that name.
    """
    _text(path, "path")
    _text(name, "name")
    operator.index(size_guess)
    _namespace(namespace)
    return os.getxattr(path, name)


def syncfs(path: str) -> None:
    """Bring the whole file system that *path* lies on to its store (syncfs(2)); the GIL is released
    meanwhile.
    """
    import ctypes

    libc: Any = ctypes.CDLL(None, use_errno=True)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.syncfs(fd) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(fd)
