"""The backend that runs handlers in threads: the thread that read a request handles it.

Which thread reads is :class:`fusetree._lowlevel.rotation.Rotation`'s business; this file starts the threads,
and no more of them than are of use. They are daemon threads: one that is stuck in a handler does not keep the
interpreter from ending.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

from fusetree._lowlevel.rotation import Rotation
from fusetree._lowlevel.wakeup import wake_signal
from fusetree.server.inside import inside_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree._lowlevel.connection import Connection
    from fusetree._lowlevel.dispatch import Dispatcher

logger = logging.getLogger("fusetree")

#: Seconds between two interruptions of a reader that does not end.
STOP_INTERVAL = 0.02


def start_thread(name: str, target: Callable[[], object]) -> threading.Thread:
    """A daemon thread that can be woken by the reader's signal.

    All else of its signal mask is inherited. Nothing is blocked: the kernel gives a signal to the main thread
    as long as that takes it, and what a handler starts inherits the mask, so a process started from a thread
    that blocked SIGTERM could not be terminated.
    """
    number = wake_signal()

    def body() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        target()

    thread = threading.Thread(target=body, name=name, daemon=True)
    thread.start()
    return thread


def _nothing() -> None:
    pass


class ThreadPool:
    """The threads of one session.

    :param workers: how many handlers may run at once, at least 1; there is one thread more, so that one can
        always read.
    :param ended: called by the last thread that ends.
    """

    def __init__(
        self, connection: Connection, dispatcher: Dispatcher, workers: int, ended: Callable[[], None]
    ) -> None:
        self._rotation = Rotation(connection, dispatcher, workers, self._need_thread)
        self._limit = workers + 1
        self._ended = ended
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []  # guarded by _lock
        self._alive = 0  # guarded by _lock
        self._stopping = False  # guarded by _lock
        self._here: int | None = None  # ident of the thread that works alone; set once
        self._insisting = False  # guarded by _lock
        self._over = threading.Event()  # all have ended

    def run_here(self) -> None:
        """Be the only worker, in the calling thread, until the connection ended or :meth:`stop`."""
        with self._lock:
            stopped = self._stopping
            self._here = threading.get_ident()
            self._limit = 0  # the rotation asks for more threads in vain
            self._alive += 1
        try:
            if not stopped:
                inside_context().run(self._rotation.work)
        finally:
            self._one_ended()

    def start(self) -> None:
        """Start the first reader and the first watch; more threads come when handlers block."""
        self._add_thread()
        self._add_thread()
        if not self._threads:  # stopped before
            self._over.set()
            self._ended()

    @property
    def takeovers(self) -> int:
        """How often another thread became the reader because a handler took longer than about a
        millisecond.
        """
        return int(self._rotation.takeovers)

    def _need_thread(self) -> None:
        if len(self._threads) < self._most():
            self._add_thread()

    def _most(self) -> int:
        # A handler that waits for a lock is none of the workers.
        return self._limit + self._rotation.apart if self._limit else 0

    def _add_thread(self) -> None:
        with self._lock:
            if self._stopping or len(self._threads) >= self._most():
                return
            self._alive += 1
            self._threads.append(start_thread(f"fusetree-worker-{len(self._threads) + 1}", self._work))

    def _work(self) -> None:
        try:
            inside_context().run(self._rotation.work)
        except BaseException:
            logger.exception("a worker thread ended: the session stops")
            self._rotation.stop()
        finally:
            self._one_ended()

    def _one_ended(self) -> None:
        with self._lock:
            self._alive -= 1
            self._stopping = True  # one that ends means that all end
            last = self._alive == 0
        if last:
            self._over.set()
            self._ended()

    def retire(self) -> None:
        """Leave the connection to an event loop; handlers that run are finished.  It must be non-blocking by
        now.

        A thread that still gets a request handles it, so nothing has to be waited for.
        """
        with self._lock:
            self._ended = _nothing
            self._stopping = True
        self._rotation.stop()

    def stop(self) -> None:
        """Ask all threads to end; ``connection.exit()`` must be called before."""
        with self._lock:
            self._stopping = True
        self._rotation.stop()

    def insist(self) -> None:
        """As :meth:`stop`, where nobody calls :meth:`join`, which repeats it: a thread does, until all have
        ended.
        """
        self.stop()
        with self._lock:
            needed = self._alive > 0 and not self._insisting
            self._insisting = self._insisting or needed
        if needed:
            start_thread("fusetree-stopper", self._repeat)

    def _repeat(self) -> None:
        while not self._over.wait(STOP_INTERVAL):
            self._rotation.stop()

    def join(self, timeout: float) -> list[threading.Thread]:
        """Wait up to *timeout* seconds for the threads to end; those that did not (stuck in a handler)."""
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = [thread for thread in self._threads if thread is not threading.current_thread()]
        for thread in threads:
            while thread.is_alive() and time.monotonic() < deadline:
                self._rotation.stop()  # again: the reader may have been just about to read
                thread.join(STOP_INTERVAL)
        if self._here not in (None, threading.get_ident()):
            self._over.wait(max(0.0, deadline - time.monotonic()))
        return [thread for thread in threads if thread.is_alive()]


def report_stuck(threads: list[threading.Thread]) -> None:
    """Say in the log where handlers are that did not end."""
    frames = sys._current_frames()
    for thread in threads:
        frame = frames.get(thread.ident or 0)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else "(no stack)"
        logger.warning(
            "closing although a handler still runs in %s; its answer will be dropped\n%s", thread.name, stack
        )
