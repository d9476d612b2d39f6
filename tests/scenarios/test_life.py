"""Lookups are counted and given back, nodes are let go, bugs are contained, sessions end."""

from __future__ import annotations

import errno
import gc
import logging
import stat
import threading
import weakref
from collections.abc import Callable

import pytest

from fusetree import Dir, File
from fusetree.nodes import Node
from fusetree.testing import Client, Opcode
from tests.scenarios.trees import Reports, Settings, Slow, linked, steered
from tests.support import raises_errno


def test_lookup_counts_return_to_zero() -> None:
    root = steered()
    with Client(root) as client:
        client.walk()
        client.read_text("README")
        client.listdir("reports", plus=True)
        assert client.lookup_counts
        client.drop_caches()
        assert client.lookup_counts == {}
        client.wait_all_forgotten()
        assert client.table.statistics().lookups == 0
        client.check()
        assert client.read_text("README") == "hello\n"


def test_the_counts_of_both_sides_agree() -> None:
    root, file = linked()
    with Client(root) as client:
        for _ in range(3):
            client.raw.lookup(1, b"one")
        below = client.raw.lookup(1, b"below").node_id
        number = client.raw.lookup(below, b"two").node_id
        assert client.table.lookup_count(number) == 4 == client.lookup_counts[number]
        assert client.table.node_id(file) == number
        client.raw.forget(number, 3)
        client.raw.batch_forget([(number, 1), (below, 1)])
        client.wait_forgotten(file)
        client.wait_forgotten(below)
        client.wait_all_forgotten()


def test_removed_nodes_are_collected_once_forgotten() -> None:
    root = Dir({"keep": "x"})
    with Client(root) as client:
        gone: list[weakref.ref[Node]] = []
        for number in range(50):
            child = Dir({"file": File(b"x"), "settings": Settings()})
            gone += [weakref.ref(child), weakref.ref(child["file"]), weakref.ref(child["settings"])]
            root[f"d{number}"] = child
            del child
        client.walk()
        client.read_text("d0/settings/jobs")
        for number in range(50):
            del root[f"d{number}"]
        client.drop_caches()
        client.wait_collected(gone)
        assert client.listdir() == ["keep"]


def test_a_removed_node_stays_while_the_kernel_has_it() -> None:
    root = Dir({"f": File(b"text")})
    reference = weakref.ref(root["f"])
    with Client(root) as client:
        number = client.raw.lookup(1, b"f").node_id
        del root["f"]
        gc.collect()
        assert reference() is not None
        assert client.raw.getattr(number).attributes.st_size == 4
        client.raw.forget(number)
        client.wait_collected(reference)
        with raises_errno(errno.ESTALE):
            client.raw.getattr(number)


def test_an_unknown_node_is_stale_and_nothing_breaks() -> None:
    with Client(Dir({"f": "x"})) as client:
        for number in (2**63, 999_999, 2**64 - 1):
            calls: list[Callable[[int], object]] = [
                client.raw.getattr,
                lambda number: client.raw.lookup(number, b"x"),
                client.raw.open,
                client.raw.opendir,
                client.raw.readlink,
            ]
            for call in calls:
                with raises_errno(errno.ESTALE):
                    call(number)
        with_handles: list[Callable[[], object]] = [
            lambda: client.raw.read(1, 12345, 10),
            lambda: client.raw.readdir(1, 2**60),
        ]
        for wrong in with_handles:
            with raises_errno(errno.EBADF):
                wrong()
        assert client.read_text("f") == "x"
        client.check()


def test_a_lookup_whose_answer_does_not_arrive_is_not_counted() -> None:
    slow = Slow()
    with Client(Dir({"d": slow})) as client:
        number = client.raw.lookup(1, b"d").node_id
        client.raw.submit_lookup(number, b"slow")
        assert slow.began.wait(10)
        client.connection.close()
        slow.go_on.set()
        assert client.session.wait(10)
        assert client.table.statistics().lookups == 1
        assert client.table.lookup_count(number) == 1


def test_node_ids_are_never_reused() -> None:
    root = Dir()
    seen: set[int] = set()
    with Client(root) as client:
        for _ in range(100):
            root["x"] = File(b"")
            number = client.raw.lookup(1, b"x").node_id
            assert number not in seen
            seen.add(number)
            del root["x"]
            client.raw.forget(number)


def test_a_bug_in_user_code_is_eio_once_and_logged_and_the_tree_lives_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    root = steered()
    with Client(root) as client, caplog.at_level(logging.ERROR, logger="fusetree"):
        with raises_errno(errno.EIO):
            client.read_text("reports/broken")
        assert "RuntimeError: a bug in user code" in caplog.text
        assert "reports/broken" in caplog.text
        assert "Traceback" in caplog.text
        caplog.clear()
        with raises_errno(errno.EIO):
            client.write("settings/explode", "boom\n")
        assert "a bug: boom" in caplog.text
        assert client.read_text("README") == "hello\n"
        assert client.read_text("settings/jobs") == "3\n"


def test_a_strict_session_raises_the_bug() -> None:
    client = Client({"r": Reports()}, strict=True)
    with raises_errno(errno.EIO, errno.ENOTCONN):
        client.read_text("r/broken")
    with pytest.raises(BaseException) as caught:
        client.close()
    assert "a bug in user code" in repr(caught.value) + repr(getattr(caught.value, "exceptions", ""))


def test_two_trees_and_one_tree_twice() -> None:
    shared = Settings()
    with Client(Dir({"a": shared}), coherence_wait=10) as first, Client({"b": "text"}) as second:
        settings = Settings()
        tree = Dir({"s": settings})
        with Client(tree, coherence_wait=10) as third, Client(tree, coherence_wait=10) as fourth:
            for client in (third, fourth):
                assert client.read_text("s/jobs") == "3\n"
            settings.jobs = 8
            for client in (third, fourth):
                assert client.read_text("s/jobs") == "8\n"
            third.drop_caches()
            third.wait_all_forgotten()
            assert fourth.lookup_counts
            assert fourth.read_text("s/jobs") == "8\n"
        settings.jobs = 9  # nobody listens any more
        assert first.read_text("a/jobs") == "3\n"
        assert second.read_text("b") == "text"


def test_ownership_and_modes_come_from_the_declaration() -> None:
    root = Dir({"f": File(b"", mode=0o640, uid=7, gid=8), "d": Dir(mode=0o700), "s": Settings()})
    with Client(root) as client:
        attributes = client.stat("f")
        assert (attributes.st_uid, attributes.st_gid) == (7, 8)
        assert stat.S_IMODE(attributes.st_mode) == 0o640
        assert stat.S_IMODE(client.stat("d").st_mode) == 0o700
        assert stat.S_IMODE(client.stat("s").st_mode) == 0o555
        assert stat.S_IMODE(client.stat("s/jobs").st_mode) == 0o644
        with client.as_user(1000, 1000), raises_errno(errno.EACCES):
            client.read_bytes("f")
        with client.as_user(1000, 8):
            assert client.read_bytes("f") == b""


def test_a_read_only_tree_refuses_every_write() -> None:
    settings = Settings()
    with Client({"s": settings, "f": File(b"x", mode=0o666)}, ro=True) as client:
        for path in ("s/jobs", "f", "s/reset"):
            with raises_errno(errno.EROFS):
                client.write(path, "1\n")
        with raises_errno(errno.EROFS):
            client.chmod("f", 0o600)
        assert settings.jobs == 3


def test_many_requests_at_once_are_all_answered() -> None:
    root = steered()
    root["slow"] = slow = Slow()
    with Client(root) as client:
        number = client.raw.lookup(1, b"slow").node_id
        waiting = client.raw.submit_lookup(number, b"slow")
        assert slow.began.wait(10)
        pending = [client.raw.submit(Opcode.STATFS, 1) for _ in range(500)]
        pending += [client.raw.submit_lookup(1, b"README") for _ in range(500)]
        for request in pending:
            request.result(10)
        slow.go_on.set()
        waiting.result(10)
        client.drop_caches()
        client.wait_all_forgotten()


def test_closing_ends_all_threads() -> None:
    before = set(threading.enumerate())
    client = Client(steered())
    client.walk()
    client.close()
    client.close()
    left = [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()]
    assert left == []


def test_a_tree_is_let_go_after_its_session() -> None:
    root = steered()
    references: list[weakref.ref[Node]] = [weakref.ref(root), weakref.ref(root["settings"])]
    client = Client(root)
    client.walk()
    with client.open("README") as file:
        file.read()
    client.close()
    del root, client, file
    gc.collect()
    assert [reference() for reference in references] == [None, None]
