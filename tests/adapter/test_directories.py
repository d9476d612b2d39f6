"""Listings: published at the first touch, kept right by the observer, kept by the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fusetree import Dir
from fusetree.lowlevel import ROOT_INODE
from fusetree.testing import Client
from tests.adapter.conftest import ROOT

if TYPE_CHECKING:
    from tests.adapter.conftest import Serve


def test_a_directory_is_published_when_opened(serve: Serve) -> None:
    requests = serve(Dir({"a": "x", "d": {"b": "y"}}))
    assert not requests.table.is_published(ROOT_INODE)
    info = requests.ops.opendir(ROOT_INODE, ROOT)
    assert requests.table.is_published(ROOT_INODE)
    assert (info.cache_readdir, info.keep_cache) == (True, True)
    requests.ops.fsyncdir(info.fh, False)
    requests.ops.releasedir(info.fh)


def test_without_the_kernels_cache_listings_are_not_kept(serve: Serve) -> None:
    info = serve(Dir(), kernel_cache=False).ops.opendir(ROOT_INODE, ROOT)
    assert (info.cache_readdir, info.keep_cache) == (False, False)


@pytest.mark.parametrize(("size", "published"), [(1, True), (1024, True), (1025, False)])
def test_a_small_directory_is_published_when_a_name_is_asked_for(
    serve: Serve, size: int, published: bool
) -> None:
    requests = serve(Dir({f"n{number}": "" for number in range(size)}))
    requests.lookup("n0")
    assert requests.table.is_published(ROOT_INODE) is published


def test_a_missing_name_publishes_too(serve: Serve) -> None:
    requests = serve(Dir({"d": {}}))
    with pytest.raises(FileNotFoundError):
        requests.lookup("d/none")
    assert requests.table.is_published(requests.inode("d"))


def test_missing_names_are_answered_in_c_until_they_come() -> None:
    root = Dir({"a": "x"})
    with Client(root) as client:
        assert not client.exists("b")
        before = client.table.statistics().answered_in_c
        assert not client.exists("c")
        assert client.table.statistics().answered_in_c == before + 1
        root["b"] = "here"
        assert client.read_text("b") == "here"
        client.check()


def test_listings_show_what_is_there_in_order() -> None:
    root = Dir({"b": "x", "a": {"deep": {}}, "c": lambda: "x"})
    with Client(root) as client:
        assert client.listdir() == ["b", "a", "c"]
        root["z"] = "new"
        del root["a"]
        root.move("b", "y")
        assert client.listdir() == ["c", "z", "y"]
        root["c"] = "in the same place"
        assert client.listdir() == ["c", "z", "y"]
        assert client.scandir()["z"][0] == root["z"].ino
        client.check()


def test_dot_dot_is_the_parent() -> None:
    root = Dir({"a": {"b": {}}})
    with Client(root) as client:
        for path, parent in (("a/b", root["a"]), ("a", root), ("", root)):
            number = client.node_id(path)
            opened = client.raw.opendir(number)
            entries = {item.name: item.ino for item in client.raw.readdir(number, opened.fh)}
            client.raw.releasedir(number, opened.fh)
            assert entries[b".."] == parent.ino
            assert entries[b"."] == root[path].ino if path else root.ino
