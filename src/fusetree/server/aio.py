"""The backend for asyncio: handlers run in the event loop.

From Python 3.12 on a coroutine is started as an eager task: its first step runs at once, and if that is all,
the loop never hears of it.  Python 3.10 and 3.11 know no eager tasks, so there each coroutine is a task from
the start (a step outside a task would break ``current_task()`` and time limits).
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import sys
import threading
from typing import TYPE_CHECKING, Any

from fusetree._lowlevel.connection import ReceiveBuffer
from fusetree.server.inside import inside_context
from fusetree.server.loops import (
    BATCH,
    GRACE,
    INTERRUPT,
    StandbyThread,
    refuse,
    serving_loop,
    set_after_asking,
)
from fusetree.server.offload import HandlerThreads

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fusetree._lowlevel.connection import Connection
    from fusetree._lowlevel.dispatch import Dispatcher
    from fusetree._lowlevel.request import Request


class AsyncioBackend:
    """Serves one session in the running asyncio loop.  See `loops.Backend`."""

    def __init__(
        self,
        connection: Connection,
        dispatcher: Dispatcher,
        *,
        standby: bool,
        cancels: bool,
        in_threads: frozenset[int],
        workers: int,
    ) -> None:
        self.ended = threading.Event()
        self.thread = threading.get_ident()
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._dispatcher = dispatcher
        self._threads: HandlerThreads | None = None
        self._call = dispatcher.call
        if in_threads:
            self._threads = HandlerThreads(
                dispatcher, in_threads, workers, hand_over=self._take_coroutine, failed=self._end_from_thread
            )
            self._call = self._threads.call
        self._finish = dispatcher.finish
        self._fail = dispatcher.fail
        self._fd = connection.fileno()
        self._buffer = ReceiveBuffer()
        self._wants_standby = standby
        self._cancels = cancels
        self._standby: StandbyThread | None = None
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._error: BaseException | None = None
        self._serial = 0
        # By token, see Request.watch.
        self._waiting: dict[int, tuple[asyncio.Task[None], Request, Coroutine[Any, Any, Any]]] = {}
        self._undoing: set[asyncio.Task[Any]] = set()  # what handlers take back; nobody waits for it
        self._context = inside_context()
        dispatcher.background = self._undo
        dispatcher.ask_first = set_after_asking

    async def readable(self) -> None:
        """Wait until the connection is readable."""
        readable: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._fd, _settle, readable)
        try:
            await readable
        finally:
            self._loop.remove_reader(self._fd)

    async def run(self) -> None:
        """Serve until the connection ended, `stop`, or cancellation."""
        with serving_loop():
            self._loop.add_reader(self._fd, self._drain)
            try:
                if self._wants_standby:
                    self._standby = StandbyThread(self._connection)
                    self._loop.add_reader(self._standby.fileno, self._take_handed)
                self._dispatcher.elsewhere = self._take_over
                await self._over
                if not self._cancels:
                    await self._let_finish()
            finally:
                self._receive_no_more()
                try:
                    await self._cancel_all()
                finally:
                    self._answer_all()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Make `run` return, from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._end)
        except RuntimeError:
            pass  # the loop is closed, so nothing runs

    def cut(self) -> None:
        """Receive nothing more, cancel all handlers and answer their requests."""
        self._end()
        self._receive_no_more()
        self._connection.wind_up()
        for task, _, _ in list(self._waiting.values()):
            task.cancel()
        if self._threads is not None:
            self._threads.stop()
        self._answer_all()

    def waiting(self) -> list[tuple[Request, Coroutine[Any, Any, Any]]]:
        """The requests whose handlers wait, and their coroutines; from any thread."""
        return [(request, coroutine) for _, request, coroutine in list(self._waiting.values())]

    def _end(self, error: BaseException | None = None) -> None:
        if self._error is None:
            self._error = error
        if not self._over.done():
            self._over.set_result(None)

    def _end_from_thread(self, error: BaseException) -> None:
        try:
            self._loop.call_soon_threadsafe(self._end, error)
        except RuntimeError:
            pass  # the loop is closed, so the program has ended

    def _receive_no_more(self) -> None:
        self._loop.remove_reader(self._fd)
        standby, self._standby = self._standby, None
        if standby is not None:
            self._loop.remove_reader(standby.fileno)
            standby.stop(self._dispatcher)

    async def _let_finish(self) -> None:
        self._receive_no_more()
        await self._threads_idle(None)  # they may still hand something over to the loop
        while tasks := [task for task, _, _ in self._waiting.values()] + list(self._undoing):
            await asyncio.wait(tasks)

    async def _cancel_all(self) -> None:
        if self._threads is not None:
            self._connection.wind_up()
            self._threads.drop()
        tasks = [task for task, _, _ in self._waiting.values()]
        for task in tasks:
            task.cancel()
        tasks.extend(self._undoing)
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE)
        await self._threads_idle(GRACE)
        if self._threads is not None:
            self._threads.stop()

    async def _threads_idle(self, timeout: float | None) -> None:
        """Wait until the threads have nothing left to do."""
        if self._threads is None:
            return
        idle: asyncio.Future[None] = self._loop.create_future()

        def tell() -> None:
            try:
                self._loop.call_soon_threadsafe(_settle, idle)
            except RuntimeError:
                pass  # the loop is closed: nobody waits any more

        self._threads.when_idle(tell)
        await asyncio.wait({idle}, timeout=timeout)

    def _answer_all(self) -> None:
        for _, request, _ in self._waiting.values():
            refuse(self._dispatcher, request)

    # ---- requests

    def _drain(self) -> None:
        """The device is readable."""
        connection = self._connection
        connection.begin_drain(not self._waiting)
        take = connection.take
        buffer = self._buffer
        handle = self._handle
        try:
            for _ in range(BATCH):
                request = take(buffer)
                if request is None:
                    if connection.exited:
                        self._loop.remove_reader(self._fd)
                        self._end()
                    return
                handle(request)
        except OSError as exc:  # of reading the device
            self._loop.remove_reader(self._fd)
            self._end(exc)

    def _take_handed(self) -> None:
        """The stand-by thread received what needs Python."""
        if self._standby is None:
            return
        take = self._standby.core.take
        for _ in range(BATCH):
            request = take()
            if request is None:
                return
            self._handle(request)

    def _handle(self, request: Request) -> None:
        context = self._context.copy()
        coroutine = context.run(self._call, request)
        if coroutine is not None:
            self._start(request, coroutine, context)
        elif request.opcode == INTERRUPT:
            waiting = self._waiting.get(request.inode)
            if waiting is not None:
                waiting[0].cancel()

    if sys.version_info >= (3, 12):

        def _start(
            self, request: Request, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context
        ) -> None:
            task = asyncio.Task(
                self._answer(request, coroutine),
                loop=self._loop,
                name="fusetree-handler",
                context=context,
                eager_start=True,
            )
            if not task.done():
                self._wait_for(request, task, coroutine)

    else:

        def _start(
            self, request: Request, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context
        ) -> None:
            make: Callable[..., asyncio.Task[None]] = functools.partial(asyncio.Task, loop=self._loop)
            self._wait_for(request, context.run(make, self._answer(request, coroutine)), coroutine)

    def _take_over(self, request: Request, coroutine: Coroutine[Any, Any, Any]) -> None:
        """In one of the threads that served before: it had read the request already."""
        self._take_coroutine(request, coroutine, contextvars.copy_context())

    def _take_coroutine(
        self, request: Request, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context
    ) -> None:
        """In one of the threads: the handler was async after all."""
        try:
            self._loop.call_soon_threadsafe(self._start_handed, request, coroutine, context)
        except RuntimeError:  # the loop is closed
            coroutine.close()
            refuse(self._dispatcher, request)

    def _start_handed(
        self, request: Request, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context
    ) -> None:
        if self._over.done() and self._cancels:
            coroutine.close()
            refuse(self._dispatcher, request)
        else:
            self._start(request, coroutine, context)

    def _wait_for(
        self, request: Request, task: asyncio.Task[None], coroutine: Coroutine[Any, Any, Any]
    ) -> None:
        self._serial = token = self._serial + 1
        self._waiting[token] = task, request, coroutine
        task.add_done_callback(functools.partial(self._done, token))
        self._connection.begin_drain(False)  # it wants its turn of the loop
        if self._cancels and request.watch(token):
            task.cancel()

    def _done(self, token: int, task: asyncio.Task[None]) -> None:
        _, request, coroutine = self._waiting.pop(token)
        if not request.replied:  # cancelled before its first step
            coroutine.close()  # or Python complains that nobody awaited it
            refuse(self._dispatcher, request)

    async def _answer(self, request: Request, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Body of a handler's task."""
        try:
            result = await coroutine
        except asyncio.CancelledError:
            self._fail(request, InterruptedError())
        except BaseException as exc:  # noqa: BLE001 -- the dispatcher knows what is a bug, and what has to end the program
            self._fail(request, exc)
        else:
            self._finish(request, result)

    def _undo(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        if threading.get_ident() != self.thread:
            try:
                self._loop.call_soon_threadsafe(self._undo, coroutine)
            except RuntimeError:  # the loop is closed: everything is taken back by destroy()
                coroutine.close()
            return
        task = self._loop.create_task(coroutine, name="fusetree-undo")
        self._undoing.add(task)
        task.add_done_callback(self._undone)

    def _undone(self, task: asyncio.Task[Any]) -> None:
        self._undoing.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            self._loop.call_exception_handler(
                {"message": "a forget or release handler failed", "exception": exc, "task": task}
            )


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
