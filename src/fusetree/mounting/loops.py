"""`async with mount(...)`: the tree is served by the event loop that runs here.

`mount()` returns when the tree is served, which threads do. On entry the loop takes over from them, so that
the program's own code, called by readers and writers, runs in the loop's thread between its other tasks.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

from fusetree.lowlevel import running_library

if TYPE_CHECKING:
    from fusetree.lowlevel import Session


class Serving(Protocol):
    """A session that is served in the background of a task."""

    async def begin(self) -> None:
        """Take over; returns when the loop serves."""

    async def ended(self) -> None:
        """Wait until the session has ended."""

    async def end(self) -> BaseException | None:
        """End the session and wait for that; returns what the serving raised."""


class AsyncioServing:
    """In a task of asyncio."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def begin(self) -> None:
        """Take over; returns when the loop serves."""
        import asyncio

        self._task = asyncio.create_task(self._session.serve(), name="fusetree-serve")
        await asyncio.sleep(0)  # its first step has taken over

    async def ended(self) -> None:
        """Wait until the session has ended."""
        import asyncio

        await asyncio.wait({self._task})

    async def end(self) -> BaseException | None:
        """End the session and wait for that."""
        self._session.stop()
        await self.ended()
        if self._task.cancelled():  # with all other tasks, when the loop ends
            return None
        return self._task.exception()


class TrioServing:
    """In a task of trio, which belongs to the task that entered."""

    def __init__(self, session: Session) -> None:
        import trio

        self._session = session
        self._error: BaseException | None = None
        self._ended = trio.Event()
        self._manager: AbstractAsyncContextManager[Any] = trio.open_nursery()

    async def begin(self) -> None:
        """Take over; returns when the loop serves."""
        import trio

        nursery = await self._manager.__aenter__()
        began = trio.Event()
        nursery.start_soon(self._serve, began)
        await began.wait()
        await trio.lowlevel.checkpoint()  # its first step has taken over

    async def _serve(self, began: Any) -> None:
        import trio

        began.set()
        try:
            await self._session.serve()
        except trio.Cancelled:
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised at the end
            self._error = error  # leaves the block at its end, not in a group with what the block raises
        finally:
            self._ended.set()

    async def ended(self) -> None:
        """Wait until the session has ended."""
        await self._ended.wait()

    async def end(self) -> BaseException | None:
        """End the session and wait for that."""
        self._session.stop()
        await self._manager.__aexit__(None, None, None)
        return self._error


def serving(session: Session) -> Serving:
    """For the event loop that runs here.

    Raises:
        RuntimeError: neither asyncio nor trio runs.
    """
    return TrioServing(session) if running_library() == "trio" else AsyncioServing(session)
