"""A writable tree in memory on a real mount: the list of POSIX checks, and what only it can show.

(What people do all day with files is in test_real_use.py.)
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fusetree import Dir, File, FileNode, MemoryDir, MemoryFile, lowlevel
from fusetree.nodes import Node
from fusetree.nodes.memory.space import PAGE
from tests.mount.conftest import Mounting
from tests.support import python, raises_errno, shell, wait_for

pytestmark = pytest.mark.mount


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_list_of_posix_checks_passes(mountpoint: Path, mounted: Mounting) -> None:
    mounted(MemoryDir(), allow_other=True, suid=True, dev=True)
    answer = python("-m", "fusetree.testing.posix", mountpoint, timeout=170).ok()
    last = [line for line in answer.lines if line.startswith("all ")]
    assert int(last[0].split()[1]) >= 620, answer.text
    # What may not be there: ACLs, and O_TMPFILE where libfuse is older than 3.17.
    missing = ("ACLs",) if lowlevel.features()["tmpfile"].compiled else ("ACLs", "temporary files")
    lines = [line for line in answer.lines if "not supported" in line]
    assert all(any(word in line for word in missing) for line in lines), lines


def test_a_new_directory_stays_who_has_entered_it(mountpoint: Path, mounted: Mounting) -> None:
    """A notice that takes the name back would leave a shell without a working directory."""
    mounted(MemoryDir(), coherence_wait=0.0)
    script = (
        "for n in $(seq 50); do stat d$n 2>/dev/null; mkdir d$n; cd d$n; /bin/pwd;"
        "mv ../d$n ../e$n; /bin/pwd; cd ..; done"
    )
    lines = shell(script, cwd=mountpoint).ok().lines
    wanted = [f"{mountpoint}/{kind}{number}" for number in range(1, 51) for kind in "de"]
    assert lines == wanted


def test_the_program_and_its_clients_write_the_same_files(mountpoint: Path, mounted: Mounting) -> None:
    root = MemoryDir({"f": "one\n"})
    mounted(root, coherence_wait=10.0)
    assert (mountpoint / "f").read_text() == "one\n"
    file = root["f"]
    assert isinstance(file, MemoryFile)
    file.store("two\n")
    assert (mountpoint / "f").read_text() == "two\n"
    with open(mountpoint / "f", "ab") as opened:
        opened.write(b"three\n")
    assert file.content() == b"two\nthree\n"
    root["made"] = {"here": "x"}
    (mountpoint / "made" / "there").write_text("y")
    made = root["made"]
    assert isinstance(made, Dir)
    assert sorted(os.listdir(mountpoint / "made")) == sorted(made) == ["here", "there"]


def test_a_full_tree(mountpoint: Path, mounted: Mounting) -> None:
    root = MemoryDir(max_bytes=16 * PAGE, max_inodes=4)
    mounted(root)
    sizes = os.statvfs(mountpoint)
    assert (sizes.f_blocks, sizes.f_bavail, sizes.f_files, sizes.f_ffree) == (16, 16, 4, 3)
    with raises_errno(errno.ENOSPC):
        (mountpoint / "f").write_bytes(b"x" * 17 * PAGE)
    (mountpoint / "f").write_bytes(b"x" * 16 * PAGE)
    os.mkdir(mountpoint / "d")
    os.symlink("x", mountpoint / "s")
    with raises_errno(errno.ENOSPC):
        os.mkdir(mountpoint / "e")
    (mountpoint / "f").unlink()
    (mountpoint / "s").unlink()
    # The kernel forgets the file a moment later.
    wait_for(lambda: os.statvfs(mountpoint).f_ffree == 2, what="the inodes of what was removed")
    assert os.statvfs(mountpoint).f_bavail == 16


def test_tar_keeps_holes_links_and_xattrs(mountpoint: Path, mounted: Mounting) -> None:
    mounted(MemoryDir())
    source = mountpoint / "source"
    source.mkdir()
    (source / "f").write_text("text")
    os.setxattr(source / "f", "user.a", b"value")
    os.link(source / "f", source / "hard")
    os.symlink("f", source / "soft")
    os.mkfifo(source / "pipe")
    os.truncate(source / "f", 50_000_000)
    script = """
        tar --xattrs -cSf a.tar source && mkdir out && tar --xattrs -xSpf a.tar -C out
        cmp source/f out/source/f
    """
    shell(script, cwd=mountpoint).ok()
    out = mountpoint / "out" / "source"
    assert os.getxattr(out / "f", "user.a") == b"value"
    assert out.joinpath("f").stat().st_nlink == 2
    assert out.joinpath("f").stat().st_blocks == 8
    assert (mountpoint / "a.tar").stat().st_size < 100_000
    assert os.readlink(out / "soft") == "f"
    assert out.joinpath("pipe").is_fifo()


class Numbers(Dir):
    """As many names as anybody could want."""

    def lookup(self, name: str) -> Node | None:
        return File(f"{int(name) ** 2}\n") if name.isdigit() else None

    def list(self) -> object:
        return (str(number) for number in range(100_000))


class Echo(FileNode):
    """What is written to an open file is read from it."""

    def open(self, flags: int) -> object:
        class Handle:
            data = b""

            def write(self, data: bytes, offset: int) -> None:
                self.data += data

            def read(self, size: int, offset: int) -> bytes:
                return self.data[offset : offset + size]

        return Handle()


@pytest.mark.timeout(90)
def test_nodes_that_answer_by_themselves(mountpoint: Path, mounted: Mounting) -> None:
    mounted({"squares": Numbers(), "echo": Echo(mode=0o666)}, strict=True)
    assert (mountpoint / "squares" / "12").read_text() == "144\n"
    assert not (mountpoint / "squares" / "x").exists()
    assert shell("ls -f squares | wc -l", cwd=mountpoint).lines == ["100002"]
    assert shell("find squares -name 99999", cwd=mountpoint, timeout=50).lines == ["squares/99999"]
    one, two = os.open(mountpoint / "echo", os.O_RDWR), os.open(mountpoint / "echo", os.O_RDWR)
    assert os.write(one, b"abc") == 3
    assert (os.pread(one, 10, 0), os.pread(two, 10, 0)) == (b"abc", b"")
    os.close(one)
    os.close(two)


def test_names_that_are_not_utf8_survive(mountpoint: Path, mounted: Mounting) -> None:
    root = MemoryDir()
    mounted(root)
    path = os.fsencode(mountpoint) + b"/\xff\xfe"
    os.mkdir(path)
    assert list(root) == ["\udcff\udcfe"]
    os.symlink(b"\xff", path + b"/l")
    assert os.readlink(path + b"/l") == b"\xff"
    os.setxattr(path, b"user.\xff", b"1")
    assert os.listxattr(path) == ["user.\udcff"]
