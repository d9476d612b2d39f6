"""Programs written for anyio: its primitives work in handlers, and they serve, on both of its backends."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from fusetree import lowlevel
from tests.server.conftest import Serve
from tests.server.kits import EINTR, Few, Kit, errno_of_reply, submit_read
from tests.support import is_mounted

anyio = pytest.importorskip("anyio")


def test_its_primitives_work_in_handlers(serve: Serve, kit: Kit) -> None:
    few = Few()

    async def read(fh: int, off: int, size: int) -> bytes:
        found: list[str] = []
        event = anyio.Event()

        async def child() -> None:
            await anyio.sleep(0.001)
            found.append(await anyio.to_thread.run_sync(lambda: threading.current_thread().name))
            event.set()

        async with anyio.create_task_group() as group:
            group.start_soon(child)
            await event.wait()
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep_forever()
        return f"{len(found)} {scope.cancelled_caught}".encode()

    few.read = read  # type: ignore[method-assign]
    client = serve(few)
    for _ in range(3):
        assert submit_read(client).result() == b"1 True"


def test_an_interrupt_cancels_its_task_groups(serve: Serve, kit: Kit) -> None:
    few = Few()
    began = threading.Event()
    ended: list[str] = []

    async def read(fh: int, off: int, size: int) -> bytes:
        async def child() -> None:
            began.set()
            try:
                await anyio.sleep_forever()
            finally:
                ended.append("child")

        async with anyio.create_task_group() as group:
            group.start_soon(child)
        return b""

    few.read = read  # type: ignore[method-assign]
    client = serve(few)
    pending = submit_read(client)
    assert began.wait(10)
    client.raw.interrupt(pending)
    assert errno_of_reply(pending) == EINTR
    assert ended == ["child"]


@pytest.mark.mount
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
class TestPrograms:
    def test_a_program_serves_and_reads(self, mountpoint: Path, backend: str) -> None:
        if backend == "trio":
            pytest.importorskip("trio")
        few = Few()

        async def read(fh: int, off: int, size: int) -> bytes:
            await anyio.sleep(0.001)
            return b"anyio"[off : off + size]

        few.read = read  # type: ignore[method-assign]

        async def main() -> Any:
            with lowlevel.Session(few, mountpoint) as session:
                async with anyio.create_task_group() as group:
                    group.start_soon(session.serve)
                    content = await anyio.Path(mountpoint / "f").read_bytes()
                    session.stop()
            return content

        assert anyio.run(main, backend=backend) == b"anyio"
        assert not is_mounted(mountpoint)

    def test_cancelling_the_task_group_unmounts(self, mountpoint: Path, backend: str) -> None:
        if backend == "trio":
            pytest.importorskip("trio")

        async def main() -> None:
            with lowlevel.Session(Few(), mountpoint) as session:
                async with anyio.create_task_group() as group:
                    group.start_soon(session.serve)
                    assert await anyio.Path(mountpoint / "f").read_bytes() == b"data"
                    group.cancel_scope.cancel()

        anyio.run(main, backend=backend)
        assert not is_mounted(mountpoint)
