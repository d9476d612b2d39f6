"""An application that computes: a thread of pure Python that never gives the GIL away by itself."""

from __future__ import annotations

import threading


def _compute() -> None:
    n = 1
    while True:
        n = (n * 1103515245 + 12345) & 0x7FFFFFFF


def start() -> None:
    """Begin to burn the GIL, until the process ends."""
    threading.Thread(target=_compute, name="application", daemon=True).start()
