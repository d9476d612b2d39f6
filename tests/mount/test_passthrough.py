"""Files that the kernel reads and writes by itself, where libfuse (3.17) and the kernel (6.9) can."""

from __future__ import annotations

import errno
import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from fusetree import lowlevel
from fusetree.lowlevel import EntryAttributes, FileInfo, RequestContext, SessionOptions
from fusetree.testing import Client
from tests.support import in_thread, raises_errno, shell

HAS_LIBRARY = lowlevel.features()["passthrough"].compiled
needs_it = pytest.mark.skipif(
    not HAS_LIBRARY or os.geteuid() != 0, reason="passthrough needs libfuse 3.17 and root"
)


class Backed(lowlevel.Operations):
    """The file "f", whose content is another file's."""

    def __init__(self, backing: Path | None = None) -> None:
        self.fd = os.open(backing, os.O_RDWR) if backing is not None else -1
        self.backing_id = 0
        self.session: lowlevel.Session | None = None
        self.calls: list[str] = []

    def attributes(self, inode: int) -> EntryAttributes:
        result = EntryAttributes()
        result.st_ino = inode
        result.st_mode = stat.S_IFDIR | 0o755 if inode == 1 else stat.S_IFREG | 0o644
        result.st_size = os.fstat(self.fd).st_size if inode == 2 else 0
        return result

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        if name != b"f":
            raise FileNotFoundError
        return self.attributes(2)

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        return self.attributes(inode)

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        assert self.session is not None
        if not self.backing_id:
            self.backing_id = self.session.open_backing(self.fd)
        return FileInfo(fh=inode, backing_id=self.backing_id)

    def read(self, fh: int, off: int, size: int) -> bytes:
        self.calls.append("read")
        return b""

    def write(self, fh: int, off: int, buf: memoryview) -> int:
        self.calls.append("write")
        return len(buf)


@pytest.fixture
def served(mountpoint: Path, tmp_path: Path) -> Iterator[Backed]:
    backing = tmp_path / "backing"
    backing.write_bytes(b"from below\n")
    operations = Backed(backing)
    options = SessionOptions(passthrough=True)
    try:
        with lowlevel.Session(operations, mountpoint, options) as session:
            operations.session = session
            session.start()
            yield operations
    finally:
        os.close(operations.fd)


@needs_it
@pytest.mark.mount
def test_reads_writes_and_maps_go_to_the_backing_file_without_a_request(
    served: Backed, mountpoint: Path, tmp_path: Path
) -> None:
    assert shell(f"cat {mountpoint}/f").ok().text == "from below\n"
    shell(f"printf 'from above, and longer\n' 1<>{mountpoint}/f").ok()
    assert (tmp_path / "backing").read_text() == "from above, and longer\n"

    def mapped() -> bytes:
        with open(mountpoint / "f", "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
            return view[:10]

    assert in_thread(mapped) == b"from above"
    assert served.calls == []


@needs_it
@pytest.mark.mount
def test_backing_files_are_refused_and_taken_back(served: Backed, mountpoint: Path) -> None:
    session = served.session
    assert session is not None
    first = session.open_backing(served.fd)
    assert first > 0
    session.close_backing(first)
    with pytest.raises(FileNotFoundError):
        session.close_backing(first)
    with raises_errno(errno.EBADF):
        session.open_backing(10**6)
    assert shell(f"cat {mountpoint}/f").ok().text == "from below\n"
    session.close_backing(served.backing_id)
    served.backing_id = 0
    assert shell(f"cat {mountpoint}/f").ok().text == "from below\n"
    assert served.calls == []


def test_it_is_a_clear_error_where_it_is_not_to_be_had() -> None:
    with Client(Backed()) as client:
        with pytest.raises(lowlevel.UnsupportedFeatureError, match="passthrough"):
            client.session.open_backing(0)
        with pytest.raises(lowlevel.UnsupportedFeatureError, match="passthrough"):
            client.session.close_backing(1)
    with pytest.raises(lowlevel.SessionClosedError):
        client.session.open_backing(0)
    with pytest.raises(lowlevel.UnsupportedFeatureError, match="passthrough"):
        Client(Backed(), options=SessionOptions(passthrough=True))
    with Client(Backed(), options=SessionOptions(passthrough="auto")) as client:
        assert client.session.features()["passthrough"].on is False


def test_what_contradicts_it_is_refused() -> None:
    with pytest.raises(ValueError, match="contradict"):
        SessionOptions(passthrough=True, writeback_cache=True)
