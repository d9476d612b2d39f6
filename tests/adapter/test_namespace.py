"""What programs do to names through the mount: a plain directory refuses, one with the methods allows."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any, cast

import pytest

from fusetree import Dir, File, Symlink, action, entry, node
from fusetree.adapter.kinds import Kind
from fusetree.flags import RENAME_EXCHANGE, RENAME_NOREPLACE
from fusetree.lowlevel import ROOT_INODE
from fusetree.nodes import FileNode, Node
from tests.adapter.conftest import ROOT, user
from tests.support import raises_errno

RENAME_WHITEOUT = 4  # linux/fs.h

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.adapter.conftest import Requests, Serve


class Open(Dir):
    """Lets everything happen, and the library do it."""

    def create(self, name: str, mode: int) -> FileNode:
        return File(b"", mode)

    def mkdir(self, name: str, mode: int) -> Dir:
        return Open(mode=mode)

    def symlink(self, name: str, target: str) -> Symlink:
        return Symlink(target)

    def link(self, name: str, node: Node) -> None:
        pass

    def unlink(self, name: str) -> None:
        pass

    def rmdir(self, name: str) -> None:
        pass

    def rename(self, name: str, directory: Dir, new_name: str, flags: int) -> None:
        pass


class Strict(Open):
    """Does everything itself, or refuses."""

    def create(self, name: str, mode: int) -> FileNode:
        if name.startswith("."):
            raise PermissionError(errno.EPERM, "no hidden files")
        made = File("made here", mode)
        self[name] = made
        return made

    def unlink(self, name: str) -> None:
        if name == "kept":
            raise PermissionError(errno.EPERM, "kept")
        del self[name]

    def rename(self, name: str, directory: Dir, new_name: str, flags: int) -> None:
        directory[new_name] = self[name]
        del self[name]


def every_change(requests: Requests, directory: str) -> dict[str, Callable[[], Any]]:
    """All that a program may do to the names `f`, `d` (empty) and `new` of a directory."""
    ops, parent = requests.ops, requests.inode(directory)
    file = requests.inode(f"{directory}/f" if directory else "f")
    return {
        "create": lambda: ops.create(parent, b"new", 0o100644, os.O_WRONLY, ROOT),
        "mknod": lambda: ops.mknod(parent, b"new", stat.S_IFREG | 0o644, 0, ROOT),
        "mkdir": lambda: ops.mkdir(parent, b"new", 0o40755, ROOT),
        "symlink": lambda: ops.symlink(parent, b"new", b"f", ROOT),
        "link": lambda: ops.link(file, parent, b"new", ROOT),
        "unlink": lambda: ops.unlink(parent, b"f", ROOT),
        "rmdir": lambda: ops.rmdir(parent, b"d", ROOT),
        "rename": lambda: ops.rename(parent, b"f", parent, b"new", 0, ROOT),
    }


def test_a_plain_directory_refuses_everything(serve: Serve) -> None:
    root = Dir({"f": "x", "d": {}})
    for name, change in every_change(serve(root), "").items():
        with raises_errno(errno.EROFS):
            change()
        assert list(root) == ["f", "d"], name


def test_a_readonly_mount_refuses_what_the_directory_allows(serve: Serve) -> None:
    root = Open({"f": "x", "d": {}})
    for name, change in every_change(serve(root, ro=True), "").items():
        with raises_errno(errno.EROFS):
            change()
        assert list(root) == ["f", "d"], name


def test_an_open_directory_allows_everything(serve: Serve) -> None:
    for name, names in {
        "create": ["f", "d", "new"],
        "mknod": ["f", "d", "new"],
        "mkdir": ["f", "d", "new"],
        "symlink": ["f", "d", "new"],
        "link": ["f", "d", "new"],
        "unlink": ["d"],
        "rmdir": ["f"],
        "rename": ["d", "new"],
    }.items():
        root = Open({"f": "x", "d": {}})
        requests = serve(root)
        requests.held.append(every_change(requests, "")[name]())
        assert list(root) == names, name
        requests.table.check()


def test_names_that_are_taken_or_missing(serve: Serve) -> None:
    root = Open({"f": "x", "d": {"inside": "x"}})
    requests = serve(root)
    ops, file = requests.ops, requests.inode("f")
    for number, change in (
        (errno.EEXIST, lambda: ops.create(1, b"f", 0o644, os.O_WRONLY, ROOT)),
        (errno.EEXIST, lambda: ops.mkdir(1, b"f", 0o755, ROOT)),
        (errno.EEXIST, lambda: ops.symlink(1, b"d", b"x", ROOT)),
        (errno.EEXIST, lambda: ops.link(file, 1, b"d", ROOT)),
        (errno.EPERM, lambda: ops.link(requests.inode("d"), 1, b"new", ROOT)),
        (errno.EPERM, lambda: ops.mknod(1, b"new", stat.S_IFIFO | 0o644, 0, ROOT)),
        (errno.ENOENT, lambda: ops.unlink(1, b"none", ROOT)),
        (errno.EISDIR, lambda: ops.unlink(1, b"d", ROOT)),
        (errno.ENOTDIR, lambda: ops.rmdir(1, b"f", ROOT)),
        (errno.ENOTEMPTY, lambda: ops.rmdir(1, b"d", ROOT)),
        (errno.ENOENT, lambda: ops.rename(1, b"none", 1, b"new", 0, ROOT)),
        (errno.EEXIST, lambda: ops.rename(1, b"f", 1, b"d", RENAME_NOREPLACE, ROOT)),
        (errno.ENOENT, lambda: ops.rename(1, b"f", 1, b"new", RENAME_EXCHANGE, ROOT)),
        (errno.EINVAL, lambda: ops.rename(1, b"f", 1, b"d", RENAME_WHITEOUT, ROOT)),
        (errno.ENAMETOOLONG, lambda: ops.mkdir(1, b"x" * 256, 0o755, ROOT)),
        (errno.EISDIR, lambda: ops.rename(1, b"f", 1, b"d", 0, ROOT)),
        (errno.ENOTDIR, lambda: ops.rename(1, b"d", 1, b"f", 0, ROOT)),
        (errno.ENOTDIR, lambda: ops.create(file, b"new", 0o644, os.O_WRONLY, ROOT)),
        (errno.ESTALE, lambda: ops.create(4711, b"new", 0o644, os.O_WRONLY, ROOT)),
    ):
        with raises_errno(number):
            change()
    assert list(root) == ["f", "d"]


def test_a_new_file_is_whose_who_made_it(serve: Serve) -> None:
    root = Open({"group": Open(mode=0o2775, gid=50)})
    requests = serve(root)
    info, attr = requests.ops.create(ROOT_INODE, b"new", 0o100640, os.O_RDWR, user(1000, 1001))
    requests.held.append(attr)
    assert (attr.st_uid, attr.st_gid, attr.st_mode) == (1000, 1001, stat.S_IFREG | 0o640)
    assert requests.ops.write(info.fh, 0, b"hello") == 5
    assert cast("File", root["new"]).content() == b"hello"
    made = requests.ops.mkdir(requests.inode("group"), b"d", 0o40755, user(1000, 1001))
    assert (made.st_uid, made.st_gid, made.st_mode) == (1000, 50, stat.S_IFDIR | 0o2755)


def test_the_method_decides_and_may_do_it_itself(serve: Serve) -> None:
    root = Strict({"kept": "x", "gone": "x", "d": Strict()})
    requests = serve(root)
    with raises_errno(errno.EPERM):
        requests.ops.create(ROOT_INODE, b".hidden", 0o644, os.O_WRONLY, ROOT)
    _, attr = requests.ops.create(ROOT_INODE, b"new", 0o644, os.O_WRONLY, ROOT)
    assert attr.st_size == 9
    with raises_errno(errno.EPERM):
        requests.ops.unlink(ROOT_INODE, b"kept", ROOT)
    requests.ops.unlink(ROOT_INODE, b"gone", ROOT)
    requests.ops.rename(ROOT_INODE, b"new", requests.inode("d"), b"there", 0, ROOT)
    assert list(root) == ["kept", "d"]
    assert list(cast("Dir", root["d"])) == ["there"]


def test_a_method_that_returns_something_else_is_a_bug(serve: Serve) -> None:
    class Wrong(Dir):
        def create(self, name: str, mode: int) -> Any:
            return Dir() if name == "d" else None

    requests = serve(Wrong())
    for name in (b"d", b"x"):
        with pytest.raises(TypeError, match=r"create.* must return a file"):
            requests.ops.create(ROOT_INODE, name, 0o644, os.O_WRONLY, ROOT)


def test_a_new_file_whose_attributes_fail_is_not_left_open(serve: Serve) -> None:
    class Unsized(FileNode):
        def content(self) -> bytes:
            return b""

        def size(self) -> int:
            raise RuntimeError("a bug")

    class Making(Dir):
        def create(self, name: str, mode: int) -> FileNode:
            return Unsized()

    requests = serve(Making())
    with pytest.raises(RuntimeError, match="a bug"):
        requests.ops.create(ROOT_INODE, b"new", 0o644, os.O_RDONLY, ROOT)
    assert requests.table.statistics().handles == 0


def test_moving_between_directories(serve: Serve) -> None:
    root = Open({"a": Open({"f": "x"}), "b": Open({"f": "old"}), "closed": {}})
    moved, replaced = root["a/f"], root["b/f"]
    requests = serve(root)
    held = requests.inode("b/f")
    requests.ops.rename(requests.inode("a"), b"f", requests.inode("b"), b"f", 0, ROOT)
    assert root["b/f"] is moved
    assert "f" not in cast("Dir", root["a"])
    assert requests.ops.getattr(held, ROOT).st_ino == replaced.ino  # the kernel holds it
    with raises_errno(errno.EROFS):
        requests.ops.rename(requests.inode("b"), b"f", requests.inode("closed"), b"f", 0, ROOT)
    with raises_errno(errno.EINVAL):
        requests.ops.rename(ROOT_INODE, b"a", requests.inode("a"), b"below", 0, ROOT)


def test_moving_onto_another_name_of_the_same_file_does_nothing(serve: Serve) -> None:
    file = File("x")
    root = Open({"f": file, "g": file})
    serve(root).ops.rename(ROOT_INODE, b"f", ROOT_INODE, b"g", 0, ROOT)
    assert list(root) == ["f", "g"]


def test_what_the_class_declares_stays(serve: Serve) -> None:
    @node
    class Declared(Open):
        number: int = entry(1)

    root = Declared()
    root["f"] = "x"
    requests = serve(root)
    with raises_errno(errno.EROFS):
        requests.ops.unlink(ROOT_INODE, b"number", ROOT)
    with raises_errno(errno.EROFS):
        requests.ops.rename(ROOT_INODE, b"number", ROOT_INODE, b"x", 0, ROOT)
    with raises_errno(errno.EROFS):
        requests.ops.rename(ROOT_INODE, b"f", ROOT_INODE, b"number", 0, ROOT)
    assert list(root) == ["number", "f"]


def test_unlinked_and_open_stays_readable(serve: Serve) -> None:
    root = Open({"f": "still here"})
    requests = serve(root)
    inode, fh = requests.inode("f"), requests.open("f")
    requests.ops.unlink(ROOT_INODE, b"f", ROOT)
    requests.held.clear()
    assert bytes(requests.ops.read(fh, 0, 100)) == b"still here"
    assert requests.ops.getattr(inode, ROOT).st_nlink == 1
    requests.ops.release(fh)
    with raises_errno(errno.ESTALE):
        requests.ops.getattr(inode, ROOT)


def test_a_name_more_counts(serve: Serve) -> None:
    root = Open({"f": "x"})
    requests = serve(root)
    attr = requests.ops.link(requests.inode("f"), ROOT_INODE, b"g", ROOT)
    assert attr.st_nlink == 2
    assert requests.stat("f").st_nlink == 2
    requests.ops.unlink(ROOT_INODE, b"f", ROOT)
    assert requests.stat("g").st_nlink == 1


def test_kinds_are_looked_up_once_for_a_class(serve: Serve) -> None:
    requests = serve(Open({"d": Open()}))
    assert requests.ops.kinds[Open] is requests.ops.kinds[Open]
    assert requests.ops.kinds[Open].takes_names
    assert not requests.ops.kinds[Dir].takes_names


def test_a_file_named_like_a_method_is_none() -> None:
    @node
    class Steered(Dir):
        made: int = entry(0, name="create")

        @action(name="unlink")
        def removed(self, name: str) -> None:
            """A file to write to."""

    assert Kind.of(Steered).unlink is None
    assert Kind.of(Steered).create is None
    with pytest.raises(TypeError, match="every node has 'create' for itself"):

        @node
        class Refused(Dir):
            create: int = entry(0)


def test_what_cannot_be_called_is_no_method() -> None:
    class Wrong(Dir):
        unlink = 5

    with pytest.raises(TypeError, match=r"Wrong\.unlink must be a method"):
        Kind.of(Wrong)


def test_declared_files_go_with_their_directory(serve: Serve) -> None:
    @node
    class Job(Dir):
        command: str = entry("")

    root = Open({"job": Job(), "full": Job()})
    root["full/more"] = "added\n"
    requests = serve(root)
    requests.ops.rmdir(1, b"job", ROOT)
    assert "job" not in root
    with raises_errno(errno.ENOTEMPTY):
        requests.ops.rmdir(1, b"full", ROOT)
