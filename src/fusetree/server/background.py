"""An asyncio loop beside the threads of a session, for handlers that are ``async``.

A thread that calls such a handler hands its coroutine over to here and is free; the answer goes out here.

Rule 1: there is no loop, and no thread, before the first coroutine comes.
Rule 2: a coroutine runs in the context (contextvars) of the thread that handed it over.
Rule 3: an interrupt cancels the task and nothing else: what the coroutine has for its caller all the same
    (an open file) is answered, and so taken back if nobody gets it.
Rule 4: when it is stopped all tasks are cancelled, and the request of each is answered.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeAlias

from fusetree.server.loops import serving_loop, set_after_asking
from fusetree.server.threads import start_thread

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from fusetree._lowlevel.dispatch import Dispatcher
    from fusetree._lowlevel.request import Request

    _Running: TypeAlias = tuple[asyncio.Task[None], Request | None, Coroutine[Any, Any, Any]]

logger = logging.getLogger("fusetree")


class _Outcome(Future[Any]):
    """What a task brings. `cancel` cancels the task; how it ends is up to that."""

    def __init__(self, cancel: Callable[[_Outcome], object]) -> None:
        super().__init__()
        self._cancel = cancel

    def cancel(self) -> bool:
        self._cancel(self)
        return not self.done()

    def be_cancelled(self) -> None:
        """There is no outcome and will be none."""
        super().cancel()


class BackgroundLoop:
    """Runs coroutines for one session, whose *dispatcher* gets it as a place to hand them over to."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None  # guarded by _lock; set once
        self._thread: threading.Thread | None = None  # guarded by _lock; set once
        self._stopped = False  # guarded by _lock
        # In the loop's thread; `waiting` copies it from others.
        self._running: dict[_Outcome, _Running] = {}
        dispatcher.elsewhere = self._take
        dispatcher.background = self._submit
        dispatcher.ask_first = set_after_asking

    def _take(self, request: Request, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._dispatcher.park(request, self._submit(coroutine, request))

    def _submit(self, coroutine: Coroutine[Any, Any, Any], request: Request | None = None) -> _Outcome:
        outcome = _Outcome(self._cancel)
        context = contextvars.copy_context()
        with self._lock:
            loop = None if self._stopped else self._begun()
            if loop is not None:
                loop.call_soon_threadsafe(self._begin, outcome, request, coroutine, context=context)
        if loop is None:
            coroutine.close()
            outcome.be_cancelled()
        return outcome

    def _begun(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            import asyncio  # not before it is needed

            self._loop = asyncio.new_event_loop()
            self._thread = start_thread("fusetree-loop", self._run)
        return self._loop

    # ---- in the loop's thread

    def _run(self) -> None:
        import asyncio

        loop = self._loop
        assert loop is not None
        asyncio.set_event_loop(loop)
        try:
            with serving_loop():
                loop.run_forever()
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    def _begin(self, outcome: _Outcome, request: Request | None, coroutine: Coroutine[Any, Any, Any]) -> None:
        assert self._loop is not None
        task = self._loop.create_task(self._body(outcome, coroutine), name="fusetree-handler")
        self._running[outcome] = task, request, coroutine
        task.add_done_callback(lambda _: self._done(outcome))

    async def _body(self, outcome: _Outcome, coroutine: Coroutine[Any, Any, Any]) -> None:
        import asyncio

        try:
            result = await coroutine
        except asyncio.CancelledError:
            outcome.be_cancelled()
        except BaseException as exc:  # noqa: BLE001 -- the dispatcher knows what is a bug
            outcome.set_exception(exc)
        else:
            outcome.set_result(result)

    def _done(self, outcome: _Outcome) -> None:
        _, _, coroutine = self._running.pop(outcome)
        if not outcome.done():  # cancelled before its first step
            coroutine.close()
            outcome.be_cancelled()

    def _cancel_task(self, outcome: _Outcome) -> None:
        running = self._running.get(outcome)
        if running is not None:
            running[0].cancel()

    async def _cancel_all(self) -> None:
        import asyncio

        assert self._loop is not None
        others = asyncio.all_tasks() - {asyncio.current_task()}  # the program's own too
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others)
        self._loop.stop()

    # ---- from any thread

    def _cancel(self, outcome: _Outcome) -> None:
        with self._lock:
            loop = self._loop
        try:
            if loop is not None:
                loop.call_soon_threadsafe(self._cancel_task, outcome)
        except RuntimeError:
            pass  # the loop is closed, and all is answered

    def waiting(self) -> list[tuple[Request, Coroutine[Any, Any, Any]]]:
        """The requests whose handlers wait, and their coroutines."""
        running = list(self._running.values())
        return [(request, coroutine) for _, request, coroutine in running if request is not None]

    def stop(self, timeout: float) -> None:
        """Cancel all tasks, answer their requests, and end the thread.  Idempotent.

        :param timeout: seconds that tasks have to end; what runs on after that is answered without it.
        """
        with self._lock:
            stopped, self._stopped = self._stopped, True
            loop, thread = self._loop, self._thread
        if stopped or loop is None or thread is None:
            return
        loop.call_soon_threadsafe(lambda: loop.create_task(self._cancel_all(), name="fusetree-stop"))
        if thread is threading.current_thread():
            return  # a handler closes its own session; its task ends when it has
        thread.join(timeout)
        if thread.is_alive():
            logger.warning("closing although an async handler does not end: it was cancelled, and goes on")
            for outcome in list(self._running):
                outcome.be_cancelled()
