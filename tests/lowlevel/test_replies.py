"""Data of a read: from buffers without a copy, and from files without Python."""

from __future__ import annotations

import array
import copy
import ctypes
import errno
import gc
import logging
import mmap
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fusetree import lowlevel
from fusetree.lowlevel import EntryAttributes, FileData, FileInfo, RequestContext
from fusetree.testing import Client
from tests.support import in_thread, raises_errno, shell

SIZE = 3 << 20


class Giving(lowlevel.Operations):
    """The file "f": a read is answered with what `give(off, size)` returns."""

    def __init__(self, give: Any, size: int = SIZE) -> None:
        self.give = give
        self.size = size

    def attributes(self, inode: int) -> EntryAttributes:
        result = EntryAttributes()
        result.st_ino = inode
        result.st_mode = stat.S_IFDIR | 0o755 if inode == 1 else stat.S_IFREG | 0o644
        result.st_size = 0 if inode == 1 else self.size
        return result

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        if name != b"f":
            raise FileNotFoundError
        return self.attributes(2)

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        return self.attributes(inode)

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        return FileInfo(fh=inode, direct_io=True)

    def read(self, fh: int, off: int, size: int) -> Any:
        return self.give(off, size)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[int]:
    """A descriptor of a file with `SIZE` bytes, at an offset of its own."""
    path = tmp_path / "source"
    path.write_bytes(os.urandom(SIZE))
    fd = os.open(path, os.O_RDONLY)
    os.lseek(fd, 77, os.SEEK_SET)
    yield fd
    os.close(fd)


def raw_read(give: Any, size: int = 100, offset: int = 0) -> bytes:
    with Client(Giving(give)) as client:
        return client.raw.read(2, 2, size, offset)


# ---------------------------------------------------------------------- buffers


def test_every_kind_of_buffer_is_taken(source: int) -> None:
    with mmap.mmap(source, 0, prot=mmap.PROT_READ) as mapped:
        buffers: list[Any] = [
            b"abcdefgh",
            bytearray(b"abcdefgh"),
            memoryview(b"xxabcdefgh")[2:],
            array.array("I", [0x64636261, 0x68676665]),
            memoryview(b"abcdefgh").cast("H"),
            memoryview(b"abcdefgh").cast("B", (2, 4)),
            ctypes.create_string_buffer(b"abcdefgh", 8),
        ]
        for buffer in buffers:
            assert raw_read(lambda off, size, buffer=buffer: buffer) == b"abcdefgh"
        assert raw_read(lambda off, size: memoryview(mapped)[off : off + size], 4096, 5) == os.pread(
            source, 4096, 5
        )
        gc.collect()  # the views of the mapping


def test_numpy_arrays_are_taken_and_those_in_pieces_refused() -> None:
    numpy = pytest.importorskip("numpy")
    square = numpy.arange(9, dtype=numpy.uint16).reshape(3, 3)
    assert raw_read(lambda off, size: square) == square.tobytes()
    with raises_errno(errno.EIO):
        raw_read(lambda off, size: square.T)


def test_a_buffer_that_lies_in_pieces_is_an_error_that_says_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, "fusetree"), raises_errno(errno.EIO):
        raw_read(lambda off, size: memoryview(b"abcdef")[::2])
    assert "memoryview" in caplog.text
    assert "return bytes(...)" in caplog.text
    assert "handler 'read'" in caplog.text


def test_a_buffer_can_not_shrink_while_it_is_sent() -> None:
    """The kernel's end takes nothing in, so the reply waits half written with the buffer held."""
    data = bytearray(SIZE)
    given = threading.Event()

    def give(off: int, size: int) -> bytearray:
        given.set()
        return data

    with Client(Giving(give)) as client:
        with client.connection.paused():
            pending = client.raw.submit(15, 2, READ_ALL)  # type: ignore[arg-type]
            assert given.wait(10)
            deadline = threading.Event()
            while True:
                try:
                    data.append(0)
                except BufferError:
                    break
                data.pop()
                deadline.wait(0.001)
        assert len(pending.result(10)) == SIZE


READ_ALL = (2).to_bytes(8, "little") + bytes(8) + SIZE.to_bytes(4, "little") + bytes(20)


# ---------------------------------------------------------------------- files


def test_bytes_of_a_file_are_sent_from_its_descriptor(source: int) -> None:
    for size, offset in ((100, 0), (4096, 4095), (1 << 20, 1 << 20)):
        assert raw_read(lambda off, n: FileData(source, off, n), size, offset) == os.pread(
            source, size, offset
        )
    assert os.lseek(source, 0, os.SEEK_CUR) == 77, "its own position is left alone"


def test_a_file_that_ends_before_gives_what_there_is(source: int) -> None:
    assert raw_read(lambda off, size: FileData(source, SIZE - 5, 100)) == os.pread(source, 5, SIZE - 5)
    assert raw_read(lambda off, size: FileData(source, SIZE, 100)) == b""
    assert raw_read(lambda off, size: FileData(source, SIZE * 2, 100)) == b""
    assert raw_read(lambda off, size: FileData(source, 0, 0)) == b""


def test_the_errno_is_that_of_pread(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    writable = os.open(tmp_path / "w", os.O_WRONLY | os.O_CREAT)
    try:
        for fd, number in ((folder, errno.EISDIR), (writable, errno.EBADF), (10**6, errno.EBADF)):
            with raises_errno(number):
                raw_read(lambda off, size, fd=fd: FileData(fd, off, size))
    finally:
        os.close(folder)
        os.close(writable)


def test_more_than_was_asked_for_is_a_bug_of_the_handler(source: int) -> None:
    with raises_errno(errno.EIO):
        raw_read(lambda off, size: FileData(source, off, size + 1))


def test_an_object_with_a_descriptor_is_kept_open_until_it_is_sent(tmp_path: Path) -> None:
    class Opened:
        """Closes its file when nobody refers to it any more."""

        def __init__(self) -> None:
            self.fd = os.open(tmp_path / "g", os.O_RDONLY)

        def fileno(self) -> int:
            return self.fd

        def __del__(self) -> None:
            os.close(self.fd)

    (tmp_path / "g").write_bytes(b"content")
    assert raw_read(lambda off, size: FileData(Opened(), off, size)) == b"content"


def test_file_data_says_what_it_is_and_refuses_nonsense(source: int) -> None:
    data = FileData(source, 5, 6)
    assert (data.fd, data.offset, data.size) == (source, 5, 6)
    assert repr(data) == f"FileData({source}, offset=5, size=6)"
    with pytest.raises(TypeError):
        copy.copy(data)
    for arguments in ((-1, 0, 0), (source, -1, 0), (source, 0, -1)):
        with pytest.raises(ValueError, match="negative"):
            FileData(*arguments)
    with pytest.raises(AttributeError):
        FileData("path", 0, 1)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- on a real mount


@pytest.mark.mount
def test_a_real_mount_reads_through_the_descriptor_spliced_or_not(source: int, mountpoint: Path) -> None:
    operations = Giving(lambda off, size: FileData(source, off, size))
    everything = os.pread(source, SIZE, 0)
    with lowlevel.Session(operations, mountpoint) as session:
        session.start()
        for block in ("1k", "64k", "1M"):
            assert shell(f"dd if={mountpoint}/f bs={block} status=none").ok().out == everything
        operations.size = 2 * SIZE  # the attributes say more than there is
        assert shell(f"cat {mountpoint}/f").ok().out == everything
        readers = [threading.Thread(target=shell, args=(f"cat {mountpoint}/f",)) for _ in range(4)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()


@pytest.mark.mount
def test_a_real_reader_gets_the_errno(mountpoint: Path, tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    fds = {"large": folder, "small": folder}
    operations = Giving(lambda off, size: FileData(fds["large"], off, size))
    try:
        with lowlevel.Session(operations, mountpoint) as session:
            session.start()
            file = in_thread(lambda: os.open(mountpoint / "f", os.O_RDONLY))
            try:
                for size in (100, 1 << 17):  # below and above what is spliced
                    with raises_errno(errno.EISDIR, errno.EINVAL):
                        in_thread(lambda size=size: os.pread(file, size, 0))  # type: ignore[misc]
                operations.give = lambda off, size: FileData(10**6, off, size)
                for size in (100, 1 << 17):
                    with raises_errno(errno.EBADF):
                        in_thread(lambda size=size: os.pread(file, size, 0))  # type: ignore[misc]
            finally:
                os.close(file)
    finally:
        os.close(folder)


@pytest.mark.mount
def test_a_mapping_that_lost_its_file_is_eio_and_the_mount_goes_on(mountpoint: Path, tmp_path: Path) -> None:
    with open(tmp_path / "g", "w+b") as file:
        file.truncate(8192)
        with mmap.mmap(file.fileno(), 8192) as mapped:
            file.truncate(0)
            view = memoryview(mapped)
            operations = Giving(lambda off, size: view[off : off + size], 8192)
            with lowlevel.Session(operations, mountpoint) as session:
                session.start()
                assert b"Input/output error" in shell(f"cat {mountpoint}/f").err
                operations.give = lambda off, size: b"fine"[off:]
                assert shell(f"cat {mountpoint}/f").ok().out == b"fine"
            operations.give = None
            view.release()
