"""Several sessions in one loop, in several loops, beside others in threads; what a change waits for."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from fusetree import Dir, File, lowlevel
from fusetree.adapter import NodeOperations
from fusetree.server.loops import on_serving_loop
from fusetree.testing import Client, PathClient
from tests.server.kits import FILE, HAS_TRIO, Few, Kit, submit_read


class Kernel(PathClient):
    """The kernel's end of a session that the test serves by itself."""

    def __init__(self, operations: lowlevel.Operations) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.session = lowlevel.Session(operations, fd=theirs.fileno())
        super().__init__(ours)
        self.handshake = self.send_init()

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *exc: object) -> None:
        self.session.close()
        self.connection.close()


def test_several_sessions_in_one_loop(kit: Kit) -> None:
    few = [Few() for _ in range(3)]
    meeting: list[Any] = []

    async def read(fh: int, off: int, size: int) -> bytes:
        """Waits until a read of each session is here."""
        if not meeting:
            meeting.append(kit.event())
        meeting.append(fh)
        if len(meeting) == 4:
            meeting[0].set()
        await meeting[0].wait()
        return b"together"

    kernels = []
    for operations in few:
        operations.read = read  # type: ignore[method-assign]
        kernels.append(Kernel(operations))

    def use() -> None:
        for kernel in kernels:
            kernel.finish_init(kernel.handshake)
        reads = [submit_read(kernel, fh) for fh, kernel in enumerate(kernels)]
        assert [pending.result() for pending in reads] == [b"together"] * 3
        for kernel in kernels:
            kernel.session.stop()

    async def main() -> None:
        await kit.together(*(kernel.session.serve for kernel in kernels), lambda: kit.in_thread(use))

    kit.run(main)
    assert all(operations.destroyed for operations in few)
    for kernel in kernels:
        kernel.connection.close()


def test_a_loop_and_threads_and_another_loop_in_one_process(kit: Kit) -> None:
    seen: dict[str, set[int]] = {"loop": set(), "threads": set(), "other": set()}

    def operations(name: str) -> Few:
        few = Few()

        def read(fh: int, off: int, size: int) -> bytes:
            seen[name].add(threading.get_ident())
            return name.encode()

        few.read = read  # type: ignore[method-assign]
        return few

    other = "trio" if HAS_TRIO else "asyncio"
    with (
        Client(operations("loop"), backend=kit.backend) as first,
        Client(operations("threads")) as second,
        Client(operations("other"), backend=other) as third,  # type: ignore[arg-type]
    ):
        reads = [submit_read(client) for client in (first, second, third) for _ in range(5)]
        assert [read.result() for read in reads] == [b"loop"] * 5 + [b"threads"] * 5 + [b"other"] * 5
    assert len(seen["loop"]) == len(seen["other"]) == 1
    assert len(seen["loop"] | seen["other"]) == 2
    assert not (seen["loop"] | seen["other"]) & seen["threads"]


def test_a_change_on_the_loops_own_thread_waits_for_nobody(kit: Kit) -> None:
    file = File("old", mode=0o644)
    operations = NodeOperations(Dir({"f": file}), coherence_wait=30.0)
    with Kernel(operations) as kernel:

        def look() -> None:
            kernel.finish_init(kernel.handshake)
            assert kernel.stat("f").st_size == 3
            assert kernel.read_text("f") == "old"

        async def use() -> None:
            await kit.in_thread(look)
            assert on_serving_loop()
            file.store(b"newer")
            assert operations.cache_statistics().on_serving_loop > 0
            assert await kit.in_thread(lambda: kernel.read_text("f")) == "newer"

        async def main() -> None:
            assert not on_serving_loop()
            await kit.cancelling(kernel.session.serve, use)
            assert not on_serving_loop()

        kit.run(main)


def test_a_change_on_another_thread_waits_until_it_is_told(kit: Kit) -> None:
    file = File("old", mode=0o644)
    with Client(Dir({"f": file}), backend=kit.backend, coherence_wait=10.0) as client:
        assert client.stat("f").st_size == 3
        file.store(b"newer")
        statistics = client.operations.cache_statistics()  # type: ignore[attr-defined]
        assert statistics.waited >= 1
        assert statistics.on_serving_loop == statistics.timed_out == 0
        assert client.stat("f").st_size == 5


def test_a_change_in_a_handler_of_the_loop_waits_for_nobody(kit: Kit) -> None:
    file = File("old", mode=0o644)
    with Client(Dir({"f": file}), backend=kit.backend, coherence_wait=30.0) as client:
        assert client.read_text("f") == "old"
        client.write("f", "newer")
        assert client.read_text("f") == "newer"


@pytest.mark.parametrize("count", [2])
def test_a_loop_that_served_serves_again(kit: Kit, count: int) -> None:
    async def main() -> None:
        for _ in range(count):
            kernel = Kernel(Few())

            def use(kernel: Kernel = kernel) -> None:
                kernel.finish_init(kernel.handshake)
                assert submit_read(kernel, FILE).result() == b"data"

            await kit.cancelling(kernel.session.serve, lambda use=use: kit.in_thread(use))  # type: ignore[misc]
            assert kernel.session.closed
            kernel.connection.close()

    kit.run(main)
