"""What a write handler gets: a view of the received bytes, good while the handler runs."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fusetree import lowlevel
from fusetree.testing import Client, Opcode, Pending
from fusetree.testing.wire import WriteIn, WriteOut, pack, unpack
from tests.lowlevel.device import Device
from tests.server.kits import KITS, Kit
from tests.support import raises_errno


class Keeping(Device):
    """Its write handler is the test's."""

    def __init__(self, handler: Callable[[memoryview], Any]) -> None:
        super().__init__()
        self.handler = handler

    def write(self, fh: int, off: int, buf: memoryview) -> Any:
        return self.handler(buf)


def submit(client: Client, data: bytes) -> Pending:
    return client.raw.submit(Opcode.WRITE, 2, pack(WriteIn(2, 0, len(data))) + data)


def written(pending: Pending) -> int:
    return unpack(WriteOut, pending.result(20)).size


def test_a_view_is_read_only_and_good_while_the_handler_runs() -> None:
    kept: list[Any] = []

    def handler(buf: memoryview) -> int:
        assert type(buf) is memoryview
        assert buf.readonly
        assert buf.format == "B"
        kept.extend([bytes(buf), buf])
        return len(buf)

    data = os.urandom(100_000)
    with Client(Keeping(handler)) as client:
        assert client.raw.write(2, 2, data) == len(data)
        assert kept[0] == data
        with pytest.raises(ValueError, match="released"):
            bytes(kept[1])
        assert client.raw.write(2, 2, b"") == 0


def test_a_view_is_released_after_a_failure_too() -> None:
    kept: list[memoryview] = []
    results: list[Any] = [OSError(errno.ENOSPC, "full"), ZeroDivisionError(), None, 99]

    def handler(buf: memoryview) -> Any:
        kept.append(buf)
        result = results.pop()
        if isinstance(result, BaseException):
            raise result
        return result

    with Client(Keeping(handler)) as client:
        for number in (errno.EIO, errno.EIO, errno.EIO, errno.ENOSPC):
            with raises_errno(number):
                client.raw.write(2, 2, b"data")
    for view in kept:
        with pytest.raises(ValueError, match="released"):
            bytes(view)


def test_what_was_made_of_a_view_stays_as_it_was() -> None:
    """Slices keep the memory; what is received afterwards goes elsewhere."""
    kept: list[memoryview] = []

    def handler(buf: memoryview) -> int:
        kept.append(buf[1:])
        return len(buf)

    pieces = [bytes([n]) * 50_000 for n in range(40)]
    with Client(Keeping(handler)) as client:
        for piece in pieces:
            client.raw.write(2, 2, piece)
        client.raw.getattr(2)
        assert [bytes(view) for view in kept] == [piece[1:] for piece in pieces]
    assert [bytes(view) for view in kept] == [piece[1:] for piece in pieces]


def test_a_view_that_somebody_works_with_is_not_released() -> None:
    holding: list[Any] = []

    def handler(buf: memoryview) -> int:
        holding.append(memoryview(buf.cast("B")))  # an export of its own
        holding.append(buf)
        return len(buf)

    with Client(Keeping(handler)) as client:
        assert client.raw.write(2, 2, b"kept") == 4
        client.raw.write(2, 2, b"other")
        assert bytes(holding[0]) == b"kept"


def test_requests_that_wait_for_a_worker_keep_their_data() -> None:
    go_on, seen = threading.Event(), []
    entered = threading.Semaphore(0)

    def handler(buf: memoryview) -> int:
        entered.release()
        assert go_on.wait(20)
        seen.append(bytes(buf))
        return len(buf)

    data = [os.urandom(30_000) for _ in range(10)]
    with Client(Keeping(handler), workers=2) as client:
        pending = [submit(client, piece) for piece in data]
        assert entered.acquire(timeout=20)
        assert entered.acquire(timeout=20)
        go_on.set()
        assert [written(p) for p in pending] == [30_000] * 10
    assert sorted(seen) == sorted(data)


@pytest.mark.parametrize("name", KITS)
def test_an_async_handler_keeps_its_data_while_it_waits(name: str) -> None:
    if name == "trio":
        pytest.importorskip("trio")
    kit: Kit = KITS[name]()
    seen: list[bytes] = []
    kept: list[memoryview] = []

    class Waiting(Device):
        async def write(self, fh: int, off: int, buf: memoryview) -> int:  # type: ignore[override]
            await kit.sleep(0.02)
            seen.append(bytes(buf))
            kept.append(buf)
            return len(buf)

    data = [os.urandom(30_000) for _ in range(10)]
    with Client(Waiting(), backend=kit.backend) as client:
        assert [written(p) for p in [submit(client, piece) for piece in data]] == [30_000] * 10
    assert sorted(seen) == sorted(data)
    for view in kept:
        with pytest.raises(ValueError, match="released"):
            bytes(view)


def test_a_handler_for_bytes_that_copies_first() -> None:
    class Old(lowlevel.Operations):
        """As for pyfuse3: the data are put together with bytes."""

        data = b"0123456789"

        def write(self, fh: int, off: int, buf: memoryview) -> int:
            self.data = self.data[:off] + buf + self.data[off + len(buf) :]
            return len(buf)

    operations = Old()
    with Client(operations) as client:
        client.raw.write(2, 2, b"ab", 3)
    assert operations.data == b"012ab56789"
