"""Who serves a session, and how that ends."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fusetree.lowlevel import (
    ROOT_INODE,
    EntryAttributes,
    FileInfo,
    Operations,
    ReaddirToken,
    RequestContext,
    Session,
    readdir_reply,
)
from tests.server.kits import FILE, Few, Kit
from tests.support import in_thread, is_mounted, raises_errno, shell, wait_for


class Plain(Operations):
    """A directory with one file, listed by plain READDIR or not; counts lookups and remembers threads."""

    def __init__(self) -> None:
        self.lookups = 0
        self.threads: set[int] = set()

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        self.threads.add(threading.get_ident())
        attributes = EntryAttributes()
        attributes.st_ino = inode
        attributes.st_mode = stat.S_IFDIR | 0o755 if inode == ROOT_INODE else stat.S_IFREG | 0o644
        attributes.attr_timeout = attributes.entry_timeout = 0
        return attributes

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        self.lookups += 1
        if name != b"file":
            raise FileNotFoundError
        return self.getattr(FILE, ctx)

    def opendir(self, inode: int, ctx: RequestContext) -> FileInfo:
        return FileInfo(inode)

    def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        if not start_id:
            attributes = EntryAttributes()
            attributes.st_ino, attributes.st_mode = FILE, stat.S_IFREG | 0o644
            readdir_reply(token, b"file", attributes, 1)


@pytest.mark.mount
@pytest.mark.parametrize("plus", [True, False])
def test_a_plain_listing_brings_no_attributes(mountpoint: Path, plus: bool) -> None:
    operations = Plain()
    vars(operations)["readdirplus"] = plus
    with Session(operations, mountpoint) as session:
        session.start()
        assert shell(f"ls -l {mountpoint}").ok().lines[1].endswith(" file")
    # READDIRPLUS has told what ls wants to know of each entry; READDIR has not, so the kernel looks it up.
    assert (operations.lookups == 0) is plus


@pytest.mark.mount
def test_run_here_runs_every_handler_in_the_calling_thread(mountpoint: Path) -> None:
    operations = Plain()
    session = Session(operations, mountpoint)
    seen: list[str] = []

    def look() -> None:
        seen.extend(shell(f"ls {mountpoint}").lines)
        session.stop()

    thread = threading.Thread(target=look)
    thread.start()
    session.run_here()
    thread.join()
    assert seen == ["file"]
    assert operations.threads == {threading.get_ident()}
    assert is_mounted(mountpoint)
    session.close()
    assert not is_mounted(mountpoint)


@pytest.mark.mount
@pytest.mark.parametrize("run", [Session.run, Session.run_here])
def test_stop_ends_the_serving_every_time(mountpoint: Path, run: Callable[[Session], None]) -> None:
    # The signal that wakes the reader is lost when that is just about to read.
    for _ in range(30):
        session = Session(Plain(), mountpoint)
        thread = threading.Thread(target=run, args=(session,), daemon=True)
        thread.start()
        connection = session.connection
        wait_for(lambda: connection.initialized)  # noqa: B023 - called at once
        session.stop()
        thread.join(10)
        assert not thread.is_alive()
        session.close()


@pytest.mark.mount
def test_close_may_leave_the_dead_mount(mountpoint: Path) -> None:
    session = Session(Plain(), mountpoint)
    session.start()
    session.close(unmount=False)
    assert is_mounted(mountpoint)
    with raises_errno(errno.ENOTCONN):
        os.listdir(mountpoint)
    shell(f"fusermount3 -u {mountpoint}").ok()


@pytest.mark.mount
def test_a_child_may_serve_what_it_inherited(mountpoint: Path) -> None:
    session = Session(Plain(), mountpoint, inherited=True)
    child = os.fork()
    if child == 0:
        try:
            session.run()
            session.close()
        finally:
            os._exit(0)
    try:
        assert in_thread(lambda: os.listdir(mountpoint)) == ["file"]
    finally:
        shell(f"fusermount3 -u {mountpoint}").ok()
        os.waitpid(child, 0)
        session.close()


@pytest.mark.mount
def test_without_that_a_child_has_let_go_of_it(mountpoint: Path) -> None:
    with Session(Plain(), mountpoint) as session:
        child = os.fork()
        if child == 0:
            os._exit(session.closed)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        session.start()
        assert os.listdir(mountpoint) == ["file"]


@pytest.mark.mount
def test_handlers_finish_when_the_session_does_not_cancel(kit: Kit, mountpoint: Path) -> None:
    few = Few()
    ended: list[str] = []
    began = threading.Event()
    go_on = threading.Event()

    async def release(fh: int) -> None:
        began.set()
        await kit.in_thread(go_on.wait)
        await kit.sleep(0)
        ended.append("released")

    few.release = release  # type: ignore[method-assign, assignment]
    session = Session(few, mountpoint)

    def use() -> None:
        # Nobody waits for a release, so it runs while the file system is unmounted.
        shell(f"cat {mountpoint}/f").ok()
        assert began.wait(10)
        shell(f"fusermount3 -u {mountpoint}").ok()
        wait_for(lambda: session.connection.exited)
        go_on.set()

    thread = threading.Thread(target=use)
    thread.start()
    try:
        kit.run(lambda: session.serve(close=False, cancel_handlers=False))
    finally:
        thread.join()
    assert ended == ["released"]
    assert not session.closed
    session.close()
