"""Names handlers that take longer than they should, with their stacks.

A file system that hangs tells nobody why: the program that called it waits, and the server looks idle. The
watchdog looks a few times in each limit, and logs each handler that is over it, once, with the stack of its
thread or, where it waits in an event loop, of its coroutine; and once more when it is done.

Rule 1: requests are not timed by this: the core notes when a handler began, and only where there is a
watchdog
    (`fusetree._lowlevel.watched`).
Rule 2: it only looks. It stops nobody: a limit that ends requests is the kernel's
(`SessionOptions.request_timeout`).
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

from fusetree.server.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType

    from fusetree._lowlevel.request import Request
    from fusetree._lowlevel.watched import WatchedDispatcher

logger = logging.getLogger("fusetree")

#: How often in each limit it looks: a handler is named after one and a quarter of the limit at the latest.
LOOKS = 4


class Watchdog:
    """Looks after the handlers of one session.

    :param limit: seconds that a handler may take.
    :param dispatcher: knows which handlers run in threads.
    :param waiting: tells which wait in an event loop.
    :param where: tells on what a request is.
    """

    def __init__(
        self,
        limit: float,
        dispatcher: WatchedDispatcher,
        waiting: Callable[[], list[tuple[Request, Coroutine[Any, Any, Any]]]],
        where: Callable[[Request], str],
    ) -> None:
        self._limit = limit
        self._dispatcher = dispatcher
        self._waiting = waiting
        self._where = where
        self._named: list[Request] = []  # of the watchdog's thread only
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to look, in a thread."""
        start_thread("fusetree-watchdog", self._run)

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._limit / LOOKS):
            try:
                self.look()
            except Exception:
                logger.exception("the watchdog failed to look at the handlers")

    def look(self) -> None:
        """Log what is over the limit now and was not logged before, and what was and is done."""
        over = time.monotonic() - self._limit
        running = self._dispatcher.running()
        waiting = self._waiting()
        for ident, request in running:
            if request.began < over and not request.reported:
                self._name(request, f"in thread {_thread_name(ident)}", thread_stack(ident))
        for request, coroutine in waiting:
            if request.began < over and not request.reported:
                self._name(request, "in an event loop", coroutine_stack(coroutine))
        active = [request for _, request in running] + [request for request, _ in waiting]
        for request in [named for named in self._named if not any(named is one for one in active)]:
            logger.warning("handler %s%s is done", request.operation, self._where(request))
            self._named.remove(request)

    def _name(self, request: Request, how: str, stack: str) -> None:
        request.reported = True
        self._named.append(request)
        logger.warning(
            "handler %s%s, asked for by process %d, has run for %.3g s %s:\n%s",
            request.operation,
            self._where(request),
            request.context.pid,
            time.monotonic() - request.began,
            how,
            stack,
        )


def _thread_name(ident: int) -> str:
    for thread in threading.enumerate():
        if thread.ident == ident:
            return thread.name
    return str(ident)


def thread_stack(ident: int) -> str:
    """What the thread *ident* does now, outermost call first."""
    frame = sys._current_frames().get(ident)
    return "".join(traceback.format_stack(frame)) if frame is not None else "(no stack)\n"


def coroutine_stack(coroutine: Any) -> str:
    """Where a coroutine waits, outermost call first; where it runs and blocks its loop: what that thread
    does.
    """
    if coroutine.cr_running:
        for ident, frame in sys._current_frames().items():
            caller: FrameType | None = frame
            while caller is not None:
                if caller is coroutine.cr_frame:
                    return thread_stack(ident)
                caller = caller.f_back
    summary = traceback.StackSummary.extract((frame, frame.f_lineno) for frame in _frames(coroutine))
    return "".join(summary.format()) or "(no stack)\n"


def _frames(awaited: Any) -> Iterator[FrameType]:
    while awaited is not None:
        for kind in ("cr", "gi", "ag"):
            frame = getattr(awaited, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                awaited = getattr(awaited, f"{kind}_await", None) or getattr(
                    awaited, f"{kind}_yieldfrom", None
                )
                break
        else:
            return
