"""`fusetree.context()`: who is calling, in all code of the program that a request runs."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

import fusetree
from fusetree import Dir, File, FileNode, action, computed, entry, node
from fusetree.lowlevel import running_library
from fusetree.testing import Client
from fusetree.testing.connection import Credentials
from tests.scenarios.coroutines import BACKENDS, Gate, pause
from tests.support import wait_for

pytestmark = pytest.mark.parametrize("backend", BACKENDS)

CALLER = Credentials(uid=7, gid=8, pid=9, umask=0o27)


def asker() -> tuple[int, int, int]:
    """Who asks."""
    ctx = fusetree.context()
    return ctx.uid, ctx.gid, ctx.pid


async def in_another_thread(function: Callable[[], Any]) -> Any:
    if running_library() == "trio":
        import trio

        return await trio.to_thread.run_sync(function)
    return await asyncio.to_thread(function)


class Log:
    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[int, int, int]]] = []

    def __call__(self, where: str) -> None:
        self.seen.append((where, asker()))


LOG = Log()


def _validated(instance: Any, attribute: Any, value: int) -> None:
    if value:  # not when the object is made
        LOG("validator")


def _converted(value: Any) -> int:
    if value:
        LOG("converter")
    return int(value)


@node
class Machine(Dir):
    speed: int = entry(0, converter=_converted, validator=_validated, mode=0o666)

    @computed
    def now(self) -> str:
        LOG("computed")
        return ""

    @computed
    async def later(self) -> str:
        LOG("async computed")
        await pause()
        LOG("async computed, later")
        await in_another_thread(lambda: LOG("thread"))
        return ""

    @action(mode=0o222)
    def go(self) -> None:
        LOG("action")
        self.speed = 1

    @action(mode=0o222)
    async def crawl(self) -> None:
        await pause()
        LOG("async action")
        self.speed = 2


class Names(Dir):
    def lookup(self, name: str) -> File | None:
        LOG("lookup")
        return File(b"") if name == "x" else None

    def list(self) -> Iterable[str]:
        LOG("list")
        yield "x"
        LOG("list, later")

    async def create(self, name: str, mode: int) -> FileNode:
        await pause()
        LOG(f"create with umask {fusetree.context().umask:o}")
        return File(mode=mode)


class Bytes(FileNode):
    def open(self, flags: int) -> Handle:
        LOG("open")
        return Handle()


class Handle:
    async def read(self, size: int, offset: int) -> bytes:
        await pause()
        LOG("read")
        return b""

    def release(self) -> None:
        LOG("release")


def test_it_is_known_everywhere(backend: Any) -> None:
    LOG.seen.clear()
    root = Dir({"m": Machine(mode=0o777), "names": Names(mode=0o777), "bytes": Bytes()})
    with Client(root, backend=backend, credentials=CALLER, default_permissions=False) as client:
        client.read_text("m/now")
        client.read_text("m/later")
        client.write("m/speed", "5\n")
        client.write("m/go", "\n")
        client.write("m/crawl", "\n")
        client.stat("names/x")
        client.listdir("names")
        client.open("names/new", os.O_CREAT | os.O_WRONLY).close()
        client.read_text("bytes")
        wait_for(lambda: LOG.seen[-1][0] == "release")
    caller = (CALLER.uid, CALLER.gid, CALLER.pid)
    wrong = [(where, who) for where, who in LOG.seen if who != caller and where != "release"]
    assert not wrong
    assert {where for where, _ in LOG.seen} == {
        *("computed", "async computed", "async computed, later", "thread", "converter", "validator"),
        *("action", "async action", "lookup", "list", "list, later", "create with umask 27"),
        *("open", "read", "release"),
    }


def test_requests_of_several_at_once_are_kept_apart(backend: Any) -> None:
    gate = Gate()
    seen: list[int] = []

    class Waiting(Dir):
        async def lookup(self, name: str) -> File:
            before = fusetree.context()
            await gate.passing()
            assert fusetree.context() is before
            seen.append(int(name) - before.uid)
            return File(b"")

    with Client(Dir({"d": Waiting(mode=0o777)}), backend=backend) as client:
        node_id = client.node_id("d")
        pending = []
        for uid in range(100, 120):
            client.credentials = Credentials(uid=uid)
            pending.append(client.raw.submit_lookup(node_id, b"%d" % uid))
        wait_for(lambda: gate.came == 20)
        gate.open()
        for request in pending:
            request.result()
    assert seen == [0] * 20


def test_outside_of_a_request_it_is_an_error_that_says_so(backend: Any) -> None:
    with pytest.raises(LookupError, match="no request is handled here"):
        fusetree.context()
    stale: list[BaseException | None] = []

    async def first() -> str:
        await pause()
        return ""

    def second() -> str:
        # A worker thread that handed a coroutine over has forgotten whose it was.
        try:
            thread = threading.Thread(target=contextvars.copy_context().run, args=(note_error, stale))
            thread.start()
            thread.join()
        finally:
            assert fusetree.context().pid == CALLER.pid
        return ""

    root = Dir({"first": first, "second": second})
    with Client(root, backend=backend, credentials=CALLER, workers=1) as client:
        for _ in range(3):
            client.read_text("first")
            client.read_text("second")
    assert [type(error) for error in stale] == [LookupError] * 3


def note_error(found: list[BaseException | None]) -> None:
    """Ask, and note the error."""
    try:
        fusetree.context()
    except LookupError as error:
        found.append(error)
    else:
        found.append(None)
