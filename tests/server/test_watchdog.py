"""Handlers that take longer than a limit are named, with their stacks."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from fusetree.lowlevel import SessionOptions
from fusetree.server.watchdog import coroutine_stack
from fusetree.testing import Client
from tests.server.kits import Few, Kit, submit_read
from tests.support import wait_for

SOON = SessionOptions(watchdog=0.02)


class Slow(Few):
    """Its reads hang until `go_on` is set."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def describe(self, inode: int) -> str:
        return f"/the/path/of/{inode}"

    def read(self, fh: int, off: int, size: int) -> bytes:
        if off == 0:
            self.hang_in_here()
        return b"read"

    def hang_in_here(self) -> None:
        assert self.go_on.wait(20)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_a_thread_is_named_once_with_its_stack_and_once_when_it_is_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    slow = Slow()
    with Client(slow, options=SOON) as client:
        pending = submit_read(client)
        wait_for(lambda: lines(caplog))
        for offset in range(1, 20):  # quick ones are not named
            submit_read(client, offset=offset).result()
        slow.go_on.set()
        assert pending.result() == b"read"
        wait_for(lambda: len(lines(caplog)) > 1)
    named, done = lines(caplog)
    assert named.startswith("handler read on /the/path/of/2, asked for by process ")
    assert "in thread fusetree-worker-" in named
    assert "hang_in_here" in named
    assert "go_on.wait" in named
    assert done == "handler read on /the/path/of/2 is done"


def test_a_coroutine_that_waits_is_named_with_its_stack(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    few = Few()
    events: list[Any] = []

    async def hang_in_here() -> None:
        events.append(kit.event())
        await events[0].wait()

    async def read(fh: int, off: int, size: int) -> bytes:
        if off:
            events[0].set()
        else:
            await hang_in_here()
        return b"read"

    few.read = read  # type: ignore[method-assign]
    with Client(few, backend=kit.backend, options=SOON) as client:
        pending = submit_read(client)
        wait_for(lambda: lines(caplog))
        submit_read(client, offset=1).result()
        assert pending.result() == b"read"
        wait_for(lambda: len(lines(caplog)) > 1)
    named, done = lines(caplog)
    assert "in an event loop" in named
    assert "in read\n" in named
    assert "in hang_in_here\n" in named
    assert named.index("in read\n") < named.index("in hang_in_here\n")
    assert done.endswith("is done")


@pytest.mark.parametrize("sync_handlers", ["loop", "threads"])
def test_an_ordinary_handler_of_a_loop_is_named(
    kit: Kit, caplog: pytest.LogCaptureFixture, sync_handlers: Any
) -> None:
    slow = Slow()
    with Client(slow, backend=kit.backend, sync_handlers=sync_handlers, options=SOON) as client:
        pending = submit_read(client)
        wait_for(lambda: lines(caplog))
        slow.go_on.set()
        assert pending.result() == b"read"
    assert "hang_in_here" in lines(caplog)[0]
    assert "fusetree-testing" in lines(caplog)[0] or "fusetree-handler" in lines(caplog)[0]


def test_a_coroutine_that_blocks_its_loop_is_told_by_its_thread() -> None:
    """What a coroutine runs is not told by the coroutine."""
    stacks: list[str] = []

    def blocks() -> None:
        worker = threading.Thread(target=lambda: stacks.append(coroutine_stack(coroutine)))
        worker.start()
        worker.join()

    async def handler() -> None:
        await asyncio.sleep(0)
        blocks()

    coroutine = handler()
    asyncio.run(coroutine)
    assert "in blocks\n" in stacks[0]


def test_without_one_nothing_is_noted_and_no_thread_looks() -> None:
    slow = Slow()
    slow.go_on.set()
    with Client(slow) as client:
        assert submit_read(client).result() == b"read"
        assert "fusetree-watchdog" not in [thread.name for thread in threading.enumerate()]
        assert type(client.session._dispatcher).__name__ == "Dispatcher"


def test_it_ends_with_the_session() -> None:
    slow = Slow()
    slow.go_on.set()
    with Client(slow, options=SOON) as client:
        submit_read(client).result()
        assert "fusetree-watchdog" in [thread.name for thread in threading.enumerate()]
    wait_for(lambda: "fusetree-watchdog" not in [thread.name for thread in threading.enumerate()])


def test_requests_are_let_go_when_they_are_done() -> None:
    slow = Slow()
    slow.go_on.set()
    with Client(slow, options=SOON) as client:
        dispatcher: Any = client.session._dispatcher
        for offset in range(50):
            submit_read(client, offset=offset).result()
        wait_for(lambda: dispatcher.running() == [])
