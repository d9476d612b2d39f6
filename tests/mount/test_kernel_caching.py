"""What the kernel is given to keep, and how much it asks for at once: counted in requests."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fusetree import Dir, File, Mount, Symlink
from fusetree.adapter import NodeOperations
from fusetree.lowlevel import (
    EntryAttributes,
    FileInfo,
    Operations,
    ReaddirToken,
    RequestContext,
    Session,
)
from tests.mount.conftest import Mounting
from tests.support import shell

pytestmark = pytest.mark.mount

MIB = 1 << 20


def requests(mount: Mount, act: Callable[[], object]) -> int:
    """How many requests were answered in C meanwhile."""
    table = mount.session.operations.inode_table
    assert table is not None
    before = table.statistics().answered_in_c
    act()
    return table.statistics().answered_in_c - before


def test_a_file_that_is_opened_again_is_not_read_again_until_it_changes(
    mountpoint: Path, mounted: Mounting
) -> None:
    """KEEP_CACHE: without it, each open would drop the pages, and each reader read them anew."""
    file = File(bytes(MIB))
    mount = mounted({"f": file}, coherence_wait=10.0)
    path = mountpoint / "f"
    for _ in range(2):  # what is first opened is published, and what is published may be kept
        shell(f"cat {path}").ok()
    # OPEN and RELEASE; GETATTR, since reading has moved the time of access.
    assert requests(mount, lambda: shell(f"cat {path}").ok()) <= 4
    for number in range(1, 20):
        data = bytes([number]) * MIB
        file.store(data)
        assert path.read_bytes() == data
        assert path.read_bytes() == data
        assert requests(mount, path.read_bytes) <= 4


def test_a_part_that_did_not_change_is_read_again_too(mountpoint: Path, mounted: Mounting) -> None:
    """The change of one file leaves the pages of another alone."""
    one, other = File(bytes(MIB)), File(bytes(MIB))
    mount = mounted({"one": one, "other": other}, coherence_wait=10.0)
    for _ in range(2):
        shell(f"cat {mountpoint}/one {mountpoint}/other").ok()
    one.store(b"x" * MIB)
    assert requests(mount, (mountpoint / "other").read_bytes) <= 4
    assert requests(mount, (mountpoint / "one").read_bytes) > 4


def test_a_link_is_followed_without_asking_until_it_changes(mountpoint: Path, mounted: Mounting) -> None:
    """CACHE_SYMLINKS: without it, every walk through a link would be a request."""
    link = Symlink("d")
    mount = mounted(Dir({"d": {"f": "text\n"}, "e": {"f": "else\n"}, "l": link}), coherence_wait=10.0)
    path = mountpoint / "l/f"

    def walk() -> None:
        for _ in range(100):
            os.stat(path)

    walk()
    assert requests(mount, walk) == 0
    link.target = "e"
    assert path.read_text() == "else\n"
    walk()
    assert requests(mount, walk) == 0


def test_a_listing_brings_the_attributes_along(mountpoint: Path) -> None:
    """READDIRPLUS: without it, `ls -l` would be a request for each name.

    The kernel asks for it where the names that it was given are then looked up (READDIRPLUS_AUTO), as here.
    """
    count = 5000
    asked: list[str] = []

    class Counted(NodeOperations):
        def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
            asked.append("lookup")
            return super().lookup(parent_inode, name, ctx)

        def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
            asked.append("readdir")
            super().readdir(fh, start_id, token)

    operations = Counted(Dir({"d": {f"f{number}": b"x" * number for number in range(count)}}))
    with Session(operations, mountpoint) as session:
        session.start()
        with os.scandir(mountpoint / "d") as entries:
            sizes = [entry.stat().st_size for entry in entries]
        statistics = operations.inode_table.statistics()
    assert sizes == list(range(count))
    assert asked.count("lookup") < count / 4
    assert asked.count("readdir") < count / 10
    assert statistics.answered_in_c < count / 4


class Sizes(Operations):
    """One file; keeps the sizes of what is asked of it."""

    def __init__(self) -> None:
        self.reads: list[int] = []
        self.writes: list[int] = []

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        attributes = EntryAttributes()
        attributes.st_ino = inode
        attributes.st_mode = 0o40755 if inode == 1 else 0o100666
        attributes.st_size = 8 * MIB
        return attributes

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        if name != b"f":
            raise FileNotFoundError
        return self.getattr(2, ctx)

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        return FileInfo(0, direct_io=True)

    def read(self, fh: int, off: int, size: int) -> bytes:
        self.reads.append(size)
        return bytes(size)

    def write(self, fh: int, off: int, buf: memoryview) -> int:
        self.writes.append(len(buf))
        return len(buf)


def test_a_mebibyte_is_one_request(mountpoint: Path) -> None:
    """max_write and max_read: without them, it would be 32 requests of 32 pages."""
    sizes = Sizes()
    with Session(sizes, mountpoint) as session:
        session.start()
        descriptor = os.open(mountpoint / "f", os.O_RDWR)
        try:
            with mmap.mmap(-1, 3 * MIB) as room:  # whole pages: else it would be one page more than fits
                assert os.preadv(descriptor, [memoryview(room)[:MIB]], 0) == MIB
                assert os.pwritev(descriptor, [memoryview(room)[:MIB]], 0) == MIB
                assert os.preadv(descriptor, [room], 0) == 3 * MIB
        finally:
            os.close(descriptor)
    assert sizes.reads == [MIB] * 4
    assert sizes.writes == [MIB]
