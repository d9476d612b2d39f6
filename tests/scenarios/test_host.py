"""A host directory through libfuse, without a mount: what is answered where, and what a kernel is told."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from fusetree import Dir, FileNode, HostDir, HostFile, MemoryDir
from fusetree.adapter import NodeOperations
from fusetree.flags import RENAME_EXCHANGE
from fusetree.testing import Client
from tests.support import raises_errno


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "d").mkdir(parents=True)
    (source / "f").write_text("text\n")
    return source


def test_everything_is_made_and_moved_on_the_host(source: Path) -> None:
    with Client(HostDir(source, writable=True)) as client:
        client.mkdir("d/e", 0o755)
        with client.open("d/e/n", "w") as opened:
            opened.write(b"new")
        client.link("f", "hard")
        client.symlink("d", "soft")
        client.mknod("pipe", stat.S_IFIFO | 0o600)
        assert (client.stat("hard").st_nlink, client.read_text("soft/e/n")) == (2, "new")
        client.rename("d/e/n", "pipe", flags=RENAME_EXCHANGE)
        assert stat.S_ISFIFO(os.lstat(source / "d" / "e" / "n").st_mode)
        client.unlink("hard")
        client.chmod("f", 0o600)
        client.truncate("f", 2)
        assert (client.stat("f").st_nlink, client.stat("f").st_size) == (1, 2)
        with raises_errno(errno.ENOTEMPTY):
            client.rmdir("d")
        client.unlink("d/e/n")
        client.rmdir("d/e")
    assert (source / "f").read_text() == "te"
    assert (source / "pipe").read_text() == "new"
    assert sorted(os.listdir(source)) == ["d", "f", "pipe", "soft"]


def test_reads_are_answered_without_python(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> bytes:
        raise OSError(errno.EIO, "asked Python")

    monkeypatch.setattr(NodeOperations, "read", read)
    (source / "f").write_bytes(b"x" * 300_000)
    with Client(HostDir(source, writable=True)) as client:
        node = client.node_id("f")
        for flags in (os.O_RDONLY, os.O_RDWR):
            handle = client.raw.open(node, flags).fh
            assert client.raw.read(node, handle, 65536, 250_000) == b"x" * 50_000
            assert client.raw.read(node, handle, 100, 300_000) == b""
            # What was written on the host since is read, too: nothing is pinned.
            os.truncate(source / "f", 300_010)
            assert client.raw.read(node, handle, 100, 300_000) == bytes(10)
            os.truncate(source / "f", 300_000)
            client.raw.release(node, handle)


def test_a_closed_file_is_closed_at_once(source: Path) -> None:
    """And not some time later: what was written may be run then."""

    def held() -> int:
        return sum(
            os.readlink(f"/proc/self/fd/{name}") == str(source / "f")
            for name in os.listdir("/proc/self/fd")
            if os.path.lexists(f"/proc/self/fd/{name}")
        )

    with Client(HostDir(source, writable=True)) as client:
        node = client.node_id("f")
        before = held()
        handle = client.raw.open(node, os.O_RDWR).fh
        client.raw.read(node, handle, 0, 10)
        assert held() == before + 1
        client.raw.release(node, handle)
        assert held() == before


def test_a_file_that_may_not_be_written_is_written_by_who_made_it(source: Path) -> None:
    with Client(HostDir(source, writable=True)) as client:
        with client.open("n", os.O_CREAT | os.O_RDWR, permissions=0o400) as opened:
            opened.write(b"content")
            opened.truncate(3)
            assert opened.pread(10, 0) == b"con"
        assert stat.S_IMODE(os.stat(source / "n").st_mode) == 0o400


def test_attributes_are_kept_for_the_ttl_and_no_change_of_ours_is_missed(source: Path) -> None:
    with Client(HostDir(source, writable=True, ttl=1000.0)) as client:
        assert client.stat("f").st_size == 5
        (source / "f").write_text("longer text\n")
        assert client.stat("f").st_size == 5
        with client.open("f", "r+") as opened:
            opened.pwrite(b"x", 100)
        assert client.stat("f").st_size == 101
        before = client.stat("d").st_nlink
        client.mkdir("d/e")
        assert client.stat("d").st_nlink == before + 1


def test_what_is_copied_stays_on_the_host(source: Path) -> None:
    (source / "f").write_bytes(b"0123456789")
    with Client(Dir({"host": HostDir(source, writable=True), "memory": MemoryDir({"m": ""})})) as client:
        one = client.node_id("host/f")
        with client.open("host/n", "w") as opened:
            opened.write(b"")
        two, other = client.node_id("host/n"), client.node_id("memory/m")
        source_handle = client.raw.open(one, os.O_RDONLY).fh
        handles = client.raw.open(two, os.O_WRONLY).fh, client.raw.open(other, os.O_WRONLY).fh
        assert client.raw.copy_file_range(one, source_handle, 2, two, handles[0], 0, 5) == 5
        assert (source / "n").read_bytes() == b"23456"
        with raises_errno(errno.EOPNOTSUPP):
            client.raw.copy_file_range(one, source_handle, 2, other, handles[1], 0, 5)
        for node, handle in ((one, source_handle), (two, handles[0]), (other, handles[1])):
            client.raw.release(node, handle)


def test_a_listing_tells_numbers_and_types(source: Path) -> None:
    (source / "l").symlink_to("f")
    with Client(Dir({"host": HostDir(source)})) as client:
        listed = client.scandir("host", plus=False)
        assert {name: listed[name] for name in "dfl"} == {
            name: (os.lstat(source / name).st_ino, stat.S_IFMT(os.lstat(source / name).st_mode) >> 12)
            for name in "dfl"
        }


def test_a_directory_is_brought_to_the_disk(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{int(fd)}")))
    with Client(HostDir(source, writable=True)) as client:
        node = client.node_id("d")
        handle = client.raw.opendir(node).fh
        client.raw.fsyncdir(node, handle)
        client.raw.releasedir(node, handle)
        assert synced == [str(source / "d")]


def test_the_file_system_is_as_large_as_the_hosts(source: Path) -> None:
    with Client(HostDir(source)) as client:
        found, host = client.statvfs(), os.statvfs(source)
        assert (found.f_bsize, found.f_blocks, found.f_files) == (host.f_frsize, host.f_blocks, host.f_files)
        assert found.f_bfree - found.f_bavail == pytest.approx(host.f_bfree - host.f_bavail, abs=100)


def test_a_file_of_ones_own_is_made_where_a_directory_wraps(source: Path) -> None:
    class Noted(FileNode):
        def __init__(self, behind: HostFile) -> None:
            super().__init__(mode=0o644)
            self.behind = behind

        def read(self, size: int, offset: int) -> bytes:
            return self.behind.content()[offset : offset + size]

        def write(self, data: bytes, offset: int) -> int:
            assert isinstance(data, bytes)
            return self.behind.write_at(data.upper(), offset)

    class Noting(HostDir):
        def wrap(self, name: str, node: object) -> object:  # type: ignore[override]
            return Noted(node) if isinstance(node, HostFile) else node

    with Client(Noting(source, writable=True), strict=True) as client:
        with client.open("n", "w") as opened:
            opened.write(b"shout")
        assert client.read_text("n") == "SHOUT"
        client.rename("n", "d/n")
        assert client.read_text("d/n") == "SHOUT"
    assert (source / "d" / "n").read_text() == "SHOUT"


def test_acls_count_where_it_is_what_is_mounted(source: Path) -> None:
    for root, wanted in ((HostDir(source), True), (Dir({"h": HostDir(source)}), False)):
        with Client(root) as client:
            features = client.session.features()
            assert (bool(features["posix_acl"].on), bool(features["dont_mask"].on)) == (wanted, wanted)
