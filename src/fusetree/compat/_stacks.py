"""What every thread is doing, into the log."""

from __future__ import annotations

import logging
import sys
import threading
import traceback


def log_stacks(logger: str) -> None:
    """Log the stack of each thread at level ERROR."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = [
        f"thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    ]
    logging.getLogger(logger).error("%s", "\n".join(stacks))
