"""File systems of whole paths: written as programs of fusepy and mfusepy write them, and right where those
are not.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fusetree import MemoryDir, PathOperations
from fusetree.testing import Client
from tests.support import raises_errno


class InMemory(PathOperations):
    """Files by their paths; it knows nothing of handles, nor of inodes."""

    use_ns = True

    def __init__(self) -> None:
        now = time.time_ns()
        self.files: dict[str, dict[str, Any]] = {
            "/": {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2, "st_mtime": now}
        }
        self.data: dict[str, bytearray] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.handles = 0

    def _add(self, path: str, mode: int) -> dict[str, Any]:
        if path in self.files:
            raise FileExistsError
        made = self.files[path] = {"st_mode": mode, "st_nlink": 1, "st_size": 0, "st_mtime": time.time_ns()}
        return made

    def getattr(self, path: str, fh: Any = None) -> dict[str, Any]:
        if path not in self.files:
            raise FileNotFoundError
        return self.files[path]

    def readdir(self, path: str, fh: Any) -> Iterator[str]:
        yield from (".", "..")
        prefix = path.rstrip("/") + "/"
        for known in list(self.files):
            if known.startswith(prefix) and known != "/" and "/" not in known[len(prefix) :]:
                yield known[len(prefix) :]

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        self._add(path, stat.S_IFREG | mode & 0o7777)
        self.data[path] = bytearray()
        self.handles += 1
        return self.handles

    def mkdir(self, path: str, mode: int) -> None:
        self._add(path, stat.S_IFDIR | mode)

    def symlink(self, target: str, source: str) -> None:
        self._add(target, stat.S_IFLNK | 0o777)["st_size"] = len(source)
        self.data[target] = bytearray(os.fsencode(source))

    def readlink(self, path: str) -> str:
        return os.fsdecode(bytes(self.data[path]))

    def open(self, path: str, flags: int) -> int:
        self.asked.append(("open", path))
        self.handles += 1
        return self.handles

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self.asked.append(("read", path, fh))
        return bytes(self.data[path][offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self.asked.append(("write", path, fh))
        content = self.data[path]
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data
        self.files[path]["st_size"] = len(content)
        return len(data)

    def truncate(self, path: str, length: int, fh: Any = None) -> None:
        content = self.data[path]
        del content[length:]
        content.extend(bytes(length - len(content)))
        self.files[path]["st_size"] = length

    def release(self, path: str, fh: int) -> int:
        self.asked.append(("release", path, fh))
        return 0

    def unlink(self, path: str) -> None:
        del self.files[path]
        self.data.pop(path, None)

    def rmdir(self, path: str) -> None:
        if any(known.startswith(f"{path}/") for known in self.files):
            raise OSError(errno.ENOTEMPTY, "not empty")
        del self.files[path]

    def rename(self, old: str, new: str) -> None:
        tables: tuple[dict[str, Any], ...] = (self.files, self.data)
        for table in tables:
            for known in list(table):
                if known == old or known.startswith(f"{old}/"):
                    table[new + known[len(old) :]] = table.pop(known)

    def chmod(self, path: str, mode: int) -> None:
        self.files[path]["st_mode"] = mode

    def chown(self, path: str, uid: int, gid: int) -> None:
        self.files[path].update(st_uid=uid, st_gid=gid)

    def utimens(self, path: str, times: Any = None) -> None:
        self.files[path]["st_atime"], self.files[path]["st_mtime"] = times

    def statfs(self, path: str) -> dict[str, int]:
        return {"f_bsize": 512, "f_blocks": 100, "f_bavail": 50, "f_files": len(self.files), "f_ffree": 7}


class Loopback(PathOperations):
    """A directory of the host, by paths and descriptors."""

    use_ns = True
    hard_remove = True

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fspath(root)

    def _at(self, path: str) -> str:
        return self.root + path

    def getattr(self, path: str, fh: Any = None) -> os.stat_result:
        return os.lstat(self._at(path)) if fh is None else os.fstat(fh)

    def readdir(self, path: str, fh: Any) -> list[str]:
        return [".", "..", *os.listdir(self._at(path))]

    def open(self, path: str, flags: int) -> int:
        return os.open(self._at(path), flags)

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        return os.open(self._at(path), os.O_RDWR | os.O_CREAT, mode & 0o7777)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: Any = None) -> None:
        os.truncate(self._at(path) if fh is None else fh, length)

    def release(self, path: str, fh: int) -> None:
        os.close(fh)

    def link(self, target: str, source: str) -> None:
        os.link(self._at(source), self._at(target))

    def symlink(self, target: str, source: str) -> None:
        os.symlink(source, self._at(target))

    def readlink(self, path: str) -> str:
        return os.readlink(self._at(path))

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self._at(path), mode)

    def mknod(self, path: str, mode: int, dev: int) -> None:
        os.mknod(self._at(path), mode, dev)

    def unlink(self, path: str) -> None:
        os.unlink(self._at(path))

    def rmdir(self, path: str) -> None:
        os.rmdir(self._at(path))

    def rename(self, old: str, new: str) -> None:
        os.rename(self._at(old), self._at(new))

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._at(path), mode & 0o7777)

    def chown(self, path: str, uid: int, gid: int) -> None:
        os.chown(self._at(path), uid, gid, follow_symlinks=False)

    def utimens(self, path: str, times: Any = None) -> None:
        os.utime(self._at(path), ns=times, follow_symlinks=False)

    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        return os.getxattr(self._at(path), name, follow_symlinks=False)

    def listxattr(self, path: str) -> list[str]:
        return os.listxattr(self._at(path), follow_symlinks=False)

    def setxattr(self, path: str, name: str, value: bytes, options: int, position: int = 0) -> None:
        os.setxattr(self._at(path), name, value, follow_symlinks=False)

    def removexattr(self, path: str, name: str) -> None:
        os.removexattr(self._at(path), name, follow_symlinks=False)


def save(client: Client, path: str, text: str) -> None:
    """Make a file, or replace its content."""
    with client.open(path, "w") as file:
        file.write(text)


@pytest.fixture
def memory() -> InMemory:
    return InMemory()


@pytest.fixture(params=["paths", "descriptors"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    """A client of both file systems."""
    operations = InMemory() if request.param == "paths" else Loopback(tmp_path)
    with Client(operations, strict=True) as client:
        yield client
        client.check()


# -------------------------------------------------------------------------------- what programs do


def test_files_and_directories(client: Client) -> None:
    client.mkdir("d")
    save(client, "d/f", "text")
    client.symlink("f", "d/l")
    assert sorted(client.walk()) == ["d", "d/f", "d/l"]
    assert client.read_text("d/l") == "text"
    assert client.readlink("d/l") == "f"
    assert client.stat("d/f").st_size == 4
    with client.open("d/f", "a") as file:
        file.write(" more")
    client.truncate("d/f", 6)
    assert client.read_text("d/f") == "text m"
    save(client, "d/f", "new")
    assert client.read_text("d/f") == "new"
    client.chmod("d/f", 0o600)
    assert client.stat("d/f").st_mode == stat.S_IFREG | 0o600
    client.utime("d/f", ns=(5_000_000_001, 7_000_000_002))
    assert client.stat("d/f").st_mtime_ns == 7_000_000_002
    with raises_errno(errno.ENOTEMPTY):
        client.rmdir("d")
    with raises_errno(errno.ENOENT):
        client.read_text("none")
    with raises_errno(errno.EEXIST):
        client.mkdir("d")
    for path in ("d/f", "d/l"):
        client.unlink(path)
    client.rmdir("d")
    assert client.listdir() == []


def test_a_file_is_one_inode_as_long_as_it_is_known(client: Client) -> None:
    save(client, "f", "x")
    number = client.stat("f").st_ino
    with client.open("f") as file:
        client.drop_caches()
        assert client.stat("f").st_ino == number == file.stat().st_ino
    client.unlink("f")
    save(client, "f", "y")
    assert client.read_text("f") == "y"


def test_an_open_file_follows_its_name(client: Client) -> None:
    save(client, "a", "text")
    with client.open("a", "r+") as file:
        client.rename("a", "b")
        assert file.stat().st_ino == client.stat("b").st_ino
        assert file.pread(4, 0) == b"text"
        file.pwrite(b"T", 0)
    assert client.read_text("b") == "Text"
    assert not client.exists("a")


def test_open_files_follow_a_directory_above_them(client: Client) -> None:
    for path in ("a", "a/b", "other"):
        client.mkdir(path)
    save(client, "a/b/f", "text")
    with client.open("a/b/f", "r+") as file, client.open("a/b/f") as reader:
        client.rename("a", "z")
        assert file.pread(4, 0) == b"text"
        file.pwrite(b"T", 0)
        assert reader.read() == b"Text"
        client.rename("z/b", "other/c")
        file.pwrite(b"X", 3)
        assert file.stat().st_size == 4
    assert client.read_text("other/c/f") == "TexX"
    assert sorted(client.walk()) == ["other", "other/c", "other/c/f", "z"]
    save(client, "other/c/g", "g")
    assert client.read_text("other/c/g") == "g"


def test_a_file_that_is_removed_while_it_is_open_lives_on(client: Client) -> None:
    client.mkdir("d")
    save(client, "d/f", "text")
    with client.open("d/f", "r+") as file:
        client.unlink("d/f")
        assert not client.exists("d/f")
        assert client.listdir("d") == client.listdir("")[:-1] == []
        client.rmdir("d")  # nothing is left behind in it
        assert file.stat().st_nlink == 0
        assert file.pread(4, 0) == b"text"
        file.pwrite(b"T", 0)
        file.truncate(2)
        assert file.pread(4, 0) == b"Te"
        assert client.listdir() == []
    assert client.listdir() == []


def test_the_name_of_a_removed_file_is_free(client: Client) -> None:
    save(client, "f", "old")
    with client.open("f") as old:
        client.unlink("f")
        save(client, "f", "new")
        assert old.read() == b"old"
        assert client.read_text("f") == "new"
        assert old.stat().st_ino != client.stat("f").st_ino


def test_a_file_that_is_replaced_while_it_is_open_lives_on(client: Client) -> None:
    save(client, "f", "old")
    save(client, "g", "new")
    with client.open("f") as old, client.open("g") as new:
        client.rename("g", "f")
        assert old.read() == b"old"
        assert new.read() == b"new"
        assert old.stat().st_nlink == 0
        assert client.read_text("f") == "new"
        assert client.listdir() == ["f"]
    assert client.read_text("f") == "new"


# -------------------------------------------------------------------------------- hard links


class Linking(InMemory):
    """The same, with hard links, of which `getattr` tells nothing."""

    def link(self, target: str, source: str) -> None:
        self.files[target] = self.files[source]
        self.data[target] = self.data[source]


def test_a_link_makes_two_names_of_one_file(tmp_path: Path) -> None:
    for operations in (Linking(), Loopback(tmp_path)):
        with Client(operations, strict=True) as client:
            client.mkdir("d")
            save(client, "a", "text")
            client.link("a", "d/b")
            one, other = client.stat("a"), client.stat("d/b")
            assert one.st_ino == other.st_ino
            assert one.st_nlink == other.st_nlink == 2
            assert client.node_id("a") == client.node_id("d/b")
            with client.open("d/b", "r+") as file:
                client.unlink("d/b")
                file.pwrite(b"T", 0)
                assert file.stat().st_nlink == 1
            assert client.read_text("a") == "Text"
            assert client.stat("a").st_nlink == 1
            client.link("a", "c")
            client.unlink("a")
            client.rename("c", "d/c")
            assert client.read_text("d/c") == "Text"
            client.check()


def test_getattr_tells_of_names_that_are_one_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "c").write_text("another")
    with Client(Loopback(tmp_path)) as client:
        assert client.stat("a").st_ino == client.stat("b").st_ino == (tmp_path / "a").stat().st_ino
        assert client.node_id("a") == client.node_id("b") != client.node_id("c")
        with client.open("a", "r+") as file:
            client.unlink("a")
            file.pwrite(b"T", 0)
        assert client.read_text("b") == "Text"
        client.check()


def test_another_file_under_the_same_name_is_another_inode(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with Client(Loopback(tmp_path)) as client, client.open("a") as file:
        number = client.node_id("a")
        (tmp_path / "b").write_text("new")
        (tmp_path / "b").rename(tmp_path / "a")
        assert client.read_text("a") == "new"
        assert client.node_id("a") != number
        assert file.read() == b"old"
        (tmp_path / "a").unlink()
        (tmp_path / "a").mkdir()
        assert client.listdir("a") == []
        client.check()


# -------------------------------------------------------------------------------- how handlers are called


def test_what_is_open_has_the_handle_that_open_returned(memory: InMemory) -> None:
    with Client(memory) as client:
        save(client, "f", "x")
        with client.open("f") as one, client.open("f") as other:
            one.read()
            other.read()
        client.finish_requests()
        created, first, second = 1, 2, 3
        assert [what for what in memory.asked if what[0] != "read"] == [
            ("write", "/f", created),
            ("release", "/f", created),
            ("open", "/f"),
            ("open", "/f"),
            ("release", "/f", second),
            ("release", "/f", first),
        ]
        assert ("read", "/f", first) in memory.asked
        assert ("read", "/f", second) in memory.asked


def test_handlers_that_are_not_defined_are_not_asked_for() -> None:
    class ReadOnly(PathOperations):
        def getattr(self, path: str, fh: Any = None) -> dict[str, Any]:
            if path == "/":
                return {"st_mode": stat.S_IFDIR | 0o777}
            if path == "/f":
                return {"st_mode": stat.S_IFREG | 0o666, "st_size": 4, "st_mtime": 1.5}
            raise OSError(errno.ENOENT, "nothing")

        def read(self, path: str, size: int, offset: int, fh: Any) -> bytes:
            return b"text"[offset : offset + size]

    with Client(ReadOnly()) as client:
        assert client.read_text("f") == "text"
        assert client.stat("f").st_mtime_ns == 1_500_000_000
        assert client.listdir() == []
        assert client.listxattr("f") == []
        for number, refused in (
            (errno.EROFS, lambda: client.open("f", "r+")),
            (errno.EROFS, lambda: client.open("f", "w")),
            (errno.EROFS, lambda: client.open("g", "w")),
            (errno.EROFS, lambda: client.truncate("f", 0)),
            (errno.EROFS, lambda: client.chmod("f", 0o600)),
            (errno.EROFS, lambda: client.utime("f", ns=(1, 1))),
            (errno.EROFS, lambda: client.mkdir("d")),
            (errno.EROFS, lambda: client.symlink("f", "l")),
            (errno.EROFS, lambda: client.link("f", "h")),
            (errno.EROFS, lambda: client.unlink("f")),
            (errno.EROFS, lambda: client.rename("f", "g")),
            (errno.EPERM, lambda: client.mknod("p", stat.S_IFIFO | 0o600)),
            (errno.ENODATA, lambda: client.getxattr("f", "user.x")),
            (errno.EOPNOTSUPP, lambda: client.setxattr("f", "user.x", b"")),
        ):
            with raises_errno(number):
                refused()
        assert client.statvfs().f_blocks == 0
        client.check()


def test_a_negated_errno_and_an_exception_refuse_and_a_bug_is_eio() -> None:
    class Failing(InMemory):
        def mkdir(self, path: str, mode: int) -> Any:
            if path == "/bug":
                raise RuntimeError("a bug")
            if path == "/class":
                raise PermissionError
            return -errno.EDQUOT

        def read(self, path: str, size: int, offset: int, fh: int) -> Any:
            raise KeyError(path)

    with Client(Failing()) as client:
        for path, number in (("x", errno.EDQUOT), ("bug", errno.EIO), ("class", errno.EACCES)):
            with raises_errno(number):
                client.mkdir(path)
        save(client, "f", "x")
        with raises_errno(errno.EIO):
            client.read_text("f")
        assert client.stat("f").st_size == 1
        client.check()


def test_an_exception_of_their_own_says_that_there_is_nothing() -> None:
    class FuseOSError(OSError):
        def __init__(self, number: int) -> None:
            super().__init__(number, os.strerror(number))

    class Theirs(InMemory):
        def getattr(self, path: str, fh: Any = None) -> dict[str, Any]:
            if path not in self.files:
                raise FuseOSError(errno.ENOENT)
            return self.files[path]

    with Client(Theirs(), strict=True) as client:
        assert not client.exists("f")
        save(client, "f", "x")
        client.mkdir("d")
        client.rename("f", "d/g")
        assert client.walk() == ["d", "d/g"]
        client.check()


def test_a_look_up_asks_once(memory: InMemory) -> None:
    with Client(memory, kernel_cache=False) as client:
        client.mkdir("d")
        save(client, "d/f", "x")
        asked: list[str] = []
        getattr_ = memory.getattr

        def counting(path: str, fh: Any = None) -> dict[str, Any]:
            asked.append(path)
            return getattr_(path, fh)

        memory.getattr = counting  # type: ignore[method-assign]
        directory = client.node_id("d")
        asked.clear()
        assert client.raw.lookup(directory, b"f").attributes.st_size == 1
        assert asked == ["/d/f"]


def test_no_path_is_put_together_twice(memory: InMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    from fusetree.routing.positions import Position

    made: list[str] = []
    put_together = Position._put_together
    with Client(memory) as client:
        client.mkdir("d")
        save(client, "d/f", "text")
        with client.open("d/f", "r+") as file:

            def noted(self: Position) -> str:
                path = put_together(self)
                made.append(path)
                return path

            monkeypatch.setattr(Position, "_put_together", noted)
            for _ in range(5):
                file.pread(1, 0)
                file.pwrite(b"x", 0)
                file.stat()
            assert made == []
            client.rename("d", "e")
            for _ in range(5):
                file.pread(1, 0)
            assert sorted(made) in (["/", "/e", "/e/f"], ["/e", "/e/f"])


def test_a_handler_that_was_too_late_for_a_rename_is_called_again() -> None:
    class Slow(InMemory):
        def __init__(self) -> None:
            super().__init__()
            self.began, self.go_on = threading.Event(), threading.Event()

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            if path == "/a/f":
                self.began.set()
                assert self.go_on.wait(10)
            if path not in self.data:
                raise FileNotFoundError
            return super().read(path, size, offset, fh)

    operations = Slow()
    with Client(operations) as client:
        client.mkdir("a")
        save(client, "a/f", "text")
        node: Any = client.table.node(client.node_id("a/f"))
        found: list[bytes] = []
        reader = threading.Thread(target=lambda: found.append(node.read(4, 0)))
        reader.start()
        assert operations.began.wait(10)
        client.rename("a", "b")
        operations.go_on.set()
        reader.join(10)
        assert found == [b"text"]


def test_what_was_hidden_is_removed_at_the_end(memory: InMemory) -> None:
    client = Client(memory)
    save(client, "f", "x")
    client.open("f")
    client.unlink("f")
    assert list(memory.data) != []
    client.close()
    assert memory.data == {}


def test_a_rename_that_is_refused_leaves_what_it_would_have_replaced() -> None:
    class Refusing(InMemory):
        def rename(self, old: str, new: str) -> None:
            if old == "/g":
                raise PermissionError
            super().rename(old, new)

    with Client(Refusing()) as client:
        save(client, "f", "old")
        save(client, "g", "new")
        with client.open("f") as file:
            with raises_errno(errno.EACCES):
                client.rename("g", "f")
            assert file.read() == b"old"
            assert file.stat().st_nlink == 1
        assert client.read_text("f") == "old"
        assert client.read_text("g") == "new"
        client.check()


def test_init_and_destroy_and_statfs() -> None:
    class Counting(InMemory):
        def init(self, path: str) -> None:
            self.asked.append(("init", path))

        def destroy(self, path: str) -> None:
            self.asked.append(("destroy", path))

    operations = Counting()
    with Client(operations) as client, Client(operations) as again:
        size = client.statvfs()
        assert (size.f_bsize, size.f_blocks, size.f_bavail, size.f_ffree) == (512, 100, 50, 7)
        save(client, "f", "x")
        assert again.read_text("f") == "x"
        assert ("destroy", "/") not in operations.asked
    assert operations.asked.count(("init", "/")) == operations.asked.count(("destroy", "/")) == 1
    assert operations.asked[0] == ("init", "/")


def test_files_and_directories_are_brought_to_their_store() -> None:
    class Storing(InMemory):
        def fsync(self, path: str, datasync: int, fh: Any) -> None:
            self.asked.append(("fsync", path, bool(datasync)))

        def fsyncdir(self, path: str, datasync: int, fh: Any) -> None:
            self.asked.append(("fsyncdir", path, bool(datasync)))

        def flush(self, path: str, fh: Any) -> None:
            raise OSError(errno.ENOSPC, "full")

    operations = Storing()
    with Client(operations) as client:
        client.mkdir("d")
        file = client.open("d/f", "w")
        file.fsync(datasync=True)
        with raises_errno(errno.ENOSPC):
            file.close()
        with client.opendir("d") as directory:
            client.raw.fsyncdir(directory.node, directory.fh)
        kept = [what for what in operations.asked if what[0].startswith("fsync")]
        assert kept == [("fsync", "/d/f", True), ("fsyncdir", "/d", False)]


def test_flags_of_rename_are_given_to_who_asks_for_them(memory: InMemory) -> None:
    class Exchanging(InMemory):
        def rename(self, old: str, new: str, flags: int = 0) -> None:
            if flags == 2:
                super().rename(old, "/.between")
                super().rename(new, old)
                super().rename("/.between", new)
            else:
                super().rename(old, new)

    for operations, can in ((memory, False), (Exchanging(), True)):
        with Client(operations) as client:
            client.mkdir("d")
            save(client, "d/f", "f")
            save(client, "g", "g")
            with raises_errno(errno.EEXIST):
                client.rename("g", "d", flags=1)
            if not can:
                with raises_errno(errno.EINVAL):
                    client.rename("d", "g", flags=2)
                continue
            with client.open("d/f") as file:
                client.rename("d", "g", flags=2)
                assert file.read() == b"f"
            assert client.read_text("g/f") == "f"
            assert client.read_text("d") == "g"
            client.check()


def test_a_ttl_keeps_what_is_asked_for_and_not_what_has_changed() -> None:
    class Kept(Linking):
        ttl = 1000.0

        def getattr(self, path: str, fh: Any = None) -> dict[str, Any]:
            self.asked.append(("getattr", path))
            return super().getattr(path, fh)

    operations = Kept()
    with Client(operations) as client:
        save(client, "f", "x")
        client.stat("f")
        operations.asked.clear()
        for _ in range(5):
            assert client.stat("f").st_size == 1
        assert operations.asked == []
        with client.open("f", "a") as file:
            file.write("yz")
            assert file.stat().st_size == 3
        client.link("f", "g")
        assert client.stat("f").st_nlink == 2
        client.unlink("g")
        assert client.stat("f").st_nlink == 1
        client.chmod("f", 0o600)
        assert client.stat("f").st_mode & 0o777 == 0o600
        client.check()


def test_it_hangs_in_a_directory(memory: InMemory) -> None:
    with Client(MemoryDir({"here": memory, "note": "x"})) as client:
        save(client, "here/f", "text")
        assert client.read_text("here/f") == "text"
        assert memory.data == {"/f": bytearray(b"text")}
        with raises_errno(errno.EXDEV):
            client.rename("here/f", "f")
        client.check()


def test_special_files_and_attributes(tmp_path: Path) -> None:
    with Client(Loopback(tmp_path)) as client:
        client.mknod("pipe", stat.S_IFIFO | 0o600)
        assert stat.S_ISFIFO(client.stat("pipe").st_mode)
        client.mknod("plain", stat.S_IFREG | 0o600)
        assert client.read_text("plain") == ""
        try:
            os.setxattr(tmp_path / "plain", "user.test", b"")
        except OSError:
            pytest.skip("the folder for temporary files has no extended attributes")
        client.setxattr("plain", "user.x", b"value")
        assert client.getxattr("plain", "user.x") == b"value"
        assert sorted(client.listxattr("plain")) == ["user.test", "user.x"]
        client.removexattr("plain", "user.x")
        with raises_errno(errno.ENODATA):
            client.getxattr("plain", "user.x")
        client.check()


def test_what_getattr_must_tell_is_said() -> None:
    class Wrong(PathOperations):
        def getattr(self, path: str, fh: Any = None) -> Any:
            return {"st_mode": 0o644} if path == "/f" else super().getattr(path, fh)

    with Client(Wrong()) as client, raises_errno(errno.EIO):
        client.stat("f")
    with pytest.raises(TypeError, match="init is async"):

        class Async(PathOperations):
            async def init(self, path: str) -> None: ...  # type: ignore[override]


@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        ("readdir", None, "readdir() must return the names, not None"),
        ("readdir", "ab", "readdir() must return the names, not 'ab'"),
        ("readdir", [1], "readdir() must give names, or tuples that begin with one, not 1"),
        ("readdir", ["a/b"], "MistakenDir.list() gave a name that nothing can have: 'a/b'"),
        ("readdir", -errno.EACCES, ""),
        ("readlink", 5, "MistakenLink.readlink() must return text, not 5"),
        ("getattr", {"st_mode": stat.S_IFREG, "st_size": "5"}, "MistakenFile.getattr() told size='5'"),
        ("getattr", -errno.EACCES, ""),
    ],
)
def test_mistakes_of_handlers_are_told_in_words(
    name: str, answer: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Mistaken(InMemory):
        pass

    setattr(Mistaken, name, lambda self, path, fh=None: answer)
    if name == "getattr":
        Mistaken.getattr = lambda self, path, fh=None: (  # type: ignore[method-assign]  # a wrong one
            answer if path == "/x" else InMemory.getattr(self, path)
        )
    Mistaken.__init_subclass__()
    with Client(Mistaken()) as client:
        if name == "readlink":
            client.symlink("target", "x")
        asking: dict[str, Callable[[], object]] = {
            "readdir": client.listdir,
            "readlink": lambda: client.readlink("x"),
            "getattr": lambda: client.stat("x"),
        }
        with raises_errno(errno.EIO if said else errno.EACCES):
            asking[name]()
    assert said in caplog.text
