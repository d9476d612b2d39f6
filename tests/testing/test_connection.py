"""The channel: replies matched, order kept, every wait ends, wrong messages are errors."""

from __future__ import annotations

import errno
import struct
import threading

import pytest

from fusetree.testing import NotifyCode, Opcode, PathClient, UnansweredError, values, wire
from tests.testing.fake_server import ROOT, FakeServer


def test_replies_are_matched_by_number_whatever_their_order(server: FakeServer, client: PathClient) -> None:
    server.add(ROOT, "a")
    server.holding.add(Opcode.LOOKUP)
    first = client.raw.submit_lookup(ROOT, b"a")
    second = client.raw.submit(Opcode.STATFS, ROOT)
    assert second.result(5)
    assert not first.done
    server.let_go()
    assert values.unpack_entry(first.result(5)).node_id == 2
    assert client.lookup_counts == {2: 1}


def test_a_request_without_an_answer_is_named_when_its_time_is_up(
    server: FakeServer, client: PathClient
) -> None:
    server.holding.add(Opcode.STATFS)
    client.raw.timeout = 0.05
    with pytest.raises(UnansweredError, match=r"STATFS\(node 1"):
        client.statvfs()
    assert [str(pending).startswith("STATFS") for pending in client.connection.in_flight] == [True]
    server.let_go()


def test_errors_are_oserrors_with_the_servers_errno(server: FakeServer, client: PathClient) -> None:
    server.intercept = lambda header, body: (errno.ENOSPC, b"") if header.opcode == Opcode.STATFS else None
    with pytest.raises(OSError) as caught:
        client.raw.statfs()
    assert caught.value.errno == errno.ENOSPC


def test_a_server_that_goes_away_fails_what_is_waited_for(server: FakeServer, client: PathClient) -> None:
    server.holding.add(Opcode.STATFS)
    pending = client.raw.submit(Opcode.STATFS, ROOT)
    server.close()
    with pytest.raises(OSError) as caught:
        pending.result(5)
    assert caught.value.errno == errno.ENOTCONN
    assert not client.connection.connected
    with pytest.raises(OSError) as caught:
        client.raw.statfs()
    assert caught.value.errno == errno.ENOTCONN


def test_interrupts_name_the_request(server: FakeServer, client: PathClient) -> None:
    server.holding.add(Opcode.STATFS)
    pending = client.raw.submit(Opcode.STATFS, ROOT)
    client.raw.interrupt(pending)
    server.wait_for(lambda: server.interrupted == [pending.unique])
    server.let_go()
    assert pending.result(5)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (wire.pack(wire.OutHeader(16, 0, 4242)), "not waited for"),
        (wire.pack(wire.OutHeader(8, 0, 2)), "shorter than its header"),
        (wire.pack(wire.OutHeader(16, 99, 0)), "99"),
        (
            wire.pack(wire.OutHeader(16 + 16, NotifyCode.INVAL_ENTRY, 0)) + struct.pack("=QII", 1, 5, 0),
            "cut off",
        ),
    ],
)
def test_a_message_that_linux_would_refuse_is_an_error(
    server: FakeServer, client: PathClient, frame: bytes, reason: str
) -> None:
    server.holding.add(Opcode.STATFS)
    pending = client.raw.submit(Opcode.STATFS, ROOT)
    server.send(frame)
    with pytest.raises(OSError):
        pending.result(5)
    with pytest.raises(ValueError, match=reason):
        client.stat("")


def test_a_reply_longer_than_what_was_asked_for_is_an_error(server: FakeServer, client: PathClient) -> None:
    node = server.add(ROOT, "a", b"content")
    server.intercept = lambda header, body: (0, b"x" * 99) if header.opcode == Opcode.READ else None
    with pytest.raises(ValueError, match="READ of 10 bytes was answered with 99"):
        client.raw.read(node.number, 1, 10)


def test_notifications_are_taken_in_before_the_next_call(server: FakeServer, client: PathClient) -> None:
    """What was written before a call begins is applied when it begins, without any waiting."""
    node = server.add(ROOT, "a", b"1", attr_timeout=1000, entry_timeout=1000)
    for round_ in range(200):
        assert client.stat("a").st_size == len(node.content)
        node.content = b"x" * (round_ % 7)
        server.inval_inode(node.number)  # in the socket, perhaps not in the books yet
        assert client.stat("a").st_size == len(node.content)
    assert len(client.notifications) == 200


def test_waiting_for_a_notification_lists_what_came_instead(server: FakeServer, client: PathClient) -> None:
    server.inval_inode(7)
    client.wait_notification(NotifyCode.INVAL_INODE, node_id=7)
    with pytest.raises(UnansweredError, match=r"node_id=8(.|\n)*node_id=7"):
        client.wait_notification(NotifyCode.INVAL_INODE, node_id=8, timeout=0.01)
    since = len(client.notifications)
    threading.Timer(0.01, server.inval_entry, (1, b"later")).start()
    assert client.wait_notification(name="later", since=since).parent == 1
