"""Deadlines of the test tools: nothing here waits for ever, and what did not come is named.

`UnansweredError` is an `AssertionError`, so that a test runner shows it as a failed test and no handler of
`OSError` swallows it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["UnansweredError", "wait_until"]


class UnansweredError(AssertionError):
    """Something that had to come did not come before its deadline."""


def wait_until(
    condition: Callable[[], bool], what: str | Callable[[], str], *, timeout: float = 10.0
) -> None:
    """Return as soon as *condition* holds.  For things that send no event: the condition is asked again and
    again.

    Args:
        condition: called from this thread, first at once.
        what: what is waited for, for the error's text; a callable is asked when time is up, so it can tell
            the state then.
        timeout: seconds.

    Raises:
        UnansweredError: it did not hold in time.
    """
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    interval = 0.0005
    while not condition():
        left = deadline - time.monotonic()
        if left <= 0:
            text = what if isinstance(what, str) else what()
            raise UnansweredError(f"not within {timeout:g} s: {text}")
        pause.wait(min(interval, left))
        interval = min(interval * 2, 0.02)
