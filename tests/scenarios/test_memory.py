"""A writable tree through libfuse, without a mount: what programs and the program itself do to it."""

from __future__ import annotations

import errno
import os
import stat

from fusetree import Dir, MemoryDir, MemoryFile
from fusetree.flags import RENAME_EXCHANGE
from fusetree.nodes.memory.space import PAGE
from fusetree.testing import Client
from tests.support import raises_errno


def test_everything_is_made_and_moved() -> None:
    root = MemoryDir()
    with Client(root) as client:
        client.mkdir("d", 0o755)
        with client.open("d/f", "w") as opened:
            opened.write(b"text")
        client.link("d/f", "hard")
        client.symlink("d", "soft")
        client.mknod("pipe", stat.S_IFIFO | 0o600)
        client.mknod("device", stat.S_IFCHR | 0o600, os.makedev(7, 300))
        assert (client.stat("hard").st_nlink, client.read_text("soft/f")) == (2, "text")
        assert client.lstat("device").st_rdev == os.makedev(7, 300)
        client.rename("d/f", "pipe", flags=RENAME_EXCHANGE)
        assert stat.S_ISFIFO(client.lstat("d/f").st_mode)
        client.unlink("pipe")
        assert (client.stat("hard").st_nlink, client.read_text("hard")) == (1, "text")
        client.chmod("hard", 0o4711)
        client.chown("hard", 5, 6)
        found = client.stat("hard")
        assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o4711, 5, 6)
        with raises_errno(errno.ENOTEMPTY):
            client.rmdir("d")
    assert list(root) == ["d", "hard", "soft", "device"]


def test_an_open_file_outlives_its_name() -> None:
    root = MemoryDir()
    with Client(root) as client:
        with client.open("f", "w+") as opened:
            client.unlink("f")
            opened.write(b"still here")
            assert opened.pread(100, 0) == b"still here"
            assert opened.stat().st_nlink == 0
        assert not client.exists("f")


def test_holes() -> None:
    root = MemoryDir()
    with Client(root) as client:
        with client.open("f", "w+") as opened:
            opened.pwrite(b"x", 10 * PAGE)
        node = client.node_id("f")
        handle = client.raw.open(node, os.O_RDWR).fh
        assert client.raw.lseek(node, handle, 0, os.SEEK_DATA) == 10 * PAGE
        client.raw.fallocate(node, handle, 0, 0, PAGE)
        assert client.raw.lseek(node, handle, 0, os.SEEK_HOLE) == PAGE
        assert client.stat("f").st_blocks == 16
        client.raw.release(node, handle)


def test_xattrs_are_seen_whoever_sets_them() -> None:
    root = MemoryDir({"f": b"x"})
    file = root["f"]
    assert isinstance(file, MemoryFile)
    with Client(root) as client, Client(root) as other:
        node, its = client.node_id("f"), other.node_id("f")
        for each, number in ((client, node), (other, its)):
            with raises_errno(errno.ENODATA):
                each.raw.getxattr(number, b"user.a")
        client.setxattr("f", "user.a", b"1")
        file.setxattr("user.b", b"2")
        for each, number in ((client, node), (other, its)):
            assert each.raw.getxattr(number, b"user.a") == b"1"
            assert each.raw.listxattr(number) == [b"user.a", b"user.b"]
        client.removexattr("f", "user.a")
        with raises_errno(errno.ENODATA):
            other.raw.getxattr(its, b"user.a")
        assert client.listxattr("f") == ["user.b"]


def test_that_there_are_none_is_answered_without_python() -> None:
    with Client(MemoryDir({"f": b"x"})) as client:
        node = client.node_id("f")
        table = client.operations.inode_table
        assert table is not None
        before = table.statistics().answered_in_c
        with raises_errno(errno.ENODATA):
            client.raw.getxattr(node, b"security.capability")
        assert table.statistics().answered_in_c == before + 1


def test_the_program_moves_what_clients_look_at() -> None:
    root = MemoryDir({"a": {"f": "x"}, "b": {}})
    with Client(root) as client:
        assert client.read_text("a/f") == "x"
        root.move("a/f", "b/g")
        assert not client.exists("a/f")
        assert client.read_text("b/g") == "x"
        directory = root["b"]
        assert isinstance(directory, Dir)
        assert client.listdir("b") == list(directory) == ["g"]
