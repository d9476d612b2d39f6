"""A caller that gives up waiting: async handlers are cancelled, ordinary ones are told."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from fusetree.lowlevel import interrupted
from fusetree.testing import Client
from tests.server.conftest import Serve
from tests.server.kits import EINTR, Few, Kit, errno_of_reply, submit_read
from tests.support import wait_for


class Asking(Few):
    """Its reads last until nobody waits for them any more."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.asked: list[bool] = []

    def read(self, fh: int, off: int, size: int) -> bytes:
        self.asked.append(interrupted())
        if off:
            return b"quick"
        self.began.release()
        wait_for(interrupted)
        raise InterruptedError


class TestOrdinaryHandlers:
    def test_an_interrupt_is_seen_by_the_handler_that_it_is_for(self) -> None:
        asking = Asking()
        with Client(asking) as client:
            first, second = submit_read(client), submit_read(client)
            assert asking.began.acquire(timeout=10)
            assert asking.began.acquire(timeout=10)
            client.raw.interrupt(second)
            assert errno_of_reply(second) == EINTR
            assert not first.done
            assert submit_read(client, offset=1).result() == b"quick"
            client.raw.interrupt(first)
            assert errno_of_reply(first) == EINTR
            assert asking.asked == [False] * 3

    def test_the_next_handler_of_the_thread_is_not_interrupted(self) -> None:
        asking = Asking()
        with Client(asking, workers=1) as client:
            pending = submit_read(client)
            assert asking.began.acquire(timeout=10)
            client.raw.interrupt(pending)
            assert errno_of_reply(pending) == EINTR
            assert submit_read(client, offset=1).result() == b"quick"
        assert asking.asked == [False, False]

    def test_the_result_of_an_interrupted_handler_is_the_answer_all_the_same(self) -> None:
        few = Few()
        began = threading.Event()

        def read(fh: int, off: int, size: int) -> bytes:
            began.set()
            wait_for(interrupted)
            return b"done"

        few.read = read  # type: ignore[method-assign]
        with Client(few) as client:
            pending = submit_read(client)
            assert began.wait(10)
            client.raw.interrupt(pending)
            assert pending.result() == b"done"

    def test_the_end_of_the_session_is_seen_too(self) -> None:
        asking = Asking()
        client = Client(asking)
        pending = submit_read(client)
        assert asking.began.acquire(timeout=10)
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < 4  # close() gives handlers five seconds
        assert errno_of_reply(pending) != 0

    def test_nobody_is_interrupted_outside_of_a_handler(self) -> None:
        assert not interrupted()
        seen: list[bool] = []
        few = Few()
        began = threading.Event()

        def read(fh: int, off: int, size: int) -> bytes:
            began.set()
            wait_for(interrupted)
            thread = threading.Thread(target=lambda: seen.append(interrupted()))
            thread.start()
            thread.join()
            return b""

        few.read = read  # type: ignore[method-assign]
        with Client(few) as client:
            pending = submit_read(client)
            assert began.wait(10)
            client.raw.interrupt(pending)
            pending.result()
        assert seen == [False]


class TestThreadsOfALoop:
    def test_an_interrupt_reaches_an_ordinary_handler_in_a_thread(self, kit: Kit) -> None:
        asking = Asking()
        with Client(asking, backend=kit.backend, sync_handlers="threads") as client:
            pending = submit_read(client)
            assert asking.began.acquire(timeout=10)
            assert submit_read(client, offset=1).result() == b"quick"
            client.raw.interrupt(pending)
            assert errno_of_reply(pending) == EINTR


@pytest.mark.mount
class TestMounted:
    """A process that is ended while it waits in a system call."""

    @pytest.mark.parametrize("way", ["threads", "asyncio", "trio"])
    def test_a_killed_reader_ends_its_handler(self, mountpoint: Path, way: str) -> None:
        program = f"""
import sys, threading, time
from fusetree import lowlevel
from tests.server.kits import KITS, Few
way = {way!r}
few, told = Few(), threading.Event()
def ordinary(fh, off, size):
    print("began", flush=True)
    while not lowlevel.interrupted():
        time.sleep(0.001)
    print("interrupted", flush=True)
    raise InterruptedError
async def awaiting(fh, off, size):
    print("began", flush=True)
    try:
        await KITS[way]().sleep(3600)
    except BaseException as exc:
        print("interrupted", flush=True)
        raise
few.read = ordinary if way == "threads" else awaiting
session = lowlevel.Session(few, {str(mountpoint)!r})
if way == "threads":
    session.run()
else:
    KITS[way]().run(session.serve)
print("ended", flush=True)
"""
        server = subprocess.Popen(
            [os.sys.executable, "-c", program],  # type: ignore[attr-defined]
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert server.stdout is not None
        try:
            wait_for(lambda: os.path.ismount(mountpoint))
            reader = subprocess.Popen(["cat", str(mountpoint / "f")], stdout=subprocess.DEVNULL)
            try:
                assert server.stdout.readline() == "began\n"
                began = time.monotonic()
                reader.send_signal(signal.SIGTERM)
                assert server.stdout.readline() == "interrupted\n"
                assert reader.wait(10) == -signal.SIGTERM
                assert time.monotonic() - began < 5
            finally:
                reader.kill()
                reader.wait()
        finally:
            subprocess.run(["fusermount3", "-u", str(mountpoint)], check=False)
            out, _ = server.communicate(timeout=20)
        assert out == "ended\n"


def test_a_sleep_is_cancelled_within_a_round_trip(serve: Serve, kit: Kit) -> None:
    """No timer and no other request is needed for that."""
    few = Few()
    began = threading.Event()
    ended: list[float] = []

    async def read(fh: int, off: int, size: int) -> bytes:
        began.set()
        try:
            await kit.sleep(3600)
        finally:
            ended.append(time.monotonic())
        return b""

    few.read = read  # type: ignore[method-assign]
    client = serve(few)
    pending = submit_read(client)
    assert began.wait(10)
    sent = time.monotonic()
    client.raw.interrupt(pending)
    assert errno_of_reply(pending) == errno.EINTR
    assert ended[0] - sent < 1
