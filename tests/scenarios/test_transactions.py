"""A transaction as readers through a mount see it: as before, and then all of it."""

from __future__ import annotations

import errno
import json
import threading
import time
from typing import Any

import pytest

from fusetree import Dir, File, MemoryDir, Symlink, action, computed, entry, node
from fusetree.adapter import inodes
from fusetree.adapter.caching import CacheObserver
from fusetree.nodes import held
from fusetree.testing import Client
from tests.nodes.test_transactions import failed
from tests.scenarios.test_coherence import WAIT
from tests.support import raises_errno, wait_for


@node
class Pair(Dir):
    one: int = entry(0)
    two: int = entry(0)
    tags: list[int] = entry(factory=list)

    @computed
    def both(self) -> str:
        return f"{self.one} {self.two}"

    @action
    def raise_both(self, to: int) -> None:
        with self.transaction():
            self.one = to
            self.two = to


def tree() -> tuple[Dir, Pair]:
    pair = Pair()
    return Dir({"p": pair, "d": {"a": "1", "b": "1"}, "l": Symlink("one")}), pair


def look(client: Client) -> object:
    return (
        client.read_text("p/one"),
        client.read_text("p/two"),
        client.listdir("d"),
        client.exists("d/new"),
        client.read_text("d/a"),
        client.readlink("l"),
        client.stat("d/a").st_mode & 0o777,
        client.exists("sub"),
    )


BEFORE = ("0\n", "0\n", ["a", "b"], False, "1", "one", 0o444, False)
AFTER = ("1\n", "2\n", ["a", "new"], True, "changed", "two", 0o400, True)


def change(root: Dir, pair: Pair) -> None:
    pair.one = 1
    pair.two = 2
    root["d/new"] = ""
    del root["d/b"]
    file, link = root["d/a"], root["l"]
    assert isinstance(file, File)
    assert isinstance(link, Symlink)
    file.store("changed")
    file.mode = 0o400
    link.target = "two"
    root["sub"] = {"x": {"y": "z"}}


@pytest.mark.parametrize("known", [True, False], ids=["known", "not looked at before"])
@pytest.mark.parametrize("kernel_cache", [True, False])
def test_nothing_is_seen_before_the_end_and_then_everything(known: bool, kernel_cache: bool) -> None:
    root, pair = tree()
    with Client(root, coherence_wait=WAIT, kernel_cache=kernel_cache) as client:
        if known:
            for _ in range(2):
                assert look(client) == BEFORE
        with root.transaction():
            change(root, pair)
            assert look(client) == BEFORE
            assert look(client) == BEFORE
        assert look(client) == AFTER
        assert client.read_text("sub/x/y") == "z"
        assert client.read_text("p/both") == "1 2\n"


def test_what_failed_was_never_seen() -> None:
    root, pair = tree()
    with Client(root, coherence_wait=WAIT) as client:
        assert look(client) == BEFORE
        with failed(root):
            change(root, pair)
            assert look(client) == BEFORE
        assert look(client) == BEFORE
        change(root, pair)
        assert look(client) == AFTER


def test_several_mounts_of_a_tree_see_it() -> None:
    root, pair = tree()
    with Client(root, coherence_wait=WAIT) as first, Client(root, coherence_wait=WAIT) as second:
        assert look(first) == look(second) == BEFORE
        with root.transaction():
            change(root, pair)
            assert look(second) == BEFORE
        assert look(first) == look(second) == AFTER


@pytest.mark.parametrize("what", ["computed", "document", "write", "create"])
def test_requests_that_need_the_program_wait_until_the_end(what: str) -> None:
    root, pair = tree()
    root["m"] = MemoryDir()
    found: list[object] = []
    with Client(root, coherence_wait=0.05) as client:
        assert look(client) == BEFORE

        def ask() -> None:
            if what == "computed":
                found.append(client.read_text("p/both"))
            elif what == "document":
                found.append(json.loads(client.read_text("p/tags")))
            elif what == "write":
                client.write("p/one", "7\n")
                found.append(pair.one)
            else:
                client.mkdir("m/made")
                found.append(client.listdir("m"))

        thread = threading.Thread(target=ask)
        with root.transaction():
            pair.one = 1
            pair.tags.append(3)
            thread.start()
            thread.join(0.1)
            assert thread.is_alive()
            assert not found
            pair.two = 2
            pair.tags.append(4)
        thread.join(WAIT)
    expected = {"computed": "1 2\n", "document": [3, 4], "write": 7, "create": ["made"]}
    assert found == [expected[what]]


def test_who_waits_too_long_gets_ebusy(monkeypatch: pytest.MonkeyPatch) -> None:
    root, pair = tree()
    monkeypatch.setattr(held, "PATIENCE", 0.05)
    with Client(root, coherence_wait=0.05) as client:
        assert client.read_text("p/both") == "0 0\n"
        with root.transaction():
            pair.one = 1
            with raises_errno(errno.EBUSY):
                client.read_text("p/both")
            assert client.read_text("p/one") == "0\n"
        assert client.read_text("p/both") == "1 0\n"


def test_a_computed_file_that_a_transaction_came_into_is_made_again() -> None:
    entered, go_on = threading.Event(), threading.Event()

    @node
    class Slow(Dir):
        one: int = entry(0)
        two: int = entry(0)

        @computed
        def both(self) -> str:
            one = self.one
            entered.set()
            assert go_on.wait(WAIT)
            return f"{one} {self.two}"

    slow = Slow()
    found = []
    with Client(slow, coherence_wait=0.05) as client:
        thread = threading.Thread(target=lambda: found.append(client.read_text("both")))
        thread.start()
        assert entered.wait(WAIT)
        with slow.transaction():
            slow.one = slow.two = 1
        go_on.set()
        thread.join(WAIT)
    assert found == ["1 1\n"]


def test_a_handler_may_have_a_transaction() -> None:
    root, _pair = tree()
    with Client(root, coherence_wait=WAIT) as client:
        assert look(client) == BEFORE
        client.write("p/raise_both", "5\n")
        assert client.read_text("p/both") == "5 5\n"
        assert client.read_text("p/one") == "5\n"


def test_a_name_is_made_and_removed_within_one() -> None:
    root, _ = tree()
    with Client(root, coherence_wait=WAIT) as client:
        assert not client.exists("gone")
        with root.transaction():
            root["gone"] = "x"
            root.move("gone", "d/gone")
            del root["d/gone"]
        assert not client.exists("gone")
        assert not client.exists("d/gone")
        assert client.listdir("d") == ["a", "b"]


@node
class SlowPair(Dir):
    one: int = entry(0)
    two: int = entry(0)

    @computed
    def both(self) -> str:
        one = self.one
        time.sleep(0.005)  # longer than the time between two transactions
        return f"{one} {self.two}"


def test_what_takes_longer_than_the_time_between_transactions_is_let_go_first() -> None:
    pair = SlowPair()
    stop = threading.Event()

    def change_on_and_on() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with pair.transaction():
                pair.one = number
                pair.two = number

    with Client(pair, coherence_wait=WAIT) as client:
        thread = threading.Thread(target=change_on_and_on)
        thread.start()
        try:
            seen = [client.read_text("both").split() for _ in range(20)]
        finally:
            stop.set()
            thread.join()
    assert all(one == two for one, two in seen), seen
    assert seen[0] != seen[-1]


def test_the_target_of_a_link_is_not_given_between_the_notice_and_the_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel would cache it, and show it beside what is new."""
    link = Symlink("old")
    answers: list[str] = []
    waits = threading.Event()
    root = Dir({"l": link})
    with Client(root, coherence_wait=WAIT) as client:
        number = client.raw.lookup(1, b"l").node_id
        assert client.raw.readlink(number) == b"old"
        asker = threading.Thread(target=lambda: answers.append(client.raw.readlink(number).decode()))
        suspend = CacheObserver.suspend

        def undisturbed() -> None:
            waits.set()
            held.undisturbed()

        def suspended(observer: CacheObserver, *what: Any) -> None:
            suspend(observer, *what)
            asker.start()
            wait_for(lambda: waits.is_set() or answers)

        monkeypatch.setattr(inodes, "undisturbed", undisturbed)
        monkeypatch.setattr(CacheObserver, "suspend", suspended)
        with root.transaction():
            link.target = "new"
        asker.join(WAIT)
        assert answers == ["new"]
        assert client.raw.readlink(number) == b"new"
        client.check()
