"""How much a tree in memory may hold, and how much it does.

Rule: the lock is the last that is taken, and nothing is called under it. It is re-entrant because a node that
is collected gives back its space in whatever thread and line that happens.
"""

from __future__ import annotations

import errno
import os
import threading
from typing import Final

__all__ = ["PAGE", "Space"]

#: Bytes of one piece of content. It is what the kernel caches and maps, and the grain of holes.
PAGE: Final = 4096

#: How many inodes are told to be free where no limit was given.
_MANY: Final = 1 << 20


class Space:
    """The account of one tree.

    Arguments:
        max_bytes: How many bytes contents and extended attributes may take, in whole pages; None: as many as
            the machine has.
        max_inodes: How many nodes there may be; None: any number.
    """

    __slots__ = ("_bytes", "_inodes", "_lock", "max_bytes", "max_inodes")

    def __init__(self, max_bytes: int | None = None, max_inodes: int | None = None) -> None:
        for name, limit in (("max_bytes", max_bytes), ("max_inodes", max_inodes)):
            if limit is not None and not hasattr(limit, "__index__"):
                raise TypeError(f"{name} is an int or None, not {limit!r}")
            if limit is not None and limit < 0:
                raise ValueError(f"{name} is 0 or more, not {limit}")
        self.max_bytes = max_bytes
        self.max_inodes = max_inodes
        self._lock = threading.RLock()
        # Guarded by _lock; never above the limits, but for what the program itself puts in.
        self._bytes = 0
        self._inodes = 0

    def take(self, amount: int) -> None:
        """Take bytes.

        Raises:
            OSError: ENOSPC; nothing was taken.
        """
        with self._lock:
            if self.max_bytes is not None and self._bytes + amount > self.max_bytes:
                raise OSError(errno.ENOSPC, f"the tree may hold {self.max_bytes} bytes")
            self._bytes += amount

    def give(self, amount: int) -> None:
        """Give bytes back."""
        with self._lock:
            self._bytes -= amount

    def retake(self, amount: int) -> None:
        """Take bytes that were there before, or give them back if below 0, whatever the limit says."""
        with self._lock:
            self._bytes += amount

    def take_inode(self) -> None:
        """Take an inode.

        Raises:
            OSError: ENOSPC.
        """
        with self._lock:
            if self.max_inodes is not None and self._inodes >= self.max_inodes:
                raise OSError(errno.ENOSPC, f"the tree may hold {self.max_inodes} files")
            self._inodes += 1

    def give_inode(self) -> None:
        """Give an inode back."""
        with self._lock:
            self._inodes -= 1

    @property
    def used_bytes(self) -> int:
        """Bytes that are taken."""
        return self._bytes

    @property
    def used_inodes(self) -> int:
        """Inodes that are taken."""
        return self._inodes

    @property
    def free_bytes(self) -> int:
        """Bytes that can be taken."""
        if self.max_bytes is None:
            return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return max(0, self.max_bytes - self._bytes)

    @property
    def total_bytes(self) -> int:
        """The bound; without one, the memory of the machine, of which others may take, as on a tmpfs."""
        if self.max_bytes is None:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return self.max_bytes

    @property
    def free_inodes(self) -> int:
        """Inodes that can be taken."""
        return _MANY if self.max_inodes is None else max(0, self.max_inodes - self._inodes)
