"""Handlers that wait for a lock hold up nobody, however many they are."""

from __future__ import annotations

import errno
import fcntl
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from fusetree.testing import Client, Pending
from fusetree.testing.loops import BackendName
from tests.lowlevel.device import Device, Parking
from tests.support import raises_errno


def waiters(device: Device, client: Client, count: int) -> list[Pending]:
    client.raw.setlk(2, 2, 1, fcntl.F_WRLCK)
    client.raw.flock(3, 3, 1, fcntl.LOCK_EX)
    pending = [client.raw.submit_setlkw(2, 2, 100 + n, fcntl.F_RDLCK) for n in range(count)]
    pending += [client.raw.submit_flock(3, 3, 100 + n, fcntl.LOCK_SH) for n in range(count)]
    for _ in pending:
        assert device.waiting.acquire(timeout=20)
    return pending


def test_more_waiting_than_workers_and_the_unlocking_gets_through() -> None:
    device = Device()
    with Client(device, workers=2) as client:
        pending = waiters(device, client, 10)
        for _ in range(100):
            client.raw.getattr(2)
        assert not any(request.done for request in pending)
        client.raw.setlk(2, 2, 1, fcntl.F_UNLCK)
        client.raw.flock(3, 3, 1, fcntl.LOCK_UN)
        for request in pending:
            request.result(20)
        for _ in range(10):
            client.raw.getattr(2)
    assert len(device.locks[2].held) == 10


def test_a_session_ends_although_handlers_wait() -> None:
    device = Device()
    with Client(device, workers=1) as client:
        waiters(device, client, 2)
        for locks in (device.locks[2], device.whole[3]):
            with locks.changed:
                locks.held.clear()
                locks.changed.notify_all()


BACKENDS: list[BackendName] = ["threads", "asyncio", "trio"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> BackendName:
    name: BackendName = request.param
    if name == "trio":
        pytest.importorskip("trio")
    return name


def test_parked_requests_hold_no_thread(backend: BackendName) -> None:
    device = Parking()
    with Client(device, workers=2, backend=backend) as client:
        before = threading.active_count()
        pending = waiters(device, client, 100)
        # A thread more while a handler that may wait runs: there may be some, and not one for each of 200.
        assert threading.active_count() <= before + 50
        client.raw.setlk(2, 2, 1, fcntl.F_UNLCK)
        client.raw.flock(3, 3, 1, fcntl.LOCK_UN)
        for request in pending:
            request.result(20)


def test_an_interrupt_cancels_what_is_parked(backend: BackendName) -> None:
    device = Parking()
    with Client(device, backend=backend) as client:
        one, other, *_ = waiters(device, client, 1)
        client.raw.interrupt(one)
        with raises_errno(errno.EINTR):
            one.result(20)
        assert not other.done
        client.raw.flock(3, 3, 1, fcntl.LOCK_UN)
        other.result(20)


def test_the_end_of_a_session_answers_what_is_parked(backend: BackendName) -> None:
    device = Parking()
    with Client(device, backend=backend) as client:
        pending = waiters(device, client, 2)
        client.session.close()
        for request in pending:
            with raises_errno(errno.EINTR, errno.ENOTCONN):
                request.result(20)


def test_results_of_futures(backend: BackendName) -> None:
    """A result, a wrong result, an error and a bug, known at once or later, from another thread."""
    futures: list[Future[Any]] = []

    class Later(Device):
        def read(self, fh: int, off: int, size: int) -> Any:
            return futures[off]

    outcomes: list[Any] = [b"data", "text", OSError(errno.ENOSPC, "full"), ZeroDivisionError()]
    with Client(Later(), backend=backend) as client:
        for at_once in (True, False):
            futures[:] = [Future() for _ in outcomes]
            if at_once:
                _settle(futures, outcomes)
            else:
                thread = threading.Timer(0.05, _settle, (futures, outcomes))
                thread.start()
            assert client.raw.read(2, 2, 10, 0) == b"data"
            for number, offset in ((errno.EIO, 1), (errno.ENOSPC, 2), (errno.EIO, 3)):
                with raises_errno(number):
                    client.raw.read(2, 2, 10, offset)
            if not at_once:
                thread.join()


def _settle(futures: list[Future[Any]], outcomes: list[Any]) -> None:
    for future, outcome in zip(futures, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
