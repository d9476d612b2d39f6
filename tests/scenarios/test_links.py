"""One file under two names is one inode; a file that is gone stays readable for who has it open."""

from __future__ import annotations

import errno
import stat

import pytest

from fusetree import Dir, File, Symlink, WrapDir
from fusetree.testing import Client
from tests.scenarios.trees import linked
from tests.support import raises_errno, wait_for


def test_a_hard_link_has_two_names_and_one_inode() -> None:
    root, file = linked()
    with Client(root) as client:
        one, two = client.stat("one"), client.stat("below/two")
        assert (one.st_nlink, two.st_nlink) == (2, 2)
        assert one.st_ino == two.st_ino == file.ino
        assert client.node_id("one") == client.node_id("below/two")
        assert client.read_text("link") == "the same\n"
        del root["one"]
        assert not client.exists("one")
        assert client.stat("below/two").st_nlink == 1
        root["three"] = file
        assert client.stat("below/two").st_nlink == 2
        assert client.node_id("three") == client.node_id("below/two")
        client.check()


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_directory_that_is_gone_takes_its_names_with_it(wrapped: bool) -> None:
    file = File(b"text")
    root = Dir({"one": file, "below": {"two": file}})
    with Client(WrapDir(root) if wrapped else root) as client:
        assert client.stat("one").st_nlink == 2
        del root["below"]  # nobody knows it: it dies
        wait_for(lambda: client.stat("one").st_nlink == 1)
        root["new"] = {"three": file}
        assert client.stat("one").st_nlink == 2
        client.check()


def test_a_file_unlinked_while_open_stays_readable() -> None:
    root = Dir({"f": File(b"still here\n"), "e": "entry\n"})
    with Client(root) as client:
        with client.open("f") as file:
            del root["f"]
            assert not client.exists("f")
            assert file.read() == b"still here\n"
            client.drop_caches()
            assert file.pread(100, 6) == b"here\n"
            assert file.stat().st_size == 11
        client.drop_caches()
        client.wait_all_forgotten()


def test_types_and_links_of_directories() -> None:
    root = Dir({"d": {"e": {}, "f": {}}, "l": Symlink("d/e"), "f": b""})
    with Client(root) as client:
        assert stat.S_ISDIR(client.stat("d").st_mode)
        assert client.stat("d").st_nlink == 4
        assert stat.S_ISLNK(client.lstat("l").st_mode)
        assert client.lstat("l").st_size == len("d/e")
        assert stat.S_ISDIR(client.stat("l").st_mode)
        assert stat.S_ISREG(client.stat("f").st_mode)
        types = {name: kind for name, (_, kind) in client.scandir().items() if name not in (".", "..")}
        assert types == {"d": 4, "l": 10, "f": 8}
        for name, (ino, _) in client.scandir().items():
            if name not in (".", ".."):
                assert ino == client.lstat(name).st_ino


def test_what_a_tree_does_not_allow_is_refused() -> None:
    root = Dir({"d": {}, "f": b"x"})
    with Client(root) as client:
        for call in (
            lambda: client.unlink("f"),
            lambda: client.rmdir("d"),
            lambda: client.mkdir("new"),
            lambda: client.rename("f", "g"),
            lambda: client.symlink("f", "g"),
            lambda: client.link("f", "g"),
            lambda: client.write("new", "x", create=True),
        ):
            with raises_errno(errno.EROFS):
                call()
            with client.as_user(1234, 1234), raises_errno(errno.EACCES):
                call()
        assert client.listdir() == ["d", "f"]
        client.drop_caches()
        client.wait_all_forgotten()


def test_moving_a_directory_keeps_what_is_below() -> None:
    root = Dir({"a": {"b": {"c": "text\n"}}, "z": {}})
    with Client(root) as client:
        assert client.read_text("a/b/c") == "text\n"
        node = client.node_id("a/b")
        root.move("a/b", "z/moved")
        assert client.read_text("z/moved/c") == "text\n"
        assert client.node_id("z/moved") == node
        assert client.listdir("a") == []
        assert client.stat("a").st_nlink == 2
        with raises_errno(errno.ENOENT):
            client.stat("a/b/c")
