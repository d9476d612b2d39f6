"""The life of a low-level session: mounting, serving, ending on every way, and the child of a fork."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import pytest

from fusetree import lowlevel
from fusetree._lowlevel.connection import Connection
from tests.support import in_thread, is_mounted, python, raises_errno, shell, wait_for

pytestmark = pytest.mark.mount

T = TypeVar("T")


def background(function: Callable[[], T]) -> Future[T]:
    """Run *function* in a thread of its own; what it returns or raises is the future's."""
    future: Future[T] = Future()

    def body() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised by future.result()
            future.set_exception(error)

    threading.Thread(target=body, daemon=True).start()
    return future


class One(lowlevel.Operations):
    """A root with the file "f" of one MiB; reading "slow" waits for `gate`."""

    data = bytes(range(256)) * 4096

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.called: list[str] = []

    def init(self) -> None:
        self.called.append("init")

    def destroy(self) -> None:
        self.called.append("destroy")

    def _attributes(self, inode: int) -> lowlevel.EntryAttributes:
        result = lowlevel.EntryAttributes()
        result.st_ino = inode
        result.st_mode = stat.S_IFDIR | 0o755 if inode == 1 else stat.S_IFREG | 0o644
        result.st_size = 0 if inode == 1 else len(self.data)
        result.attr_timeout = result.entry_timeout = 0
        return result

    def lookup(
        self, parent_inode: int, name: bytes, ctx: lowlevel.RequestContext
    ) -> lowlevel.EntryAttributes:
        if name not in (b"f", b"slow"):
            raise FileNotFoundError
        return self._attributes(2 if name == b"f" else 3)

    def getattr(self, inode: int, ctx: lowlevel.RequestContext) -> lowlevel.EntryAttributes:
        return self._attributes(inode)

    def open(self, inode: int, flags: int, ctx: lowlevel.RequestContext) -> lowlevel.FileInfo:
        return lowlevel.FileInfo(inode, direct_io=True)

    def read(self, fh: int, off: int, size: int) -> bytes:
        if fh == 3:
            self.entered.set()
            assert self.gate.wait(30)
        return self.data[off : off + size]

    def opendir(self, inode: int, ctx: lowlevel.RequestContext) -> int:
        return 0

    def readdir(self, fh: int, start_id: int, token: lowlevel.ReaddirToken) -> None:
        for number, name in enumerate((b"f", b"slow"), 1):
            if number > start_id and not lowlevel.readdir_reply(
                token, name, self._attributes(number + 1), number
            ):
                break


@pytest.fixture
def served(mountpoint: Path) -> Iterator[tuple[One, lowlevel.Session]]:
    operations = One()
    with lowlevel.Session(operations, mountpoint, ["fsname=one"]) as session:
        session.start()
        yield operations, session
        operations.gate.set()


def test_a_hand_written_file_system_is_mounted_and_read(
    served: tuple[One, lowlevel.Session], mountpoint: Path
) -> None:
    operations, session = served
    assert shell(f"ls {mountpoint}").ok().lines == ["f", "slow"]
    assert shell(f"cat {mountpoint}/f").ok().out == One.data
    assert shell(f"dd if={mountpoint}/f bs=1M count=1 status=none").ok().out == One.data
    assert session.connection.protocol >= (7, 31)
    assert session.connection.max_write == 1 << 20
    session.close()
    session.close()
    assert session.closed
    assert not is_mounted(mountpoint)
    assert operations.called == ["init", "destroy"]


def test_run_ends_when_unmounted_from_outside(mountpoint: Path) -> None:
    with lowlevel.Session(One(), mountpoint) as session:
        running = background(session.run)
        wait_for(lambda: session.connection.initialized)
        shell(f"umount {mountpoint}").ok()
        running.result(10)
        assert session.wait(0)


@pytest.mark.no_rings  # another errno while the rings end
def test_close_while_a_file_is_open_ends_at_once(
    served: tuple[One, lowlevel.Session], mountpoint: Path
) -> None:
    """Open files keep a lazily unmounted file system alive: its reader must be woken all the same."""
    _, session = served
    fd = in_thread(lambda: os.open(mountpoint / "f", os.O_RDONLY))
    try:
        began = time.monotonic()
        session.close()
        assert time.monotonic() - began < 2
        with raises_errno(errno.ENOTCONN):
            os.read(fd, 10)
    finally:
        with raises_errno(errno.ENOTCONN):
            os.close(fd)


def test_an_answer_after_close_is_swallowed(
    served: tuple[One, lowlevel.Session], mountpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stuck handler does not keep close() waiting for ever; its answer hits nobody's descriptor."""
    from fusetree.server import session as module

    monkeypatch.setattr(module, "CLOSE_GRACE", 0.2)
    operations, session = served
    client = background(lambda: shell(f"cat {mountpoint}/slow"))
    assert operations.entered.wait(10)
    session.close()
    assert client.result(10).status != 0
    reader, writer = os.pipe()  # takes the number that the device had
    try:
        operations.gate.set()
        wait_for(lambda: not any(t.name.startswith("fusetree-worker") for t in threading.enumerate()))
        os.set_blocking(reader, False)
        with raises_errno(errno.EAGAIN):
            os.read(reader, 1)
    finally:
        os.close(reader)
        os.close(writer)


def test_what_came_later_to_the_same_place_is_not_unmounted(mountpoint: Path) -> None:
    first = lowlevel.Session(One(), mountpoint)
    first.start()
    shell(f"umount {mountpoint}").ok()
    assert first.wait(10)  # it has seen that; before, a number of a mount may be given out again unnoticed
    with lowlevel.Session(One(), mountpoint) as second:
        second.start()
        first.close()
        assert is_mounted(mountpoint)
        assert shell(f"ls {mountpoint}").ok().lines == ["f", "slow"]


def test_a_forked_child_lets_go_and_never_unmounts(
    served: tuple[One, lowlevel.Session], mountpoint: Path
) -> None:
    _, session = served
    parent, child = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            session.close()
            status = 0 if session.closed and is_mounted(mountpoint) else 2
        finally:
            os.write(child, b"x")
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(parent)
    os.close(child)
    assert is_mounted(mountpoint)
    assert shell(f"cat {mountpoint}/f").ok().out == One.data


def test_a_session_left_open_is_unmounted_at_interpreter_exit(mountpoint: Path) -> None:
    program = f"""
import stat
from fusetree import lowlevel
class Root(lowlevel.Operations):
    def getattr(self, inode, ctx):
        result = lowlevel.EntryAttributes()
        result.st_ino, result.st_mode = inode, stat.S_IFDIR | 0o755
        return result
session = lowlevel.Session(Root(), {str(mountpoint)!r})
session.start()
print(open("/proc/self/mountinfo").read().count({str(mountpoint)!r}))
"""
    assert python("-c", program).ok().text == "1\n"
    assert not is_mounted(mountpoint)


def test_options_that_libfuse_refuses_are_named() -> None:
    with pytest.raises(lowlevel.MountError, match="no_such_option"):
        Connection({"getattr"}, ["no_such_option"])


def test_a_mount_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(lowlevel.MountError, match="absent"):
        lowlevel.Session(One(), tmp_path / "absent")


def test_a_mountpoint_or_a_descriptor() -> None:
    with pytest.raises(TypeError, match="either"):
        lowlevel.Session(One())
    with pytest.raises(TypeError, match="either"):
        lowlevel.Session(One(), "/mnt", fd=0)


def test_notifications_after_close_are_a_clear_error(
    served: tuple[One, lowlevel.Session], mountpoint: Path
) -> None:
    _, session = served
    shell(f"cat {mountpoint}/f").ok()
    session.invalidate_inode(2)
    with pytest.raises(FileNotFoundError):
        session.invalidate_inode(99)
    session.close()
    with pytest.raises(lowlevel.SessionClosedError):
        session.invalidate_inode(2)
    with pytest.raises(lowlevel.SessionClosedError):
        session.start()
