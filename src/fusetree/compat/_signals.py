"""Signals that end llfuse's main loop, also while that waits in the kernel, where no handler written in
Python runs.

The interpreter's own C handler writes the number into a pipe; a thread reads it there and ends the loop.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Received:
    """Which signal ended the loop."""

    number: int | None = None


def _nothing(number: int, frame: FrameType | None) -> None:
    """Be there, so that the signal is written into the pipe."""


@contextmanager
def ending_signals(stop: Callable[[], object]) -> Iterator[Received]:
    """Within, the first of the signals that end a program calls *stop*, from a thread of its own.

    SIGUSR1 does nothing, SIGPIPE is ignored; all handlers there were before come back.  Outside the main
    thread Python cannot install any, and nothing is done.
    """
    received = Received()
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    os.set_blocking(reading, True)

    def watch() -> None:
        while numbers := os.read(reading, 64):
            if 0 in numbers:  # no signal's number: the end
                return
            for number in numbers:
                if number in ENDING and received.number is None:
                    received.number = number
                    stop()

    thread = threading.Thread(target=watch, name="fuse-signals", daemon=True)
    previous: dict[int, Any] = {}
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        thread.start()
        for number in (*ENDING, signal.SIGUSR1, signal.SIGPIPE):
            previous[number] = signal.signal(number, signal.SIG_IGN if number == signal.SIGPIPE else _nothing)
        yield received
    finally:
        for changed, handler in previous.items():
            # None: a handler that C code had installed, which Python cannot put back
            signal.signal(changed, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(before)
        os.write(writing, b"\0")
        thread.join()
        os.close(reading)
        os.close(writing)
