"""Threads for the ordinary handlers of a session that an event loop serves.

A handler that is not ``async`` and blocks (reads a disk, asks a server) holds up the loop and everything in
it. With ``serve(sync_handlers="threads")`` such handlers run here, and their answers go out from here;
``async`` ones stay in the loop.

Rule 1: the loop's thread hands requests over and never waits for this.
Rule 2: a handler runs in the context (contextvars) that the backend made for its request.
Rule 3: what was handed over and did not begin when the serving ends is answered with EINTR; what runs is told
by
    `lowlevel.interrupted()`, and its answer goes out as long as the connection is open.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
import queue
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from fusetree._lowlevel.dispatch import HANDLER_OPCODES
from fusetree.server.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from fusetree._lowlevel.dispatch import Dispatcher
    from fusetree._lowlevel.request import Request

_Item: TypeAlias = "tuple[Request, contextvars.Context] | None"


def is_async(handler: object) -> bool:
    """Whether calling *handler* makes a coroutine, as far as one can see."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    of_class = type(handler).__call__ if callable(handler) else None
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(of_class)


def sync_opcodes(handlers: Mapping[str, object]) -> frozenset[int]:
    """The operations that ordinary handlers answer."""
    return frozenset(
        opcode
        for name, handler in handlers.items()
        if not is_async(handler)
        for opcode in HANDLER_OPCODES[name]
    )


class HandlerThreads:
    """Runs the handlers of some operations in threads of their own.

    :param opcodes: the operations.
    :param workers: how many handlers may run at once; a thread is started when it is needed.
    :param hand_over: called in one of the threads with a request, a coroutine that its handler returned after
        all, and the context for it; the loop has to run it.
    :param failed: called in one of the threads with what has to end the program.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        opcodes: frozenset[int],
        workers: int,
        *,
        hand_over: Callable[[Request, Coroutine[Any, Any, Any], contextvars.Context], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        self._dispatcher = dispatcher
        self._opcodes = opcodes
        self._workers = workers
        self._hand_over = hand_over
        self._failed = failed
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._free = threading.Semaphore(0)  # threads that wait for work
        self._threads = 0  # of the loop's thread only
        self._lock = threading.Lock()
        self._left = 0  # guarded by _lock: handed over, and not done
        self._idle: Callable[[], object] | None = None  # guarded by _lock; called once when _left is 0

    def call(self, request: Request) -> Coroutine[Any, Any, Any] | None:
        """In the loop's thread, in the context that was made for *request*: as `Dispatcher.call`."""
        if request.opcode not in self._opcodes:
            return self._dispatcher.call(request)
        with self._lock:
            self._left += 1
        self._queue.put((request, contextvars.copy_context()))
        if not self._free.acquire(blocking=False) and self._threads < self._workers:
            self._threads += 1
            start_thread(f"fusetree-handler-{self._threads}", self._work)
        return None

    def _work(self) -> None:
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                self._free.release()
                item = self._queue.get()
            if item is None:
                return
            self._handle(*item)
            del item  # a request that is done is let go at once

    def _handle(self, request: Request, context: contextvars.Context) -> None:
        try:
            coroutine = context.run(self._dispatcher.call, request)
            if coroutine is not None:
                self._hand_over(request, coroutine, context)
        except BaseException as exc:  # noqa: BLE001 -- the loop's program has to hear of it
            self._failed(exc)
        finally:
            self._done()

    def _done(self) -> None:
        with self._lock:
            self._left -= 1
            idle = self._idle if self._left == 0 else None
            if idle is not None:
                self._idle = None
        if idle is not None:
            idle()

    def when_idle(self, callback: Callable[[], object]) -> None:
        """Have *callback* called once when nothing is left to do: now, or in the thread that does the last of
        it.
        """
        with self._lock:
            if self._left:
                self._idle = callback
                return
        callback()

    def drop(self) -> None:
        """Answer what did not begin with EINTR."""
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if item is not None:
                self._dispatcher.fail(item[0], InterruptedError())
                del item
                self._done()

    def stop(self) -> None:
        """In the loop's thread: nothing is handed over any more; the threads end when they are free."""
        self.drop()
        for _ in range(self._threads):
            self._queue.put(None)
