"""setattr, access, statfs and extended attributes: what may be changed through the mount, and by whom."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

from fusetree import Attributes, Dir, File, Symlink, action, entry, node
from fusetree.flags import F_OK, R_OK, W_OK, X_OK
from fusetree.lowlevel import ROOT_INODE
from tests.adapter.conftest import ROOT, user
from tests.support import raises_errno

if TYPE_CHECKING:
    from tests.adapter.conftest import Serve


@node
class Values(Dir):
    number: int = entry(1)

    @action
    def call(self) -> None:
        """Nothing."""


class Owned(File):
    """A file whose mode and owner programs may change."""

    asked: list[object]

    def setattr(self, changes: Attributes) -> None:
        if changes.mode is not None and changes.mode & 0o002:
            raise PermissionError(errno.EPERM, "not for everybody")
        if changes.uid == 0:
            raise PermissionError(errno.EPERM, "not root's")


class Taking(Dir):
    def unlink(self, name: str) -> None:
        """Lets names out only."""

    def create(self, name: str, mode: int) -> File:
        return File(b"", mode)


def test_times_of_what_can_be_written(serve: Serve) -> None:
    file = File("x", mode=0o644)
    requests = serve(Dir({"f": file, "v": Values(), "t": Taking()}))
    for path in ("f", "v/number", "v/call", "t"):
        attr = requests.setattr(path, mtime=10**18)
        assert attr.st_mtime_ns == 10**18
        attr = requests.setattr(path, atime=2 * 10**18)
        assert (attr.st_atime_ns, attr.st_mtime_ns) == (2 * 10**18, 10**18)
    assert file.mtime_ns == 10**18


def test_times_of_what_cannot_be_written(serve: Serve) -> None:
    requests = serve(Dir({"f": "x", "l": Symlink("f"), "d": {}}))
    for path in ("f", "l", "d", ""):
        with raises_errno(errno.EROFS):
            requests.setattr(path, mtime=10**18)
    with raises_errno(errno.EROFS):
        requests.setattr("f", size=0)


def test_mode_and_owner_are_the_declarations(serve: Serve) -> None:
    file = File("x", mode=0o644, uid=7, gid=8)
    requests = serve(Dir({"f": file}))
    for mode, uid, gid in ((0o600, 7, 8), (0o644, 0, 8), (0o644, 7, 0)):
        with raises_errno(errno.EROFS):
            requests.setattr("f", mode=mode, uid=uid, gid=gid)
    attr = requests.setattr("f", mode=stat.S_IFREG | 0o644, uid=7, gid=8)  # nothing would change
    assert (attr.st_mode, attr.st_uid, attr.st_gid) == (stat.S_IFREG | 0o644, 7, 8)
    with raises_errno(errno.ESTALE):
        requests.ops.setattr(4711, attr, attr, None, ROOT)  # type: ignore[arg-type]


def test_a_class_may_let_mode_and_owner_be_changed(serve: Serve) -> None:
    file = Owned("x", mode=0o644, uid=7, gid=8)
    requests = serve(Dir({"f": file}))
    assert requests.setattr("f", mode=0o640).st_mode == stat.S_IFREG | 0o640
    with raises_errno(errno.EPERM):
        requests.setattr("f", mode=0o666)
    attr = requests.setattr("f", uid=9, gid=10)
    assert (attr.st_uid, attr.st_gid, file.uid, file.gid) == (9, 10, 9, 10)
    with raises_errno(errno.EPERM):
        requests.setattr("f", uid=0)
    assert (file.mode, file.uid) == (0o640, 9)


def test_access_by_mode(serve: Serve) -> None:
    requests = serve(
        Dir(
            {
                "f": File("x", mode=0o640, uid=7, gid=8),
                "secret": File("x", mode=0o200, uid=7),
                "tool": File("x", mode=0o100, uid=7),
                "plain": "x",
            }
        )
    )

    def allowed(path: str, mask: int, uid: int, gid: int = 1000) -> bool:
        return requests.ops.access(requests.inode(path), mask, user(uid, gid))

    assert allowed("f", F_OK, 1000)
    assert allowed("f", R_OK | W_OK, 7)
    assert allowed("f", R_OK, 1000, 8)
    assert not allowed("f", W_OK, 1000, 8)
    assert not allowed("f", R_OK, 1000)
    assert allowed("f", R_OK | W_OK, 0)
    assert not allowed("f", X_OK, 0)
    assert not allowed("secret", R_OK, 0)
    assert allowed("tool", X_OK, 0)
    assert not allowed("plain", W_OK, 1000)
    with raises_errno(errno.EROFS):
        allowed("plain", W_OK, 0)
    assert allowed("", R_OK | X_OK, 1000)


def test_access_on_a_readonly_mount(serve: Serve) -> None:
    requests = serve(Dir({"f": File("x", mode=0o644)}), ro=True)
    with raises_errno(errno.EROFS):
        requests.ops.access(requests.inode("f"), W_OK, ROOT)
    assert requests.ops.access(requests.inode("f"), R_OK, ROOT)


def test_the_file_system_has_no_blocks(serve: Serve) -> None:
    data = serve(Dir()).ops.statfs(ROOT)
    assert (data.f_blocks, data.f_namemax, data.f_bsize) == (0, 255, 4096)


def test_there_are_no_extended_attributes(serve: Serve) -> None:
    ops = serve(Dir()).ops
    assert list(ops.listxattr(ROOT_INODE, ROOT)) == []
    with raises_errno(errno.ENODATA):
        ops.getxattr(ROOT_INODE, b"user.x", ROOT)
    with raises_errno(errno.ENOTSUP):
        ops.setxattr(ROOT_INODE, b"user.x", b"", ROOT)
    with raises_errno(errno.ENODATA):
        ops.removexattr(ROOT_INODE, b"user.x", ROOT)
    readonly = serve(Dir(), ro=True).ops
    with raises_errno(errno.EROFS):
        readonly.setxattr(ROOT_INODE, b"user.x", b"", ROOT)
    with raises_errno(errno.EROFS):
        readonly.removexattr(ROOT_INODE, b"user.x", ROOT)
