"""What a session tells the kernel by itself: each notification, where it is queued, and what comes back."""

from __future__ import annotations

import array
import asyncio
import logging
import os
import socket
import stat
import struct
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partialmethod
from pathlib import Path

import pytest

from fusetree import lowlevel
from fusetree.lowlevel import EntryAttributes, FileInfo, RequestContext
from fusetree.server.inside import marked_inside
from fusetree.server.outbox import Outbox
from fusetree.testing import Client, InitFlag, NotifyCode
from fusetree.testing.protocol import DEFAULT_CAPABILITIES
from tests.support import wait_for

DATA = bytes(range(256)) * 64  # four pages


class Cached(lowlevel.Operations):
    """The file "f" (inode 2), which the kernel may cache; `inside` is called by the handler of getattr."""

    def __init__(self) -> None:
        self.inside: Callable[[], object] | None = None
        self.result: object = None
        self.reads = 0

    def attributes(self, inode: int) -> EntryAttributes:
        result = EntryAttributes()
        result.st_ino = inode
        result.st_mode = stat.S_IFDIR | 0o755 if inode == 1 else stat.S_IFREG | 0o644
        result.st_size = len(DATA) if inode == 2 else 0
        result.attr_timeout = result.entry_timeout = 1000
        return result

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        if name != b"f":
            raise FileNotFoundError
        return self.attributes(2)

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        if self.inside is not None:
            self.result = self.inside()
        return self.attributes(inode)

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        return FileInfo(fh=inode, keep_cache=True)

    def read(self, fh: int, off: int, size: int) -> memoryview:
        self.reads += 1
        return memoryview(DATA)[off : off + size]


def told(client: Client) -> list[str]:
    """Names of the notifications so far."""
    client.connection.pump()
    return [notification.code.name for notification in client.notifications]


# ---------------------------------------------------------------------- each of them


def test_invalidate_inode_takes_a_range_or_attributes_only() -> None:
    operations = Cached()
    with Client(operations) as client:
        client.session.invalidate_inode(2, offset=4096, length=8192)
        client.session.invalidate_inode(2, offset=4096)
        client.session.invalidate_inode(2, attr_only=True)
        client.session.invalidate_inode(2)
        client.connection.pump()
        assert [(n.node_id, n.offset, n.length) for n in client.notifications] == [
            (2, 4096, 8192),
            (2, 4096, 0),
            (2, -1, 0),
            (2, 0, 0),
        ]
        with pytest.raises(ValueError, match="negative"):
            client.session.invalidate_inode(2, offset=-1)
        with pytest.raises(ValueError, match="attr_only"):
            client.session.invalidate_inode(2, attr_only=True, length=1)


def test_a_range_takes_only_its_pages() -> None:
    operations = Cached()
    with Client(operations) as client:
        assert client.read_bytes("f") == DATA
        before = operations.reads
        assert client.read_bytes("f") == DATA
        assert operations.reads == before
        client.session.invalidate_inode(2, offset=4096, length=1)
        assert client.read_bytes("f") == DATA
        assert operations.reads > before


def test_names_are_invalidated_expired_and_deleted() -> None:
    with Client(Cached()) as client:
        client.session.invalidate_entry(1, b"f")
        client.session.notify_delete(1, 2, b"f")
        client.session.expire_entry(1, b"f")
        client.connection.pump()
        seen = [(n.code, n.parent, n.node_id, n.name, n.flags) for n in client.notifications]
        assert seen == [
            (NotifyCode.INVAL_ENTRY, 1, 0, b"f", 0),
            (NotifyCode.DELETE, 1, 2, b"f", 0),
            (NotifyCode.INVAL_ENTRY, 1, 0, b"f", 1),
        ]


def test_expire_entry_needs_a_kernel_that_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older ones ignore the flag, and take the name away from who is using it."""
    monkeypatch.setattr(Client, "send_init", partialmethod(Client.send_init, minor=37))
    offered = DEFAULT_CAPABILITIES & ~InitFlag.HAS_EXPIRE_ONLY
    with Client(Cached(), capabilities=offered) as client:
        with pytest.raises(OSError, match="expire_entry"):
            client.session.expire_entry(1, b"f")
        assert told(client) == []


def test_store_takes_buffers_and_files_and_the_reader_sees_them(tmp_path: Path) -> None:
    operations = Cached()
    (tmp_path / "data").write_bytes(b"x" * 5000 + b"file" * 2048)
    with Client(operations) as client, open(tmp_path / "data", "rb") as file:
        client.stat("f")
        client.session.notify_store(2, 0, b"a" * 4096)
        client.session.notify_store(2, 4096, array.array("I", [7] * 1024))
        client.session.notify_store(2, 8192, lowlevel.FileData(file, 5000, 8192))
        data = client.read_bytes("f")
        assert operations.reads == 0
    assert data == b"a" * 4096 + b"\7\0\0\0" * 1024 + b"file" * 2048


def test_store_refuses_what_is_no_buffer_or_in_pieces() -> None:
    with Client(Cached()) as client:
        for wrong, error in (("text", TypeError), (memoryview(b"abcd")[::2], BufferError)):
            with pytest.raises(error):
                client.session.notify_store(2, 0, wrong)  # type: ignore[arg-type]
        with pytest.raises(OSError, match="offset"):
            client.session.notify_store(2, -1, b"a")
        with pytest.raises(OSError, match="notify_store"):
            client.session.notify_store(2, 0, lowlevel.FileData(10**6, 0, 10))
        assert told(client) == []


def test_retrieve_gets_what_is_cached_up_to_the_first_gap() -> None:
    operations = Cached()
    with Client(operations) as client:
        client.stat("f")
        assert client.session.retrieve(2, 0, 100).result(10) == b""
        client.session.notify_store(2, 0, b"ab" * 2048)
        client.session.notify_store(2, 8192, b"cd" * 2048)
        assert client.session.retrieve(2, 0, 1 << 20).result(10) == b"ab" * 2048
        assert client.session.retrieve(2, 8193, 3).result(10) == b"dcd"
        assert client.session.retrieve(99, 0, 100).result(10) == b""


def test_a_handler_may_wait_for_what_it_retrieves_even_if_it_is_the_only_worker() -> None:
    operations = Cached()
    with Client(operations, workers=1) as client:
        client.stat("f")
        client.session.notify_store(2, 0, b"ab" * 2048)
        operations.inside = lambda: client.session.retrieve(2, 0, 4).result(10)
        client.raw.getattr(2)
        assert operations.result == b"abab"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_retrieve_is_answered_under_a_loop_too_even_while_it_is_busy(backend: str) -> None:
    operations = Cached()
    running, go_on = threading.Event(), threading.Event()

    def block() -> None:
        running.set()
        assert go_on.wait(10)

    with Client(operations, backend=backend) as client:  # type: ignore[arg-type]
        client.stat("f")
        client.session.notify_store(2, 0, b"ab" * 2048)
        assert client.session.retrieve(2, 0, 4).result(10) == b"abab"
        operations.inside = block
        stuck = threading.Thread(target=client.raw.getattr, args=(2,))
        stuck.start()
        assert running.wait(10)
        future = client.session.retrieve(2, 0, 2)
        go_on.set()
        assert future.result(10) == b"ab"
        stuck.join()


def test_a_coroutine_awaits_what_it_retrieves() -> None:
    class Async(Cached):
        async def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:  # type: ignore[override]
            answer: bytes = await asyncio.wrap_future(client.session.retrieve(2, 0, 4))
            self.result = answer
            return self.attributes(inode)

    operations = Async()
    with Client(operations, backend="asyncio") as client:
        client.raw.lookup(1, b"f")
        client.session.notify_store(2, 0, b"ab" * 2048)
        client.raw.getattr(2)
    assert operations.result == b"abab"


def test_a_retrieve_ends_with_its_session_or_by_cancelling() -> None:
    with Client(Cached()) as client:
        client.stat("f")
        with client.connection.paused():  # nothing is taken in, so nothing is answered
            cancelled, left = client.session.retrieve(2, 0, 4), client.session.retrieve(2, 0, 4)
            assert cancelled.cancel()
            client.session.close()
            with pytest.raises(lowlevel.SessionClosedError):
                left.result(10)
            with pytest.raises(CancelledError):
                cancelled.result(0)


def test_what_the_library_lacks_is_named_with_the_version_that_has_it() -> None:
    with Client(Cached()) as client:
        for feature, needs, call in (
            ("increment_epoch", (3, 18), client.session.increment_epoch),
            ("prune", (3, 19), lambda: client.session.prune([2])),
        ):
            if lowlevel.compiled_version() >= needs:
                continue
            with pytest.raises(lowlevel.UnsupportedFeatureError, match=rf"{feature}.*3\.{needs[1]}"):
                call()


def test_after_the_end_every_notification_is_a_clear_error() -> None:
    with Client(Cached()) as client:
        session = client.session
        session.close()
    calls: list[Callable[[], object]] = [
        lambda: session.invalidate_inode(2),
        lambda: session.invalidate_inode(2, wait=False),
        lambda: session.invalidate_entry(1, b"f"),
        lambda: session.expire_entry(1, b"f"),
        lambda: session.notify_delete(1, 2, b"f"),
        lambda: session.notify_store(2, 0, b"a"),
        lambda: session.retrieve(2, 0, 1),
    ]
    for call in calls:
        with pytest.raises(lowlevel.SessionClosedError):
            call()


# ---------------------------------------------------------------------- where they are queued


def test_inside_a_handler_they_are_queued_and_elsewhere_sent_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    operations = Cached()
    sent_by: list[str] = []

    with Client(operations) as client:
        session, real = client.session, client.session._notify

        class Spy:
            """Says which thread sends."""

            def entry(self, parent: int, name: bytes) -> None:
                sent_by.append(threading.current_thread().name)
                real.entry(parent, name)

        session._notify = Spy()  # type: ignore[assignment]
        session.invalidate_entry(1, b"f")
        session.invalidate_entry(1, b"f", wait=False)
        assert session.wait_notified(10)
        operations.inside = lambda: session.invalidate_entry(1, b"f")
        client.raw.getattr(2)
        assert session.wait_notified(10)
        operations.inside = lambda: session.invalidate_entry(1, b"f", wait=True)
        client.raw.getattr(2)
        assert told(client) == ["INVAL_ENTRY"] * 4
    me = threading.current_thread().name
    assert sent_by[:3] == [me, "fusetree-outbox", "fusetree-outbox"]
    assert sent_by[3].startswith("fusetree-worker")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_in_the_thread_of_a_serving_loop_they_are_queued(backend: str) -> None:
    operations = Cached()
    with Client(operations, backend=backend) as client:  # type: ignore[arg-type]
        before = threading.active_count()
        operations.inside = lambda: client.session.invalidate_entry(1, b"f")
        client.raw.getattr(2)
        assert client.session.wait_notified(10)
        assert told(client) == ["INVAL_ENTRY"]
        assert threading.active_count() == before + 1  # the outbox
    wait_for(lambda: not any(thread.name == "fusetree-outbox" for thread in threading.enumerate()))


def test_what_a_handler_hands_to_another_thread_is_inside_too() -> None:
    class Async(Cached):
        async def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:  # type: ignore[override]
            await asyncio.to_thread(client.session.invalidate_entry, 1, b"f")
            self.result = [thread.name for thread in threading.enumerate()]
            return self.attributes(inode)

    operations = Async()
    with Client(operations, backend="asyncio") as client:
        client.raw.getattr(2)
        assert client.session.wait_notified(10)
        assert "fusetree-outbox" in operations.result  # type: ignore[operator]
        assert told(client) == ["INVAL_ENTRY"]


def test_queued_data_is_what_it_was_when_it_was_queued() -> None:
    operations = Cached()
    with Client(operations) as client:
        client.stat("f")
        data = bytearray(b"a" * 4096)

        def store() -> None:
            client.session.notify_store(2, 0, data)
            data[:] = b"b" * 4096

        operations.inside = store
        client.raw.getattr(2)
        assert client.session.wait_notified(10)
        assert client.session.retrieve(2, 0, 4).result(10) == b"aaaa"


def test_the_same_again_moves_to_the_end_and_is_sent_once() -> None:
    outbox = Outbox()
    sent: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        assert go_on.wait(10)

    outbox.put(("block",), block)
    assert begun.wait(10)
    for name in ("a", "b", "a", "c", "a"):
        outbox.put((name,), lambda name=name: sent.append(name))  # type: ignore[misc]
    assert not outbox.wait(0)
    go_on.set()
    assert outbox.wait(10)
    assert sent == ["b", "c", "a"]
    outbox.stop()
    assert outbox.join(10)


def test_errors_of_what_is_queued_are_logged_unless_there_was_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox = Outbox()

    def fail(error: OSError) -> Callable[[], None]:
        def send() -> None:
            raise error

        return send

    with caplog.at_level(logging.DEBUG, "fusetree"):
        outbox.put(("invalidate_entry", 1, b"f"), fail(FileNotFoundError(2, "none")))
        outbox.put(("notify_delete", 1, 2, b"f"), fail(OSError(39, "Directory not empty")))
        assert outbox.wait(10)
    outbox.stop()
    assert outbox.join(10)
    assert [record.getMessage() for record in caplog.records] == [
        "the notification notify_delete(1, 2, b'f') failed: [Errno 39] Directory not empty"
    ]


def test_what_is_left_in_the_queue_is_dropped_at_the_end() -> None:
    outbox = Outbox()
    begun, go_on = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        assert go_on.wait(10)

    outbox.put(("block",), block)
    assert begun.wait(10)
    outbox.put(("never",), lambda: os.abort())
    outbox.stop()
    assert not outbox.join(0)
    with pytest.raises(lowlevel.SessionClosedError):
        outbox.put(("late",), lambda: None)
    go_on.set()
    assert outbox.join(10)


def test_the_thread_that_served_is_outside_again_when_it_is_done() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, lowlevel.Session(Cached(), fd=theirs.fileno()) as session:
        header = struct.pack("=IIQ24x", 56, 26, 2)
        ours.sendall(header + struct.pack("=4I", 7, 38, 0, 0))
        ours.shutdown(socket.SHUT_WR)
        session.run_here()
        assert not marked_inside()
