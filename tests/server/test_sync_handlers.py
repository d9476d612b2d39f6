"""Ordinary handlers of a session that an event loop serves: in the loop, or in threads."""

from __future__ import annotations

import functools
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from fusetree import lowlevel
from fusetree.testing import Client
from tests.server.kits import EINTR, EIO, FILE, Few, Kit, errno_of_reply, submit_read
from tests.support import wait_for

Ctx = lowlevel.RequestContext
variable: ContextVar[str] = ContextVar("variable", default="untouched")


class Blocking(Few):
    """Reads of offset 0 block until `go_on` is set."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.threads: set[int] = set()

    def read(self, fh: int, off: int, size: int) -> bytes:
        self.threads.add(threading.get_ident())
        if off == 0:
            self.began.release()
            assert self.go_on.wait(20)
        return b"read"

    async def getattr(self, inode: int, ctx: Ctx) -> lowlevel.EntryAttributes:  # type: ignore[override]
        return self.attributes(inode)


def test_in_threads_what_blocks_holds_up_nobody(kit: Kit) -> None:
    blocking = Blocking()
    with Client(blocking, backend=kit.backend, sync_handlers="threads") as client:
        pending = [submit_read(client) for _ in range(4)]
        for _ in pending:
            assert blocking.began.acquire(timeout=10)
        client.raw.getattr(FILE)  # the loop is free
        assert submit_read(client, offset=1).result() == b"read"
        blocking.go_on.set()
        assert [one.result() for one in pending] == [b"read"] * 4
        assert len(blocking.threads) >= 4


def test_in_the_loop_they_run_one_after_the_other(kit: Kit) -> None:
    blocking = Blocking()
    blocking.go_on.set()
    with Client(blocking, backend=kit.backend) as client:
        for pending in [submit_read(client) for _ in range(4)]:
            assert pending.result() == b"read"
    assert len(blocking.threads) == 1


def test_no_more_run_at_once_than_there_are_workers(kit: Kit) -> None:
    blocking = Blocking()
    with Client(blocking, backend=kit.backend, sync_handlers="threads", workers=2) as client:
        pending = [submit_read(client) for _ in range(5)]
        assert blocking.began.acquire(timeout=10)
        assert blocking.began.acquire(timeout=10)
        client.raw.getattr(FILE)
        assert not blocking.began.acquire(blocking=False)
        blocking.go_on.set()
        assert [one.result() for one in pending] == [b"read"] * 5
        assert len(blocking.threads) == 2


def test_a_coroutine_of_an_ordinary_function_runs_in_the_loop(kit: Kit) -> None:
    few = Few()
    threads: list[int] = []

    async def later(off: int) -> bytes:
        threads.append(threading.get_ident())
        if off:
            await kit.sleep(0)
        return b"later"

    def read(fh: int, off: int, size: int) -> Any:
        threads.append(threading.get_ident())
        return later(off)

    few.read = read  # type: ignore[method-assign]
    with Client(few, backend=kit.backend, sync_handlers="threads") as client:
        for offset in (0, 1):
            assert submit_read(client, offset=offset).result() == b"later"
        assert threads[0] != threads[1]
        assert threads[1] == threads[3]


def test_async_handlers_are_seen_through_partials(kit: Kit) -> None:
    few = Few()
    threads: list[int] = []

    async def read(thread: list[int], fh: int, off: int, size: int) -> bytes:
        thread.append(threading.get_ident())
        return b"async"

    async def getattr_(inode: int, ctx: Ctx) -> lowlevel.EntryAttributes:
        threads.append(threading.get_ident())
        return few.attributes(inode)

    few.read = functools.partial(read, threads)  # type: ignore[method-assign]
    few.getattr = getattr_  # type: ignore[method-assign,assignment]
    with Client(few, backend=kit.backend, sync_handlers="threads") as client:
        client.raw.getattr(FILE)
        assert submit_read(client).result() == b"async"
        assert len(set(threads)) == 1


def test_each_handler_has_a_context_of_its_own(kit: Kit) -> None:
    few = Few()
    seen: list[str] = []

    def read(fh: int, off: int, size: int) -> bytes:
        seen.append(variable.get())
        variable.set("set")
        return b""

    few.read = read  # type: ignore[method-assign]
    with Client(few, backend=kit.backend, sync_handlers="threads", workers=1) as client:
        for _ in range(3):
            submit_read(client).result()
    assert seen == ["untouched"] * 3


def test_a_bug_is_eio_and_the_session_goes_on(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    few = Few()

    def read(fh: int, off: int, size: int) -> bytes:
        raise ZeroDivisionError("once")

    few.read = read  # type: ignore[method-assign]
    with Client(few, backend=kit.backend, sync_handlers="threads") as client:
        assert errno_of_reply(submit_read(client)) == EIO
        assert errno_of_reply(submit_read(client)) == EIO
    assert "ZeroDivisionError: once" in caplog.text


def test_what_ends_a_program_ends_it_from_a_thread_too(kit: Kit) -> None:
    few = Few()

    def read(fh: int, off: int, size: int) -> bytes:
        raise SystemExit(3)

    few.read = read  # type: ignore[method-assign]
    client = Client(few, backend=kit.backend, sync_handlers="threads")
    assert errno_of_reply(submit_read(client)) != 0
    with pytest.raises(SystemExit) as caught:
        client.close()
    assert caught.value.code == 3


def test_what_did_not_begin_is_answered_when_the_serving_ends(kit: Kit) -> None:
    blocking = Blocking()
    began = threading.Event()

    def read(fh: int, off: int, size: int) -> bytes:
        began.set()
        wait_for(lowlevel.interrupted)
        return b"finished"

    blocking.read = read  # type: ignore[method-assign]
    client = Client(blocking, backend=kit.backend, sync_handlers="threads", workers=1)
    first = submit_read(client)
    assert began.wait(10)
    second = submit_read(client)
    client.raw.getattr(FILE)  # the loop has received both, in order
    client.session.stop()
    assert first.result() == b"finished"
    assert errno_of_reply(second) == EINTR
    client.close()


@pytest.mark.parametrize("wrong", [{"sync_handlers": "elsewhere"}, {"workers": 0}])
def test_wrong_arguments_are_refused(kit: Kit, wrong: dict[str, Any]) -> None:
    with Client(Few()) as client:

        async def main() -> None:
            with pytest.raises(ValueError, match=r"sync_handlers|workers"):
                await client.session.serve(**wrong)

        kit.run(main)
