"""Files and directories whose classes answer by themselves, and what is answered for those that do not."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from fusetree import (
    Attributes,
    Device,
    Dir,
    Fifo,
    File,
    FileNode,
    FileSystemSize,
    MemoryFile,
    Socket,
    Symlink,
    node,
)
from fusetree.lowlevel import ROOT_INODE
from fusetree.nodes import Node
from fusetree.testing import Client, NotifyCode
from tests.adapter.conftest import ROOT
from tests.support import raises_errno

if TYPE_CHECKING:
    from tests.adapter.conftest import Requests, Serve


class Session:
    """What `Talk.open` returns."""

    def __init__(self, log: list[str], flags: int) -> None:
        self.log = log
        self.flags = flags
        self.said = bytearray()

    def read(self, size: int, offset: int) -> bytes:
        return bytes(self.said[offset : offset + size])

    def write(self, data: bytes, offset: int) -> None:
        self.said[offset : offset + len(data)] = data

    def flush(self) -> None:
        self.log.append("flush")

    def fsync(self, datasync: bool) -> None:
        self.log.append(f"fsync {datasync}")

    def release(self) -> None:
        self.log.append("release")

    def lseek(self, offset: int, whence: int) -> int:
        return offset + 100

    def ioctl(self, command: int, argument: int, data: bytes, out_size: int) -> bytes:
        return data.upper()

    def poll(self, events: int, wake: object) -> int:
        return events & select.POLLIN

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        self.log.append(f"fallocate {mode} {offset} {length}")


@node
class Talk(FileNode):
    """Each open file is a conversation of its own."""

    log: list[str]

    def open(self, flags: int) -> Session:
        if flags & os.O_APPEND:
            raise PermissionError(errno.EACCES, "no appending")
        return Session(self.log, flags)


class Upper(FileNode):
    """Bytes that the node itself has."""

    def __init__(self) -> None:
        super().__init__(mode=0o644)
        self.data = bytearray(b"abc")

    def getattr(self) -> Attributes:
        return Attributes(size=len(self.data), mtime_ns=10**18, nlink=7, blocks=3, uid=12)

    def read(self, size: int, offset: int) -> bytes:
        return bytes(self.data[offset : offset + size])

    def write(self, data: bytes, offset: int) -> int:
        self.data[offset : offset + len(data)] = data.upper()
        return len(data)

    def setattr(self, changes: Attributes) -> None:
        if changes.size is not None:
            del self.data[changes.size :]


class Names(Dir):
    """A directory of the numbers below a thousand millions."""

    def __init__(self, ttl: float = 0.0) -> None:
        super().__init__(mode=0o755)
        self.kept: dict[str, Node] = {}
        self.taken = 0
        self._ttl = ttl

    @property
    def ttl(self) -> float:
        return self._ttl

    def lookup(self, name: str) -> Node | None:
        if name == "strange":
            return "text"  # type: ignore[return-value]  # a bug on purpose
        if name == "missing":
            raise FileNotFoundError
        return self.kept.setdefault(name, File(name)) if name.isdigit() else self.kept.get(name)

    def list(self) -> Iterator[str | tuple[str, Node]]:
        yield "link", Symlink("0")
        for number in range(10**9):
            self.taken += 1
            yield str(number)

    def create(self, name: str, mode: int) -> FileNode:
        made = self.kept[name] = File(b"", mode)
        return made

    def unlink(self, name: str) -> None:
        del self.kept[name]

    def rename(self, name: str, directory: Dir, new_name: str, flags: int) -> None:
        assert isinstance(directory, Names)
        directory.kept[new_name] = self.kept.pop(name)


def test_a_handle_is_asked_instead_of_the_node(serve: Serve) -> None:
    log: list[str] = []
    requests = serve(Dir({"talk": Talk(log, mode=0o666)}))
    ops = requests.ops
    one, two = requests.open("talk", os.O_RDWR), requests.open("talk", os.O_RDWR)
    assert ops.write(one, 0, b"hello") == 5
    assert ops.read(one, 1, 10) == b"ello"
    assert ops.read(two, 0, 10) == b""
    inode = requests.inode("talk")
    assert ops.lseek(inode, one, 5, os.SEEK_DATA, ROOT) == 105
    assert ops.ioctl(inode, one, 1, 2, b"abc", 3, 0, ROOT) == b"ABC"
    assert ops.poll(inode, one, select.POLLIN | select.POLLOUT, None, ROOT) == select.POLLIN
    ops.fallocate(inode, one, 1, 2, 3, ROOT)
    ops.flush(one)
    ops.fsync(one, True)
    ops.release(one)
    assert log == ["fallocate 1 2 3", "flush", "fsync True", "release"]
    with raises_errno(errno.EACCES):
        requests.open("talk", os.O_RDWR | os.O_APPEND)
    ops.release(two)


def test_an_open_that_fails_later_is_released(serve: Serve) -> None:
    class ReadOnly:
        log: list[str] = []

        def read(self, size: int, offset: int) -> bytes:
            return b""

        def release(self) -> None:
            self.log.append("release")

    class Opened(FileNode):
        def open(self, flags: int) -> ReadOnly:
            return ReadOnly()

    requests = serve(Dir({"f": Opened(mode=0o666)}))
    with raises_errno(errno.EROFS):
        requests.open("f", os.O_WRONLY)
    assert ReadOnly.log == ["release"]
    assert requests.table.statistics().handles == 0


def test_a_file_that_reads_and_writes_by_itself(serve: Serve) -> None:
    file = Upper()
    requests = serve(Dir({"f": file}))
    attr = requests.stat("f")
    assert (attr.st_size, attr.st_nlink, attr.st_blocks, attr.st_uid) == (3, 7, 3, 12)
    assert attr.st_mtime_ns == 10**18
    assert attr.attr_timeout == 0
    fh = requests.open("f", os.O_RDWR)
    assert requests.ops.write(fh, 2, b"xyz") == 3
    assert requests.ops.read(fh, 0, 10) == b"abXYZ"
    requests.setattr("f", size=1)
    assert file.data == b"a"
    requests.ops.release(requests.open("f", os.O_WRONLY | os.O_TRUNC))
    assert file.data == b""
    requests.setattr("f", mode=0o600, uid=5)
    assert (file.mode, file.uid) == (0o600, 5), "what the method left undone is done"


def test_getattr_that_returns_something_else_is_a_bug(serve: Serve) -> None:
    class Wrong(File):
        def getattr(self) -> Any:
            return {"size": 1}

    with pytest.raises(TypeError, match="must return Attributes"):
        serve(Dir({"f": Wrong("x")})).stat("f")


def test_what_an_open_hook_allows_is_the_declared_file(serve: Serve) -> None:
    class Counted(File):
        opened = 0

        def open(self, flags: int) -> None:
            Counted.opened += 1

    requests = serve(Dir({"f": Counted("text")}))
    fh = requests.open("f")
    assert bytes(requests.ops.read(fh, 0, 10)) == b"text"
    assert Counted.opened == 1


def test_a_file_without_any_reading_is_refused(serve: Serve) -> None:
    class Sink(FileNode):
        def write(self, data: bytes, offset: int) -> None:
            """Takes everything."""

    requests = serve(Dir({"sink": Sink(mode=0o666)}))
    with raises_errno(errno.EACCES):
        requests.open("sink")
    fh = requests.open("sink", os.O_WRONLY | os.O_TRUNC)
    assert requests.ops.write(fh, 0, b"abc") == 3
    requests.setattr("sink", size=0)  # as with files of /sys


def _open_directory(requests: Requests, path: str = "") -> int:
    info = requests.ops.opendir(requests.inode(path), ROOT)
    return info.fh


def test_names_are_asked_for_one_by_one(serve: Serve) -> None:
    root = Names()
    requests = serve(root)
    attr = requests.lookup("17")
    assert attr.st_size == 2
    assert requests.lookup("17").node_id == attr.node_id
    assert attr.entry_timeout == 0
    for name in ("x", "missing"):
        with raises_errno(errno.ENOENT):
            requests.lookup(name)
    with pytest.raises(TypeError, match="must return a node or None"):
        requests.lookup("strange")


def test_names_are_kept_by_the_kernel_for_the_ttl(serve: Serve) -> None:
    assert serve(Names(ttl=5.0)).lookup("17").entry_timeout == 5.0


def test_a_directory_with_a_lookup_of_its_own_changes_its_names_itself(serve: Serve) -> None:
    root = Names()
    requests = serve(root)
    info, attr = requests.ops.create(ROOT_INODE, b"new", 0o100644, os.O_WRONLY, ROOT)
    requests.held.append(attr)
    requests.ops.release(info.fh)
    assert requests.lookup("new").node_id == attr.node_id  # type: ignore[attr-defined]
    requests.ops.rename(ROOT_INODE, b"new", ROOT_INODE, b"newer", 0, ROOT)
    assert list(root.kept) == ["newer"]
    requests.ops.unlink(ROOT_INODE, b"newer", ROOT)
    assert not root.kept
    assert list(root.keys()) == []


def test_a_listing_is_taken_as_the_reader_goes_on() -> None:
    root = Names()
    with Client(root) as client:
        opened = client.raw.opendir(1)
        first = client.raw.readdir(1, opened.fh, 0, 4096)
        assert [entry.name for entry in first[:5]] == [b".", b"..", b"link", b"0", b"1"]
        assert [entry.type for entry in first[:4]] == [4, 4, stat.S_IFLNK >> 12, 0]
        assert root.taken < 500
        again = client.raw.readdir(1, opened.fh, first[3].cookie, 4096)
        assert again[0].name == b"1", "a lost reply is asked for again"
        taken = root.taken
        assert client.raw.readdir(1, opened.fh, 0, 256)[2].name == b"link"
        assert taken < root.taken < 2 * taken + 500, "the start is made anew"
        plus = client.raw.readdirplus(1, opened.fh, 0, 4096)
        assert [entry.name for entry in plus[:4]] == [b".", b"..", b"link", b"0"]
        client.raw.releasedir(1, opened.fh)
        assert client.operations.inode_table is not None
        assert client.operations.inode_table.statistics().lookups == 0, "a listing raises no count"


def test_a_listing_of_something_else_is_a_bug() -> None:
    class Wrong(Dir):
        def list(self) -> Iterable[Any]:
            return [5]

    with Client(Wrong()) as client:
        with raises_errno(errno.EIO):
            client.listdir()


def test_what_no_class_says_has_one_answer(serve: Serve) -> None:
    requests = serve(Dir({"f": File(b"x" * 100, mode=0o644), "d": {}}))
    ops, inode = requests.ops, requests.inode("f")
    fh = requests.open("f", os.O_RDWR)
    with raises_errno(errno.EOPNOTSUPP):
        ops.fallocate(inode, fh, 0, 0, 10, ROOT)
    with raises_errno(errno.EOPNOTSUPP):
        ops.copy_file_range(inode, fh, 0, inode, fh, 0, 10, 0, ROOT)
    with raises_errno(errno.ENOTTY):
        ops.ioctl(inode, fh, 1, 0, b"", 0, 0, ROOT)
    assert ops.poll(inode, fh, select.POLLIN | select.POLLPRI, None, ROOT) == select.POLLIN
    assert ops.lseek(inode, fh, 50, os.SEEK_DATA, ROOT) == 50
    assert ops.lseek(inode, fh, 50, os.SEEK_HOLE, ROOT) == 100
    with raises_errno(errno.ENXIO):
        ops.lseek(inode, fh, 100, os.SEEK_HOLE, ROOT)


def test_statfs_is_the_roots(serve: Serve) -> None:
    class Sized(Dir):
        def statfs(self) -> FileSystemSize:
            return FileSystemSize(blocks=10, free_blocks=4, files=3, free_files=2)

    found = serve(Sized()).ops.statfs(ROOT)
    assert (found.f_blocks, found.f_bfree, found.f_bavail, found.f_files, found.f_ffree) == (10, 4, 4, 3, 2)
    assert found.f_namemax == 255


def test_access_and_readlink_of_its_own(serve: Serve) -> None:
    class Picky(File):
        def access(self, mask: int) -> bool:
            return mask != os.W_OK

    class Moving(Symlink):
        def readlink(self) -> str:
            return "elsewhere"

    requests = serve(Dir({"f": Picky("x"), "l": Moving("here")}))
    assert requests.ops.access(requests.inode("f"), os.R_OK, ROOT)
    assert not requests.ops.access(requests.inode("f"), os.W_OK, ROOT)
    assert requests.ops.readlink(requests.inode("l"), ROOT) == b"elsewhere"


def test_special_files_are_nodes(serve: Serve) -> None:
    root = Dir({"p": Fifo(), "s": Socket(), "c": Device(os.makedev(7, 300)), "b": Device(5, block=True)})
    requests = serve(root)
    kinds = {name: stat.S_IFMT(requests.stat(name).st_mode) for name in root}
    assert kinds == {"p": stat.S_IFIFO, "s": stat.S_IFSOCK, "c": stat.S_IFCHR, "b": stat.S_IFBLK}
    assert requests.stat("c").st_rdev == os.makedev(7, 300)
    with pytest.raises(ValueError, match="device number"):
        Device(-1)


def test_a_name_that_the_kernel_made_is_not_taken_back() -> None:
    class Taking(Dir):
        def mkdir(self, name: str, mode: int) -> Dir:
            return Dir(mode=mode)

        def rename(self, name: str, directory: Dir, new_name: str, flags: int) -> None:
            """Allows it."""

    root = Taking(mode=0o755)
    with Client(root, coherence_wait=0.0) as client:
        assert not client.exists("new")
        client.mkdir("new")
        client.stat("new")
        client.rename("new", "newer")
        assert list(client.notifications) == []
        root.move("newer", "newest")
        assert client.listdir() == ["newest"]
        assert not client.exists("newer")
        client.notifications.wait(NotifyCode.INVAL_ENTRY, name=b"newer")


def test_another_mount_hears_of_it() -> None:
    file = MemoryFile(b"abc")
    root = Dir({"f": file})
    with Client(root, coherence_wait=0.0) as one, Client(root, coherence_wait=0.0) as two:
        assert two.read_bytes("f") == b"abc"
        with one.open("f", "r+") as opened:
            assert opened.read() == b"abc"
            assert opened.pwrite(b"xyz", 0) == 3
        two.notifications.wait(NotifyCode.INVAL_INODE, node_id=two.node_id("f"))
        assert list(one.notifications) == [], "what was written through its page cache is there"
        file.store(b"123")
        one.notifications.wait(NotifyCode.INVAL_INODE, node_id=one.node_id("f"))
        assert one.read_bytes("f") == two.read_bytes("f") == b"123"
