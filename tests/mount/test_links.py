"""The scenarios of tests/scenarios/test_links.py on a real mount."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fusetree import Dir, File, Symlink
from tests.mount.conftest import Mounting
from tests.scenarios.trees import linked
from tests.support import shell

pytestmark = pytest.mark.mount


def test_a_hard_link_has_two_names_and_one_inode(mountpoint: Path, mounted: Mounting) -> None:
    root, file = linked()
    mounted(root, coherence_wait=10.0)
    seen = shell(f"stat -c '%h %i' {mountpoint}/one {mountpoint}/below/two").ok().lines
    assert seen == [f"2 {file.ino}"] * 2
    assert shell(f"find {mountpoint} -samefile {mountpoint}/one | wc -l").text == "2\n"
    assert shell(f"cat {mountpoint}/link").text == "the same\n"
    del root["one"]
    assert shell(f"stat -c %h {mountpoint}/below/two").text == "1\n"
    assert not (mountpoint / "one").exists()


def test_a_file_unlinked_while_open_stays_readable(mountpoint: Path, mounted: Mounting) -> None:
    root = Dir({"f": File(b"still here\n" * 1000), "e": "entry\n"})
    mounted(root, coherence_wait=10.0)
    with open(mountpoint / "f", "rb", buffering=0) as file:
        assert file.read(5) == b"still"
        del root["f"]
        assert not (mountpoint / "f").exists()
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        assert file.readall() == b"still here\n" * 1000
        assert os.fstat(file.fileno()).st_size == 11_000


def test_types_and_links_of_directories(mountpoint: Path, mounted: Mounting) -> None:
    mounted({"d": {"e": {}, "f": {}}, "l": Symlink("d/e"), "f": b""})
    assert shell("stat -c '%n %F %h' d l f", cwd=mountpoint).ok().lines == [
        "d directory 4",
        "l symbolic link 1",
        "f regular empty file 1",
    ]
    with os.scandir(mountpoint) as entries:
        for entry in entries:
            assert entry.inode() == os.lstat(entry.path).st_ino


def test_what_a_tree_does_not_allow_is_refused(mountpoint: Path, mounted: Mounting) -> None:
    mounted({"d": {}, "f": b"x"})
    reason = "Read-only file system" if os.geteuid() == 0 else "Permission denied"
    for command in ("rm f", "rmdir d", "mkdir new", "mv f g", "ln -s f g", "ln f g", "touch new"):
        done = shell(command, cwd=mountpoint)
        assert done.status != 0
        assert reason in done.error, command
    assert shell("ls", cwd=mountpoint).lines == ["d", "f"]


def test_moving_a_directory_keeps_what_is_below(mountpoint: Path, mounted: Mounting) -> None:
    root = Dir({"a": {"b": {"c": "text\n"}}, "z": {}})
    mounted(root, coherence_wait=10.0)
    directory = os.open(mountpoint / "a/b", os.O_RDONLY)
    try:
        root.move("a/b", "z/moved")
        assert shell(f"cat {mountpoint}/z/moved/c").ok().text == "text\n"
        assert os.listdir(directory) == ["c"]
        assert not (mountpoint / "a/b").exists()
        assert os.listdir(mountpoint / "a") == []
    finally:
        os.close(directory)
