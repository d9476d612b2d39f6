"""Locks of a host directory are the host's: without a mount, against another opener of the same file."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from fusetree import HostDir, HostFile
from fusetree.nodes.host.opened import HostReader
from tests.support import raises_errno, wait_for

WRITE, READ, NONE = fcntl.F_WRLCK, fcntl.F_RDLCK, fcntl.F_UNLCK


@attrs.frozen
class Lock:
    """What the core hands over."""

    type: int
    start: int = 0
    length: int = 0
    pid: int = 0
    owner: int = 0


@pytest.fixture
def file(tmp_path: Path) -> HostFile:
    (tmp_path / "f").write_text("text\n")
    found = HostDir(tmp_path, writable=True)["f"]
    assert isinstance(found, HostFile)
    return found


@pytest.fixture
def opened(file: HostFile) -> Iterator[HostReader]:
    opened = file.open(os.O_RDWR)
    yield opened
    opened.release()


@pytest.fixture
def beside(file: HostFile) -> Iterator[int]:
    """Somebody beside the mount."""
    fd = os.open(file.host_path, os.O_RDWR)
    yield fd
    os.close(fd)


def lock_beside(fd: int, kind: int, start: int = 0, length: int = 0) -> None:
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0))


def test_both_sides_heed_the_locks_of_the_other(opened: HostReader, beside: int) -> None:
    assert opened.setlk(Lock(WRITE, 0, 10, owner=1), False) is None
    with raises_errno(errno.EAGAIN):
        lock_beside(beside, READ, 5, 1)
    lock_beside(beside, WRITE, 10, 10)
    with raises_errno(errno.EAGAIN):
        opened.setlk(Lock(READ, 15, 1, owner=1), False)
    assert opened.getlk(Lock(READ, 0, 100, owner=1)) == Lock(WRITE, 10, 10)


def test_owners_are_told_apart_and_named(opened: HostReader, file: HostFile) -> None:
    opened.setlk(Lock(WRITE, 0, 10, pid=11, owner=1), False)
    opened.setlk(Lock(READ, 0, 5, pid=11, owner=1), False)  # one's own is no obstacle
    with raises_errno(errno.EAGAIN):
        opened.setlk(Lock(WRITE, 0, 1, pid=22, owner=2), False)
    assert opened.getlk(Lock(WRITE, 0, 1, pid=22, owner=2)) == Lock(READ, 0, 5, pid=11)
    # Closing another descriptor of the file ends nothing: that is done by owner.
    file.open(os.O_RDONLY).release()
    assert opened.getlk(Lock(WRITE, 7, 1, pid=22, owner=2)) == Lock(WRITE, 5, 5, pid=11)
    opened.setlk(Lock(NONE, owner=1), False)
    opened.setlk(Lock(WRITE, 0, 1, pid=22, owner=2), False)


def test_locks_end_with_the_open_file_by_which_they_came(file: HostFile, beside: int) -> None:
    opened = file.open(os.O_RDWR)
    opened.setlk(Lock(WRITE, owner=1), False)
    with raises_errno(errno.EAGAIN):
        lock_beside(beside, WRITE)
    opened.release()
    lock_beside(beside, WRITE)


def test_who_waits_gets_the_lock_when_it_is_free(opened: HostReader, beside: int) -> None:
    lock_beside(beside, WRITE)
    first = opened.setlk(Lock(WRITE, 0, 1, owner=1), True)
    second = opened.setlk(Lock(WRITE, 0, 1, owner=2), True)
    assert first is not None
    assert second is not None
    assert not first.done()
    lock_beside(beside, NONE)  # of which nobody tells us
    wait_for(lambda: first.done() or second.done(), what="the lock")
    got, other = (1, second) if first.done() else (2, first)
    assert not other.done()
    opened.setlk(Lock(NONE, owner=got), False)
    other.result(timeout=10)


def test_who_gives_up_waits_no_more(opened: HostReader, beside: int) -> None:
    lock_beside(beside, WRITE)
    waiting = opened.setlk(Lock(WRITE, owner=1), True)
    assert waiting is not None
    assert waiting.cancel()
    lock_beside(beside, NONE)
    wait_for(lambda: opened._node._host_.locks._thread is None, what="nobody to wait")
    lock_beside(beside, WRITE)


def test_an_open_file_is_locked_as_a_whole(file: HostFile, opened: HostReader, beside: int) -> None:
    assert opened.flock(fcntl.LOCK_EX, 1) is None
    with raises_errno(errno.EAGAIN):
        fcntl.flock(beside, fcntl.LOCK_SH | fcntl.LOCK_NB)
    other = file.open(os.O_RDONLY)
    with raises_errno(errno.EAGAIN):
        other.flock(fcntl.LOCK_EX | fcntl.LOCK_NB, 2)
    waiting = other.flock(fcntl.LOCK_SH, 2)
    assert waiting is not None
    opened.flock(fcntl.LOCK_UN, 1)
    waiting.result(timeout=10)
    other.flock(fcntl.LOCK_UN, 2)
    fcntl.flock(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
    other.release()


def test_where_nothing_may_be_written_read_locks_are_had(file: HostFile, beside: int) -> None:
    found = HostDir(os.path.dirname(file.host_path))["f"]
    assert isinstance(found, HostFile)
    opened = found.open(os.O_RDONLY)
    opened.setlk(Lock(READ, owner=1), False)
    with raises_errno(errno.EAGAIN):
        lock_beside(beside, WRITE)
    opened.release()
