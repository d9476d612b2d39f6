"""Content that a generator makes: as far as it is read, for each open of its own, and ended with it."""

from __future__ import annotations

import errno
import io
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fusetree import Dir, computed, node
from fusetree.testing import Client
from tests.support import in_thread, raises_errno, wait_for


class Numbers:
    """Counts what is made, and whose end came."""

    def __init__(self, stop: int = 1 << 60) -> None:
        self.stop = stop
        self.made = 0
        self.begun = 0
        self.ended = 0

    def __call__(self) -> Iterator[str]:
        self.begun += 1
        try:
            for number in range(self.stop):
                self.made += 1
                yield f"{number}\n"
        finally:
            self.ended += 1


def expected(stop: int) -> str:
    return "".join(f"{number}\n" for number in range(stop))


@pytest.mark.parametrize("block", [1, 7, 1000, 65536])
def test_it_reads_as_the_joined_pieces(block: int) -> None:
    stop = 100 if block < 10 else 20_000
    with Client(Dir({"n": Numbers(stop)})) as client:
        assert client.read_text("n", block=block) == expected(stop)
        assert client.stat("n").st_size == 0


def test_it_is_made_as_far_as_it_is_read() -> None:
    numbers = Numbers()
    with Client(Dir({"n": numbers})) as client:
        with client.open("n") as file:
            assert numbers.made == 0
            assert file.pread(4, 0) == b"0\n1\n"
            assert numbers.made == 2
            assert file.pread(6, 4) == b"2\n3\n4\n"
            assert numbers.made == 5
            assert numbers.ended == 0
        assert numbers.ended == 1, "it is closed with the file"


def test_each_open_has_its_own() -> None:
    numbers = Numbers()
    with Client(Dir({"n": numbers})) as client, client.open("n") as one, client.open("n") as other:
        assert one.read(8) == b"0\n1\n2\n3\n"
        assert other.read(2) == b"0\n"
        assert one.read(2) == b"4\n"
        assert numbers.begun == 2


def test_stepping_back_is_free_and_further_back_begins_anew() -> None:
    numbers = Numbers()
    with Client(Dir({"n": numbers})) as client, client.open("n") as file:
        assert file.pread(20, 0) == b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"
        assert file.pread(4, 2) == b"1\n2\n"
        assert file.pread(2, 2) == b"1\n"
        assert file.pread(4, 12) == b"6\n7\n"
        assert (numbers.begun, numbers.made) == (1, 10)
        assert file.pread(2, 4) == b"2\n"
        assert (numbers.begun, numbers.ended) == (2, 1)
        assert file.pread(4, 40) == b"\n17\n", "what lies between is passed over"
        assert file.pread(2, 0) == b"0\n"
    assert (numbers.begun, numbers.ended) == (3, 3)


def test_behind_the_end_there_is_nothing() -> None:
    with Client(Dir({"n": Numbers(3)})) as client, client.open("n") as file:
        assert file.pread(10, 100) == b""
        assert file.pread(10, 6) == b""
        assert file.pread(10, 4) == b"2\n"


def test_only_one_piece_and_one_read_are_in_memory() -> None:
    def large() -> Iterator[bytes]:
        piece = bytes(1 << 20)
        for _ in range(64):
            yield piece

    with Client(Dir({"n": large})) as client, client.open("n") as file:
        assert len(file.pread(65536, 60 << 20)) == 65536
        handle: Any = client.operations.inode_table.state(file.fh)  # type: ignore[union-attr]
        assert len(handle._buffer) <= (1 << 20) + 65536


def test_texts_bytes_and_buffers_may_be_mixed_and_a_file_is_an_iterator() -> None:
    def mixed() -> Iterator[object]:
        yield "ä"
        yield b"\xff"
        yield ""
        yield bytearray(b"b")

    files: list[io.StringIO] = []

    def lines() -> io.StringIO:
        files.append(io.StringIO("one\ntwo\n"))
        return files[-1]

    with Client(Dir({"mixed": mixed, "lines": lines})) as client:
        assert client.read_bytes("mixed") == "ä".encode() + b"\xffb"
        assert client.read_text("lines") == "one\ntwo\n"
        assert files[0].closed


def test_what_it_raises_comes_after_what_it_made(caplog: pytest.LogCaptureFixture) -> None:
    def failing() -> Iterator[str]:
        yield "made\n"
        raise PermissionError

    def broken() -> Iterator[Any]:
        yield "made\n"
        yield 5

    with Client(Dir({"failing": failing, "broken": broken})) as client:
        for name, number in (("failing", errno.EACCES), ("broken", errno.EIO)):
            with client.open(name) as file:
                assert file.read(100) == b"made\n"
                with raises_errno(number):
                    file.read(100)
                with raises_errno(number):
                    file.read(100)
    assert "texts and bytes, not of a int: 5" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR


def test_who_makes_slowly_is_read_piece_by_piece() -> None:
    go_on = threading.Semaphore(0)

    def slow() -> Iterator[str]:
        yield "0\n"
        for number in range(1, 4):
            assert go_on.acquire(timeout=20)
            threading.Event().wait(0.05)  # what it is about: making it takes time
            yield f"{number}\n"

    with Client(Dir({"n": slow})) as client, client.open("n") as file:
        go_on.release()
        assert in_thread(lambda: file.read(1000)) == b"0\n1\n"
        go_on.release()
        assert in_thread(lambda: file.read(1000)) == b"2\n"
        go_on.release()
        assert file.read() == b"3\n"


def test_reads_at_once_of_one_open_file_come_one_after_the_other() -> None:
    inside = threading.Lock()

    def guarded() -> Iterator[bytes]:
        for number in range(2000):
            assert inside.acquire(blocking=False)
            inside.release()
            yield b"%07d\n" % number

    with Client(Dir({"n": guarded})) as client, client.open("n") as file:
        found: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: found.extend(file.pread(8, 8 * 1500) for _ in range(20)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert found == [b"0001500\n"] * 80


def test_a_method_of_a_node_class_and_an_exact_size() -> None:
    @node
    class Report(Dir):
        stop: int = 3

        @computed(size="exact")
        def exact(self) -> Iterator[str]:
            yield from (f"{number}\n" for number in range(self.stop))

    report = Report()
    with Client(Dir({"r": report})) as client:
        assert client.stat("r/exact").st_size == 6
        report.stop = 5
        assert client.read_text("r/exact") == expected(5)


def test_the_end_of_the_session_closes_what_is_open() -> None:
    numbers = Numbers()
    client = Client(Dir({"n": numbers}))
    client.open("n").read(10)
    client.close()
    del client
    wait_for(lambda: numbers.ended, what="the end of the generator")


def test_it_is_read_only() -> None:
    with Client(Dir({"n": Numbers()})) as client:
        for flags in (os.O_WRONLY, os.O_RDWR):
            with raises_errno(errno.EROFS):
                client.open("n", flags)
