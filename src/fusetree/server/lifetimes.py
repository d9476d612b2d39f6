"""What becomes of sessions when the process forks, and when the interpreter exits.

Rule 1: the child of a fork lets go of the device and never unmounts: it would keep clients of a dead server
    waiting.
Rule 2: what is still open at interpreter exit is closed, so unmounted.

The set is the only state of the process: a fork and an exit are of the process, too.
"""

from __future__ import annotations

import atexit
import logging
import os
import weakref
from typing import Any, Protocol

logger = logging.getLogger("fusetree")


class Lived(Protocol):
    """What ends with the process."""

    def close(self) -> None:
        """End, in the process that began it."""

    def _forked(self) -> None:
        """Let go: the process is the child of a fork."""


_living: weakref.WeakSet[Lived] = weakref.WeakSet()


def keep_watch(session: Lived) -> None:
    """Have the rules kept for *session*, from now on."""
    _living.add(session)


def end_watch(session: Lived) -> None:
    """The session has ended."""
    _living.discard(session)


def _after_fork_in_child() -> None:
    for session in list(_living):
        session._forked()


def _at_exit() -> None:
    for session in list(_living):
        try:
            session.close()
        except Exception:
            logger.exception("closing %r at interpreter exit failed", session)


def _register() -> None:
    hooks: Any = os
    hooks.register_at_fork(after_in_child=_after_fork_in_child)
    atexit.register(_at_exit)


_register()
