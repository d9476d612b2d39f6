"""The two event loops, told by the same words, so that a test is written once for both; a file system."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.util
import stat
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from fusetree import lowlevel
from fusetree.testing import Opcode, PathClient, Pending
from fusetree.testing.loops import BackendName

HAS_TRIO = importlib.util.find_spec("trio") is not None
FILE = 2  # the inode of Few's file


class Kit:
    """What a test needs of an event loop; called from handlers, unless said otherwise."""

    backend: BackendName

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError

    async def forever(self) -> None:
        """Wait until cancelled."""
        raise NotImplementedError

    def event(self) -> Any:
        """An object with set() and wait()."""
        raise NotImplementedError

    def current_task(self) -> object:
        raise NotImplementedError

    def cancelled(self) -> type[BaseException]:
        """What is raised in what is cancelled."""
        raise NotImplementedError

    async def limited(self, seconds: float, function: Callable[[], Awaitable[object]]) -> bool:
        """Call and await *function*; False when it took longer and was cancelled."""
        raise NotImplementedError

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        raise NotImplementedError

    def tasks(self) -> int:
        """How many tasks the loop has."""
        raise NotImplementedError

    def run(self, function: Callable[[], Awaitable[Any]]) -> Any:
        """Run a loop with *function* as its main task; called outside of any loop."""
        raise NotImplementedError

    async def together(self, *functions: Callable[[], Awaitable[Any]]) -> None:
        """Run all until each has ended, or the first raises."""
        raise NotImplementedError

    async def cancelling(
        self, first: Callable[[], Awaitable[Any]], second: Callable[[], Awaitable[Any]]
    ) -> None:
        """Run *first* in a task, and cancel it when *second* is done; returns when it has ended by that."""
        raise NotImplementedError


class AsyncioKit(Kit):
    backend = "asyncio"

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def forever(self) -> None:
        await asyncio.get_running_loop().create_future()

    def event(self) -> Any:
        return asyncio.Event()

    def current_task(self) -> object:
        return asyncio.current_task()

    def cancelled(self) -> type[BaseException]:
        return asyncio.CancelledError

    async def limited(self, seconds: float, function: Callable[[], Awaitable[object]]) -> bool:
        try:
            timeout: Any = getattr(asyncio, "timeout", None)  # from Python 3.11 on
            if timeout is None:
                await asyncio.wait_for(function(), seconds)
            else:
                async with timeout(seconds):
                    await function()
        except asyncio.TimeoutError:
            return False
        return True

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(function)

    def tasks(self) -> int:
        return len(asyncio.all_tasks())

    def run(self, function: Callable[[], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            return await function()

        return asyncio.run(main(), debug=True)

    async def together(self, *functions: Callable[[], Awaitable[Any]]) -> None:
        await asyncio.gather(*(function() for function in functions))

    async def cancelling(
        self, first: Callable[[], Awaitable[Any]], second: Callable[[], Awaitable[Any]]
    ) -> None:
        task = asyncio.ensure_future(first())
        await second()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()


class TrioKit(Kit):
    backend = "trio"

    async def sleep(self, seconds: float) -> None:
        import trio

        await trio.sleep(seconds)

    async def forever(self) -> None:
        import trio

        await trio.sleep_forever()

    def event(self) -> Any:
        import trio

        return trio.Event()

    def current_task(self) -> object:
        import trio

        return trio.lowlevel.current_task()

    def cancelled(self) -> type[BaseException]:
        import trio

        return trio.Cancelled

    async def limited(self, seconds: float, function: Callable[[], Awaitable[object]]) -> bool:
        import trio

        with trio.move_on_after(seconds) as scope:
            await function()
        return not scope.cancelled_caught

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        import trio

        return await trio.to_thread.run_sync(function)

    def tasks(self) -> int:
        import trio

        return trio.lowlevel.current_statistics().tasks_living

    def run(self, function: Callable[[], Awaitable[Any]]) -> Any:
        import trio

        return trio.run(function)

    async def together(self, *functions: Callable[[], Awaitable[Any]]) -> None:
        import trio

        async with trio.open_nursery() as nursery:
            for function in functions:
                nursery.start_soon(function)

    async def cancelling(
        self, first: Callable[[], Awaitable[Any]], second: Callable[[], Awaitable[Any]]
    ) -> None:
        import trio

        async with trio.open_nursery() as nursery:
            nursery.start_soon(first)
            await second()
            nursery.cancel_scope.cancel()


KITS: dict[str, type[Kit]] = {"asyncio": AsyncioKit, "trio": TrioKit}


class Few(lowlevel.Operations):
    """A root with one file, "f". The test sets the handlers that it is about: `few.read = ...`."""

    destroyed = False

    def attributes(self, inode: int) -> lowlevel.EntryAttributes:
        attributes = lowlevel.EntryAttributes()
        attributes.st_ino = inode
        attributes.st_nlink = 1
        attributes.st_mode = stat.S_IFDIR | 0o755 if inode == lowlevel.ROOT_INODE else stat.S_IFREG | 0o644
        attributes.st_size = 0 if inode == lowlevel.ROOT_INODE else 100
        return attributes

    def lookup(
        self, parent_inode: int, name: bytes, ctx: lowlevel.RequestContext
    ) -> lowlevel.EntryAttributes:
        if name != b"f":
            raise FileNotFoundError
        return self.attributes(FILE)

    def getattr(self, inode: int, ctx: lowlevel.RequestContext) -> lowlevel.EntryAttributes:
        return self.attributes(inode)

    def open(self, inode: int, flags: int, ctx: lowlevel.RequestContext) -> lowlevel.FileInfo:
        return lowlevel.FileInfo(fh=inode, direct_io=True)

    def read(self, fh: int, off: int, size: int) -> Any:
        return b"data"[off : off + size]

    def destroy(self) -> None:
        self.destroyed = True


def submit_read(client: PathClient, fh: int = FILE, offset: int = 0) -> Pending:
    """READ of Few's file, not waited for; the handler gets *fh* and *offset*."""
    return client.raw.submit(Opcode.READ, FILE, struct.pack("<QQIIQII", fh, offset, 100, 0, 0, 0, 0))


def errno_of_reply(pending: Pending) -> int:
    """The errno that a request was answered with; 0: none."""
    try:
        pending.result(20)
    except OSError as error:
        return error.errno or 0
    return 0


EINTR = errno.EINTR
EIO = errno.EIO
