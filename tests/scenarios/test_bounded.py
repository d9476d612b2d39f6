"""A bound to the number of nodes that the kernel knows, where it lets go of names only."""

from __future__ import annotations

import pytest

from fusetree import Dir, File
from fusetree.testing import Client, UnansweredError, wait_until


def known(client: Client, *names: str) -> set[str]:
    """Which names of the root the kernel knows a node of."""
    root, table = client.session.operations.root, client.session.operations.inode_table  # type: ignore[attr-defined]
    assert table is not None
    table.check()
    return {name for name in names if table.node_id(root[name])}


def test_what_was_looked_up_least_recently_is_given_back() -> None:
    root = Dir({name: name for name in "abcdef"})
    with Client(root, max_cached_nodes=3, kernel_cache=False) as client:
        for name in "abca":
            client.stat(name)
        assert known(client, *"abcdef") == set("abc")
        client.stat("d")
        wait_until(lambda: known(client, *"abcdef") == set("acd"), "giving back")
        client.stat("e")
        wait_until(lambda: known(client, *"abcdef") == set("ade"), "giving back")
        assert client.session.operations.inode_table.statistics().given_back == 2  # type: ignore[union-attr]
        assert client.read_text("b") == "b"


def test_what_is_open_stays_and_so_do_directories() -> None:
    root = Dir({name: name for name in "abcdef"})
    root["dir"] = {}
    with Client(root, max_cached_nodes=1) as client, client.open("a", "r") as file:
        client.stat("dir")
        for name in "bcdef":
            client.stat(name)

        def given_back() -> bool:
            client.stat("f")  # one that was still being answered goes with the next that comes
            return known(client, *"abcdef", "dir") == {"a", "f", "dir"}

        wait_until(given_back, "giving back")
        assert file.read() == b"a"


def test_hard_links_are_one_node() -> None:
    file = File("x")
    root = Dir({"one": file, "two": file, "a": "", "b": ""})
    with Client(root, max_cached_nodes=2) as client:
        for name in ("one", "two", "a", "b", "one"):
            client.stat(name)
        assert client.read_text("two") == "x"


def test_a_listing_with_attributes_is_bounded_too() -> None:
    root = Dir({f"f{number}": "" for number in range(200)})
    with Client(root, max_cached_nodes=10) as client:
        for _ in range(3):
            assert len(client.listdir(plus=True)) == 200

        def given_back() -> bool:
            # What the last reply told of is given back with the next. Here a notice may overtake an answer,
            # where a kernel has it wait for the directory's lock; then a listing tells it all again.
            try:
                wait_until(lambda: len(known(client, *root)) < 60, "giving back", timeout=0.5)
            except UnansweredError:
                client.listdir(plus=True)
                return False
            return True

        wait_until(given_back, "giving back", timeout=20)


@pytest.mark.parametrize("bound", [0, -1])
def test_a_bound_is_one_at_least(bound: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        Client(Dir(), max_cached_nodes=bound)
