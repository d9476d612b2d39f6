"""Locks on a real mount with ``locks="program"``: fcntl(2), flock(2) and open-file-description locks of real
processes, as the kernel's own would be.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fusetree import Dir, File, FileNode, MemoryDir
from fusetree.lowlevel import FileLock
from tests.mount.served import served
from tests.scenarios.coroutines import BACKENDS, Gate
from tests.support import PYTHON, in_thread, python, wait_for

pytestmark = pytest.mark.mount

# Does as it is told, line by line, each in this process; answers "ok" or the errno.
LOCKER = """
import errno, fcntl, os, struct, sys
files = {}
OFD_SETLK, OFD_SETLKW = 37, 38
for line in sys.stdin:
    command, name, *rest = line.split()
    try:
        if command == "open":
            files[name] = os.open(rest[0], os.O_RDWR)
        elif command == "close":
            os.close(files.pop(name))
        elif command == "dup":
            files[rest[0]] = os.dup(files[name])
        elif command in ("lock", "wait"):
            kind, start, length = getattr(fcntl, rest[0]), int(rest[1]), int(rest[2])
            flag = fcntl.LOCK_NB if command == "lock" and kind != fcntl.LOCK_UN else 0
            fcntl.lockf(files[name], kind | flag, length, start)
        elif command == "ofd":
            asked = struct.pack("hhqqi", getattr(fcntl, rest[0]), os.SEEK_SET, int(rest[1]), int(rest[2]), 0)
            fcntl.fcntl(files[name], OFD_SETLK, asked)
        elif command == "flock":
            fcntl.flock(files[name], getattr(fcntl, rest[0]) | fcntl.LOCK_NB)
        elif command == "flockw":
            fcntl.flock(files[name], getattr(fcntl, rest[0]))
        print("ok", flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno], flush=True)
"""


class Process:
    """A process that locks as it is told."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [PYTHON, "-c", LOCKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def send(self, *words: object) -> None:
        assert self.process.stdin is not None
        print(*words, file=self.process.stdin, flush=True)

    def answer(self) -> str:
        stdout = self.process.stdout
        assert stdout is not None
        return in_thread(lambda: stdout.readline().strip(), timeout=20)

    def __call__(self, *words: object) -> str:
        self.send(*words)
        return self.answer()


@contextmanager
def processes(count: int) -> Iterator[list[Process]]:
    made = [Process() for _ in range(count)]
    try:
        yield made
    finally:
        for one in made:
            one.process.kill()
            one.process.communicate()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Who serves."""
    name: str = request.param
    return name


def tree() -> Any:
    return Dir({"f": File(b"x" * 100, mode=0o666), "g": File(b"y", mode=0o666)}, 0o755)


def waits(process: Process, *words: object) -> None:
    """Have it begin to wait: it is asleep in the kernel then."""
    process.send(*words)
    stat = Path(f"/proc/{process.process.pid}/syscall")
    number = {"x86_64": ("72", "73"), "aarch64": ("25", "32")}.get(os.uname().machine, ("72", "73"))
    wait_for(lambda: stat.read_text().split()[0] in number)


def test_fcntl_locks(backend: str, mountpoint: Path) -> None:
    path = mountpoint / "f"
    with served(tree(), mountpoint, backend, locks="program"), processes(2) as (one, two):
        for process in (one, two):
            assert process("open", "a", path) == "ok"
        assert one("lock", "a", "LOCK_EX", 0, 10) == "ok"
        assert two("lock", "a", "LOCK_EX", 10, 10) == "ok"
        assert two("lock", "a", "LOCK_SH", 5, 1) == "EAGAIN"
        assert one("lock", "a", "LOCK_UN", 5, 2) == "ok"
        assert two("lock", "a", "LOCK_SH", 5, 2) == "ok"
        # F_GETLK tells whose it is.
        asked = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 5, 0)
        fd = os.open(path, os.O_RDWR)
        found = in_thread(lambda: struct.unpack("hhqqi", fcntl.fcntl(fd, fcntl.F_GETLK, asked)))
        in_thread(lambda: os.close(fd))
        assert found == (fcntl.F_WRLCK, os.SEEK_SET, 0, 5, one.process.pid)
        waits(two, "wait", "a", "LOCK_EX", 0, 0)
        # Closing any descriptor of the file gives up all of the process' locks on it.
        assert one("open", "b", path) == "ok"
        assert one("close", "b") == "ok"
        assert two.answer() == "ok"
        assert one("lock", "a", "LOCK_SH", 0, 1) == "EAGAIN"


@pytest.mark.no_rings  # the kernel can not take back what waits there
def test_who_is_killed_gives_up_what_it_has_and_what_it_waits_for(backend: str, mountpoint: Path) -> None:
    path = mountpoint / "f"
    with served(tree(), mountpoint, backend, locks="program"), processes(3) as (one, two, three):
        for process in (one, two, three):
            assert process("open", "a", path) == "ok"
        assert one("lock", "a", "LOCK_EX", 0, 0) == "ok"
        waits(two, "wait", "a", "LOCK_EX", 0, 0)
        waits(three, "wait", "a", "LOCK_EX", 0, 0)
        two.process.send_signal(signal.SIGKILL)
        two.process.wait(20)
        one.process.send_signal(signal.SIGKILL)
        assert three.answer() == "ok"


def test_a_circle_is_refused(backend: str, mountpoint: Path) -> None:
    with served(tree(), mountpoint, backend, locks="program"), processes(2) as (one, two):
        for process in (one, two):
            assert process("open", "f", mountpoint / "f") == "ok"
            assert process("open", "g", mountpoint / "g") == "ok"
        assert one("lock", "f", "LOCK_EX", 0, 0) == "ok"
        assert two("lock", "g", "LOCK_EX", 0, 0) == "ok"
        waits(one, "wait", "g", "LOCK_EX", 0, 0)
        assert two("wait", "f", "LOCK_EX", 0, 0) == errno.errorcode[errno.EDEADLK]
        assert two("lock", "g", "LOCK_UN", 0, 0) == "ok"
        assert one.answer() == "ok"


def test_flock_belongs_to_the_open_file(backend: str, mountpoint: Path) -> None:
    path = mountpoint / "f"
    with served(tree(), mountpoint, backend, locks="program"), processes(2) as (one, two):
        assert one("open", "a", path) == "ok"
        assert one("dup", "a", "b") == "ok"
        assert two("open", "a", path) == "ok"
        assert one("flock", "a", "LOCK_EX") == "ok"
        assert one("flock", "b", "LOCK_EX") == "ok"  # the same open file
        assert two("flock", "a", "LOCK_SH") == "EAGAIN"
        assert two("lock", "a", "LOCK_EX", 0, 0) == "ok"  # the other kind
        assert one("close", "a") == "ok"
        assert two("flock", "a", "LOCK_SH") == "EAGAIN"
        waits(two, "flockw", "a", "LOCK_SH")
        assert one("close", "b") == "ok"
        assert two.answer() == "ok"


@pytest.mark.skipif(sys.maxsize < 1 << 32, reason="struct flock is another one")
def test_locks_of_an_open_file_description(backend: str, mountpoint: Path) -> None:
    path = mountpoint / "f"
    with served(tree(), mountpoint, backend, locks="program"), processes(1) as (one,):
        assert one("open", "a", path) == "ok"
        assert one("open", "b", path) == "ok"
        assert one("ofd", "a", "F_WRLCK", 0, 10) == "ok"
        assert one("ofd", "b", "F_WRLCK", 5, 10) == "EAGAIN"  # of one process, and yet
        assert one("close", "a") == "ok"
        wait_for(lambda: one("ofd", "b", "F_WRLCK", 5, 10) == "ok")  # RELEASE comes a moment after close(2)


def test_sqlite_under_two_processes(mountpoint: Path) -> None:
    """Its locks, of ranges of bytes and their upgrades, and WAL."""
    begin = """
import sqlite3, sys
path, mode = sys.argv[1:]
db = sqlite3.connect(path, isolation_level=None)
db.execute(f"PRAGMA journal_mode={mode}")
db.execute("CREATE TABLE t (n)")
"""
    script = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
for number in range(40):
    db.execute("BEGIN IMMEDIATE")
    count = db.execute("SELECT count(*) FROM t").fetchone()[0]
    db.execute("INSERT INTO t VALUES (?)", (count,))
    db.execute("COMMIT")
"""
    count = """
import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT count(*), count(DISTINCT n) FROM t").fetchone())
"""
    with served(MemoryDir(), mountpoint, "threads", locks="program"):
        for mode in ("DELETE", "WAL"):
            path = mountpoint / f"{mode}.db"
            python("-c", begin, path, mode).ok()
            writers = [subprocess.Popen([PYTHON, "-c", script, str(path)]) for _ in range(3)]
            assert [writer.wait(50) for writer in writers] == [0, 0, 0]
            assert python("-c", count, path).ok().text == "(120, 120)\n"


@pytest.mark.no_rings  # the kernel can not take back what waits there
def test_the_posix_checks_of_locks(mountpoint: Path) -> None:
    """What a file system with the kernel's own locks passes."""
    with served(MemoryDir(), mountpoint, "threads", locks="program"):
        groups = [word for group in ("fcntl-locks", "flock", "ofd-locks") for word in ("--only", group)]
        done = python("-m", "fusetree.testing.posix", mountpoint, *groups, timeout=50)
        assert done.status == 0, done.text + done.error


class Own(FileNode):
    """A file that keeps its locks itself."""

    def __init__(self) -> None:
        super().__init__(mode=0o666)
        self.gate = Gate()
        self.log: list[tuple[int, bool]] = []

    def read(self, size: int, offset: int) -> bytes:
        return b""

    def write(self, data: bytes, offset: int) -> None:
        pass

    def getlk(self, lock: FileLock) -> FileLock | None:
        return None

    async def setlk(self, lock: FileLock, wait: bool) -> None:
        self.log.append((lock.type, wait))
        if wait:
            await self.gate.passing()


@pytest.mark.no_rings  # the kernel can not take back what waits there
def test_a_class_that_keeps_locks_by_itself(backend: str, mountpoint: Path) -> None:
    own = Own()
    with served(Dir({"own": own}), mountpoint, backend, locks="program"), processes(2) as (one, two):
        for process in (one, two):
            assert process("open", "a", mountpoint / "own") == "ok"
        assert one("lock", "a", "LOCK_EX", 0, 0) == "ok"
        two.send("wait", "a", "LOCK_EX", 0, 0)
        wait_for(lambda: own.gate.came == 1)
        two.process.send_signal(signal.SIGKILL)
        wait_for(lambda: own.gate.cancelled == 1)
        own.gate.open()
        assert one("wait", "a", "LOCK_SH", 0, 0) == "ok"
        assert one("close", "a") == "ok"
        wait_for(lambda: own.log[-1] == (fcntl.F_UNLCK, False))
