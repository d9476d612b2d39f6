from __future__ import annotations

import array
import errno
import mmap
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from fusetree import File, node
from fusetree.nodes import Change, Policy, WriteStyle
from tests.nodes.recorder import Recorder


@pytest.mark.parametrize(
    ("given", "content"),
    [
        (b"bytes", b"bytes"),
        ("text \N{SNOWMAN}", "text \N{SNOWMAN}".encode()),
        ("caf\udce9", b"caf\xe9"),
        (bytearray(b"array"), b"array"),
        (memoryview(b"view"), b"view"),
        (b"", b""),
    ],
)
def test_content_is_exactly_what_was_given(given: bytes | str, content: bytes) -> None:
    file = File(given)
    assert file.content() == content
    assert file.size() == len(content)
    assert file.policy is Policy.PAGE


@pytest.mark.parametrize("give", [memoryview, lambda data: memoryview(data).cast("H")[1:]])
def test_a_read_only_buffer_is_kept(give: Callable[[bytes], memoryview]) -> None:
    buffer = give(b"abcdef")
    file = File(buffer)
    kept = file._source_()
    assert isinstance(kept, memoryview)
    assert kept.obj is buffer.obj
    assert file.size() == buffer.nbytes
    assert file.content() == bytes(buffer)


def test_a_mapping_of_a_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 5000)
    with open(path, "rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    file = File(mapped)
    assert (file.size(), file.content()) == (5000, b"x" * 5000)
    with pytest.raises(BufferError):
        mapped.close()
    file.store(b"new")
    mapped.close()


@pytest.mark.parametrize(
    "buffer", [bytearray(b"abc"), memoryview(bytearray(b"abc")), array.array("B", b"abc")], ids=repr
)
def test_a_buffer_that_can_be_written_to_is_copied(buffer: Any) -> None:
    file = File(buffer)
    buffer[0] = ord("X")
    assert file.content() == b"abc"


def test_what_is_kept_is_copied_when_it_is_written_to() -> None:
    given = b"abcdef"
    changes: list[tuple[Callable[[File], object], bytes]] = [
        (lambda file: file.write_at(b"X", 1), b"aXcdef"),
        (lambda file: file.store(b"!", append=True), b"abcdef!"),
        (lambda file: file.truncate(2), b"ab"),
        (lambda file: file.truncate(8), b"abcdef\0\0"),
    ]
    for change, content in changes:
        file = File(memoryview(given), 0o644)
        change(file)
        assert file.content() == content
    assert given == b"abcdef"


def test_a_file_of_the_host(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    os.utime(path, ns=(1, 123_456_789))
    file = File.from_path(path)
    assert (file.content(), file.size(), file.mode, file.mtime_ns) == (b"0123456789", 10, 0o444, 123_456_789)
    part = File.from_path(str(path), 0o600, offset=2, size=5, uid=7)
    assert (part.content(), part.size(), part.mode, part.uid) == (b"23456", 5, 0o600, 7)
    path.unlink()
    part.write_at(b"X", 1)
    assert part.content() == b"2X456"
    assert file.content() == b"0123456789"


def test_a_class_of_files_can_be_made_from_a_path(tmp_path: Path) -> None:
    @node
    class Kept(File):
        note: str = attrs.field(default="")

    (tmp_path / "f").write_bytes(b"abc")
    kept = Kept.from_path(tmp_path / "f", note="mine")
    assert (type(kept), kept.note, kept.content()) == (Kept, "mine", b"abc")


def test_a_path_that_can_not_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        File.from_path(tmp_path / "none")
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(ValueError, match="part of a file"):
        File.from_path(tmp_path / "f", offset=-1)


def test_content_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="not int"):
        File(5)  # type: ignore[arg-type]


def test_the_mode_says_whether_it_can_be_written() -> None:
    assert not File().writable
    assert File().write_style is WriteStyle.NONE
    file = File(mode=0o600)
    assert file.writable
    assert file.write_style is WriteStyle.BYTES
    file.mode = 0o400
    assert not file.writable


def test_storing_tells_observers_after_it_is_done() -> None:
    file = File("old")
    observer = Recorder(file.content)
    file.attach(observer)
    file.store("new")
    file.store(b"er", append=True)
    assert file.write_at(b"N", 0) == 1
    file.truncate(2)
    assert observer.seen == [b"new", b"newer", b"Newer", b"Ne"]
    assert observer.take() == [("changed", file, Change.ALL)] * 4


def test_a_gap_is_filled_with_zeros() -> None:
    file = File(b"ab")
    file.write_at(b"x", 4)
    assert file.content() == b"ab\0\0x"
    file.truncate(7)
    assert file.content() == b"ab\0\0x\0\0"
    file.truncate(0)
    assert file.content() == b""


def test_what_a_reader_got_does_not_change() -> None:
    file = File(b"before", mode=0o600)
    file.write_at(b"B", 0)
    pinned = file.content()
    file.write_at(b"AFTER!", 0)
    assert pinned == b"Before"


def test_a_file_does_not_grow_beyond_its_bound() -> None:
    @node
    class Small(File):
        max_size = 10

    file = Small(content=b"12345", mode=0o600)
    file.write_at(b"67890", 5)
    for grow in (
        lambda: file.write_at(b"x", 10),
        lambda: file.truncate(11),
        lambda: file.write_at(b"x", 1 << 62),
    ):
        with pytest.raises(OSError) as caught:
            grow()
        assert caught.value.errno == errno.EFBIG
    assert file.content() == b"1234567890"


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["write", "truncate", "append", "store"]),
            st.integers(0, 40),
            st.binary(max_size=20),
        )
    )
)
def test_partial_writes_are_those_of_a_plain_file(steps: list[tuple[str, int, bytes]]) -> None:
    file, model = File(mode=0o600), bytearray()
    for kind, offset, data in steps:
        if kind == "write":
            file.write_at(data, offset)
            if data or offset <= len(model):
                model.extend(bytes(max(0, offset - len(model))))
                model[offset : offset + len(data)] = data
        elif kind == "truncate":
            file.truncate(offset)
            model = model[:offset] + bytes(max(0, offset - len(model)))
        elif kind == "append":
            file.store(data, append=True)
            model += data
        else:
            file.store(data)
            model = bytearray(data)
        assert file.size() == len(model)
    assert file.content() == bytes(model)


def test_writers_in_threads_lose_nothing() -> None:
    file = File(bytes(4000), mode=0o600)

    def write(worker: int) -> None:
        for position in range(worker, 4000, 4):
            file.write_at(bytes([worker + 1]), position)
            file.content()

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.content() == bytes([1, 2, 3, 4]) * 1000
