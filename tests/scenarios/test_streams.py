"""Streams, followed: reads that wait hold no thread, end by a signal, and poll tells of news."""

from __future__ import annotations

import errno
import os
import select

import pytest

from fusetree import Dir, File, Stream
from fusetree.testing import Client, NotifyCode, Opcode, OpenedFlag, Pending, wire
from tests.support import raises_errno, wait_for


def submit_read(client: Client, node: int, fh: int, offset: int, flags: int = 0, size: int = 4096) -> Pending:
    """A READ that is not waited for."""
    body = wire.pack(wire.ReadIn(fh, offset, size, 0, 0, flags))
    return client.raw.submit(Opcode.READ, node, body)


def test_a_plain_read_ends_at_what_is_there() -> None:
    stream = Stream()
    stream.write("one\n")
    with Client(Dir({"log": stream})) as client:
        assert client.read_text("log") == "one\n"
        stream.write("two\n")
        assert client.stat("log").st_size == 8, "the size is true at once"
        with client.open("log") as file:
            assert file.opened & OpenedFlag.DIRECT_IO
            assert file.read() == b"one\ntwo\n"
            stream.write("three\n")
            assert file.read() == b"three\n"
        with raises_errno(errno.EROFS):
            client.open("log", "w")
        with raises_errno(errno.EROFS):
            client.truncate("log", 0)


@pytest.mark.parametrize("backend", ["threads", "asyncio", "trio"])
def test_followers_hold_no_thread_and_get_what_comes(backend: str) -> None:
    stream = Stream(follow=True)
    with Client(Dir({"log": stream, "other": File(b"x")}), backend=backend, workers=2) as client:  # type: ignore[arg-type]
        files = [client.open("log") for _ in range(20)]
        waiting = [submit_read(client, file.node, file.fh, 0) for file in files]
        assert client.read_bytes("other") == b"x", "more readers wait than there are workers"
        assert not any(pending.done for pending in waiting)
        stream.write("news\n")
        assert [pending.result() for pending in waiting] == [b"news\n"] * 20
        waiting = [submit_read(client, file.node, file.fh, 5) for file in files]
        stream.close()
        assert [pending.result() for pending in waiting] == [b""] * 20
        for file in files:
            file.close()


@pytest.mark.parametrize("backend", ["threads", "asyncio"])
def test_a_signal_ends_the_wait(backend: str) -> None:
    stream = Stream(follow=True)
    with Client(Dir({"log": stream}), backend=backend) as client:  # type: ignore[arg-type]
        with client.open("log") as file:
            pending = submit_read(client, file.node, file.fh, 0)
            wait_for(lambda: stream._history_._waiting, what="the reader to wait")
            client.raw.interrupt(pending)
            with raises_errno(errno.EINTR):
                pending.result()
            assert not stream._history_._waiting
            stream.write("kept")
            assert file.read(10) == b"kept"


def test_the_end_of_the_session_ends_the_wait() -> None:
    stream = Stream(follow=True)
    client = Client(Dir({"log": stream}))
    with client.open("log") as file:
        pending = submit_read(client, file.node, file.fh, 0)
        wait_for(lambda: stream._history_._waiting, what="the reader to wait")
    client.close()
    with raises_errno(errno.EINTR, errno.ENOTCONN):
        pending.result()
    assert not stream._history_._waiting


@pytest.mark.parametrize("backend", ["threads", "asyncio"])
def test_who_does_not_want_to_wait_is_told(backend: str) -> None:
    stream = Stream(follow=True)
    with Client(Dir({"log": stream}), backend=backend) as client:  # type: ignore[arg-type]
        with client.open("log") as file:  # the flag comes by fcntl(2), after open
            with raises_errno(errno.EAGAIN):
                submit_read(client, file.node, file.fh, 0, os.O_NONBLOCK).result()
            stream.write("x")
            assert submit_read(client, file.node, file.fh, 0, os.O_NONBLOCK).result() == b"x"
        assert not stream._history_._waiting


def test_poll_wakes_when_there_is_more() -> None:
    stream = Stream()
    with Client(Dir({"log": stream})) as client, client.open("log") as file:
        assert client.raw.poll(file.node, file.fh, select.POLLIN, handle=7) == 0
        stream.write("x")
        assert client.notifications.wait(NotifyCode.POLL).handle == 7
        assert client.raw.poll(file.node, file.fh, select.POLLIN, handle=7) == select.POLLIN
        assert file.read() == b"x"
        assert client.raw.poll(file.node, file.fh, select.POLLIN) == 0


def test_programs_append_at_the_end_wherever_they_write() -> None:
    stream = Stream(mode=0o644)
    stream.write("first\n")
    with Client(Dir({"log": stream})) as client:
        client.write("log", "second\n")  # with O_TRUNC, as `echo >` does
        client.write("log", "third\n", append=True)
        client.truncate("log", 0)
        assert client.read_text("log") == "first\nsecond\nthird\n"
        stream.close()
        with raises_errno(errno.EPIPE):
            client.write("log", "fourth\n")
