"""The backend for trio: handlers run in reader tasks.

A *reader* is a task that waits for requests and runs their handlers itself, inside its own cancel scope; so
``current_task()`` and cancel scopes are right in a handler, and there is no task for each request.  When a
handler has to wait (its first ``yield``), the next reader is started, and this task ends with its handler::

    reader:   wait for requests --> handler --> handler --> handler waits ........ answered, the task ends
    next one:                                               wait for requests --> handler --> ...

Rule: each source of requests (the device, and what the stand-by thread hands over) has one reader that waits
for it.
"""

from __future__ import annotations

import contextvars
import math
import threading
import types
from typing import TYPE_CHECKING, Any

try:
    import trio
except ImportError as missing:
    raise ImportError("serving under trio needs the package trio: pip install 'fusetree[trio]'") from missing

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
    from collections.abc import Callable, Coroutine, Generator

    from fusetree._lowlevel.connection import Connection
    from fusetree._lowlevel.dispatch import Dispatcher
    from fusetree._lowlevel.request import Request


class TrioBackend:
    """Serves one session in the running trio loop.  See `loops.Backend`."""

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
        self._token = trio.lowlevel.current_trio_token()
        self._connection = connection
        self._dispatcher = dispatcher
        self._threads: HandlerThreads | None = None
        self._call = dispatcher.call
        if in_threads:
            self._threads = HandlerThreads(
                dispatcher, in_threads, workers, hand_over=self._take_coroutine, failed=self._end_from_thread
            )
            self._call = self._threads.call
        self._fd = connection.fileno()
        self._buffer = ReceiveBuffer()
        self._wants_standby = standby
        self._cancels = cancels
        self._standby: StandbyThread | None = None
        self._over = False
        self._error: BaseException | None = None
        self._scope = trio.CancelScope()
        self._nursery: trio.Nursery
        self._serial = 0
        # By token, see Request.watch.
        self._waiting: dict[int, tuple[trio.CancelScope, Request, Coroutine[Any, Any, Any]]] = {}
        self._context = inside_context()
        dispatcher.background = self._undo
        dispatcher.ask_first = set_after_asking

    async def readable(self) -> None:
        """Wait until the connection is readable."""
        await trio.lowlevel.wait_readable(self._fd)

    async def run(self) -> None:
        """Serve until the connection ended, `stop`, or cancellation."""
        with serving_loop():
            try:
                with self._scope:
                    async with trio.open_nursery() as self._nursery:
                        self._dispatcher.elsewhere = self._take_over
                        self._nursery.start_soon(self._read, self._fd, self._take)
                        if self._wants_standby:
                            self._standby = StandbyThread(self._connection)
                            self._nursery.start_soon(self._read, self._standby.fileno, self._take_handed)
                if not self._cancels:
                    await self._threads_idle(math.inf)
            finally:
                self._receive_no_more()
                await self._stop_threads()
                self._answer_all()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Make `run` return, from any thread."""
        try:
            self._token.run_sync_soon(self._end)
        except trio.RunFinishedError:
            pass  # nothing runs

    def cut(self) -> None:
        """Receive nothing more, cancel all handlers and answer their requests."""
        self._end()
        self._scope.cancel()
        trio.lowlevel.notify_closing(self._fd)
        self._receive_no_more()
        self._connection.wind_up()
        if self._threads is not None:
            self._threads.stop()
        self._answer_all()

    def waiting(self) -> list[tuple[Request, Coroutine[Any, Any, Any]]]:
        """The requests whose handlers wait, and their coroutines; from any thread."""
        return [(request, coroutine) for _, request, coroutine in list(self._waiting.values())]

    def _end(self, error: BaseException | None = None) -> None:
        over, self._over = self._over, True
        if self._error is None:
            self._error = error
        if self._cancels or error is not None:
            self._scope.cancel()
        elif not over:
            self._receive_no_more()
            trio.lowlevel.notify_closing(self._fd)  # ends the reader, and leaves handlers alone

    def _end_from_thread(self, error: BaseException) -> None:
        try:
            self._token.run_sync_soon(self._end, error)
        except trio.RunFinishedError:
            pass  # the program has ended

    async def _threads_idle(self, seconds: float) -> None:
        """Wait until the threads have nothing left to do."""
        if self._threads is None:
            return
        idle = trio.Event()

        def tell() -> None:
            try:
                self._token.run_sync_soon(idle.set)
            except trio.RunFinishedError:
                pass  # nobody waits any more

        self._threads.when_idle(tell)
        with trio.move_on_after(seconds):
            await idle.wait()

    async def _stop_threads(self) -> None:
        if self._threads is None:
            return
        self._connection.wind_up()
        self._threads.drop()
        with trio.CancelScope(shield=True):
            await self._threads_idle(GRACE)
        self._threads.stop()

    def _receive_no_more(self) -> None:
        standby, self._standby = self._standby, None
        if standby is not None:
            trio.lowlevel.notify_closing(standby.fileno)
            standby.stop(self._dispatcher)

    def _answer_all(self) -> None:
        for _, request, _ in self._waiting.values():
            refuse(self._dispatcher, request)

    # ---- requests

    def _take(self) -> Request | None:
        request = self._connection.take(self._buffer)
        if request is None and self._connection.exited:
            self._end()
        return request

    def _take_handed(self) -> Request | None:
        return None if self._standby is None else self._standby.core.take()

    async def _read(self, fd: int, take: Callable[[], Request | None]) -> None:
        """Body of a reader task."""
        try:
            # Cancelled by an interrupt of the handler that this task ends with, and of no other.
            with trio.CancelScope() as scope:
                await self._serve(fd, take, scope)
        except trio.Cancelled:
            raise
        except trio.ClosedResourceError:
            self._end()
        except BaseException as exc:  # noqa: BLE001 -- of reading the device, or what has to end the program
            # Session.abort may have closed the device, which nobody can wait for then.
            gone = isinstance(exc, OSError) and self._connection.exited
            self._end(None if gone else exc)

    async def _serve(self, fd: int, take: Callable[[], Request | None], scope: trio.CancelScope) -> None:
        """Serve inside *scope* until a handler has waited."""
        connection = self._connection
        call, finish, fail = self._call, self._dispatcher.finish, self._dispatcher.fail
        fresh = self._context.copy
        wait = trio.lowlevel.wait_readable
        while not self._over:
            await wait(fd)
            connection.begin_drain(not self._waiting)
            for _ in range(BATCH):
                request = take()
                if request is None:
                    break
                context = fresh()
                coroutine = context.run(call, request)
                if coroutine is None:
                    if request.opcode == INTERRUPT:
                        self._interrupt(request.inode)
                    continue
                try:
                    trap = context.run(coroutine.send, None)
                except StopIteration as end:
                    finish(request, end.value)
                except trio.Cancelled:
                    refuse(self._dispatcher, request)
                    raise
                except BaseException as exc:  # noqa: BLE001 -- the dispatcher knows what is a bug
                    fail(request, exc)
                else:
                    self._nursery.start_soon(self._read, fd, take)
                    await self._wait_for(request, coroutine, context, trap, scope)
                    return

    async def _wait_for(
        self,
        request: Request,
        coroutine: Coroutine[Any, Any, Any],
        context: contextvars.Context,
        trap: Any,
        scope: trio.CancelScope,
    ) -> None:
        """The rest of a handler that has to wait."""
        self._serial = token = self._serial + 1
        self._waiting[token] = scope, request, coroutine
        try:
            if self._cancels and request.watch(token):
                scope.cancel()
            result = await _resume(coroutine, context, trap)
        except trio.Cancelled:
            refuse(self._dispatcher, request)
            raise
        except BaseException as exc:  # noqa: BLE001 -- the dispatcher knows what is a bug
            self._dispatcher.fail(request, exc)
        else:
            self._dispatcher.finish(request, result)
        finally:
            del self._waiting[token]

    def _interrupt(self, token: int) -> None:
        waiting = self._waiting.get(token)
        if waiting is not None:
            waiting[0].cancel()

    def _take_over(self, request: Request, coroutine: Coroutine[Any, Any, Any]) -> None:
        """In one of the threads that served before: it had read the request already."""
        self._take_coroutine(request, coroutine, contextvars.copy_context())

    def _take_coroutine(
        self, request: Request, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context
    ) -> None:
        """In one of the threads: the handler was async after all."""
        try:
            self._token.run_sync_soon(self._start_handed, request, coroutine, context)
        except trio.RunFinishedError:
            coroutine.close()
            refuse(self._dispatcher, request)

    def _start_handed(
        self, request: Request, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context
    ) -> None:
        if self._over:
            coroutine.close()
            refuse(self._dispatcher, request)
        else:
            self._nursery.start_soon(self._run_handed, request, coroutine, context)

    async def _run_handed(
        self, request: Request, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context
    ) -> None:
        with trio.CancelScope() as scope:
            try:
                trap = context.run(coroutine.send, None)
            except StopIteration as end:
                self._dispatcher.finish(request, end.value)
            except trio.Cancelled:
                refuse(self._dispatcher, request)
                raise
            except BaseException as exc:  # noqa: BLE001 -- the dispatcher knows what is a bug
                self._dispatcher.fail(request, exc)
            else:
                await self._wait_for(request, coroutine, context, trap, scope)

    def _undo(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        if threading.get_ident() != self.thread:
            try:
                self._token.run_sync_soon(self._undo, coroutine)
            except trio.RunFinishedError:  # everything is taken back by destroy()
                coroutine.close()
            return
        self._nursery.start_soon(self._take_back, coroutine, name="fusetree-undo")

    async def _take_back(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        try:
            await coroutine
        except trio.Cancelled:
            raise
        except BaseException as exc:  # noqa: BLE001 -- it ends the serving
            self._end(exc)


@types.coroutine
def _resume(
    coroutine: Coroutine[Any, Any, Any], context: contextvars.Context, trap: Any
) -> Generator[Any, Any, Any]:
    """Go on with a coroutine that has yielded *trap*, in *context*, on behalf of the task that awaits
    this.
    """
    while True:
        step: Callable[..., Any]
        try:
            value: Any = yield trap
        except BaseException as exc:  # noqa: BLE001 -- thrown in for the coroutine
            step, value = coroutine.throw, exc
        else:
            step = coroutine.send
        try:
            trap = context.run(step, value)
        except StopIteration as end:
            return end.value
