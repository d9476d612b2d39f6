"""The clock that changes are stamped with, and what is said in seconds."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_seconds", "now_ns", "read_clock"]

# CLOCK_REALTIME_COARSE of Linux, the clock that the kernel stamps files with: a tick of 1-10 ms, and quick
# to read.
_COARSE_CLOCK: Final = 5
_last_stamp = 0


def _clock() -> Callable[[], int]:
    try:
        time.clock_gettime_ns(_COARSE_CLOCK)
    except OSError:  # another system
        return time.time_ns
    return functools.partial(time.clock_gettime_ns, _COARSE_CLOCK)


#: The same time, for who keeps only one of it.
read_clock: Final = _clock()


def check_seconds(ttl: float) -> float:
    """A `ttl` as it was given.

    Raises:
        TypeError: It is no number.
        ValueError: It is below 0, or not a number.
    """
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)):
        raise TypeError(f"ttl is a number of seconds, not {ttl!r}")
    if not ttl >= 0:
        raise ValueError(f"ttl is a number of seconds, at least 0, not {ttl!r}")
    return float(ttl)


def now_ns() -> int:
    """The time to stamp a change with, in nanoseconds since the epoch, as coarse as the kernel's own stamps.

    All stamps of one tick are the same object, so the times of a million nodes made at once take no
    memory. (A race here only makes one more object.)
    """
    global _last_stamp  # noqa: PLW0603 - the whole point: one object for all
    stamp = read_clock()
    last = _last_stamp
    if stamp == last:
        return last
    _last_stamp = stamp
    return stamp
