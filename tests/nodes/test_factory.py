"""Directories in which programs make and relate objects."""

from __future__ import annotations

import errno
import re

import attrs
import pytest

from fusetree import Dir, FactoryDir, RelationDir, Symlink, entry, node
from fusetree.nodes.factory import resolve
from tests.support import raises_errno


@node
class Disk(Dir):
    name: str = entry(validator=attrs.validators.matches_re(r"\w+"), writable=False)
    size: int = entry(0)


@node
class Plain(Dir):
    value: int = entry(3)


def test_mkdir_makes_an_object_by_name() -> None:
    disks = FactoryDir(Disk)
    made = disks.mkdir("sda", 0o755)
    assert isinstance(made, Disk)
    assert made.name == "sda"
    assert isinstance(FactoryDir(Plain).mkdir("x", 0o755), Plain)


def test_what_the_class_refuses() -> None:
    disks = FactoryDir(Disk)
    with raises_errno(errno.EINVAL):
        disks.mkdir("bad*name", 0o755)

    def full(name: str) -> Dir:
        raise OSError(errno.ENOSPC, name)

    with raises_errno(errno.ENOSPC):
        FactoryDir(full).mkdir("x", 0o755)


def test_the_program_makes_them_the_same_way() -> None:
    disks = FactoryDir(Disk)
    made = disks.make("sda")
    assert disks["sda"] is made
    with pytest.raises(FileExistsError):
        disks.make("sda")
    with pytest.raises(ValueError, match=re.escape("bad*name")):
        disks.make("bad*name")


def test_rmdir_destroys() -> None:
    gone: list[Dir] = []

    def destroy(disk: Disk) -> None:
        if disk.size:
            raise OSError(errno.EBUSY, "in use")
        gone.append(disk)

    disks = FactoryDir(Disk, destroy)
    made = disks.make("sda")
    assert isinstance(made, Disk)
    made.size = 5
    with raises_errno(errno.EBUSY):
        disks.rmdir("sda")
    made.size = 0
    disks.rmdir("sda")
    assert gone == [made]


class TestRelations:
    def tree(self) -> tuple[Dir, FactoryDir, RelationDir, list[str]]:
        told: list[str] = []

        def relate(disk: Disk) -> None:
            if disk.size < 0:
                raise ValueError("broken")
            told.append(f"+{disk.name}")

        relations = RelationDir(Disk, relate, lambda disk: told.append(f"-{disk.name if disk else None}"))
        disks = FactoryDir(Disk)
        return Dir({"disks": disks, "pool": {"members": relations}, "file": ""}), disks, relations, told

    def test_a_link_relates_a_node_of_the_tree(self) -> None:
        root, disks, members, told = self.tree()
        disk = disks.make("sda")
        members["first"] = members.symlink("first", "../../disks/sda")
        assert members.related() == {"first": disk}
        members.unlink("first")
        assert told == ["+sda", "-sda"]
        del disks["sda"]
        assert members.related() == {}
        members.unlink("first")
        assert told[-1] == "-None"
        assert root["pool/members"] is members

    def test_what_is_no_relation(self) -> None:
        root, disks, members, told = self.tree()
        bad = disks.make("bad")
        assert isinstance(bad, Disk)
        bad.size = -1
        for target, number in (
            ("../../disks/none", errno.ENOENT),
            ("../../../disks", errno.ENOENT),
            ("/disks/bad", errno.EINVAL),
            ("../../file", errno.EINVAL),
            ("../../disks", errno.EINVAL),
            ("../../disks/bad", errno.EINVAL),
        ):
            with raises_errno(number):
                members.symlink("x", target)
        assert told == []
        assert "disks" in root

    def test_paths_are_resolved_as_the_kernel_does(self) -> None:
        root, disks, members, _ = self.tree()
        disk = disks.make("sda")
        root["link"] = Symlink("disks")
        root["loop"] = Symlink("loop")
        assert resolve(members, "./../../link//sda") is disk
        assert resolve(members, "../../link/../link/sda/.") is disk
        assert resolve(members, "../../loop") is None
        assert resolve(members, "../../file/x") is None

    def test_a_kind_that_is_no_class_is_refused(self) -> None:
        with pytest.raises(TypeError, match="is a class of nodes or a tuple of them, not 'Disk'"):
            RelationDir("Disk")  # type: ignore[arg-type]
