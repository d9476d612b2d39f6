"""Contents of any buffer and of a part of a file: what is read, how long it is kept, and what is let go."""

from __future__ import annotations

import array
import errno
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fusetree.lowlevel import FileInfo, RequestContext
from fusetree.testing import Client, wait_until
from tests.lowlevel.tables import Served, Thing, directory, table_of
from tests.support import raises_errno

TEXT = bytes(range(256)) * 1024


class Publishing(Served):
    """Publishes the content of a thing by *publish*, at each open."""

    def __init__(self, publish: Callable[[int, int], bool]) -> None:
        super().__init__(directory(f=Thing(content=b"told by its attributes")))
        self._publish = publish

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        self.calls.append("open")
        attributes = self.inode_table.begin(self._node(inode))
        assert self._publish(inode, attributes.change)
        return FileInfo(self.inode_table.open(inode))


def publishing(data: Any) -> Publishing:
    served: Publishing

    def publish(inode: int, change: int) -> bool:
        return served.inode_table.publish_content(inode, change, data, direct_io=False, snapshot=False)

    served = Publishing(publish)
    return served


def publishing_file(file: int, offset: int, size: int, *, snapshot: bool = False) -> Publishing:
    served: Publishing

    def publish(inode: int, change: int) -> bool:
        return served.inode_table.publish_file(
            inode, change, file, offset=offset, size=size, direct_io=snapshot, snapshot=snapshot
        )

    served = Publishing(publish)
    return served


def opened(client: Client) -> tuple[int, int]:
    """Open "f" twice, so that the second is answered in C, and return node id and handle."""
    node = client.raw.lookup(1, b"f").node_id
    client.raw.release(node, client.raw.open(node).fh)
    return node, client.raw.open(node).fh


def check_reads(client: Client, expected: bytes) -> None:
    node, fh = opened(client)
    size = len(expected)
    for offset in (0, 1, 4095, 4096, size // 2, size - 1, size, size + 1, 1 << 40):
        for length in (1, 4096, 8192, 131072, size):
            assert client.raw.read(node, fh, length, offset) == expected[offset : offset + length]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(TEXT)
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def mapped(data: bytes) -> mmap.mmap:
    memory = mmap.mmap(-1, len(data))
    memory[:] = data
    return memory


@pytest.mark.parametrize(
    "make",
    [
        bytes,
        bytearray,
        memoryview,
        lambda data: memoryview(data)[:],
        lambda data: array.array("Q", data),
        lambda data: memoryview(data).cast("I"),
        mapped,
    ],
    ids=["bytes", "bytearray", "memoryview", "slice", "array", "cast", "mmap"],
)
def test_any_buffer_is_read_in_c(make: Callable[[bytes], Any]) -> None:
    served = publishing(make(TEXT))
    with Client(served) as client:
        check_reads(client, TEXT)
        assert served.calls == ["lookup", "open"]
        served.inode_table.check()


def test_a_buffer_is_kept_until_it_is_withdrawn_and_the_last_reader_is_gone() -> None:
    data = bytearray(TEXT)
    served = publishing(data)
    table = served.inode_table
    with Client(served) as client:
        node, fh = opened(client)
        with pytest.raises(BufferError):
            data.extend(b"more")
        assert client.raw.read(node, fh, 10, 0) == TEXT[:10]
        served.write_content(served.root.children["f"], b"")
        wait_until(lambda: table.statistics().contents == 0, "the end of the export")
        data.extend(b"more")


def test_a_pinned_buffer_outlives_its_withdrawal() -> None:
    memory = mapped(b"x" * 4096)
    table = table_of(root := directory())
    attributes = table.begin(root)
    fh = table.open(attributes.node_id, content=memory)
    with pytest.raises(BufferError):
        memory.close()
    table.release(fh)
    table.reap()
    memory.close()
    assert table.statistics().contents == 0


def test_what_is_no_contiguous_buffer_is_refused() -> None:
    table = table_of(directory())
    for data, error in (("text", TypeError), (7, TypeError), (memoryview(b"abcdef")[::2], BufferError)):
        with pytest.raises(error):
            table.publish_content(1, 1, data, direct_io=True, snapshot=True)  # type: ignore[arg-type]
        with pytest.raises(error):
            table.open(1, content=data)  # type: ignore[arg-type]
    assert table.statistics().handles == 0


def test_a_buffer_that_is_not_stored_is_let_go_at_once() -> None:
    table = table_of(directory())
    node = Thing()
    attributes = table.begin(node)
    data = bytearray(b"abc")
    table.changed(node, content=True)
    assert not table.publish_content(
        attributes.node_id, attributes.change, data, direct_io=True, snapshot=True
    )
    with raises_errno(errno.ESTALE):
        table.open(99, content=data)
    data.extend(b"d")
    assert table.statistics().contents == 0


# ------------------------------------------------------------------------------------------- parts of files


def test_a_part_of_a_file_is_read_in_c(file: int) -> None:
    served = publishing_file(file, 100, 200_000)
    with Client(served) as client:
        check_reads(client, TEXT[100:200_100])
        assert "read" not in served.calls
        assert os.lseek(file, 0, os.SEEK_CUR) == 0


def test_a_file_that_became_shorter_gives_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(TEXT)
    with open(path, "rb+") as descriptor:
        served = publishing_file(descriptor.fileno(), 0, len(TEXT))
        with Client(served) as client:
            node, fh = opened(client)
            descriptor.truncate(5000)
            assert client.raw.read(node, fh, 131072, 0) == TEXT[:5000]
            assert client.raw.read(node, fh, 4096, 8192) == b""


def test_a_file_that_can_not_be_read_is_an_error_of_the_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    served = publishing_file(descriptor, 0, 10)
    with Client(served) as client:
        node, fh = opened(client)
        os.close(descriptor)
        with raises_errno(errno.EBADF):
            client.raw.read(node, fh, 10, 0)


def test_the_descriptor_is_duplicated_and_closed_after_the_last_reader(tmp_path: Path) -> None:
    path = tmp_path / "pinned"
    path.write_bytes(TEXT)

    def copies() -> int:
        found = 0
        for number in os.listdir("/proc/self/fd"):
            try:
                found += os.readlink(f"/proc/self/fd/{number}").startswith(str(path))
            except OSError:
                continue  # the one of listdir
        return found

    descriptor = os.open(path, os.O_RDONLY)
    served = publishing_file(descriptor, 0, len(TEXT), snapshot=True)
    table = served.inode_table
    with Client(served) as client:
        node, fh = opened(client)
        os.close(descriptor)
        path.unlink()
        assert copies() == 1
        assert client.raw.read(node, fh, 4096, 0) == TEXT[:4096]
        served.write_content(served.root.children["f"], b"")
        table.reap()
        assert copies() == 1, "it is still pinned"
        assert client.raw.read(node, fh, 4096, 4096) == TEXT[4096:8192]
        client.raw.release(node, fh)
        wait_until(lambda: copies() == 0, "the end of the descriptor")
        assert table.statistics().contents == 0
        table.check()


@pytest.mark.parametrize(("offset", "size"), [(-1, 5), (0, -1), (2**63 - 1, 5)])
def test_what_is_no_part_of_a_file_is_refused(file: int, offset: int, size: int) -> None:
    table = table_of(directory())
    with pytest.raises(ValueError, match="part of a file"):
        table.publish_file(1, 1, file, offset=offset, size=size, direct_io=True, snapshot=True)
    with raises_errno(errno.EBADF):
        table.publish_file(1, 1, 1 << 20, size=5, direct_io=True, snapshot=True)
