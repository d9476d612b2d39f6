"""Who asks, in handlers that are not told, and in what they call."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from fusetree import lowlevel
from fusetree.testing import Client, Credentials, Opcode, wire
from tests.lowlevel.device import Device
from tests.server.kits import KITS


def asked() -> tuple[int, int, int, int]:
    context = lowlevel.context()
    return context.uid, context.gid, context.pid, context.inode


class Asking(Device):
    """Writes down who asks."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def read(self, fh: int, off: int, size: int) -> bytes:
        self.seen.append(asked())
        return b"x"

    def write(self, fh: int, off: int, buf: memoryview) -> int:
        self.seen.append(asked())
        return len(buf)

    def getattr(self, inode: int, ctx: lowlevel.RequestContext) -> lowlevel.EntryAttributes:
        assert lowlevel.context() is ctx
        return super().getattr(inode, ctx)

    def flush(self, fh: int) -> None:
        self.seen.append(lowlevel.context().lock_owner)

    release = flush


def test_reads_and_writes_can_ask_who_asks() -> None:
    device = Asking()
    with Client(device) as client:
        with client.as_user(12, 34, pid=56):
            client.raw.read(2, 2, 10)
        with client.as_user(78, 90, pid=12):
            client.raw.write(3, 3, b"data")
        client.raw.getattr(2)
        client.raw.flush(2, 2, lock_owner=0xABC)
        client.raw.release(2, 2, flock_owner=0xDEF)
    assert device.seen == [(12, 34, 56, 2), (78, 90, 12, 3), 0xABC, 0xDEF]


def test_the_flags_are_those_of_the_open_file_at_this_moment() -> None:
    class Flags(Device):
        def read(self, fh: int, off: int, size: int) -> bytes:
            return lowlevel.context().flags.to_bytes(4, "little")

        def getattr(self, inode: int, ctx: lowlevel.RequestContext) -> lowlevel.EntryAttributes:
            assert ctx.flags == 0
            return super().getattr(inode, ctx)

    with Client(Flags()) as client:
        client.raw.getattr(2)
        for flags in (os.O_RDONLY, os.O_RDONLY | os.O_NONBLOCK):
            body = wire.pack(wire.ReadIn(2, 0, 10, flags=flags))
            reply = client.raw.call(Opcode.READ, 2, body)
            assert int.from_bytes(reply, "little") == flags


def test_outside_of_a_handler_nobody_asks() -> None:
    with pytest.raises(LookupError, match="no request"):
        lowlevel.context()

    class Failing(Device):
        def getattr(self, inode: int, ctx: lowlevel.RequestContext) -> lowlevel.EntryAttributes:
            raise FileNotFoundError

        def destroy(self) -> None:
            with pytest.raises(LookupError, match="no request"):
                lowlevel.context()

    with Client(Failing()) as client, pytest.raises(FileNotFoundError):
        client.raw.getattr(2)


@pytest.mark.parametrize("name", KITS)
def test_async_handlers_know_it_after_waiting_and_in_what_they_start(name: str) -> None:
    if name == "trio":
        pytest.importorskip("trio")
    kit = KITS[name]()
    seen: dict[int, list[Any]] = {}

    class Async(Device):
        async def read(self, fh: int, off: int, size: int) -> bytes:  # type: ignore[override]
            mine = seen.setdefault(fh, [])
            mine.append(asked())
            await kit.sleep(0.01)
            mine.append(asked())

            async def child() -> None:
                mine.append(asked())

            await kit.together(child)
            mine.append(await kit.in_thread(asked))
            return b""

        def write(self, fh: int, off: int, buf: memoryview) -> int:
            seen.setdefault(-fh, []).append(asked())
            return len(buf)

    with Client(Async(), backend=kit.backend) as client:

        def one(number: int) -> None:
            with client.as_user(number, 6, pid=7):
                client.raw.read(2, number, 10)
                client.raw.write(2, number, b"x")

        threads = [threading.Thread(target=one, args=(number,)) for number in range(1, 20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number in range(1, 20):  # all at the same time, and each saw its own
        assert seen[number] == [(number, 6, 7, 2)] * 4
        assert seen[-number] == [(number, 6, 7, 2)]


def test_a_task_of_nobody_is_not_taken_for_a_handler() -> None:
    async def main() -> None:
        with pytest.raises(LookupError):
            lowlevel.context()

    asyncio.run(main())


def test_groups_of_the_caller() -> None:
    found: list[Any] = []

    class Groups(Device):
        def read(self, fh: int, off: int, size: int) -> bytes:
            try:
                found.append(lowlevel.context().groups)
            except ProcessLookupError as error:
                found.append(error)
            return b""

    with Client(Groups(), credentials=Credentials(pid=os.getpid())) as client:
        client.raw.read(2, 2, 10)
        with client.as_user(0, 0, pid=2**22):
            client.raw.read(2, 2, 10)
    assert sorted(found[0]) == sorted(os.getgroups())
    assert isinstance(found[1], ProcessLookupError)


@pytest.mark.mount
def test_on_a_mount(mountpoint: Path) -> None:
    device = Asking()
    with lowlevel.Session(device, mountpoint) as session:
        session.start()
        (mountpoint / "a").write_bytes(b"data")
    writes = [call for call in device.seen if isinstance(call, tuple)]
    assert writes == [(os.geteuid(), os.getegid(), writes[0][2], 2)]
    assert writes[0][2] in {os.getpid(), threading.get_native_id()}
