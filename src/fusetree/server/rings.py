"""The backend of requests that come over rings (io_uring): libfuse's ring threads run the handlers.

What has to happen in other threads is here: handlers that wait for a lock, answers that were not there when
their handler returned, and ending the rings although a handler does not end. The rest is
:mod:`fusetree._lowlevel.rings`. Forgets and interrupts come over the device as always, so a session that has
this has its `ThreadPool` too.

Rule: a thread that has answered lives as long as the rings. To answer is to ask for the next request, and
    when a thread ends the kernel takes back what it asked for, so the ring would lose a place.
"""

from __future__ import annotations

import logging
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from fusetree._lowlevel.rings import Rings
from fusetree.server.inside import inside_context
from fusetree.server.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from fusetree._lowlevel.connection import Connection
    from fusetree._lowlevel.dispatch import Dispatcher
    from fusetree._lowlevel.request import Request

logger = logging.getLogger("fusetree")

#: Seconds between two attempts to end rings in which a handler runs.
END_INTERVAL = 1.0


class RingThreads:
    """What libfuse's ring threads do in one session.

    :param failed: called when the session must stop, because of an exception that is none of a handler's, or
        in a strict session.
    """

    def __init__(self, connection: Connection, dispatcher: Dispatcher, failed: Callable[[], object]) -> None:
        self._dispatcher = dispatcher
        self._failed = failed
        self._rings = Rings(connection, dispatcher, inside_context, self._wait_apart, self._on_exception)
        self._answers: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._answering: threading.Thread | None = None  # set once
        self._waiting: SimpleQueue[Request | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0  # threads for locks that have nothing to do; guarded by _lock
        self._waiters: list[threading.Thread] = []  # threads for locks; guarded by _lock

    def open(self) -> None:
        """Let the requests in."""
        self._dispatcher.later = self._answer_later
        self._answering = start_thread("fusetree-ring-answers", lambda: inside_context().run(self._answer))
        self._rings.open()

    def refuse(self, seconds: float) -> bool:
        """Refuse what comes from now on, and let the handlers that run and the answers that are there get
        done.

        :returns: whether they are, within *seconds*; also True where it is one of these handlers that asks.
        """
        deadline = time.monotonic() + seconds
        self._rings.refuse()
        if self._rings.here() or threading.current_thread() is self._answering:
            return True
        if self._answering is not None:
            answered = threading.Event()
            self._answers.put(answered.set)
            answered.wait(seconds)
        return self._rings.wait_until_empty(max(0.0, deadline - time.monotonic()))

    def end(self) -> None:
        """End the rings, after :meth:`refuse`; where a handler still runs: as soon as that is done."""
        if self._rings.end(0):
            self._end_threads()
        else:
            start_thread("fusetree-ring-stopper", self._end_at_last)

    def _end_at_last(self) -> None:
        while not self._rings.end(END_INTERVAL):
            pass
        self._end_threads()

    def _end_threads(self) -> None:
        self._answers.put(None)
        with self._lock:
            waiters, self._waiters = self._waiters, []
        for _ in waiters:
            self._waiting.put(None)
        for thread in (self._answering, *waiters):
            if thread not in (None, threading.current_thread()):
                thread.join(END_INTERVAL)

    # -- handlers that wait for a lock

    def _wait_apart(self, request: Request) -> None:
        with self._lock:
            ready = self._idle > 0
            if ready:
                self._idle -= 1
            else:
                self._waiters.append(
                    start_thread("fusetree-ring-lock", lambda: inside_context().run(self._wait_for_locks))
                )
        self._waiting.put(request)

    def _wait_for_locks(self) -> None:
        while (request := self._waiting.get()) is not None:
            try:
                self._rings.run(request)
            except BaseException as error:  # noqa: BLE001 - as in a worker thread: it ends the session
                self._on_exception(error)
            del request  # it holds the session
            with self._lock:
                self._idle += 1

    # -- answers that were not there when the handler returned

    def _answer_later(self, request: Request, future: Future[Any]) -> None:
        self._answers.put(lambda: self._dispatcher.settle(request, future))

    def _answer(self) -> None:
        while (answer := self._answers.get()) is not None:
            try:
                answer()
            except BaseException as error:  # noqa: BLE001 - as in a worker thread: it ends the session
                self._on_exception(error)
            del answer

    def _on_exception(self, error: BaseException) -> None:
        logger.error("a ring thread failed: the session stops", exc_info=error)
        self._failed()
