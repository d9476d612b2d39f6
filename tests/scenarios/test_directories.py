"""Directories list whole, in order, while their entries come and go."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from fusetree import Dir, File
from fusetree.testing import Client, Opcode


def test_entries_are_listed_in_the_order_in_which_they_were_made() -> None:
    root = Dir()
    for name in ("z", "a", "m"):
        root[name] = File()
    with Client(root) as client:
        assert client.listdir() == ["z", "a", "m"]
        root["b"] = File()
        del root["a"]
        assert client.listdir() == ["z", "m", "b"]
        assert {".", ".."} <= set(client.scandir())


def test_an_open_directory_is_synced_by_its_class_or_by_nobody() -> None:
    synced: list[bool] = []

    class Synced(Dir):
        def fsync(self, datasync: bool) -> None:
            synced.append(datasync)

    with Client(Dir({"plain": Dir({"a": ""}), "synced": Synced({"a": ""})})) as client:
        for name in ("plain", "synced"):
            for _ in range(2):  # the second is opened in C
                client.listdir(name)
                inode = client.raw.lookup(1, name.encode()).node_id
                fh = client.raw.opendir(inode).fh
                client.raw.fsyncdir(inode, fh, datasync=True)
                client.raw.releasedir(inode, fh)
    assert synced == [True, True]


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_directory_of_100000_entries_lists_completely_while_entries_come_and_go() -> None:
    count = 100_000
    big = Dir({f"stays-{number}": File() for number in range(count)})
    root = Dir({"big": big})
    stop = threading.Event()
    rounds = 0

    def churn() -> None:
        nonlocal rounds
        while not stop.is_set():
            big[f"comes-{rounds}"] = File()
            if rounds >= 10:
                del big[f"comes-{rounds - 10}"]
            rounds += 1

    with Client(root, coherence_wait=0.0) as client:
        writer = threading.Thread(target=churn)
        writer.start()
        try:
            for plus in (None, False, True):
                before = rounds
                names = client.listdir("big", plus=plus, block=32768)
                assert rounds > before
                assert max(Counter(names).values()) == 1
                stay = [name for name in names if name.startswith("stays-")]
                assert stay == [f"stays-{number}" for number in range(count)]
                if plus is True:
                    client.drop_caches()
        finally:
            stop.set()
            writer.join()
        client.drop_caches()
        client.wait_all_forgotten(timeout=20)
        client.check()


def test_a_listing_goes_on_where_it_was_when_entries_before_it_go() -> None:
    names = [f"{number:03}" for number in range(300)]
    root = Dir({name: File() for name in names})
    with Client(root) as client:
        for plus in (False, True):
            seen: list[bytes] = []
            with client.opendir(block=2048) as directory:
                while batch := directory.read_batch(plus=plus):
                    seen += [line.name for line in batch]
                    for line in batch[-3:]:
                        if line.name not in (b".", b".."):
                            del root[line.name.decode()]
            assert [name for name in seen if name not in (b".", b"..")] == [
                name.encode() for name in names if name in {n.decode() for n in seen}
            ]
            assert len(seen) == len(set(seen))
            for name in names:  # put back for the second turn, at the end of the order
                if name in root:
                    del root[name]
            for name in names:
                root[name] = File()


def test_a_batch_can_be_asked_for_again() -> None:
    """An interrupted READDIRPLUS is asked again from the middle of what was answered."""
    root = Dir({f"{number:04}": File() for number in range(100)})
    with Client(root) as client, client.opendir(block=4096) as directory:
        first = directory.read_batch(plus=True)
        whole = first + directory.read_batch(plus=True)
        for again in (0, 1, len(first) // 2, len(first) - 1):
            directory.cookie = first[again].cookie
            batch = directory.read_batch(plus=True)
            expected = [line.name for line in whole[again + 1 :]]
            got = [line.name for line in batch]
            assert got == expected[: len(got)]
            assert len(got) > 5


def test_names_of_all_kinds() -> None:
    names = ["ä", "日本", " ", "a b", "-", "x" * 255, "\udcff"]
    root = Dir({name: name.encode("utf-8", "surrogateescape") for name in names})
    with Client(root) as client:
        assert client.listdir() == names
        for name in names:
            assert client.read_bytes(name) == name.encode("utf-8", "surrogateescape")


def test_a_listing_needs_no_lookups_and_a_walk_no_second_listing() -> None:
    root = Dir({"d": {str(number): "x" for number in range(10)}})
    with Client(root) as client:
        client.walk()
        before = client.connection.requests.copy()
        client.walk()
        client.stat("d/3")
        assert client.connection.requests[Opcode.LOOKUP] == before[Opcode.LOOKUP]
        assert client.connection.requests[Opcode.GETATTR] == before[Opcode.GETATTR]
        assert client.connection.requests[Opcode.READDIRPLUS] == before[Opcode.READDIRPLUS]
        assert client.connection.requests[Opcode.READDIR] == before[Opcode.READDIR]
