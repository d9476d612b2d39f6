"""The rarer requests, one by one: arguments, results, wrong results."""

from __future__ import annotations

import errno
import fcntl
import gc
import logging
import os
import select
import stat
import struct
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fusetree import lowlevel
from fusetree.flags import FUSE_IOCTL_UNRESTRICTED
from fusetree.lowlevel import FileLock
from fusetree.server.operations import HANDLERS
from fusetree.testing import Client, NotifyCode, Opcode
from tests.lowlevel.device import BLOCK, DOUBLE, GET_SIZE, SET_LEVEL, SEVEN, Device
from tests.support import raises_errno, wait_for

needs = {
    name: pytest.mark.skipif(
        not lowlevel.features()[name].compiled, reason=f"{name}: {lowlevel.features()[name]}"
    )
    for name in ("tmpfile", "statx", "syncfs")
}


def test_mknod_and_rename_with_flags() -> None:
    device = Device()
    with Client(device) as client:
        assert stat.S_ISFIFO(client.raw.mknod(1, b"p", stat.S_IFIFO | 0o600).attributes.st_mode)
        client.raw.mknod(1, b"d", stat.S_IFCHR | 0o600, rdev=os.makedev(1, 3))
        client.raw.rename(1, b"a", 1, b"c", lowlevel.RENAME_NOREPLACE)
        with raises_errno(errno.EEXIST):
            client.raw.rename(1, b"a", 1, b"b", lowlevel.RENAME_NOREPLACE)
        client.raw.rename(1, b"a", 1, b"b", lowlevel.RENAME_EXCHANGE)
        with raises_errno(errno.ENOENT):
            client.raw.rename(1, b"a", 1, b"c", lowlevel.RENAME_EXCHANGE)
    assert device.calls[:2] == [
        ("mknod", b"p", stat.S_IFIFO | 0o600, 0),
        ("mknod", b"d", stat.S_IFCHR | 0o600, os.makedev(1, 3)),
    ]
    assert device.calls[2] == ("rename", b"a", b"c", lowlevel.RENAME_NOREPLACE)


def test_fallocate_lseek_and_copy_file_range() -> None:
    device = Device()
    with Client(device) as client:
        raw = client.raw
        raw.fallocate(2, 2, 0, 0, 3 * BLOCK)
        raw.write(2, 2, b"x" * BLOCK, BLOCK)
        assert raw.lseek(2, 2, 0, os.SEEK_DATA) == BLOCK
        assert raw.lseek(2, 2, BLOCK, os.SEEK_HOLE) == 2 * BLOCK
        assert raw.copy_file_range(2, 2, BLOCK, 3, 3, 10, BLOCK) == BLOCK
        assert device.data[3] == bytes(10) + b"x" * BLOCK
        raw.fallocate(2, 2, 0x03, BLOCK, BLOCK)
        with raises_errno(errno.ENXIO):
            raw.lseek(2, 2, 0, os.SEEK_DATA)
        with raises_errno(errno.EOPNOTSUPP):
            raw.fallocate(2, 2, 0x10, 0, 1)
    assert ("fallocate", 2, 2, 0x03, BLOCK, BLOCK) in device.calls
    assert ("copy_file_range", 2, 2, BLOCK, 3, 3, 10, BLOCK, 0) in device.calls


def test_fsyncdir_and_bmap() -> None:
    device = Device()
    with Client(device) as client:
        client.raw.fsyncdir(1, 1, datasync=True)
        assert client.raw.bmap(2, 512, 7) == 207
    assert device.calls == [("fsyncdir", 1, True), ("bmap", 2, 512, 7)]


def test_locks_of_ranges() -> None:
    device = Device()
    with Client(device) as client:
        raw = client.raw
        raw.setlk(2, 2, 0xA, fcntl.F_WRLCK, 10, 5, pid=77)
        assert raw.getlk(2, 2, 0xA, fcntl.F_WRLCK).type == fcntl.F_UNLCK
        found = raw.getlk(2, 2, 0xB, fcntl.F_RDLCK)
        assert (found.type, found.start, found.end, found.pid) == (fcntl.F_WRLCK, 10, 14, 77)
        assert raw.getlk(2, 2, 0xB, fcntl.F_RDLCK, 15, 0).type == fcntl.F_UNLCK
        with raises_errno(errno.EAGAIN):
            raw.setlk(2, 2, 0xB, fcntl.F_RDLCK, 0, 11)
        raw.setlk(2, 2, 0xB, fcntl.F_RDLCK, 0, 10)
        raw.setlk(2, 2, 0xA, fcntl.F_UNLCK)
        raw.setlk(2, 2, 0xB, fcntl.F_RDLCK, 0, 11)
    assert device.calls[0] == ("setlk", 2, 2, FileLock(fcntl.F_WRLCK, 10, 5, 77, 0xA), False)


def test_a_lock_of_a_whole_file_has_its_owner() -> None:
    device = Device()
    with Client(device) as client:
        client.raw.flock(2, 2, 0xA, fcntl.LOCK_EX)
        with raises_errno(errno.EAGAIN):
            client.raw.flock(2, 2, 0xB, fcntl.LOCK_SH | fcntl.LOCK_NB)
        client.raw.flock(2, 2, 0xA, fcntl.LOCK_UN)
        client.raw.flock(2, 2, 0xB, fcntl.LOCK_SH | fcntl.LOCK_NB)
    assert device.calls[1] == ("flock", 2, 2, fcntl.LOCK_SH | fcntl.LOCK_NB, 0xB)


def test_ioctl_hands_data_in_and_out() -> None:
    device = Device()
    device.data[2] = bytearray(12345)
    with Client(device) as client:
        raw = client.raw
        assert raw.ioctl(2, 2, GET_SIZE, out_size=8).data == struct.pack("=Q", 12345)
        raw.ioctl(2, 2, SET_LEVEL, struct.pack("=i", -3), argument=0xDEADBEEF)
        assert device.level == -3
        answer = raw.ioctl(2, 2, DOUBLE, struct.pack("=i", 21), out_size=4)
        assert (answer.result, answer.data) == (1, struct.pack("=i", 42))
        assert raw.ioctl(2, 2, SEVEN).result == 7
        with raises_errno(errno.ENOTTY):
            raw.ioctl(2, 2, 1)
    assert device.calls[1] == ("ioctl", 2, 2, SET_LEVEL, 0xDEADBEEF, struct.pack("=i", -3), 0, 0)


def test_an_unrestricted_ioctl_may_ask_for_memory() -> None:
    class Curious(Device):
        def ioctl(self, *args: Any) -> Any:
            return lowlevel.IoctlRetry(inputs=[(0x1000, 16), (0x2000, 4)], outputs=[(0x3000, 8)])

    with Client(Curious()) as client:
        answer = client.raw.ioctl(2, 2, 1, flags=FUSE_IOCTL_UNRESTRICTED)
        assert answer.inputs == ((0x1000, 16), (0x2000, 4))
        assert answer.outputs == ((0x3000, 8),)
        with raises_errno(errno.EIO):
            client.raw.ioctl(2, 2, 1)
    for wrong in ([(-1, 4)], [(0, -1)], [(0, 1)] * 257):
        with pytest.raises(ValueError, match="inputs"):
            lowlevel.IoctlRetry(inputs=wrong)


def test_poll_and_wake_up_from_any_thread() -> None:
    device = Device()
    with Client(device) as client:
        assert client.raw.poll(2, 2, select.POLLIN) == 0
        assert client.raw.poll(2, 2, select.POLLIN, handle=55) == 0
        thread = threading.Thread(target=device.get_ready, args=(2,))
        thread.start()
        assert client.notifications.wait(NotifyCode.POLL).handle == 55
        thread.join()
        assert client.raw.poll(2, 2, select.POLLIN | select.POLLOUT) == select.POLLIN
        kept = device.handles.pop(2)
        assert kept.notify()
    assert not kept.notify()  # after the session, any time
    del kept
    gc.collect()
    assert device.calls[0] == ("poll", 2, 2, select.POLLIN, False)


def test_many_threads_may_notify_while_handles_come_and_go() -> None:
    device = Device()
    with Client(device) as client:
        client.raw.poll(2, 2, select.POLLIN, handle=1)
        stop = threading.Event()

        def notify() -> None:
            while not stop.is_set():
                device.handles[2].notify()

        threads = [threading.Thread(target=notify) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(200):
            client.raw.poll(2, 2, select.POLLIN, handle=number)
        stop.set()
        for thread in threads:
            thread.join()


@needs["tmpfile"]
def test_tmpfile() -> None:
    device = Device()
    with Client(device) as client:
        entry, opened = client.raw.tmpfile(1, os.O_RDWR, 0o640)
        assert (entry.node_id, opened.fh) == (9, 9)
        assert entry.attributes.st_nlink == 0
    assert device.calls[0][:2] == ("tmpfile", 1)
    assert stat.S_IMODE(device.calls[0][2]) == 0o640


@needs["statx"]
def test_statx() -> None:
    device = Device()
    device.data[2] = bytearray(5)
    with Client(device) as client:
        answer = client.raw.statx(2)
        assert (answer.ino, answer.size, answer.mode) == (2, 5, stat.S_IFREG | 0o666)
        assert (answer.btime, answer.btimensec, answer.mask) == (1_000_000_000, 1, 0xFFF)
        assert (answer.attributes, answer.attributes_mask) == (0x10, 0x10)
        client.raw.statx(2, 2, flags=0x100)
    assert device.calls == [("statx", 2, None, 0, 0xFFF), ("statx", 2, 2, 0x100, 0xFFF)]


@needs["syncfs"]
def test_syncfs() -> None:
    device = Device()
    with Client(device) as client:
        client.raw.syncfs()
    assert device.calls == [("syncfs", 1)]


def test_without_these_handlers_libfuse_answers_and_no_python_runs() -> None:
    """A handler that is not there is NULL in libfuse's table, and costs the receiving thread no Python."""

    class Bare(lowlevel.Operations):
        pass

    assert set(HANDLERS) >= {"getlk", "statx", "syncfs", "poll"}
    with Client(Bare()) as client:
        client.session.stop()  # nobody receives any more
        client.session.wait(10)
    with Client(Bare()) as client:
        pending = [
            client.raw.submit(opcode, 2, bytes(64))
            for opcode in Opcode
            if opcode not in (Opcode.INIT, Opcode.DESTROY, Opcode.FORGET, Opcode.BATCH_FORGET)
            and opcode not in (Opcode.INTERRUPT, Opcode.NOTIFY_REPLY, Opcode.OPEN, Opcode.OPENDIR)
            and opcode not in (Opcode.RELEASE, Opcode.RELEASEDIR, Opcode.STATFS)
        ]
        for request in pending:
            with raises_errno(errno.ENOSYS):
                request.result()


def test_getlk_and_setlk_come_together() -> None:
    class Half(lowlevel.Operations):
        def setlk(self, *args: Any) -> None:
            pass

    with pytest.raises(TypeError, match="Half must define both getlk and setlk"):
        Client(Half())


def test_what_features_tells_of_handlers() -> None:
    features = lowlevel.features()
    for name, version in (("tmpfile", (3, 17)), ("statx", (3, 18)), ("syncfs", (3, 19))):
        there = lowlevel.compiled_version() >= version
        assert features[name].compiled is there
        assert there or f"needs libfuse {version[0]}.{version[1]}" in str(features[name])
    with Client(Device()) as client:
        for name in ("tmpfile", "statx", "syncfs"):
            assert client.session.features()[name].on is features[name].compiled


def test_file_locks_are_values() -> None:
    lock = FileLock(fcntl.F_RDLCK, 5, 10, pid=3, owner=7)
    assert lock == FileLock(fcntl.F_RDLCK, 5, 10, 3, 7)
    assert hash(lock) == hash(FileLock(fcntl.F_RDLCK, 5, 10, 3, 7))
    assert lock != FileLock(fcntl.F_WRLCK, 5, 10, 3, 7)
    assert "F_RDLCK start=5 length=10" in repr(lock)
    for type_, start, length in ((99, 0, 0), (fcntl.F_RDLCK, -1, 0), (fcntl.F_RDLCK, 0, -1)):
        with pytest.raises(ValueError, match="lock"):
            FileLock(type_, start, length)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ((0, 10), (10, 5), False),
        ((0, 11), (10, 5), True),
        ((0, 0), (2**62, 1), True),
        ((5, 0), (0, 5), False),
        ((5, 0), (0, 6), True),
        ((5, 1), (5, 1), True),
    ],
)
def test_ranges_of_locks(one: tuple[int, int], other: tuple[int, int], overlap: bool) -> None:
    a, b = FileLock(fcntl.F_WRLCK, *one, owner=1), FileLock(fcntl.F_RDLCK, *other, owner=2)
    assert a.overlaps(b) is b.overlaps(a) is overlap
    assert a.conflicts(b) is b.conflicts(a) is overlap
    assert not a.conflicts(FileLock(fcntl.F_WRLCK, *other, owner=1))
    assert not FileLock(fcntl.F_RDLCK, *one, owner=1).conflicts(b)
    assert not FileLock(fcntl.F_UNLCK, *one, owner=3).conflicts(a)


WRONG: list[tuple[str, Any, Callable[[Client], object]]] = [
    ("getlk", 5, lambda c: c.raw.getlk(2, 2, 1, fcntl.F_WRLCK)),
    ("bmap", None, lambda c: c.raw.bmap(2, 512, 0)),
    ("bmap", -1, lambda c: c.raw.bmap(2, 512, 0)),
    ("bmap", 2**64, lambda c: c.raw.bmap(2, 512, 0)),
    ("ioctl", "text", lambda c: c.raw.ioctl(2, 2, 1)),
    ("ioctl", b"toolong", lambda c: c.raw.ioctl(2, 2, 1, out_size=6)),
    ("ioctl", (1, 2), lambda c: c.raw.ioctl(2, 2, 1)),
    ("ioctl", (1, b"", 3), lambda c: c.raw.ioctl(2, 2, 1)),
    ("ioctl", 2**31, lambda c: c.raw.ioctl(2, 2, 1)),
    ("poll", None, lambda c: c.raw.poll(2, 2, 1)),
    ("poll", -1, lambda c: c.raw.poll(2, 2, 1, handle=1)),
    ("poll", 2**32, lambda c: c.raw.poll(2, 2, 1)),
    ("copy_file_range", 11, lambda c: c.raw.copy_file_range(2, 2, 0, 3, 3, 0, 10)),
    ("copy_file_range", -1, lambda c: c.raw.copy_file_range(2, 2, 0, 3, 3, 0, 10)),
    ("copy_file_range", None, lambda c: c.raw.copy_file_range(2, 2, 0, 3, 3, 0, 10)),
    ("lseek", None, lambda c: c.raw.lseek(2, 2, 0, os.SEEK_DATA)),
    ("lseek", -1, lambda c: c.raw.lseek(2, 2, 0, os.SEEK_DATA)),
    ("lseek", 2**63, lambda c: c.raw.lseek(2, 2, 0, os.SEEK_DATA)),
    ("mknod", None, lambda c: c.raw.mknod(1, b"n", stat.S_IFIFO | 0o600)),
]
NEWER: list[tuple[str, Any, Callable[[Client], object]]] = [
    ("tmpfile", None, lambda c: c.raw.tmpfile(1)),
    ("tmpfile", (1, 2), lambda c: c.raw.tmpfile(1)),
    ("statx", None, lambda c: c.raw.statx(2)),
    ("statx", {}, lambda c: c.raw.statx(2)),
]
WRONG += [case for case in NEWER if lowlevel.features()[case[0]].compiled]


@pytest.mark.parametrize(("handler", "result", "call"), WRONG, ids=[f"{w[0]}-{w[1]!r:.12}" for w in WRONG])
def test_a_wrong_result_is_eio_and_the_log_names_the_handler(
    handler: str, result: Any, call: Callable[[Client], object], caplog: pytest.LogCaptureFixture
) -> None:
    device = Device()
    setattr(device, handler, lambda *args: result)
    with Client(device) as client, caplog.at_level(logging.ERROR, "fusetree"):
        with raises_errno(errno.EIO):
            call(client)
        assert any(handler in record.getMessage() and record.exc_info for record in caplog.records)
        assert client.raw.getattr(2)  # and it goes on
    wait_for(lambda: client.session.failures == 1)
