"""What asyncio and trio have in common: which of them runs, and what a session wants of a backend.

A backend serves a session inside the event loop that awaits ``session.serve()``.  It drains the device when
that is readable, and calls each handler at once, in the loop's own thread: an ordinary handler is answered in
place, and a coroutine takes its first step there.  Only a handler that has to wait becomes a task of its own,
so a handler that never waits costs no task.

Rule 1: a handler runs in a context of its own (contextvars): what it sets is gone with it.
Rule 2: a handler whose caller gave up waiting (a signal) is cancelled; what is cancelled is answered with
    EINTR.
Rule 3: when the serving ends every handler that waits is cancelled, and every request is answered.
Both cancel only where the session wants it (``serve(cancel_handlers=False)`` does not); whoever cancels the
task that serves cancels the handlers too.
"""

from __future__ import annotations

import errno
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from fusetree._lowlevel.standby import Standby
from fusetree.server.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from concurrent.futures import Future

    from fusetree._lowlevel.connection import Connection
    from fusetree._lowlevel.dispatch import Dispatcher
    from fusetree._lowlevel.request import Request

#: The opcode of what `Connection.take` returns for an interrupt (linux/fuse.h).
INTERRUPT = 36

#: How many requests are handled before the loop gets back to its other business.
BATCH = 64

#: Seconds that handlers have to end when the serving ends, before their requests are answered without them.
GRACE = 5.0

_XATTR_CREATE = 1
_XATTR_REPLACE = 2

_thread = threading.local()  # .serving: how many sessions this thread's loop serves


def running_library() -> str:
    """Which event loop runs here: "asyncio" or "trio".

    :raises RuntimeError: none of them.
    """
    trio: Any = sys.modules.get("trio")
    if trio is not None:
        try:
            trio.lowlevel.current_task()
        except RuntimeError:
            pass  # not in trio
        else:
            return "trio"
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is not None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass  # not in asyncio
        else:
            return "asyncio"
    raise RuntimeError(
        "session.serve() must be awaited under asyncio or trio; "
        "without an event loop, session.run() serves in threads"
    )


@contextmanager
def serving_loop() -> Iterator[None]:
    """Mark the calling thread as one whose event loop serves a session."""
    _thread.serving = getattr(_thread, "serving", 0) + 1
    try:
        yield
    finally:
        _thread.serving -= 1


def on_serving_loop() -> bool:
    """Whether the calling thread's event loop serves a session: who waits here for the kernel may wait for
    itself.
    """
    return bool(getattr(_thread, "serving", 0))


class Backend(Protocol):
    """Serves one session in an event loop."""

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
        """Made in the loop's thread.

        :param standby: whether the session has an inode table, which is then served also while the loop is
            busy.
        :param cancels: whether an interrupt, and the end of the serving, cancels handlers; else they finish.
        :param in_threads: operations whose handlers run in threads, and not in the loop.
        :param workers: how many of these may run at once.
        """

    @property
    def ended(self) -> threading.Event:
        """Set when :meth:`run` returned."""

    @property
    def thread(self) -> int:
        """The ident of the loop's thread."""

    async def readable(self) -> None:
        """Wait until the connection is readable."""

    async def run(self) -> None:
        """Serve until the connection ended or :meth:`stop`.

        When it returns, or is cancelled, no handler runs any more and every request is answered.
        """

    def stop(self) -> None:
        """Make :meth:`run` return, from any thread."""

    def waiting(self) -> list[tuple[Request, Coroutine[Any, Any, Any]]]:
        """The requests whose handlers wait, and their coroutines; from any thread."""

    def cut(self) -> None:
        """In the loop's thread: receive nothing more, cancel handlers, answer their requests with EINTR."""


def running_backend() -> type[Backend]:
    """The backend for the event loop that runs here.

    :raises RuntimeError: none runs.
    """
    if running_library() == "trio":
        from fusetree.server.trio import TrioBackend

        return TrioBackend
    from fusetree.server.aio import AsyncioBackend

    return AsyncioBackend


class StandbyThread:
    """The thread that serves what needs no Python while the loop is busy."""

    def __init__(self, connection: Connection) -> None:
        self.core = Standby(connection)
        self.fileno = self.core.fileno()
        self._thread = start_thread("fusetree-standby", self.core.run)

    def stop(self, dispatcher: Dispatcher) -> None:
        """End it; what it handed over and nobody took is answered with EINTR."""
        self.core.stop()
        self._thread.join()
        while (request := self.core.take()) is not None:
            if request.opcode != INTERRUPT:
                refuse(dispatcher, request)


def refuse(dispatcher: Dispatcher, request: Request) -> None:
    """Answer a request that is not served any more."""
    dispatcher.fail(request, InterruptedError())


async def set_after_asking(asking: Coroutine[Any, Any, Any], flags: int, setter: Callable[[], Any]) -> None:
    """Handle a setxattr with XATTR_CREATE or XATTR_REPLACE (setxattr(2)), for handlers that know no flags.

    :param asking: a getxattr of the same name.
    :param setter: calls the handler of setxattr.
    """
    try:
        await asking
    except OSError as exc:
        if exc.errno != errno.ENODATA or flags & _XATTR_REPLACE:
            raise
    else:
        if flags & _XATTR_CREATE:
            raise FileExistsError
    result = setter()
    if result is not None:
        await result


async def arrived(future: Future[Any]) -> Any:
    """Wait for what another thread brings, under asyncio or trio; cancelling the wait does not touch it."""
    if running_library() == "trio":
        import trio

        token = trio.lowlevel.current_trio_token()
        done = trio.Event()

        def tell(_: object) -> None:
            try:
                token.run_sync_soon(done.set)
            except trio.RunFinishedError:
                pass  # nobody waits any more

        future.add_done_callback(tell)
        await done.wait()
        return future.result()

    import asyncio

    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def wake(_: object) -> None:
        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    future.add_done_callback(wake)
    await waiter
    return future.result()
