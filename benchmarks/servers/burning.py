"""An application that computes: a thread of pure Python that never gives the GIL away by itself."""

from __future__ import annotations

import sys
import threading

_calm = threading.Event()


def _compute() -> None:
    n = 1
    stopped = _calm.is_set
    while not stopped():
        for _ in range(1000):
            n = (n * 1103515245 + 12345) & 0x7FFFFFFF


def start(switch_interval: float | None = None) -> None:
    """Begin to burn the GIL.

    Arguments:
        switch_interval: seconds after which who waits for the GIL may have it; None leaves Python's 5 ms.
    """
    _calm.clear()
    threading.Thread(target=_compute, name="application", daemon=True).start()
    if switch_interval is not None:
        sys.setswitchinterval(switch_interval)


def stop() -> None:
    """End it."""
    _calm.set()
    sys.setswitchinterval(0.005)
