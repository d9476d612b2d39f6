"""A program's own objects, read and changed as files."""

from __future__ import annotations

import dataclasses
import errno
import os
import threading
from typing import Any

import attrs
import pytest

from fusetree import (
    Dir,
    DynamicDir,
    FactoryDir,
    MappingDir,
    MemoryDir,
    RelationDir,
    Symlink,
    entry,
    expose,
    node,
)
from fusetree.testing import Client
from tests.support import raises_errno


@dataclasses.dataclass
class Limits:
    cpu: int = 4

    @property
    def failing(self) -> int:
        raise RuntimeError("a bug")


@node
class Disk(Dir):
    """A disk."""

    name: str = entry(validator=attrs.validators.matches_re(r"\w+"), writable=False)
    size: int = entry(0)


def save(client: Client, path: str, text: str) -> None:
    """Write a file, which is made if need be."""
    with client.open(path, "w") as file:
        file.write(text)


def test_reads_show_the_moment() -> None:
    state: dict[str, Any] = {"n": 1, "limits": Limits(), "text": "a"}
    with Client(Dir({"s": expose(state)})) as client:
        assert client.read_text("s/n") == "1\n"
        assert client.stat("s/n").st_size == 2
        state["n"] = 1000
        state["new"] = 2
        assert client.read_text("s/n") == "1000\n"
        assert client.stat("s/n").st_size == 5
        assert client.listdir("s") == ["n", "limits", "text", "new"]
        del state["n"]
        assert not client.exists("s/n")
        with raises_errno(errno.ENOENT):
            client.read_text("s/n")
        state["n"] = {"now": {"a": "directory"}}
        assert client.read_text("s/n/now/a") == "directory\n"
        assert client.listdir("s/limits") == ["cpu", "failing"]
        client.check()


def test_who_has_a_file_open_reads_what_was_opened() -> None:
    state = {"n": "old"}
    with Client(expose(state)) as client, client.open("n") as file:
        state["n"] = "new"
        assert file.read() == b"old\n"
        assert client.read_text("n") == "new\n"


def test_writing_sets_values_and_bad_ones_are_refused() -> None:
    limits = Limits()
    state: dict[str, Any] = {"n": 1, "limits": limits, "raw": b"x", "tuple": (1,)}
    with Client(expose(state, writable=True)) as client:
        client.write("limits/cpu", "8\n")
        client.write("raw", b"longer\n" * 50_000)
        assert limits.cpu == 8
        assert state["raw"] == b"longer\n" * 50_000
        with raises_errno(errno.EINVAL):
            client.write("n", "few\n")
        assert state["n"] == 1
        with raises_errno(errno.EROFS):
            client.write("tuple/0", "2")
        client.check()


def test_a_bug_in_a_property_is_told_to_who_opens_it() -> None:
    with Client(expose(Limits())) as client:
        assert client.listdir() == ["cpu", "failing"]
        assert client.stat("failing").st_size == 0
        with raises_errno(errno.EIO):
            client.read_text("failing")
        assert client.read_text("cpu") == "4\n"


def test_names_come_and_go_in_a_mutable_mapping() -> None:
    state: dict[str, Any] = {"old": "1"}
    with Client(MappingDir(state)) as client:
        save(client, "new", "text\n")
        assert state["new"] == "text\n"
        client.mkdir("d")
        save(client, "d/inner", "x")
        assert state["d"] == {"inner": "x"}
        with raises_errno(errno.ENOTEMPTY):
            client.rmdir("d")
        client.unlink("d/inner")
        client.rmdir("d")
        client.rename("new", "newer")
        client.unlink("old")
        assert state == {"newer": "text\n"}
        with raises_errno(errno.EEXIST):
            client.mkdir("newer")
        with raises_errno(errno.ENOENT):
            client.unlink("none")
        client.check()


def test_saving_as_editors_do_stores_a_value() -> None:
    state: dict[str, Any] = {"n": 1}
    with Client(expose(state, writable=True)) as client:
        save(client, ".n.tmp", "2\n")
        client.rename(".n.tmp", "n")
        assert state == {"n": 2}
        assert client.read_text("n") == "2\n"


def test_what_comes_from_other_directories_is_copied() -> None:
    state: dict[str, Any] = {"n": 1}
    root = MemoryDir({"live": MappingDir(state), "file": "text"})
    with Client(root) as client:
        for old, new in (("file", "live/file"), ("live/n", "n")):
            with raises_errno(errno.EXDEV):  # mv(1) copies then
                client.rename(old, new)
        assert state == {"n": 1}
        assert client.listdir() == ["live", "file"]


def test_a_read_only_tree_and_a_mapping_that_refuses() -> None:
    class Refusing(dict[str, Any]):
        def __setitem__(self, key: str, value: object) -> None:
            raise OSError(errno.ENOSPC, "full")

    with Client(Dir({"r": MappingDir(Refusing()), "e": expose({"a": 1})})) as client:
        with raises_errno(errno.ENOSPC):
            save(client, "r/x", "1")
        with raises_errno(errno.ENOSPC):
            client.mkdir("r/d")
        with raises_errno(errno.EROFS):
            save(client, "e/x", "1")
        with raises_errno(errno.EROFS):
            client.unlink("e/a")
        with raises_errno(errno.EROFS):
            client.mkdir("e/d")
    state = {"a": 1}
    with Client(expose(state, writable=True), ro=True) as client:
        with raises_errno(errno.EROFS):
            client.unlink("a")
        with raises_errno(errno.EROFS):
            client.write("a", "2")


def test_cycles_are_followed() -> None:
    state: dict[str, Any] = {"a": {}, "n": 5}
    state["a"]["top"] = state
    with Client(Dir({"deep": {"s": expose(state)}})) as client:
        assert client.readlink("deep/s/a/top") == ".."
        assert client.read_text("deep/s/a/top/a/top/n") == "5\n"
        assert "deep/s/a/top" in client.walk()


def test_a_node_stays_itself_while_it_is_used() -> None:
    state: dict[str, Any] = {"d": {"n": 1}}
    with Client(expose(state)) as client:
        before = client.stat("d/n").st_ino
        assert client.stat("d/n").st_ino == before
        state["d"] = {"n": 2}  # another object at the same place is still the same file
        assert client.stat("d/n").st_ino == before
        assert client.read_text("d/n") == "2\n"


def test_a_million_names_are_never_built() -> None:
    made = 0

    def names() -> Any:
        nonlocal made
        for number in range(1_000_000):
            made += 1
            yield str(number)

    def square(name: str) -> int | None:
        return int(name) ** 2 if name.isdigit() else None

    with Client(DynamicDir(square, names)) as client:
        assert client.read_text("1234") == "1522756\n"
        assert not client.exists("x")
        assert made == 0
        with client.opendir() as directory:
            first = directory.read_batch()
        assert [line.name for line in first[:4]] == [b".", b"..", b"0", b"1"]
        assert made < 10_000
        client.drop_caches()
        client.wait_all_forgotten()
        assert client.table.statistics().entries < 10


def test_ttl_is_how_long_the_kernel_keeps_it() -> None:
    state: dict[str, Any] = {"n": 1}
    asked = []

    def lookup(name: str) -> Any:
        asked.append(name)
        return state.get(name)

    with Client(DynamicDir(lookup, lambda: list(state), ttl=1000)) as client:
        client.stat("n")
        before = len(asked)
        client.stat("n")
        assert len(asked) == before


def test_many_read_while_others_change() -> None:
    state: dict[str, Any] = {str(number): {"n": number} for number in range(50)}
    done = threading.Event()

    def change() -> None:
        number = 0
        while not done.is_set():
            state[f"new {number % 7}"] = {"n": 0}
            state.pop(f"new {(number + 3) % 7}", None)
            number += 1

    with Client(expose(state)) as client:
        thread = threading.Thread(target=change)
        thread.start()
        try:
            for _ in range(50):
                listed = client.listdir()
                assert {str(number) for number in range(50)} <= set(listed)
                assert client.read_text(f"{listed[0]}/n") == "0\n"
        finally:
            done.set()
            thread.join()
        client.check()


class TestFactories:
    def test_mkdir_makes_and_rmdir_destroys(self) -> None:
        gone: list[str] = []
        disks = FactoryDir(Disk, lambda disk: gone.append(disk.name))
        with Client(Dir({"disks": disks})) as client:
            client.mkdir("disks/sda")
            assert isinstance(disks["sda"], Disk)
            assert client.read_text("disks/sda/name") == "sda\n"
            client.write("disks/sda/size", "5")
            assert disks["sda"].size == 5
            with raises_errno(errno.EINVAL):
                client.mkdir("disks/bad*name")
            assert client.listdir("disks") == ["sda"]
            with raises_errno(errno.EROFS):
                save(client, "disks/file", "1")
            client.rmdir("disks/sda")
            assert gone == ["sda"]
            assert client.listdir("disks") == []
            client.check()

    def test_what_destroy_refuses_stays(self) -> None:
        def busy(disk: Disk) -> None:
            raise OSError(errno.EBUSY, "in use")

        with Client(Dir({"disks": FactoryDir(Disk, busy)})) as client:
            client.mkdir("disks/sda")
            with raises_errno(errno.EBUSY):
                client.rmdir("disks/sda")
            assert client.exists("disks/sda")

    def test_symlink_relates(self) -> None:
        members = RelationDir(Disk)
        disks = FactoryDir(Disk)
        with Client(Dir({"disks": disks, "members": members, "file": ""})) as client:
            client.mkdir("disks/sda")
            client.symlink("../disks/sda", "members/a")
            assert members.related() == {"a": disks["sda"]}
            assert client.read_text("members/a/name") == "sda\n"
            with raises_errno(errno.ENOENT):
                client.symlink("../none", "members/b")
            for target in ("../file", "/disks/sda"):
                with raises_errno(errno.EINVAL):
                    client.symlink(target, "members/b")
            client.unlink("members/a")
            assert members.related() == {}
            client.check()

    def test_a_link_object_is_a_symlink(self) -> None:
        members = RelationDir(Dir)
        root = Dir({"d": {}, "members": members})
        members["x"] = members.symlink("x", "../d")
        assert isinstance(root["members/x"], Symlink)


@pytest.mark.parametrize("flags", [os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_WRONLY | os.O_TRUNC])
def test_every_way_to_open_for_writing(flags: int) -> None:
    state: dict[str, Any] = {"n": 1}
    with Client(expose(state, writable=True)) as client:
        with client.open("n", flags) as file:
            file.write("7\n")
        assert state["n"] == 7
