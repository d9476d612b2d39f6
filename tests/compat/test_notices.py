"""Notifications of the drop-ins, at a real mount served by this process."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fusetree.compat import llfuse, pyfuse3
from tests.support import in_thread, raises_errno, shell, wait_for

pytestmark = pytest.mark.mount


class Changing(llfuse.Operations):
    """One file, cached without end, whose content the test changes."""

    content = b"old"

    def getattr(self, inode: int, ctx: Any) -> llfuse.EntryAttributes:
        entry = llfuse.EntryAttributes()
        entry.st_ino = inode
        entry.st_mode = stat.S_IFDIR | 0o755 if inode == 1 else stat.S_IFREG | 0o644
        entry.st_size = 0 if inode == 1 else len(self.content)
        entry.attr_timeout = entry.entry_timeout = 1e6
        return entry

    def lookup(self, parent_inode: int, name: bytes, ctx: Any) -> llfuse.EntryAttributes:
        if name != b"f":
            raise llfuse.FUSEError(errno.ENOENT)
        return self.getattr(2, ctx)

    def open(self, inode: int, flags: int, ctx: Any) -> int:
        return inode

    def read(self, fh: int, off: int, size: int) -> bytes:
        return self.content[off : off + size]


@pytest.fixture
def served(mountpoint: Path) -> Iterator[tuple[Changing, Path]]:
    operations = Changing()
    llfuse.init(operations, str(mountpoint))
    thread = threading.Thread(target=llfuse.main, kwargs={"handle_signals": False})
    thread.start()
    try:
        yield operations, mountpoint / "f"
    finally:
        shell(f"fusermount3 -u {mountpoint}").ok()
        thread.join(20)
        llfuse.close()


def _content(path: Path) -> bytes:
    return in_thread(path.read_bytes)


def test_invalidate_inode_and_notify_store(served: tuple[Changing, Path]) -> None:
    operations, path = served
    assert _content(path) == b"old"
    operations.content = b"new"
    assert _content(path) == b"old"  # cached
    llfuse.invalidate_inode(2)
    wait_for(lambda: _content(path) == b"new")
    llfuse.notify_store(2, 0, b"NEW")
    assert _content(path) == b"NEW"
    llfuse.invalidate_entry(1, b"f")
    llfuse.invalidate_entry(1, b"none")  # the kernel knows nothing of it: no error
    llfuse.invalidate_inode(2, attr_only=True)
    wait_for(lambda: in_thread(lambda: os.stat(path)).st_size == 3)


def test_a_second_init_is_refused(served: tuple[Changing, Path], tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="call close"):
        llfuse.init(Changing(), str(tmp_path))
    assert llfuse._mounted._session is not None


def test_pyfuse3_tells_errors_of_notifications(mountpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
    trio = pytest.importorskip("trio")
    pyfuse3.init(pyfuse3.Operations(), str(mountpoint))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pyfuse3.main)
            while pyfuse3.trio_token is None:
                await trio.lowlevel.checkpoint()
            for _ in range(20):  # the handshake, after which notifications are possible
                await trio.sleep(0)
            session = pyfuse3._mounted.session("test")
            while not session.connection.initialized:
                await trio.lowlevel.checkpoint()
            with raises_errno(errno.ENOENT):
                await trio.to_thread.run_sync(pyfuse3.invalidate_inode, 99)
            pyfuse3.invalidate_entry_async(1, b"quiet", ignore_enoent=True)
            pyfuse3.invalidate_entry_async(1, b"loud", deleted=3)
            while "loud" not in caplog.text:
                await trio.lowlevel.checkpoint()
            pyfuse3.terminate()

    trio.run(main)
    pyfuse3.close()
    assert "quiet" not in caplog.text
    assert pyfuse3.trio_token is None
