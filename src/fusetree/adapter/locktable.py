"""The locks of one file, as fcntl(2) and flock(2) have them: who holds what, and who waits.

Of fcntl(2): locks of one owner never conflict; a new one takes the place of what the owner had in its range,
which may split or join ranges. Of flock(2): one lock for each open file; to change it gives up the old one
first, as flock(2) says. The two kinds know nothing of each other, as on Linux.

Rule 1: nothing here waits, and nothing is locked: whoever calls holds the lock of all tables of a mount
    (fusetree.adapter.locks).
Rule 2: who waits is a future; it is settled by whoever gets it from `grant`, with that lock released.
"""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["END", "Held", "LockTable", "Waiter"]

#: The last byte of a range that has no end (OFFSET_MAX of linux/fs.h).
END: Final = (1 << 63) - 1

_SHARED: Final = fcntl.F_RDLCK
_EXCLUSIVE: Final = fcntl.F_WRLCK
_NONE: Final = fcntl.F_UNLCK


@attrs.frozen
class Held:
    """A lock, or what is asked for.

    Attributes:
        type: `fcntl.F_RDLCK` (shared), `F_WRLCK` (exclusive) or `F_UNLCK` (none).
        owner: Whose it is: a process, or an open file.
        start: The first byte.
        end: The last byte.
        fh: The open file through which it was asked for.
        pid: The process, to be shown.
    """

    type: int
    owner: int
    start: int = 0
    end: int = END
    fh: int = 0
    pid: int = 0

    def conflicts(self, other: Held) -> bool:
        """Whether both cannot be held."""
        return (
            self.owner != other.owner
            and _EXCLUSIVE in (self.type, other.type)
            and self.start <= other.end
            and other.start <= self.end
        )


@attrs.define(eq=False)
class Waiter:
    """Who waits for a lock."""

    wanted: Held
    whole: bool  # of flock(2)
    future: Future[None]


class LockTable:
    """The locks of one file."""

    __slots__ = ("ranges", "waiting", "whole")

    def __init__(self) -> None:
        self.ranges: list[Held] = []  # of fcntl(2)
        self.whole: list[Held] = []  # of flock(2)
        self.waiting: list[Waiter] = []  # in the order of their coming

    @property
    def empty(self) -> bool:
        """Whether nobody holds or wants anything."""
        return not (self.ranges or self.whole or self.waiting)

    def in_the_way(self, wanted: Held, *, whole: bool) -> Held | None:
        """A lock that cannot be held together with what is wanted; None when it can be had."""
        held = self.whole if whole else self.ranges
        return next((lock for lock in held if lock.conflicts(wanted)), None)

    def put(self, lock: Held, *, whole: bool) -> None:
        """Give, or with type F_UNLCK take away. Nothing may be in the way."""
        if whole:
            self.whole = [other for other in self.whole if other.owner != lock.owner]
            if lock.type != _NONE:
                self.whole.append(lock)
            return
        kept: list[Held] = []
        start, end = lock.start, lock.end
        for other in self.ranges:
            if other.owner != lock.owner:
                kept.append(other)
            elif other.type == lock.type:
                # Ranges that touch are one, as F_GETLK shows them.
                if other.end < start - 1 or end < other.start - 1:
                    kept.append(other)
                else:
                    start, end = min(start, other.start), max(end, other.end)
            else:
                if other.start < lock.start:
                    kept.append(attrs.evolve(other, end=min(other.end, lock.start - 1)))
                if other.end > lock.end:
                    kept.append(attrs.evolve(other, start=max(other.start, lock.end + 1)))
        if lock.type != _NONE:
            kept.append(attrs.evolve(lock, start=start, end=end))
        self.ranges = kept

    def drop(self, *, owner: int | None = None, fh: int | None = None, whole: bool) -> None:
        """Take away all locks of an owner, or all that were asked for through an open file."""

        def stays(lock: Held) -> bool:
            return lock.owner != owner if fh is None else lock.fh != fh

        if whole:
            self.whole = [lock for lock in self.whole if stays(lock)]
        else:
            self.ranges = [lock for lock in self.ranges if stays(lock)]

    def grant(self) -> list[Future[None]]:
        """Give those who wait what they can have now; their futures are to be settled."""
        granted = []
        left = []
        for waiter in self.waiting:
            if self.in_the_way(waiter.wanted, whole=waiter.whole) is not None:
                left.append(waiter)
            elif waiter.future.set_running_or_notify_cancel():  # from here on an interrupt comes too late
                self.put(waiter.wanted, whole=waiter.whole)
                granted.append(waiter.future)
        self.waiting = left
        return granted
