"""What a session tells the real kernel by itself: its effects, and that no handler waits for itself."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import stat
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fusetree import lowlevel
from fusetree.lowlevel import EntryAttributes, FileInfo, RequestContext
from tests.support import in_thread, raises_errno, shell, wait_for

pytestmark = pytest.mark.mount

IN_DELETE_SELF = 0x400


class Changing(lowlevel.Operations):
    """The file "f" in the root, whose content is `data`; all is cached for a long time.

    `inside` has functions by the name of the handler that calls them.
    """

    def __init__(self) -> None:
        self.data = b"old " * 4096
        self.inode = 2
        self.present = True
        self.inside: dict[str, Callable[[], object]] = {}
        self.results: dict[str, object] = {}
        self.calls: list[str] = []

    def _called(self, name: str) -> None:
        self.calls.append(name)
        action = self.inside.pop(name, None)
        if action is not None:
            self.results[name] = action()

    def attributes(self, inode: int) -> EntryAttributes:
        result = EntryAttributes()
        result.st_ino = inode
        result.st_nlink = 1
        result.st_mode = stat.S_IFDIR | 0o755 if inode == 1 else stat.S_IFREG | 0o644
        result.st_size = 0 if inode == 1 else len(self.data)
        result.attr_timeout = result.entry_timeout = 1000
        return result

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        self._called("lookup")
        if name != b"f" or not self.present:
            raise FileNotFoundError
        return self.attributes(self.inode)

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        self._called("getattr")
        return self.attributes(inode)

    def setattr(
        self,
        inode: int,
        attr: EntryAttributes,
        fields: lowlevel.SetattrFields,
        fh: int | None,
        ctx: RequestContext,
    ) -> EntryAttributes:
        self._called("setattr")
        return self.attributes(inode)

    def unlink(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        self._called("unlink")
        self.present = False

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        return FileInfo(fh=inode, keep_cache=True)

    def read(self, fh: int, off: int, size: int) -> bytes:
        self._called("read")
        return self.data[off : off + size]


@pytest.fixture
def served(mountpoint: Path) -> Iterator[tuple[Changing, lowlevel.Session]]:
    operations = Changing()
    with lowlevel.Session(operations, mountpoint, ["fsname=changing"]) as session:
        session.start()
        yield operations, session


def cat(path: Path) -> bytes:
    """Its content, read by another process."""
    return shell(f"cat {path}").ok().out


def ino(path: Path) -> int:
    return int(shell(f"stat -c %i {path}").ok().text)


def test_content_and_attributes_are_forgotten(
    served: tuple[Changing, lowlevel.Session], mountpoint: Path
) -> None:
    operations, session = served
    file = mountpoint / "f"
    old = operations.data
    assert cat(file) == old
    operations.data = b"new " * 4096
    assert cat(file) == old, "cached"
    session.invalidate_inode(2, offset=4096, length=4096)
    assert cat(file) == old[:4096] + b"new " * 1024 + old[8192:]
    session.invalidate_inode(2)
    assert cat(file) == operations.data
    operations.data = b"longer" * 4096
    assert shell(f"stat -c %s {file}").ok().text == "16384\n"
    session.invalidate_inode(2, attr_only=True)
    assert shell(f"stat -c %s {file}").ok().text == "24576\n"
    with pytest.raises(FileNotFoundError):
        session.invalidate_inode(99)


@pytest.mark.parametrize("notification", ["invalidate_entry", "expire_entry"])
def test_a_name_is_looked_up_again(
    served: tuple[Changing, lowlevel.Session], mountpoint: Path, notification: str
) -> None:
    operations, session = served
    assert ino(mountpoint / "f") == 2
    operations.inode = 3
    assert ino(mountpoint / "f") == 2, "cached"
    getattr(session, notification)(1, b"f")
    assert ino(mountpoint / "f") == 3
    with pytest.raises(FileNotFoundError):
        getattr(session, notification)(1, b"unheard-of")


def test_watchers_are_told_of_a_deletion(served: tuple[Changing, lowlevel.Session], mountpoint: Path) -> None:
    operations, session = served
    assert ino(mountpoint / "f") == 2
    libc = ctypes.CDLL(None, use_errno=True)
    watcher = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        watch = in_thread(
            lambda: libc.inotify_add_watch(watcher, os.fsencode(mountpoint / "f"), IN_DELETE_SELF)
        )
        assert watch > 0
        operations.present = False
        session.notify_delete(1, 2, b"f")
        assert select.select([watcher], [], [], 10)[0]
        assert struct.unpack_from("iI", os.read(watcher, 4096)) == (watch, IN_DELETE_SELF)
    finally:
        os.close(watcher)
    assert shell(f"test -e {mountpoint}/f").status == 1


@pytest.mark.no_rings  # nothing can be retrieved there
def test_what_is_stored_is_read_without_asking_and_can_be_retrieved(
    served: tuple[Changing, lowlevel.Session], mountpoint: Path, tmp_path: Path
) -> None:
    operations, session = served
    assert ino(mountpoint / "f") == 2
    (tmp_path / "data").write_bytes(b"-" * 100 + b"file" * 3072)
    session.notify_store(2, 0, memoryview(b"mem " * 1024))
    with open(tmp_path / "data", "rb") as file:
        session.notify_store(2, 4096, lowlevel.FileData(file, 100, 12288))
        with raises_errno(errno.EINVAL):
            session.notify_store(2, 0, lowlevel.FileData(file, 12000, 12288))
    expected = b"mem " * 1024 + b"file" * 3072
    assert cat(mountpoint / "f") == expected
    assert "read" not in operations.calls
    assert session.retrieve(2, 0, 16384).result(10) == expected
    assert session.retrieve(2, 4094, 8).result(10) == expected[4094:4102]
    session.invalidate_inode(2, offset=8192)
    assert session.retrieve(2, 4096, 12288).result(10) == b"file" * 1024, "up to the first page that is gone"
    with pytest.raises(FileNotFoundError):
        session.retrieve(99, 0, 1)
    with pytest.raises(FileNotFoundError):
        session.notify_store(99, 0, b"x")


def test_all_names_are_looked_up_again(served: tuple[Changing, lowlevel.Session], mountpoint: Path) -> None:
    operations, session = served
    assert ino(mountpoint / "f") == 2
    operations.inode = 3
    try:
        session.increment_epoch()
    except (lowlevel.UnsupportedFeatureError, OSError) as error:
        pytest.skip(str(error))
    assert ino(mountpoint / "f") == 3


def test_unused_inodes_are_let_go(served: tuple[Changing, lowlevel.Session], mountpoint: Path) -> None:
    operations, session = served
    assert ino(mountpoint / "f") == 2
    try:
        session.prune([2])
    except (lowlevel.UnsupportedFeatureError, OSError) as error:
        pytest.skip(str(error))
    lookups = operations.calls.count("lookup")
    assert ino(mountpoint / "f") == 2
    assert operations.calls.count("lookup") == lookups + 1


# ---------------------------------------------------------------------- the deadlock rule


def state_of(thread: threading.Thread) -> str:
    """The kernel's letter for what it does; D is waiting for a lock of the kernel."""
    text = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
    return text.rpartition(")")[2].split()[0]


def test_a_notice_of_a_name_waits_for_the_handler_that_is_on_its_directory(
    served: tuple[Changing, lowlevel.Session], mountpoint: Path
) -> None:
    """Why no handler may wait for it: here another thread does, until the handler ends."""
    operations, session = served
    assert ino(mountpoint / "f") == 2
    entered, go_on = threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        assert go_on.wait(20)

    operations.inside["lookup"] = block
    client = threading.Thread(target=shell, args=(f"stat {mountpoint}/other",))
    client.start()
    assert entered.wait(10)
    teller = threading.Thread(target=session.invalidate_entry, args=(1, b"f"))
    teller.start()
    try:
        wait_for(lambda: state_of(teller) == "D", what="the notice to wait for the directory's lock")
        assert teller.is_alive()
    finally:
        go_on.set()
    teller.join(10)
    assert not teller.is_alive()
    client.join()


@pytest.mark.parametrize("handler", ["lookup", "unlink"])
def test_a_handler_invalidates_names_of_the_directory_that_it_works_on(
    served: tuple[Changing, lowlevel.Session], mountpoint: Path, handler: str
) -> None:
    operations, session = served

    def change() -> None:
        operations.inode = 3
        session.invalidate_entry(1, b"f")
        session.expire_entry(1, b"f")
        session.notify_delete(1, 2, b"f")

    assert ino(mountpoint / "f") == 2
    operations.inside[handler] = change
    if handler == "lookup":
        assert shell(f"stat {mountpoint}/absent").status == 1
    else:
        shell(f"rm -f {mountpoint}/f").ok()
        operations.present = True
    assert session.wait_notified(10)
    assert handler not in operations.inside
    assert ino(mountpoint / "f") == 3


@pytest.mark.no_rings  # nothing can be retrieved there
def test_a_read_handler_changes_the_pages_that_it_is_asked_for(
    served: tuple[Changing, lowlevel.Session], mountpoint: Path
) -> None:
    """The kernel has the pages locked until the handler answers."""
    operations, session = served

    def change() -> None:
        session.invalidate_inode(2)
        session.notify_store(2, 0, b"sto " * 1024)
        operations.results["retrieved"] = session.retrieve(2, 1 << 20, 10).result(10)

    operations.inside["read"] = change
    stored = b"sto " * 1024 + b"old " * 3072
    assert cat(mountpoint / "f") in (b"old " * 4096, stored), "asked for in pieces, so it may see both"
    assert session.wait_notified(10)
    assert operations.results["retrieved"] == b""
    assert cat(mountpoint / "f") == stored


def test_a_session_ends_while_a_notice_waits_for_a_handler_that_is_stuck(
    served: tuple[Changing, lowlevel.Session], mountpoint: Path
) -> None:
    operations, session = served
    assert ino(mountpoint / "f") == 2
    entered, go_on = threading.Event(), threading.Event()

    def block() -> None:
        session.invalidate_entry(1, b"f")
        entered.set()
        go_on.wait(20)

    operations.inside["lookup"] = block
    client = threading.Thread(target=shell, args=(f"stat {mountpoint}/other",))
    client.start()
    assert entered.wait(10)
    outbox = next(thread for thread in threading.enumerate() if thread.name == "fusetree-outbox")
    wait_for(lambda: state_of(outbox) == "D", what="the notice to wait for the directory's lock")
    closing = threading.Thread(target=session.close)
    closing.start()
    go_on.set()
    closing.join(15)
    assert not closing.is_alive()
    client.join(10)
    assert not client.is_alive()
    assert not outbox.is_alive()
