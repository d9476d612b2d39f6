"""Handlers that wait for a lock hold up nobody, however many they are."""

from __future__ import annotations

import fcntl

from fusetree.testing import Client, Pending
from tests.lowlevel.device import Device


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
