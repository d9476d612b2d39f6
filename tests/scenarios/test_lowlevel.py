"""Operations of one's own behind the pretended kernel: lookups counted, replies exact, interrupts
harmless.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from fusetree import lowlevel
from fusetree.testing import Client, Opcode
from tests.support import raises_errno


class Hello(lowlevel.Operations):
    """A root with one file, written by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[int] = Counter()
        self.released = threading.Event()
        self.forgotten = threading.Event()
        self.data = bytearray(b"hello\n")

    def _attributes(self, inode: int) -> lowlevel.EntryAttributes:
        attributes = lowlevel.EntryAttributes()
        attributes.st_ino = inode
        if inode == lowlevel.ROOT_INODE:
            attributes.st_mode = stat.S_IFDIR | 0o755
            attributes.st_nlink = 2
        elif inode == 2:
            attributes.st_mode = stat.S_IFREG | 0o644
            attributes.st_size = len(self.data)
            attributes.st_nlink = 1
        else:
            raise lowlevel.FUSEError(errno.ENOENT)
        return attributes

    def lookup(
        self, parent_inode: int, name: bytes, ctx: lowlevel.RequestContext
    ) -> lowlevel.EntryAttributes:
        if parent_inode != lowlevel.ROOT_INODE or name != b"hello":
            raise FileNotFoundError
        self.counts[2] += 1
        return self._attributes(2)

    def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        for inode, count in inode_list:
            self.counts[inode] -= count
        self.forgotten.set()

    def getattr(self, inode: int, ctx: lowlevel.RequestContext) -> lowlevel.EntryAttributes:
        return self._attributes(inode)

    def setattr(
        self,
        inode: int,
        attr: lowlevel.EntryAttributes,
        fields: lowlevel.SetattrFields,
        fh: int | None,
        ctx: lowlevel.RequestContext,
    ) -> lowlevel.EntryAttributes:
        if fields.update_size:
            del self.data[attr.st_size :]
        return self._attributes(inode)

    def opendir(self, inode: int, ctx: lowlevel.RequestContext) -> int:
        return inode

    def readdir(self, fh: int, start_id: int, token: lowlevel.ReaddirToken) -> None:
        if start_id == 0 and lowlevel.readdir_reply(token, b"hello", self._attributes(2), 1):
            self.counts[2] += 1

    def open(self, inode: int, flags: int, ctx: lowlevel.RequestContext) -> lowlevel.FileInfo:
        if inode != 2:
            raise IsADirectoryError
        return lowlevel.FileInfo(fh=inode)

    def read(self, fh: int, off: int, size: int) -> memoryview:
        return memoryview(bytes(self.data))[off : off + size]

    def write(self, fh: int, off: int, buf: memoryview) -> int:
        self.data[off : off + len(buf)] = buf
        return len(buf)

    def release(self, fh: int) -> None:
        self.released.set()


def test_a_hand_written_file_system() -> None:
    operations = Hello()
    with Client(operations) as client:
        assert client.listdir() == ["hello"]
        assert client.read_text("hello") == "hello\n"
        assert operations.released.wait(10)
        client.write("hello", "bye\n")
        assert operations.data == b"bye\n"
        client.write("hello", "more\n", append=True)
        assert client.read_text("hello") == "bye\nmore\n"
        assert not client.exists("absent")
        with raises_errno(errno.ENOENT):
            client.stat("absent")
        held = sum(client.lookup_counts.values())
        assert operations.counts[2] == held > 0
        client.drop_caches()
        assert operations.forgotten.wait(10)


def test_what_is_not_written_is_not_there() -> None:
    with Client(Hello()) as client:
        calls: list[Callable[[], None]] = [
            lambda: client.mkdir("d"),
            lambda: client.unlink("hello"),
            lambda: client.symlink("hello", "link"),
        ]
        for call in calls:
            with raises_errno(errno.ENOSYS):
                call()
        with raises_errno(errno.EOPNOTSUPP):
            client.getxattr("hello", "user.a")


def test_an_oserror_is_its_errno_and_the_class_is_enough() -> None:
    class Failing(Hello):
        error: BaseException = FileNotFoundError()

        def getattr(self, inode: int, ctx: lowlevel.RequestContext) -> lowlevel.EntryAttributes:
            raise self.error

    operations = Failing()
    with Client(operations) as client:
        for error, number in [
            (FileNotFoundError(), errno.ENOENT),
            (PermissionError(), errno.EACCES),
            (OSError(errno.ENOSPC, "full"), errno.ENOSPC),
            (lowlevel.FUSEError(errno.EXDEV), errno.EXDEV),
            (ZeroDivisionError(), errno.EIO),
        ]:
            operations.error = error
            with raises_errno(number):
                client.raw.getattr(1)


def test_who_asks_is_told() -> None:
    seen: list[tuple[int, int, int]] = []

    class Asking(Hello):
        def getattr(self, inode: int, ctx: lowlevel.RequestContext) -> lowlevel.EntryAttributes:
            seen.append((ctx.uid, ctx.gid, ctx.pid))
            return super().getattr(inode, ctx)

    with Client(Asking()) as client, client.as_user(12, 34, pid=56):
        client.raw.getattr(1)
    assert seen == [(12, 34, 56)]


def test_notifications_of_the_session_reach_the_kernel() -> None:
    with Client(Hello()) as client:
        client.session.invalidate_inode(2)
        client.session.invalidate_inode(2, attr_only=True)
        client.session.invalidate_entry(1, b"hello")
        client.session.notify_delete(1, 2, b"hello")
        client.connection.pump()
        codes = [(n.code.name, n.offset) for n in client.notifications]
        assert codes == [("INVAL_INODE", 0), ("INVAL_INODE", -1), ("INVAL_ENTRY", 0), ("DELETE", 0)]


def test_an_interrupt_hurts_nobody() -> None:
    began, go_on = threading.Event(), threading.Event()

    class Waiting(Hello):
        def getattr(self, inode: int, ctx: lowlevel.RequestContext) -> lowlevel.EntryAttributes:
            began.set()
            assert go_on.wait(10)
            return super().getattr(inode, ctx)

    with Client(Waiting()) as client:
        pending = client.raw.submit(Opcode.GETATTR, 1, bytes(16))
        assert began.wait(10)
        client.raw.interrupt(pending)
        client.raw.interrupt(987654)
        go_on.set()
        assert pending.result(10)
        for _ in range(20):
            client.raw.getattr(1)


def test_large_reads_and_writes_come_through() -> None:
    operations = Hello()
    with Client(operations) as client:
        data = os.urandom(5_000_000)
        client.write("hello", data)
        assert operations.data == data
        assert client.read_bytes("hello", block=1 << 20) == data
