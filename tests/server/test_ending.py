"""How the serving of an event loop ends: on every way every request is answered and the session is closed."""

from __future__ import annotations

import errno
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fusetree import lowlevel
from fusetree.testing import PathClient, Pending
from tests.server.conftest import Serve
from tests.server.kits import EINTR, FILE, Few, Kit, errno_of_reply, submit_read
from tests.support import is_mounted, raises_errno, shell


def waiting_reads(kit: Kit) -> tuple[Few, threading.Semaphore]:
    """Operations whose reads never end, and what each of them releases when it has begun."""
    few = Few()
    began = threading.Semaphore(0)

    async def read(fh: int, off: int, size: int) -> bytes:
        began.release()
        await kit.forever()
        return b""

    few.read = read  # type: ignore[method-assign]
    return few, began


def submitted(client: PathClient, began: threading.Semaphore, count: int) -> list[Pending]:
    pending = [submit_read(client) for _ in range(count)]
    for _ in range(count):
        assert began.acquire(timeout=10)
    return pending


def test_stop_answers_what_waits(serve: Serve, kit: Kit) -> None:
    few, began = waiting_reads(kit)
    client = serve(few)
    reads = submitted(client, began, 10)
    client.session.stop()
    assert [errno_of_reply(read) for read in reads] == [EINTR] * 10
    client.close()
    assert few.destroyed


def test_close_from_another_thread_answers_what_waits(serve: Serve, kit: Kit) -> None:
    few, began = waiting_reads(kit)
    client = serve(few)
    reads = submitted(client, began, 10)
    client.session.close()
    assert [errno_of_reply(read) for read in reads] == [EINTR] * 10
    assert client.session.closed
    assert few.destroyed


def test_the_end_of_the_connection_ends_serve(serve: Serve, kit: Kit) -> None:
    few, began = waiting_reads(kit)
    client = serve(few)
    reads = submitted(client, began, 3)
    client.finish_requests()  # as when it is unmounted from outside
    assert client.session.wait(10)
    assert [errno_of_reply(read) for read in reads] == [EINTR] * 3


def test_close_inside_a_handler(serve: Serve, kit: Kit) -> None:
    few, began = waiting_reads(kit)
    client = serve(few)
    reads = submitted(client, began, 3)

    # Called by the handler of getattr.
    few.attributes = lambda inode: client.session.close()  # type: ignore[method-assign,assignment,return-value]
    with raises_errno(errno.EIO, errno.ENOTCONN):
        client.raw.getattr(FILE)
    assert [errno_of_reply(read) for read in reads] == [EINTR] * 3
    assert client.session.wait(10)
    assert few.destroyed


def test_cancelling_serve_answers_what_waits_and_closes(kit: Kit) -> None:
    few, began = waiting_reads(kit)
    kernel_end, server_end = socket.socketpair()
    with server_end:
        session = lowlevel.Session(few, fd=server_end.fileno())
    kernel = PathClient(kernel_end)
    handshake = kernel.send_init()
    reads: list[Pending] = []

    def use() -> None:
        kernel.finish_init(handshake)
        reads.extend(submitted(kernel, began, 5))

    async def main() -> None:
        await kit.cancelling(session.serve, lambda: kit.in_thread(use))

    kit.run(main)
    assert session.closed
    assert [errno_of_reply(read) for read in reads] == [EINTR] * 5
    kernel.connection.close()


@pytest.mark.mount
def test_cancelling_serve_unmounts(kit: Kit, mountpoint: Path) -> None:
    few, began = waiting_reads(kit)
    session = lowlevel.Session(few, mountpoint)

    def use() -> None:
        reader = subprocess.Popen(["cat", mountpoint / "f"], stderr=subprocess.PIPE)
        readers.append(reader)
        assert began.acquire(timeout=10)

    readers: list[subprocess.Popen[bytes]] = []

    async def main() -> None:
        await kit.cancelling(session.serve, lambda: kit.in_thread(use))

    kit.run(main)
    assert not is_mounted(mountpoint)
    # cat reads again after EINTR, when the connection is gone, or while it goes.
    _, error = readers[0].communicate(timeout=10)
    assert b"Transport endpoint is not connected" in error or b"Software caused connection abort" in error
    assert few.destroyed


@pytest.mark.mount
def test_unmounting_from_outside_ends_serve(kit: Kit, mountpoint: Path) -> None:
    few = Few()
    session = lowlevel.Session(few, mountpoint)

    def use() -> None:
        shell(f"cat f && cd / && fusermount3 -u {mountpoint}", cwd=mountpoint).ok()

    async def main() -> None:
        await kit.together(session.serve, lambda: kit.in_thread(use))

    kit.run(main)
    assert session.closed
    assert few.destroyed


def test_serve_waits_for_a_handshake_without_blocking_the_loop(kit: Kit) -> None:
    kernel_end, server_end = socket.socketpair()
    with kernel_end, server_end:
        session = lowlevel.Session(Few(), fd=server_end.fileno())
        turns: list[int] = []

        async def other() -> None:
            for number in range(5):
                await kit.sleep(0.001)
                turns.append(number)

        async def main() -> None:
            await kit.cancelling(session.serve, other)

        kit.run(main)
        assert turns == [0, 1, 2, 3, 4]
        assert session.closed


def test_a_connection_that_ends_before_the_handshake(kit: Kit) -> None:
    kernel_end, server_end = socket.socketpair()
    with server_end:
        session = lowlevel.Session(Few(), fd=server_end.fileno())
        kernel_end.close()

        async def main() -> None:
            with pytest.raises(lowlevel.MountError, match="handshake"):
                await session.serve()

        kit.run(main)
        assert session.closed


def test_cleaning_up_in_a_handler_is_waited_for(serve: Serve, kit: Kit) -> None:
    few = Few()
    began, cleaned = threading.Event(), threading.Event()

    async def read(fh: int, off: int, size: int) -> bytes:
        began.set()
        try:
            await kit.forever()
        finally:
            await in_peace(kit, lambda: kit.sleep(0.01))
            cleaned.set()
        return b""

    few.read = read  # type: ignore[method-assign]
    client = serve(few)
    pending = submit_read(client)
    assert began.wait(10)
    client.session.close()
    assert cleaned.is_set()
    assert errno_of_reply(pending) == EINTR


async def in_peace(kit: Kit, function: Callable[[], Awaitable[object]]) -> None:
    """Await *function*, cancelled or not."""
    if kit.backend == "asyncio":
        await function()
    else:
        import trio

        with trio.CancelScope(shield=True):
            await function()
