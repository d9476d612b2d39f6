"""inotify(7) for tests."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["CHANGES", "NAMES", "Watcher", "watching"]

# linux/inotify.h
NAMES: Final = {
    0x2: "modify",
    0x4: "attrib",
    0x8: "close_write",
    0x20: "open",
    0x40: "moved_from",
    0x80: "moved_to",
    0x100: "create",
    0x200: "delete",
    0x400: "delete_self",
    0x800: "move_self",
}
_ISDIR: Final = 0x40000000
#: All but what comes with opening and closing.
CHANGES: Final = sum(NAMES) & ~0x28

_libc = ctypes.CDLL(None, use_errno=True)


class Watcher:
    """An inotify descriptor."""

    def __init__(self, *paths: Path, mask: int = CHANGES) -> None:
        self.fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        assert self.fd >= 0
        self.paths: dict[int, str] = {}
        #: The cookies of moves, by (what, name).
        self.cookies: dict[tuple[str, str], int] = {}
        for path in paths:
            self.add(path, mask)

    def add(self, path: Path, mask: int = CHANGES) -> None:
        """Watch one path more."""
        number = _libc.inotify_add_watch(self.fd, os.fsencode(path), mask)
        assert number >= 0
        self.paths[number] = path.name

    def some(self, timeout: float = 5.0) -> list[tuple[str, str]]:
        """The events that are there, at the latest after *timeout* seconds: (what, name)."""
        if not select.select([self.fd], [], [], timeout)[0]:
            return []
        data = os.read(self.fd, 65536)
        found = []
        while data:
            watch, mask, cookie, length = struct.unpack_from("iIII", data)
            name = data[16 : 16 + length].rstrip(b"\0").decode()
            data = data[16 + length :]
            for bit, kind in NAMES.items():
                if mask & bit:
                    event = (kind + (" dir" if mask & _ISDIR else ""), name or self.paths[watch])
                    found.append(event)
                    if cookie:
                        self.cookies[event] = cookie
        return found

    def until(self, *wanted: tuple[str, str], timeout: float = 5.0) -> list[tuple[str, str]]:
        """All events up to the one that completes the *wanted* ones."""
        found: list[tuple[str, str]] = []
        deadline = time.monotonic() + timeout
        while not set(wanted) <= set(found):
            left = deadline - time.monotonic()
            assert left > 0, f"{wanted} were wanted, and {found[:100]} came"
            found += self.some(left)
        return found

    def close(self) -> None:
        os.close(self.fd)


@contextmanager
def watching(*paths: Path, mask: int = CHANGES) -> Iterator[Watcher]:
    watcher = Watcher(*paths, mask=mask)
    try:
        yield watcher
    finally:
        watcher.close()
