"""The client on a served tree: what it waits for, what it refuses, how it ends."""

from __future__ import annotations

import errno
import gc
import weakref

import pytest

from fusetree import Dir, File
from fusetree.testing import Client, Credentials, InitFlag, Opcode, UnansweredError
from fusetree.testing.pytest_plugin import ClientFactory, fuse_client
from tests.scenarios.trees import Slow
from tests.support import raises_errno

__all__ = ["fuse_client"]  # a fixture is found by its name in this module


def test_the_fixture_makes_clients_that_are_checked_and_closed(fuse_client: ClientFactory) -> None:
    first, second = fuse_client({"motto": "do good\n"}), fuse_client(Dir(), kernel_cache=False)
    assert first.read_text("motto") == "do good\n"
    assert second.listdir() == []


def test_what_is_neither_a_tree_nor_operations_is_refused() -> None:
    with pytest.raises(TypeError, match="mapping"):
        Client(42)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TypeError, match="no_such_option"):
        Client({}, no_such_option=1)


def test_waiting_for_what_is_not_forgotten_tells_who_holds_it() -> None:
    file = File(b"x")
    with Client({"f": file}) as client:
        client.raw.lookup(1, b"f")
        with pytest.raises(UnansweredError, match="looked up 1 times at the server; this client holds 1"):
            client.wait_forgotten(file, timeout=0.01)
        client.drop_caches()
        client.wait_forgotten(file)
        with pytest.raises(UnansweredError, match="1 of 1 objects live on"):
            client.wait_collected(weakref.ref(file), timeout=0.01)


def test_more_lookups_cannot_be_given_back_than_were_had() -> None:
    with Client({"f": "x"}) as client:
        node = client.raw.lookup(1, b"f").node_id
        with pytest.raises(ValueError, match="2 lookups given back, 1 were had"):
            client.raw.forget(node, 2)


def test_a_forget_of_too_many_hurts_only_who_sent_it() -> None:
    from fusetree.testing import wire

    with Client({"f": "x"}) as client:
        node = client.raw.lookup(1, b"f").node_id
        client.raw.submit(Opcode.FORGET, node, wire.pack(wire.ForgetIn(1000)))
        client.wait_forgotten(node)
        with raises_errno(errno.ESTALE):
            client.raw.getattr(node)
        client.table.check()
        assert client.raw.lookup(1, b"f").node_id != node
        client.kernel.forget_raw(node, 1)  # the wrong forget gave it back


def test_capabilities_are_what_was_offered() -> None:
    few = InitFlag.BIG_WRITES | InitFlag.INIT_EXT
    with Client({"f": "x", "g": File(b"", mode=0o644)}, capabilities=few) as client:
        assert not client.agreed & ~few
        assert client.listdir() == ["f", "g"]
        assert client.connection.requests[Opcode.READDIRPLUS] == 0
        client.write("g", "text")
        assert client.read_text("g") == "text"


def test_the_caller_can_be_anybody() -> None:
    with Client({"f": File(b"x", mode=0o400, uid=5)}, credentials=Credentials(uid=5, gid=6, pid=7)) as client:
        assert client.read_bytes("f") == b"x"
        with client.as_user(8), raises_errno(errno.EACCES):
            client.read_bytes("f")
        assert client.read_bytes("f") == b"x"


def test_a_closed_client_answers_not_connected() -> None:
    client = Client({"f": "x"})
    client.close()
    with raises_errno(errno.ENOTCONN):
        client.stat("f")


def test_closing_while_a_handler_runs_ends(caplog: pytest.LogCaptureFixture) -> None:
    slow = Slow()
    client = Client(slow)
    pending = client.raw.submit_lookup(1, b"slow")
    assert slow.began.wait(10)
    slow.go_on.set()
    client.close()
    assert pending.done
    del client
    gc.collect()
