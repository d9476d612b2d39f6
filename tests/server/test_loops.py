"""Handlers in an event loop: what they may rely on, under asyncio and trio alike."""

from __future__ import annotations

import errno
import gc
import logging
import os
import sys
import threading
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from fusetree import lowlevel
from fusetree.testing import Client, Opcode
from tests.server.conftest import Serve
from tests.server.kits import EINTR, EIO, FILE, Few, Kit, errno_of_reply, submit_read
from tests.support import python, raises_errno, wait_for

Ctx = lowlevel.RequestContext
variable: ContextVar[str] = ContextVar("variable", default="untouched")


class Answers(Few):
    """Ordinary and async handlers, mixed; some wait and some do not."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.threads: set[int] = set()
        self.released: list[int] = []
        self.forgotten: list[tuple[int, int]] = []

    async def lookup(self, parent_inode: int, name: bytes, ctx: Ctx) -> lowlevel.EntryAttributes:  # type: ignore[override]
        self.threads.add(threading.get_ident())
        if name != b"f":
            raise FileNotFoundError
        return self.attributes(FILE)

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:  # type: ignore[override]
        self.forgotten += inode_list

    async def open(self, inode: int, flags: int, ctx: Ctx) -> lowlevel.FileInfo:  # type: ignore[override]
        await self.kit.sleep(0)
        return lowlevel.FileInfo(fh=7, direct_io=True)

    async def read(self, fh: int, off: int, size: int) -> bytes:  # type: ignore[override]
        await self.kit.sleep(0.001)
        await self.kit.sleep(0)
        return b"hello\n"[off : off + size]

    def write(self, fh: int, off: int, buf: memoryview) -> int:
        return len(buf)

    async def release(self, fh: int) -> None:  # type: ignore[override]
        await self.kit.sleep(0)
        self.released.append(fh)

    async def opendir(self, inode: int, ctx: Ctx) -> int:  # type: ignore[override]
        return inode

    async def readdir(self, fh: int, start_id: int, token: lowlevel.ReaddirToken) -> None:  # type: ignore[override]
        await self.kit.sleep(0)
        if start_id == 0:
            lowlevel.readdir_reply(token, b"f", self.attributes(FILE), 1)


def test_ordinary_and_async_handlers_are_mixed(serve: Serve, kit: Kit) -> None:
    operations = Answers(kit)
    client = serve(operations)
    assert client.listdir() == ["f"]
    with client.open("f", os.O_RDWR) as opened:
        assert opened.pread(100, 0) == b"hello\n"
        assert opened.pwrite(b"abc", 0) == 3
    wait_for(lambda: operations.released == [7])
    with raises_errno(errno.ENOENT):
        client.stat("absent")
    client.drop_caches()
    wait_for(lambda: operations.forgotten)
    assert len(operations.threads) == 1
    assert threading.get_ident() not in operations.threads


def test_a_thousand_slow_reads_wait_together(serve: Serve, kit: Kit) -> None:
    few = Few()
    waiting: list[int] = []
    all_wait: list[Any] = []

    async def read(fh: int, off: int, size: int) -> bytes:
        if not all_wait:
            all_wait.append(kit.event())
        waiting.append(off)
        if len(waiting) == 1000:
            all_wait[0].set()
        await all_wait[0].wait()
        return b"%d" % off

    few.read = read  # type: ignore[method-assign]
    client = serve(few)
    reads = [submit_read(client, offset=number) for number in range(1000)]
    assert [pending.result(30) for pending in reads] == [b"%d" % number for number in range(1000)]
    assert sorted(waiting) == list(range(1000))


def test_a_handler_is_the_current_task_throughout(serve: Serve, kit: Kit) -> None:
    few = Few()
    tasks: list[object] = []

    async def read(fh: int, off: int, size: int) -> bytes:
        tasks.append(kit.current_task())
        if off:
            await kit.sleep(0)
            tasks.append(kit.current_task())
            await kit.sleep(0.001)
            tasks.append(kit.current_task())
        return b""

    few.read = read  # type: ignore[method-assign]
    client = serve(few)
    for offset in (0, 1, 0):
        submit_read(client, offset=offset).result()
    assert None not in tasks
    assert tasks[1] is tasks[2] is tasks[3]


def test_time_limits_hold_inside_a_handler(serve: Serve, kit: Kit) -> None:
    few = Few()

    async def read(fh: int, off: int, size: int) -> bytes:
        first = await kit.limited(0.01, kit.forever)
        second = await kit.limited(30, lambda: kit.sleep(0))
        return f"{first} {second}".encode()

    few.read = read  # type: ignore[method-assign]
    client = serve(few)
    for _ in range(3):
        assert submit_read(client).result() == b"False True"


def test_what_a_handler_sets_in_its_context_is_gone_with_it(serve: Serve, kit: Kit) -> None:
    few = Few()
    seen: list[str] = []

    async def read(fh: int, off: int, size: int) -> bytes:
        seen.append(variable.get())
        variable.set(f"read {off}")
        if off:
            await kit.sleep(0)
            await kit.in_thread(lambda: seen.append(variable.get()))
            seen.append(variable.get())
        return b""

    def getattr_(inode: int, ctx: Ctx) -> lowlevel.EntryAttributes:
        seen.append(variable.get())
        variable.set("getattr")
        return few.attributes(inode)

    few.read = read  # type: ignore[method-assign]
    few.getattr = getattr_  # type: ignore[method-assign]
    client = serve(few)
    submit_read(client, offset=0).result()
    client.raw.getattr(FILE)
    submit_read(client, offset=1).result()
    client.raw.getattr(FILE)
    submit_read(client, offset=2).result()
    assert seen == ["untouched"] * 3 + ["read 1"] * 2 + ["untouched"] * 2 + ["read 2"] * 2


def test_handlers_leave_no_tasks_behind(serve: Serve, kit: Kit) -> None:
    few = Few()
    counts: list[int] = []

    async def read(fh: int, off: int, size: int) -> bytes:
        if off:
            await kit.sleep(0)
        counts.append(kit.tasks())
        return b""

    few.read = read  # type: ignore[method-assign]
    client = serve(few)
    submit_read(client).result()
    for number in range(200):
        submit_read(client, offset=number % 2).result()
    submit_read(client).result()
    assert counts[-1] <= counts[0] + 1
    assert max(counts) <= counts[0] + 2


class TestErrors:
    def test_an_oserror_is_its_errno_also_after_waiting(self, serve: Serve, kit: Kit) -> None:
        few = Few()

        async def read(fh: int, off: int, size: int) -> bytes:
            if off:
                await kit.sleep(0)
            raise PermissionError

        few.read = read  # type: ignore[method-assign]
        client = serve(few)
        assert errno_of_reply(submit_read(client)) == errno.EACCES
        assert errno_of_reply(submit_read(client, offset=1)) == errno.EACCES
        assert client.session.failures == 0

    @pytest.mark.parametrize("offset", [0, 1])
    def test_a_bug_is_eio_and_logged_and_the_session_goes_on(
        self, serve: Serve, kit: Kit, offset: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        few = Few()

        async def read(fh: int, off: int, size: int) -> bytes:
            if off:
                await kit.sleep(0)
            raise ZeroDivisionError("once")

        few.read = read  # type: ignore[method-assign]
        client = serve(few)
        with caplog.at_level(logging.ERROR, logger="fusetree"):
            assert errno_of_reply(submit_read(client, offset=offset)) == EIO
        assert "handler read failed" in caplog.text
        assert "ZeroDivisionError: once" in caplog.text
        assert client.stat("f").st_ino == FILE
        assert client.session.failures == 1

    @pytest.mark.parametrize("offset", [0, 1])
    def test_a_result_of_the_wrong_type_is_eio(
        self, serve: Serve, kit: Kit, offset: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        few = Few()

        async def read(fh: int, off: int, size: int) -> Any:
            if off:
                await kit.sleep(0)
            return "text"

        few.read = read  # type: ignore[method-assign]
        client = serve(few)
        assert errno_of_reply(submit_read(client, offset=offset)) == EIO
        assert "must return bytes" in caplog.text

    def test_a_strict_session_raises_it_out_of_serve(self, kit: Kit) -> None:
        few = Few()

        async def read(fh: int, off: int, size: int) -> bytes:
            await kit.sleep(0)
            raise ZeroDivisionError

        few.read = read  # type: ignore[method-assign]
        client = Client(few, backend=kit.backend, strict=True)
        assert errno_of_reply(submit_read(client)) == EIO
        with pytest.raises(ZeroDivisionError):
            client.close()

    @pytest.mark.parametrize("waits", [False, True, None])
    def test_what_ends_a_program_ends_it_from_a_handler_too(self, kit: Kit, waits: bool | None) -> None:
        few = Few()

        async def read(fh: int, off: int, size: int) -> bytes:
            if waits:
                await kit.sleep(0)
            raise SystemExit(3)

        def ordinary(fh: int, off: int, size: int) -> bytes:
            raise SystemExit(3)

        few.read = ordinary if waits is None else read  # type: ignore[method-assign]
        client = Client(few, backend=kit.backend)
        assert errno_of_reply(submit_read(client)) in (EIO, errno.ENOTCONN)
        with pytest.raises(SystemExit) as caught:
            client.close()
        assert caught.value.code == 3
        assert few.destroyed


class TestInterrupts:
    def test_an_interrupt_cancels_the_handler_that_waits(self, serve: Serve, kit: Kit) -> None:
        few = Few()
        began, cancelled = threading.Semaphore(0), threading.Event()

        async def read(fh: int, off: int, size: int) -> bytes:
            if off:
                return b"next"
            began.release()
            try:
                await kit.forever()
            except kit.cancelled():
                cancelled.set()
                raise
            return b""

        few.read = read  # type: ignore[method-assign]
        client = serve(few)
        first, second = submit_read(client), submit_read(client)
        assert began.acquire(timeout=10)
        assert began.acquire(timeout=10)
        client.raw.interrupt(second)
        assert errno_of_reply(second) == EINTR
        assert cancelled.is_set()
        assert not first.done
        assert submit_read(client, offset=1).result() == b"next"
        client.raw.interrupt(first)
        assert errno_of_reply(first) == EINTR

    def test_an_interrupt_that_comes_with_its_request(self, serve: Serve, kit: Kit) -> None:
        """Both wait for the loop, so a task may be cancelled before its first step."""
        few = Few()
        blocked, go_on = threading.Event(), threading.Event()

        def getattr_(inode: int, ctx: Ctx) -> lowlevel.EntryAttributes:
            blocked.set()
            assert go_on.wait(20)
            return few.attributes(inode)

        async def read(fh: int, off: int, size: int) -> bytes:
            await kit.forever()
            return b""

        few.getattr = getattr_  # type: ignore[method-assign]
        few.read = read  # type: ignore[method-assign]
        client = serve(few)
        asking = client.raw.submit(Opcode.GETATTR, FILE, b"\0" * 16)
        assert blocked.wait(10)
        pending = submit_read(client)
        client.raw.interrupt(pending)
        go_on.set()
        asking.result()
        assert errno_of_reply(pending) == EINTR
        gc.collect()  # a coroutine that nobody awaited would complain now

    def test_a_handler_may_answer_all_the_same(self, serve: Serve, kit: Kit) -> None:
        few = Few()
        began = threading.Event()

        async def read(fh: int, off: int, size: int) -> bytes:
            began.set()
            try:
                await kit.forever()
            except kit.cancelled():
                if kit.backend != "asyncio":
                    raise
            return b"finished"

        few.read = read  # type: ignore[method-assign]
        client = serve(few)
        pending = submit_read(client)
        assert began.wait(10)
        client.raw.interrupt(pending)
        if kit.backend == "asyncio":
            assert pending.result() == b"finished"
        else:  # trio's cancellation stays in force until it has left its scope
            assert errno_of_reply(pending) == EINTR

    def test_an_interrupt_that_comes_before_the_handler_waits(self, serve: Serve, kit: Kit) -> None:
        few = Few()
        began, go_on = threading.Event(), threading.Event()

        async def read(fh: int, off: int, size: int) -> bytes:
            began.set()
            assert go_on.wait(10)
            await kit.forever()
            return b""

        few.read = read  # type: ignore[method-assign]
        client = serve(few)
        pending = submit_read(client)
        assert began.wait(10)
        client.raw.interrupt(pending)
        go_on.set()
        assert errno_of_reply(pending) == EINTR

    def test_interrupts_of_what_is_answered_are_nothing(self, serve: Serve, kit: Kit) -> None:
        client = serve(Few())
        pending = submit_read(client)
        assert pending.result() == b"data"
        client.raw.interrupt(pending)
        for _ in range(3):
            assert submit_read(client).result() == b"data"

    def test_threads_take_no_notice_of_interrupts(self) -> None:
        few = Few()
        began, go_on = threading.Event(), threading.Event()

        def read(fh: int, off: int, size: int) -> bytes:
            began.set()
            assert go_on.wait(10)
            return b"data"

        few.read = read  # type: ignore[method-assign]
        with Client(few) as client:
            pending = submit_read(client)
            assert began.wait(10)
            client.raw.interrupt(pending)
            assert client.stat("f").st_ino == FILE
            go_on.set()
            assert pending.result() == b"data"


class TestTakingBack:
    """What did not reach the kernel is taken back by handlers that may be async."""

    def test_setxattr_with_flags_asks_an_async_getxattr(self, serve: Serve, kit: Kit) -> None:
        few = Few()
        values: dict[bytes, bytes] = {}

        async def getxattr(inode: int, name: bytes, ctx: Ctx) -> bytes:
            await kit.sleep(0)
            if name not in values:
                raise OSError(errno.ENODATA, "none")
            return values[name]

        async def setxattr(inode: int, name: bytes, value: bytes, ctx: Ctx) -> None:
            await kit.sleep(0)
            values[name] = value

        few.getxattr = getxattr  # type: ignore[method-assign,assignment]
        few.setxattr = setxattr  # type: ignore[method-assign,assignment]
        client = serve(few)
        with raises_errno(errno.ENODATA):
            client.raw.setxattr(FILE, b"user.a", b"1", os.XATTR_REPLACE)
        client.raw.setxattr(FILE, b"user.a", b"1", os.XATTR_CREATE)
        with raises_errno(errno.EEXIST):
            client.raw.setxattr(FILE, b"user.a", b"2", os.XATTR_CREATE)
        client.raw.setxattr(FILE, b"user.a", b"3", os.XATTR_REPLACE)
        assert values == {b"user.a": b"3"}

    def test_an_open_file_that_nobody_got_is_released(self, kit: Kit) -> None:
        few = Few()
        began, released = threading.Event(), threading.Event()

        async def open_(inode: int, flags: int, ctx: Ctx) -> lowlevel.FileInfo:
            began.set()
            try:
                await kit.forever()
            except kit.cancelled():
                pass  # the file is open all the same
            return lowlevel.FileInfo(fh=9)

        async def release(fh: int) -> None:
            assert fh == 9
            released.set()

        few.open = open_  # type: ignore[method-assign,assignment]
        few.release = release  # type: ignore[method-assign,assignment]
        if kit.backend == "trio":
            pytest.skip("in trio a handler cannot refuse to be cancelled")
        client = Client(few, backend=kit.backend)

        def close(fh: int, off: int, size: int) -> bytes:
            client.session.close()
            return b""

        few.read = close  # type: ignore[method-assign]
        client.session._dispatcher.__init__(  # type: ignore[misc]
            {"open": few.open, "release": few.release, "read": few.read}, client.session._failures
        )
        opening = client.raw.submit(Opcode.OPEN, FILE, b"\0" * 8)
        assert began.wait(10)
        submit_read(client)
        assert errno_of_reply(opening) == EINTR
        assert released.wait(10)
        client.close()


class TestWhoServes:
    def test_serve_needs_an_event_loop(self) -> None:
        import socket

        ours, theirs = socket.socketpair()
        with ours, theirs, lowlevel.Session(Few(), fd=theirs.fileno()) as session:
            with pytest.raises(RuntimeError, match="asyncio or trio"):
                session.serve().send(None)

    def test_without_trio_the_error_says_what_to_install(self) -> None:
        program = "import sys; sys.modules['trio'] = None; import fusetree.server.trio"
        completed = python("-c", program)
        assert completed.status == 1
        assert completed.error.rstrip().endswith(
            "ImportError: serving under trio needs the package trio: pip install 'fusetree[trio]'"
        )

    def test_asyncio_needs_no_trio(self) -> None:
        program = (
            "import sys; sys.modules['trio'] = None; import asyncio\n"
            "from fusetree.lowlevel import running_library\n"
            "async def main(): print(running_library())\n"
            "asyncio.run(main())"
        )
        assert python("-c", program).ok().text == "asyncio\n"

    def test_the_library_imports_no_event_loop(self) -> None:
        program = (
            "import sys; before = set(sys.modules); import fusetree.lowlevel\n"
            "print({'asyncio', 'trio'} & (set(sys.modules) - before))"
        )
        assert python("-c", program).ok().text == "set()\n"

    def test_a_second_loop_is_refused(self, serve: Serve, kit: Kit) -> None:
        client = serve(Few())
        submit_read(client).result()

        async def again() -> None:
            with pytest.raises(RuntimeError, match="already"):
                await client.session.serve()

        kit.run(again)
        assert submit_read(client).result() == b"data"

    def test_a_closed_session_is_not_served(self, serve: Serve, kit: Kit) -> None:
        client = serve(Few())
        client.close()

        async def again() -> None:
            with pytest.raises(lowlevel.SessionClosedError):
                await client.session.serve()

        kit.run(again)

    def test_a_loop_takes_over_from_threads(self, kit: Kit) -> None:
        few = Few()
        threads: set[int] = set()

        def read(fh: int, off: int, size: int) -> bytes:
            threads.add(threading.get_ident())
            return b"data"

        few.read = read  # type: ignore[method-assign]
        with Client(few) as client:
            submit_read(client).result()
            (before,) = threads
            threads.clear()

            async def use() -> None:
                await kit.sleep(0.01)
                for _ in range(20):
                    assert (await kit.in_thread(submit_read(client).result)) == b"data"

            async def main() -> None:
                await kit.cancelling(client.session.serve, use)

            kit.run(main)
            assert threads == {threading.get_ident()}
            assert before not in threads

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
    def test_an_async_handler_that_does_not_wait_is_answered_in_the_same_turn(self, serve: Serve) -> None:
        """Nothing else runs in the loop between two requests that lie there together."""
        few = Few()
        order: list[str] = []
        blocked, go_on = threading.Event(), threading.Event()

        async def read(fh: int, off: int, size: int) -> bytes:
            if off == 100:
                blocked.set()
                assert go_on.wait(10)
                import asyncio

                if "asyncio" in sys.modules and asyncio._get_running_loop() is not None:
                    asyncio.get_running_loop().call_soon(order.append, "the loop")
            else:
                order.append(f"read {off}")
            return b""

        few.read = read  # type: ignore[method-assign]
        client = serve(few)
        first = submit_read(client, offset=100)
        assert blocked.wait(10)
        others = [submit_read(client, offset=number) for number in range(10)]
        go_on.set()
        for pending in [first, *others]:
            pending.result()
        assert order[:10] == [f"read {number}" for number in range(10)]
