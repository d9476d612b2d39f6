"""The rarer requests with the real system calls, on a real mount.

The server is a process of its own where a system call might wait for it with the GIL held.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import logging
import os
import select
import signal
import stat
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fusetree import lowlevel
from tests.lowlevel.device import BLOCK, DOUBLE, GET_SIZE, SET_LEVEL, SEVEN, Device, Parking
from tests.support import PYTHON, ROOT, raises_errno, shell

pytestmark = pytest.mark.mount

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100


@contextmanager
def served(mountpoint: Path, device: Device | None = None, options: tuple[str, ...] = ()) -> Iterator[Device]:
    device = device or Device()
    with lowlevel.Session(device, mountpoint, options) as session:
        session.start()
        yield device


@contextmanager
def opened(path: Path, flags: int = os.O_RDWR) -> Iterator[int]:
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


@contextmanager
def client(program: str, *arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs *program*, with a pipe to and from it."""
    process = subprocess.Popen(
        [PYTHON, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def line_of(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def test_mknod(mountpoint: Path) -> None:
    with served(mountpoint) as device:
        os.mknod(mountpoint / "pipe", stat.S_IFIFO | 0o640)
        if os.geteuid() == 0:
            os.mknod(mountpoint / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
            assert ("mknod", b"null", stat.S_IFCHR | 0o600, os.makedev(1, 3)) in device.calls
    name, mode = device.calls[0][1:3]
    assert name == b"pipe"
    assert stat.S_ISFIFO(mode)


def test_renameat2(mountpoint: Path) -> None:
    def rename(old: str, new: str, flags: int) -> None:
        checked(
            libc.renameat2(
                AT_FDCWD,
                os.fsencode(mountpoint / old),
                AT_FDCWD,
                os.fsencode(mountpoint / new),
                flags,
            )
        )

    with served(mountpoint) as device:
        rename("a", "b", lowlevel.RENAME_EXCHANGE)
        rename("a", "new", lowlevel.RENAME_NOREPLACE)
        with raises_errno(errno.EEXIST):
            rename("a", "b", lowlevel.RENAME_NOREPLACE)
    assert ("rename", b"a", b"b", lowlevel.RENAME_EXCHANGE) in device.calls
    assert ("rename", b"a", b"new", lowlevel.RENAME_NOREPLACE) in device.calls


def test_fallocate_and_punch_hole(mountpoint: Path) -> None:
    with served(mountpoint) as device, opened(mountpoint / "a") as fd:
        os.posix_fallocate(fd, 0, 3 * BLOCK)
        assert os.fstat(fd).st_size == 3 * BLOCK
        os.pwrite(fd, b"x" * 3 * BLOCK, 0)
        size = ctypes.c_int64
        checked(libc.fallocate(fd, 0x03, size(BLOCK), size(BLOCK)))
        assert os.pread(fd, 3 * BLOCK, 0) == b"x" * BLOCK + bytes(BLOCK) + b"x" * BLOCK
        with raises_errno(errno.EOPNOTSUPP):
            checked(libc.fallocate(fd, 0x10, size(0), size(BLOCK)))
    assert ("fallocate", 2, 2, 0x03, BLOCK, BLOCK) in device.calls


def test_seek_data_and_hole(mountpoint: Path) -> None:
    with served(mountpoint) as device, opened(mountpoint / "a") as fd:
        device.data[2] = bytearray(BLOCK) + bytearray(b"x" * BLOCK) + bytearray(BLOCK)
        assert os.lseek(fd, 0, os.SEEK_DATA) == BLOCK
        assert os.lseek(fd, BLOCK, os.SEEK_HOLE) == 2 * BLOCK
        with raises_errno(errno.ENXIO):
            os.lseek(fd, 2 * BLOCK, os.SEEK_DATA)
        assert os.lseek(fd, 0, os.SEEK_END) == 3 * BLOCK
    assert {call[4] for call in device.calls if call[0] == "lseek"} == {os.SEEK_DATA, os.SEEK_HOLE}


def test_copy_file_range(mountpoint: Path) -> None:
    data = os.urandom(100_000)
    device = Device()
    device.data[2][:] = data  # before it is opened: the kernel looks at the size that it knows
    with (
        served(mountpoint, device),
        opened(mountpoint / "a") as source,
        opened(mountpoint / "b") as target,
    ):
        assert os.copy_file_range(source, target, 50_000, 10, 20) == 50_000
        assert device.data[3] == bytes(20) + data[10:50_010]
    assert ("copy_file_range", 2, 2, 10, 3, 3, 20, 50_000, 0) in device.calls


def test_fcntl_locks(mountpoint: Path) -> None:
    program = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.lockf(fd, fcntl.LOCK_EX, 10, 5)
print("locked", os.getpid(), flush=True)
sys.stdin.readline()
fcntl.lockf(fd, fcntl.LOCK_UN, 10, 5)
print("unlocked", flush=True)
"""
    with (
        served(mountpoint) as device,
        client(program, mountpoint / "a") as process,
        opened(mountpoint / "a") as fd,
    ):
        pid = int(line_of(process).split()[1])
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        found = struct.unpack("hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, asked))
        assert found == (fcntl.F_WRLCK, os.SEEK_SET, 5, 10, pid)
        with raises_errno(errno.EAGAIN):
            fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 14)
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB, 5, 0)
        assert process.stdin is not None
        # A lock that is waited for, until the other process gives it up.
        timer = threading.Thread(target=_when_waiting, args=(device, process))
        timer.start()
        fcntl.lockf(fd, fcntl.LOCK_EX, 1, 14)
        timer.join()
        assert line_of(process) == "unlocked"


def _when_waiting(device: Device, process: subprocess.Popen[bytes]) -> None:
    assert device.waiting.acquire(timeout=20)
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


def test_flock(mountpoint: Path) -> None:
    with (
        served(mountpoint) as device,
        opened(mountpoint / "a") as one,
        opened(mountpoint / "a") as other,
    ):
        fcntl.flock(one, fcntl.LOCK_EX)
        with raises_errno(errno.EAGAIN):
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(one, fcntl.LOCK_UN)
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert len({call[4] for call in device.calls if call[0] == "flock"}) == 2


@pytest.mark.root
def test_bmap(mountpoint: Path, tmp_path: Path) -> None:
    """FIBMAP (ioctl 1) is asked for where the mount has a block device; else a file is all holes."""
    with served(mountpoint) as device, opened(mountpoint / "a") as fd:
        assert fcntl.ioctl(fd, 1, struct.pack("=i", 7)) == bytes(4)
        assert not any(call[0] == "bmap" for call in device.calls)
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    found = shell(f"losetup --find --show {tmp_path}/disk")
    if found.status:
        pytest.skip(f"no loop device: {found.error}")
    loop = found.text.strip()
    try:
        with (
            served(mountpoint, options=("blkdev", f"fsname={loop}")) as device,
            opened(mountpoint / "a") as fd,
        ):
            assert fcntl.ioctl(fd, 1, struct.pack("=i", 7)) == struct.pack("=i", 207)
            assert ("bmap", 2, 4096, 7) in device.calls
    finally:
        shell(f"losetup --detach {loop}").ok()


def test_ioctl(mountpoint: Path) -> None:
    with served(mountpoint) as device, opened(mountpoint / "a") as fd:
        device.data[2] = bytearray(12345)
        assert fcntl.ioctl(fd, GET_SIZE, bytes(8)) == struct.pack("=Q", 12345)
        fcntl.ioctl(fd, SET_LEVEL, struct.pack("=i", -3))
        assert device.level == -3
        buffer = bytearray(struct.pack("=i", 21))
        assert fcntl.ioctl(fd, DOUBLE, buffer) == 1
        assert buffer == struct.pack("=i", 42)
        assert fcntl.ioctl(fd, SEVEN) == 7
        with raises_errno(errno.ENOTTY):
            fcntl.ioctl(fd, ord("f") << 8 | 99)
        with opened(mountpoint, os.O_RDONLY | os.O_DIRECTORY) as directory:
            assert fcntl.ioctl(directory, SEVEN) == 7


@pytest.mark.parametrize("way", ["poll", "select", "epoll"])
def test_who_waits_is_woken_up(mountpoint: Path, way: str) -> None:
    program = """
import os, select, sys
fd = os.open(sys.argv[1], os.O_RDWR)
print("opened", flush=True)
if sys.argv[2] == "poll":
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    found = poll.poll(20000)
    print(found == [(fd, select.POLLIN)], flush=True)
elif sys.argv[2] == "select":
    print(select.select([fd], [], [], 20) == ([fd], [], []), flush=True)
else:
    epoll = select.epoll()
    epoll.register(fd, select.EPOLLIN)
    print(epoll.poll(20) == [(fd, select.EPOLLIN)], flush=True)
"""
    with served(mountpoint) as device, client(program, mountpoint / "a", way) as process:
        assert line_of(process) == "opened"
        assert device.polled.acquire(timeout=20)
        device.get_ready(2)
        assert line_of(process) == "True"


@pytest.mark.no_rings  # libfuse is told of no interrupts there
def test_a_lock_that_is_waited_for_can_be_interrupted(mountpoint: Path) -> None:
    """An alarm ends F_SETLKW and flock(2) with EINTR; the future that the handler returned is cancelled."""
    program = """
import errno, fcntl, os, signal, sys
def stop(number, frame): raise InterruptedError(errno.EINTR, "alarm")
signal.signal(signal.SIGUSR1, stop)
fd = os.open(sys.argv[1], os.O_RDWR)
for wait in (lambda: fcntl.lockf(fd, fcntl.LOCK_EX), lambda: fcntl.flock(fd, fcntl.LOCK_EX)):
    try:
        wait()
    except InterruptedError:
        print("interrupted", flush=True)
"""
    device = Parking()
    device.locks[2].held.append(lowlevel.FileLock(fcntl.F_WRLCK, owner=1))
    device.whole[2].held.append(lowlevel.FileLock(fcntl.F_WRLCK, owner=1))
    with served(mountpoint, device), client(program, mountpoint / "a") as process:
        for _ in range(2):
            assert device.waiting.acquire(timeout=20)
            process.send_signal(signal.SIGUSR1)
            assert line_of(process) == "interrupted"


def test_an_undefined_handler_is_asked_for_once_at_most(
    mountpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel is told by libfuse, and remembers; counted by libfuse's own trace."""

    class Plain(Device):
        pass

    for name in ("lseek", "fallocate", "copy_file_range", "getlk", "setlk", "flock", "poll", "ioctl"):
        setattr(Plain, name, getattr(lowlevel.Operations, name))
    size = ctypes.c_int64
    with (
        caplog.at_level(logging.DEBUG),
        served(mountpoint, Plain(), ("debug",)),
        opened(mountpoint / "a") as one,
        opened(mountpoint / "b") as other,
    ):
        os.pwrite(one, b"x" * 100, 0)
        for _ in range(5):
            assert os.lseek(one, 0, os.SEEK_DATA) == 0
            with raises_errno(errno.EOPNOTSUPP):
                checked(libc.fallocate(one, 0, size(0), size(BLOCK)))
            os.copy_file_range(one, other, 10, 0, 0)
            fcntl.lockf(one, fcntl.LOCK_EX)
            fcntl.flock(one, fcntl.LOCK_EX)
            assert select.select([one], [], [], 0)[0] == [one]
            with raises_errno(errno.ENOTTY):
                fcntl.ioctl(one, SEVEN)
    for name in ("LSEEK", "FALLOCATE", "COPY_FILE_RANGE", "POLL"):  # Linux never remembers it of ioctl
        assert caplog.text.count(f"opcode: {name} (") <= 1, name
    for name in ("GETLK", "SETLK", "SETLKW"):
        assert f"opcode: {name} (" not in caplog.text
    assert "opcode: WRITE (" in caplog.text


@pytest.mark.skipif(not lowlevel.features()["tmpfile"].compiled, reason="libfuse is too old")
def test_a_file_without_a_name(mountpoint: Path) -> None:
    with served(mountpoint) as device:
        with opened_tmpfile(mountpoint) as fd:
            assert os.fstat(fd).st_nlink == 0
            os.pwrite(fd, b"nameless", 0)
            assert os.pread(fd, 100, 0) == b"nameless"
        assert device.calls[0][:2] == ("tmpfile", 1)


@contextmanager
def opened_tmpfile(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


@pytest.mark.skipif(not lowlevel.features()["statx"].compiled, reason="libfuse is too old")
def test_birth_time(mountpoint: Path) -> None:
    with served(mountpoint):
        buffer = ctypes.create_string_buffer(256)
        checked(libc.statx(AT_FDCWD, os.fsencode(mountpoint / "a"), 0x2000, 0xFFF, buffer))
        mask = struct.unpack_from("=I", buffer, 0)[0]
        seconds, nanoseconds = struct.unpack_from("=qI", buffer, 0x50)
        assert mask & 0x800
        assert (seconds, nanoseconds) == (1_000_000_000, 1)


def test_syncfs_succeeds(mountpoint: Path) -> None:
    """Linux sends it to servers of block devices only: here it succeeds and nobody is asked."""
    with served(mountpoint) as device, opened(mountpoint / "a") as fd:
        checked(libc.syncfs(fd))
        assert not any(call[0] == "syncfs" for call in device.calls)


def test_fsync_of_a_directory(mountpoint: Path) -> None:
    with (
        served(mountpoint) as device,
        opened(mountpoint, os.O_RDONLY | os.O_DIRECTORY) as fd,
    ):
        os.fsync(fd)
        os.fdatasync(fd)
    assert [call for call in device.calls if call[0] == "fsyncdir"] == [
        ("fsyncdir", 1, False),
        ("fsyncdir", 1, True),
    ]
