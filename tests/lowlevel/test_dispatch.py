"""From request to handler and back: arguments, results, wrong results, and what is taken back."""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fusetree import lowlevel
from fusetree.testing import Client
from tests.support import raises_errno, wait_for


def attributes(inode: int = 7, mode: int = stat.S_IFREG | 0o644) -> lowlevel.EntryAttributes:
    """What a handler returns of *inode*."""
    result = lowlevel.EntryAttributes()
    result.st_ino = inode
    result.st_mode = mode
    return result


class Recorder(lowlevel.Operations):
    """Every handler, writing down its calls; `answers` says what it returns instead, or raises."""

    def __init__(self, **answers: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answers = answers

    def _did(self, name: str, default: Any, *arguments: Any) -> Any:
        self.calls.append((name, *arguments))
        answer = self.answers.get(name, default)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def lookup(self, parent_inode: int, name: bytes, ctx: lowlevel.RequestContext) -> Any:
        return self._did("lookup", attributes(), parent_inode, name)

    def forget(self, inode_list: Any) -> None:
        self._did("forget", None, list(inode_list))

    def getattr(self, inode: int, ctx: lowlevel.RequestContext) -> Any:
        return self._did("getattr", attributes(inode), inode)

    def setattr(
        self,
        inode: int,
        attr: lowlevel.EntryAttributes,
        fields: lowlevel.SetattrFields,
        fh: int | None,
        ctx: lowlevel.RequestContext,
    ) -> Any:
        changed = {
            name: getattr(attr, "st_" + name + ("_ns" if name.endswith("time") else ""))
            for name in ("mode", "uid", "gid", "size", "atime", "mtime", "ctime")
            if getattr(fields, "update_" + name)
        }
        return self._did("setattr", attributes(inode), inode, changed, fh)

    def readlink(self, inode: int, ctx: lowlevel.RequestContext) -> Any:
        return self._did("readlink", b"target", inode)

    def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: lowlevel.RequestContext
    ) -> Any:
        return self._did("mknod", attributes(mode=mode), parent_inode, name, mode, rdev)

    def mkdir(self, parent_inode: int, name: bytes, mode: int, ctx: lowlevel.RequestContext) -> Any:
        return self._did("mkdir", attributes(mode=stat.S_IFDIR | 0o755), parent_inode, name, mode)

    def unlink(self, parent_inode: int, name: bytes, ctx: lowlevel.RequestContext) -> None:
        self._did("unlink", None, parent_inode, name)

    def rmdir(self, parent_inode: int, name: bytes, ctx: lowlevel.RequestContext) -> None:
        self._did("rmdir", None, parent_inode, name)

    def symlink(self, parent_inode: int, name: bytes, target: bytes, ctx: lowlevel.RequestContext) -> Any:
        return self._did("symlink", attributes(mode=stat.S_IFLNK | 0o777), parent_inode, name, target)

    def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: lowlevel.RequestContext,
    ) -> None:
        self._did("rename", None, parent_inode_old, name_old, parent_inode_new, name_new, flags)

    def link(self, inode: int, new_parent_inode: int, new_name: bytes, ctx: lowlevel.RequestContext) -> Any:
        return self._did("link", attributes(inode), inode, new_parent_inode, new_name)

    def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: lowlevel.RequestContext
    ) -> Any:
        return self._did(
            "create", (lowlevel.FileInfo(fh=5), attributes()), parent_inode, name, mode, flags & os.O_ACCMODE
        )

    def open(self, inode: int, flags: int, ctx: lowlevel.RequestContext) -> Any:
        return self._did("open", lowlevel.FileInfo(fh=2**64 - 1), inode, flags & os.O_ACCMODE)

    def read(self, fh: int, off: int, size: int) -> Any:
        return self._did("read", b"data", fh, off, size)

    def write(self, fh: int, off: int, buf: memoryview) -> Any:
        return self._did("write", len(buf), fh, off, bytes(buf))

    def flush(self, fh: int) -> None:
        self._did("flush", None, fh)

    def release(self, fh: int) -> None:
        self._did("release", None, fh)

    def fsync(self, fh: int, datasync: bool) -> None:
        self._did("fsync", None, fh, datasync)

    def opendir(self, inode: int, ctx: lowlevel.RequestContext) -> Any:
        return self._did("opendir", 3, inode)

    def readdir(self, fh: int, start_id: int, token: lowlevel.ReaddirToken) -> None:
        self._did("readdir", None, fh, start_id)
        for number in range(start_id, 1000):
            if not lowlevel.readdir_reply(token, b"f%d" % number, attributes(100 + number), number + 1):
                break

    def releasedir(self, fh: int) -> None:
        self._did("releasedir", None, fh)

    def fsyncdir(self, fh: int, datasync: bool) -> None:
        self._did("fsyncdir", None, fh, datasync)

    def statfs(self, ctx: lowlevel.RequestContext) -> Any:
        data = lowlevel.StatvfsData()
        data.f_bsize, data.f_blocks, data.f_namemax = 4096, 77, 200
        return self._did("statfs", data)

    def access(self, inode: int, mode: int, ctx: lowlevel.RequestContext) -> Any:
        return self._did("access", True, inode, mode)

    def setxattr(self, inode: int, name: bytes, value: bytes, ctx: lowlevel.RequestContext) -> None:
        self._did("setxattr", None, inode, name, value)

    def getxattr(self, inode: int, name: bytes, ctx: lowlevel.RequestContext) -> Any:
        return self._did("getxattr", b"value", inode, name)

    def listxattr(self, inode: int, ctx: lowlevel.RequestContext) -> Any:
        return self._did("listxattr", [b"user.a", b"user.b"], inode)

    def removexattr(self, inode: int, name: bytes, ctx: lowlevel.RequestContext) -> None:
        self._did("removexattr", None, inode, name)


def test_every_handler_gets_its_arguments() -> None:
    operations = Recorder()
    with Client(operations) as client:
        raw = client.raw
        raw.lookup(1, b"\xff name")
        raw.getattr(7)
        raw.setattr(7, mode=0o600, size=5)
        raw.readlink(7)
        raw.mknod(1, b"p", stat.S_IFIFO | 0o600, rdev=0)
        raw.mkdir(1, b"d", 0o750)
        raw.unlink(1, b"a")
        raw.rmdir(1, b"d")
        raw.symlink(1, b"s", b"to")
        raw.rename(1, b"a", 2, b"b", lowlevel.RENAME_NOREPLACE)
        raw.link(7, 1, b"l")
        raw.create(1, b"c", os.O_RDWR, 0o640)
        assert raw.open(7, os.O_WRONLY).fh == 2**64 - 1
        assert raw.read(7, 9, 4096, 10) == b"data"
        assert raw.write(7, 9, b"\0\1", 2**40) == 2
        raw.flush(7, 9)
        raw.fsync(7, 9, datasync=True)
        raw.release(7, 9)
        raw.opendir(1)
        raw.releasedir(1, 3)
        raw.fsyncdir(1, 3)
        raw.access(7, os.R_OK)
        assert raw.statfs().f_blocks == 77
        raw.setxattr(7, b"user.a", b"")
        assert raw.getxattr(7, b"user.a") == b"value"
        assert raw.listxattr(7) == [b"user.a", b"user.b"]
        raw.removexattr(7, b"user.a")
    calls = {call[0]: call[1:] for call in operations.calls}
    assert calls["lookup"] == (1, b"\xff name")
    assert calls["getattr"] == (7,)
    assert calls["setattr"] == (7, {"mode": 0o600, "size": 5}, None)
    assert calls["read"] == (9, 10, 4096)
    assert calls["mknod"] == (1, b"p", stat.S_IFIFO | 0o600, 0)
    assert calls["mkdir"] == (1, b"d", stat.S_IFDIR | 0o750)
    assert calls["symlink"] == (1, b"s", b"to")
    assert calls["rename"] == (1, b"a", 2, b"b", 1)
    assert calls["link"] == (7, 1, b"l")
    assert calls["create"][:2] == (1, b"c")
    assert calls["create"][3] == os.O_RDWR
    assert calls["open"] == (7, os.O_WRONLY)
    assert calls["write"] == (9, 2**40, b"\0\1")
    assert calls["fsync"] == (9, True)
    assert calls["fsyncdir"] == (3, False)
    assert calls["setxattr"] == (7, b"user.a", b"")
    missing = {"lookup", "forget", "readdir", "read"} ^ {"forget", "readdir"}
    assert missing <= calls.keys()


WRONG: list[tuple[str, Any, Callable[[Client], object]]] = [
    ("lookup", None, lambda c: c.raw.lookup(1, b"a")),
    ("getattr", 5, lambda c: c.raw.getattr(7)),
    ("setattr", None, lambda c: c.raw.setattr(7, mode=0o600)),
    ("readlink", "text", lambda c: c.raw.readlink(7)),
    ("open", None, lambda c: c.raw.open(7)),
    ("open", -1, lambda c: c.raw.open(7)),
    ("create", attributes(), lambda c: c.raw.create(1, b"c", os.O_RDWR, 0o640)),
    ("read", "text", lambda c: c.raw.read(7, 1, 100)),
    ("read", b"x" * 101, lambda c: c.raw.read(7, 1, 100)),
    ("read", bytearray(101), lambda c: c.raw.read(7, 1, 100)),
    ("write", None, lambda c: c.raw.write(7, 1, b"abc")),
    ("write", 4, lambda c: c.raw.write(7, 1, b"abc")),
    ("write", -1, lambda c: c.raw.write(7, 1, b"abc")),
    ("opendir", "x", lambda c: c.raw.opendir(1)),
    ("statfs", {}, lambda c: c.raw.statfs()),
    ("getxattr", "text", lambda c: c.raw.getxattr(7, b"user.a")),
    ("listxattr", ["text"], lambda c: c.raw.listxattr(7)),
    ("mkdir", True, lambda c: c.raw.mkdir(1, b"d", 0o755)),
]


@pytest.mark.parametrize(("handler", "result", "call"), WRONG, ids=[f"{w[0]}-{w[1]!r:.12}" for w in WRONG])
def test_a_wrong_result_is_eio_and_the_log_names_the_handler(
    handler: str, result: Any, call: Callable[[Client], object], caplog: pytest.LogCaptureFixture
) -> None:
    operations = Recorder(**{handler: result})
    with Client(operations) as client, caplog.at_level(logging.ERROR, "fusetree"):
        with raises_errno(errno.EIO):
            call(client)
        assert any(handler in record.getMessage() and record.exc_info for record in caplog.records)
        operations.answers.clear()
        assert client.raw.getattr(7)  # and it goes on


def test_any_contiguous_buffer_will_do() -> None:
    for data in (b"abc", bytearray(b"abc"), memoryview(b"xabc")[1:], memoryview(bytearray(b"abc"))):
        with Client(Recorder(read=data)) as client:
            assert client.raw.read(7, 1, 10) == b"abc"
    with Client(Recorder(read=memoryview(b"abcdef")[::2])) as client, raises_errno(errno.EIO):
        client.raw.read(7, 1, 10)


def test_xattr_sizes_and_flags() -> None:
    with Client(Recorder()) as client:
        assert client.raw.getxattr_size(7, b"user.a") == 5
        with raises_errno(errno.ERANGE):
            client.raw.getxattr(7, b"user.a", 4)
        with raises_errno(errno.EEXIST):
            client.raw.setxattr(7, b"user.a", b"v", os.XATTR_CREATE)
        client.raw.setxattr(7, b"user.a", b"v", os.XATTR_REPLACE)
    operations = Recorder(getxattr=OSError(errno.ENODATA, "none"))
    with Client(operations) as client:
        client.raw.setxattr(7, b"user.a", b"v", os.XATTR_CREATE)
        with raises_errno(errno.ENODATA):
            client.raw.setxattr(7, b"user.a", b"v", os.XATTR_REPLACE)
    assert [call[0] for call in operations.calls].count("setxattr") == 1


def test_access_says_eacces() -> None:
    with Client(Recorder(access=False)) as client, raises_errno(errno.EACCES):
        client.raw.access(7, os.W_OK)


def test_readdir_goes_on_where_the_buffer_was_full() -> None:
    with Client(Recorder()) as client:
        opened = client.raw.opendir(1)
        names: list[bytes] = []
        offset = 0
        while entries := client.raw.readdirplus(1, opened.fh, offset):
            names += [entry.name for entry in entries]
            offset = entries[-1].cookie
        assert names == [b"f%d" % number for number in range(1000)]


def test_a_token_outlives_its_request_harmlessly() -> None:
    kept: list[lowlevel.ReaddirToken] = []

    class Keeping(Recorder):
        def readdir(self, fh: int, start_id: int, token: lowlevel.ReaddirToken) -> None:
            kept.append(token)
            if fh == 4:
                raise OSError(errno.ENOTDIR, "no")

    with Client(Keeping()) as client:
        client.raw.readdirplus(1, 3)
        with raises_errno(errno.ENOTDIR):
            client.raw.readdirplus(1, 4)
        for token in kept:
            with pytest.raises(ValueError, match="answered already"):
                lowlevel.readdir_reply(token, b"late", attributes(), 1)


def test_forgets_come_in_batches() -> None:
    operations = Recorder()
    with Client(operations) as client:
        client.raw.send_forgets([(7, 2), (8, 1)])
        client.raw.send_forgets([(9, 3)])
        wait_for(lambda: sum(call[0] == "forget" for call in operations.calls) == 2)
    assert ("forget", [(7, 2), (8, 1)]) in operations.calls
    assert ("forget", [(9, 3)]) in operations.calls


def test_what_did_not_reach_the_kernel_is_taken_back() -> None:
    """The other end goes away while handlers run: their lookup counts and open files come back."""
    entered = threading.Barrier(4)
    go_on = threading.Event()

    class Late(Recorder):
        def _did(self, name: str, default: Any, *arguments: Any) -> Any:
            if name in ("lookup", "open", "create"):
                entered.wait(10)
                assert go_on.wait(10)
            return super()._did(name, default, *arguments)

    operations = Late()
    with Client(operations) as client:
        raw = client.raw
        raw.submit_lookup(1, b"a")
        threads = [
            threading.Thread(target=_quietly, args=(call,), daemon=True)
            for call in (lambda: raw.open(7), lambda: raw.create(1, b"c", os.O_RDWR, 0o640))
        ]
        for thread in threads:
            thread.start()
        entered.wait(10)
        client.connection.close()  # nobody takes the replies any more
        go_on.set()
        wait_for(lambda: sum(call[0] == "release" for call in operations.calls) == 2)
        wait_for(lambda: sum(call[0] == "forget" for call in operations.calls) == 2)
    assert operations.calls.count(("forget", [(7, 1)])) == 2
    assert ("release", 2**64 - 1) in operations.calls
    assert ("release", 5) in operations.calls


def _quietly(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception:
        logging.getLogger(__name__).debug("expected: the connection was closed", exc_info=True)


def test_an_async_handler_in_threads_is_a_clear_error(caplog: pytest.LogCaptureFixture) -> None:
    class Async(Recorder):
        async def getattr(  # type: ignore[override]  # what a program that is not checked may do
            self, inode: int, ctx: lowlevel.RequestContext
        ) -> Any:
            return attributes(inode)

    with Client(Async()) as client, caplog.at_level(logging.ERROR, "fusetree"):
        with raises_errno(errno.EIO):
            client.raw.getattr(7)
    assert "asyncio" in caplog.text
    assert "getattr" in caplog.text


def test_a_strict_session_raises_what_a_handler_raised() -> None:
    client = Client(Recorder(getattr=ZeroDivisionError("boom")), strict=True)
    with raises_errno(errno.EIO):
        client.raw.getattr(7)
    assert client.session._ended.wait(10)
    with pytest.raises(ZeroDivisionError, match="boom"):
        client.close()
