from __future__ import annotations

import errno
import threading

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
