"""`Turns`: requests of one open file that must not overtake each other come one after another.

Who has the turn may give up its thread, because an ``async`` method waits; so it is no lock of a thread. Who
comes meanwhile waits in the same manner: as a coroutine in that case, else in its own thread.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from types import CoroutineType
from typing import TYPE_CHECKING, TypeVar

from fusetree.server.loops import arrived

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

__all__ = ["Turns"]

R = TypeVar("R")


class Turns:
    """A queue of requests, the first of which has the turn.

    In steps (fusetree.adapter.steps), with every call of the program's code through `keep`:

        yield turns.take()
        try:
            yield turns.keep(call(...))
        finally:
            turns.give()
    """

    __slots__ = ("_gone_on", "_lock", "_taken", "_waiting")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False  # guarded by _lock
        self._gone_on = False  # guarded by _lock; who has the turn has given up its thread, or is about to
        # Guarded by _lock: who waits, and whether as a coroutine.
        self._waiting: deque[tuple[Future[None], bool]] = deque()

    def take(self) -> Coroutine[Any, Any, None] | None:
        """The caller has the turn when this returns None, or when the coroutine has ended that it returns."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return None
            if self._gone_on:
                return self._wait()
            mine: Future[None] = Future()
            self._waiting.append((mine, False))
        mine.result()
        return None

    def keep(self, result: R) -> R:
        """Pass on what a call returned, and keep the turn also when it goes on as a coroutine."""
        if type(result) is CoroutineType:
            with self._lock:
                self._gone_on = True
        return result

    def give(self) -> None:
        """Let the next one have the turn."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._taken = self._gone_on = False
                    return
                following, self._gone_on = self._waiting.popleft()
            if following.set_running_or_notify_cancel():
                following.set_result(None)
                return

    async def _wait(self) -> None:
        # It enters the queue here: a coroutine may be dropped before its first step.
        with self._lock:
            if not self._taken:
                self._taken = self._gone_on = True
                return
            mine: Future[None] = Future()
            self._waiting.append((mine, True))
        try:
            await arrived(mine)
        except BaseException:
            if not mine.cancel():  # it was our turn already
                self.give()
            raise
