"""How a command ends, and how it says why: one line on stderr, and an exit status."""

from __future__ import annotations

import logging
import sys

__all__ = ["DONE", "FAILED", "MISUSED", "complain", "log_to_stderr", "show"]

DONE, FAILED, MISUSED = 0, 1, 2


def complain(text: str, status: int) -> int:
    """Say what is wrong; return the status."""
    print(f"fusetree: {text}", file=sys.stderr)
    return status


def show(text: str) -> None:
    """Print what may have characters (names above all) that the terminal cannot show."""
    sys.stdout.buffer.write(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace") + b"\n")
    sys.stdout.flush()


def log_to_stderr(verbose: int) -> None:
    """Let the library say on stderr what it does: everything from 2 on."""
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("fusetree").setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
