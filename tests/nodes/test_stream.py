"""`Stream` without a mount: what is kept, who reads what, and who waits."""

from __future__ import annotations

import errno
import logging
import os
import random
import select
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from fusetree import Dir, Stream
from fusetree.nodes import Change
from tests.nodes.recorder import Recorder
from tests.support import in_thread, raises_errno


def opened(stream: Stream, flags: int = os.O_RDONLY) -> Any:
    return stream.open(flags)


def read_all(stream: Stream, block: int = 100) -> bytes:
    """What `cat` reads."""
    file, data = opened(stream), b""
    while part := file.read(block, len(data)):
        data += part
    return data


def test_text_and_bytes_are_appended() -> None:
    stream = Stream()
    assert stream.write("ä\n") == 2
    assert stream.write(b"\xff\n") == 2
    assert stream.write(memoryview(b"view\n")) == 5
    assert stream.write("") == 0
    stream.writelines(["a\n", b"b\n"])
    print("printed", 1, file=stream, flush=True)
    assert stream.content() == "ä\n".encode() + b"\xff\nview\na\nb\nprinted 1\n"
    assert stream.size() == len(stream.content())
    with pytest.raises(TypeError, match="text or bytes, and not a int: 5"):
        stream.write(5)  # type: ignore[arg-type]
    for bad in (0, -1):
        with pytest.raises(ValueError, match="at least 1"):
            Stream(history=bad)


def test_it_is_the_stream_of_a_logging_handler() -> None:
    stream = Stream()
    handler = logging.StreamHandler(stream)
    handler.emit(logging.makeLogRecord({"msg": "hello %s", "args": ("you",)}))
    assert stream.content() == b"hello you\n"


def test_the_history_is_bounded_and_begins_with_a_line() -> None:
    stream = Stream(history=1000)
    for number in range(1000):
        stream.write(f"line {number}\n")
    kept = stream.content()
    assert 900 < len(kept) <= 1000
    assert kept.startswith(b"line ")
    assert kept.endswith(b"line 999\n")
    assert stream.size() == sum(len(f"line {number}\n") for number in range(1000))
    assert stream.oldest == stream.size() - len(kept)
    assert read_all(stream) == kept
    stream.write(b"x" * 5000)
    assert stream.content() == b"x" * 1000, "no line begins anywhere near"
    stream.write(b"y" * 5000 + b"\n")
    assert stream.content() == b"y" * 999 + b"\n", "the only line that begins is one to come"


def test_a_reader_that_is_behind_goes_on_at_the_oldest_byte() -> None:
    stream = Stream(history=10)
    stream.write(b"0123456789")
    file = opened(stream)
    assert file.read(4, 0) == b"0123"
    stream.write(b"abcdefgh")  # 0 to 7 are gone
    assert file.read(4, 4) == b"89ab"
    assert file.read(100, 8) == b"cdefgh"
    assert file.read(100, 14) == b""
    stream.write(b"!")
    assert file.read(100, 14) == b"!"


def test_who_steps_back_gets_the_same_again_and_who_seeks_to_the_end_is_there() -> None:
    stream = Stream(history=10)
    stream.write(b"0123456789abcdefghij")
    file = opened(stream)
    assert file.read(6, 0) == b"abcdef"  # as `read` of the shell: takes more than it wants, steps back
    assert file.read(6, 2) == b"cdefgh"
    assert file.read(6, 0) == b"abcdef"
    assert file.read(6, stream.size() - 3) == b"hij"  # as `tail`
    assert file.read(6, stream.size()) == b""
    stream.write(b"k")
    assert file.read(6, 20) == b"k"


def test_two_readers_are_apart() -> None:
    stream = Stream()
    stream.write("abc")
    one, other = opened(stream), opened(stream)
    assert one.read(2, 0) == b"ab"
    assert other.read(9, 0) == b"abc"
    assert one.read(2, 2) == b"c"


def test_a_follower_waits_in_a_future() -> None:
    stream = Stream(follow=True)
    stream.write("a")
    file = opened(stream)
    assert file.read(10, 0) == b"a"
    waiting = file.read(10, 1)
    assert isinstance(waiting, Future)
    assert not waiting.done()
    stream.write("bc")
    assert waiting.result(0) == b"bc"
    given_up = file.read(10, 3)
    assert given_up.cancel()
    assert not stream._history_._waiting, "who gives up is forgotten at once"
    stream.write("d")
    assert file.read(10, 3) == b"d", "what nobody took is still there"
    assert not stream._history_._waiting


def test_closing_is_the_end_of_the_file() -> None:
    stream = Stream(follow=True)
    file = opened(stream)
    waiting = file.read(10, 0)
    stream.close()
    stream.close()
    assert stream.closed
    assert waiting.result(0) == b""
    assert file.read(10, 0) == b""
    with pytest.raises(ValueError, match="closed"):
        stream.write("x")


def test_a_full_piece_is_never_the_last_that_is_there() -> None:
    """Else the kernel asks for the next piece of a long read, and the reader waits with data in hand."""
    stream = Stream(follow=True)
    stream.write(b"x" * (128 << 10))
    file = opened(stream)
    assert len(file.read(128 << 10, 0)) == (128 << 10) - 1
    assert file.read(128 << 10, (128 << 10) - 1) == b"x"


def test_a_follower_is_another_file_of_the_same_stream() -> None:
    stream = Stream(mode=0o440)
    follower = stream.follower()
    assert follower.mode == 0o440
    assert stream.follower(0o400).mode == 0o400
    root = Dir({"log": stream, "follow": follower})
    assert root["log"].ino != root["follow"].ino
    stream.write("1")
    follower.write("2")
    assert stream.content() == follower.content() == b"12"
    assert isinstance(opened(follower).read(1, 2), Future)
    assert opened(stream).read(1, 2) == b""


def test_poll_tells_of_what_is_not_read_yet() -> None:
    stream = Stream()
    file = opened(stream)
    woken: list[int] = []
    asked = select.POLLIN | select.POLLOUT
    assert file.poll(asked, lambda: woken.append(1)) == 0
    stream.write("a")
    stream.write("b")
    assert woken == [1], "once for each time that somebody asked or read"
    assert file.read(1, 0) == b"a"
    stream.write("c")
    assert woken == [1, 1], "who is told of edges only does not ask again"
    assert file.poll(asked, None) == select.POLLIN
    assert file.read(10, 1) == b"bc"
    assert file.poll(asked, lambda: woken.append(2)) == 0
    stream.close()
    assert woken == [1, 1, 2]
    assert file.poll(asked, None) == select.POLLIN | select.POLLHUP
    left = opened(Stream())
    left.poll(asked, woken.append)
    left.release()
    assert not left._history._polled


def test_programs_append_where_the_mode_says_so() -> None:
    stream = Stream(mode=0o600)
    file = opened(stream, os.O_WRONLY | os.O_TRUNC)
    assert file.write(b"one\n", 0) == 4
    assert file.write(b"two\n", 0) == 4
    assert stream.content() == b"one\ntwo\n"
    assert file.poll(select.POLLOUT, None) == select.POLLOUT
    stream.close()
    with raises_errno(errno.EPIPE):
        file.write(b"x", 0)
    with raises_errno(errno.EROFS):
        opened(Stream(), os.O_WRONLY)
    with raises_errno(errno.EACCES):
        opened(Stream(mode=0o200))


def test_observers_of_each_file_hear_of_it() -> None:
    stream = Stream()
    follower = stream.follower()
    one, other = Recorder(), Recorder()
    stream.attach(one)
    follower.attach(other)
    before = stream.mtime_ns
    stream.write("x")
    assert one.events == [("changed", stream, Change.CONTENT)]
    assert other.events == [("changed", follower, Change.CONTENT)]
    assert stream.mtime_ns >= before
    assert one.settled == 0, "it never waits for a mount"


def test_it_may_be_written_to_from_what_it_calls() -> None:
    """A reader that wakes appends itself: no lock is held."""
    stream = Stream(follow=True)
    waiting = opened(stream).read(10, 0)
    waiting.add_done_callback(lambda _: in_thread(lambda: stream.write("again")))
    stream.write("x")
    assert stream.content() == b"xagain"


def test_many_threads_write_and_each_reader_gets_all_of_it() -> None:
    stream = Stream(follow=True)
    lines = 300

    def write(name: str) -> None:
        for number in range(lines):
            stream.write(f"{name}{number}\n")

    def follow(seed: int) -> bytes:
        file, data, choose = opened(stream), b"", random.Random(seed)
        while True:
            part = file.read(choose.randint(1, 200), len(data))
            part = part.result(20) if isinstance(part, Future) else part
            if not part:
                return data
            data += part

    results: dict[int, bytes] = {}
    readers = [
        threading.Thread(target=lambda seed=seed: results.update({seed: follow(seed)})) for seed in range(4)
    ]
    writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join(20)
    stream.close()
    for thread in readers:
        thread.join(20)
    whole = stream.content()
    assert [results[seed] == whole for seed in range(4)] == [True] * 4
    for name in "abc":
        mine = [line for line in whole.decode().splitlines() if line.startswith(name)]
        assert mine == [f"{name}{number}" for number in range(lines)]
