"""One method per request: the protocol as the kernel speaks it, node ids and handles in the open.

`RawClient` blocks until the reply is there and raises `OSError` with the errno that the server answered.
Every entry that a reply carries raises the lookup count of its node by one, exactly as in the kernel; the
counts are kept by whoever made the `RawClient`, through `on_entry`.  Nothing is cached here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from fusetree.testing import values, wire
from fusetree.testing.connection import Connection, Credentials, Pending
from fusetree.testing.protocol import (
    FSYNC_DATASYNC,
    GETATTR_FH,
    RELEASE_FLOCK_UNLOCK,
    InitFlag,
    Opcode,
    OpenedFlag,
    SetattrField,
)
from fusetree.testing.raw_special import Opened, SpecialRequests
from fusetree.testing.values import AttrReply, Dirent, Entry
from fusetree.testing.wire import Statfs

__all__ = ["Opened", "RawClient"]

T = TypeVar("T")

_FORGETS_IN_ONE_MESSAGE: Final = 250  # as many as fit beside the head in a page


class RawClient(SpecialRequests):
    """Requests of the protocol, each as a method.

    Arguments named `node` and `parent` are node ids, names are bytes, times are nanoseconds. Every method
    that waits for a reply raises `OSError` with the server's errno, and `UnansweredError` when none came
    within `timeout` seconds.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        credentials: Callable[[], Credentials],
        on_entry: Callable[[Entry], None],
        on_forget: Callable[[int, int], None],
        capabilities: Callable[[], InitFlag],
        timeout: float = 10.0,
    ) -> None:
        """Args:
        connection: the channel to the server.
        credentials: who asks; called for each request.
        on_entry: counts the lookup of an entry that came; called in stream order.
        on_forget: takes (node, count) lookups off the books; called before they are sent.
        capabilities: what INIT agreed upon; some layouts depend on it.
        timeout: seconds to wait for a reply.
        """
        self.connection = connection
        self.timeout = timeout
        self._credentials = credentials
        self._on_entry = on_entry
        self._on_forget = on_forget
        self._capabilities = capabilities

    # -- the two ways of asking --------------------------------------------------------------------

    def submit(
        self, opcode: Opcode, node: int, body: bytes = b"", *, taken: Callable[[bytes], None] | None = None
    ) -> Pending:
        """Send any request and do not wait; `Pending.result` gives the body of its reply.

        Args:
            taken: called with that body in stream order, see `Connection.submit`.
        """
        return self.connection.submit(opcode, node, body, credentials=self._credentials(), taken=taken)

    def call(
        self, opcode: Opcode, node: int, body: bytes = b"", *, taken: Callable[[bytes], None] | None = None
    ) -> bytes:
        """Send any request and wait for the body of its reply."""
        return self.submit(opcode, node, body, taken=taken).result(self.timeout)

    def interrupt(self, request: int | Pending) -> None:
        """Say that nobody waits for a request any more; it is answered all the same (EINTR, if the server
        cares).
        """
        unique = request.unique if isinstance(request, Pending) else request
        self.connection.interrupt(unique, credentials=self._credentials())

    # -- names -------------------------------------------------------------------------------------

    def lookup(self, parent: int, name: bytes, *, taken: Callable[[Entry], None] | None = None) -> Entry:
        """LOOKUP. The entry of *name*; its `node_id` is 0 when the server said that the absence may be
        remembered.

        Args:
            taken: called in stream order instead of the usual counting; so for all methods that answer an
                `Entry`.
        """
        return self._entry(Opcode.LOOKUP, parent, name + b"\0", taken)

    def submit_lookup(self, parent: int, name: bytes) -> Pending:
        """LOOKUP, not waited for.  The lookup is counted when the reply comes."""
        return self.submit(
            Opcode.LOOKUP, parent, name + b"\0", taken=lambda body: self._on_entry(values.unpack_entry(body))
        )

    def forget(self, node: int, count: int = 1) -> None:
        """FORGET: give back *count* lookups that raw requests brought.  Has no reply.

        Raises:
            ValueError: raw requests brought fewer.  (To send a wrong forget on purpose use `submit`.)
        """
        self._on_forget(node, count)
        self.send_forgets([(node, count)])

    def send_forgets(self, items: Sequence[tuple[int, int]]) -> None:
        """FORGET or BATCH_FORGET for lookups that are off the books already."""
        if len(items) == 1:
            self.submit(Opcode.FORGET, items[0][0], wire.pack(wire.ForgetIn(items[0][1])))
            return
        for start in range(0, len(items), _FORGETS_IN_ONE_MESSAGE):
            part = items[start : start + _FORGETS_IN_ONE_MESSAGE]
            lines = b"".join(wire.pack(wire.ForgetOne(node, count)) for node, count in part)
            self.submit(Opcode.BATCH_FORGET, 0, wire.pack(wire.BatchForgetIn(len(part))) + lines)

    def batch_forget(self, items: Sequence[tuple[int, int]]) -> None:
        """BATCH_FORGET: give back lookups of many nodes, as (node, count).  Otherwise like `forget`."""
        for node, count in items:
            self._on_forget(node, count)
        self.send_forgets(items)

    def mknod(
        self,
        parent: int,
        name: bytes,
        mode: int,
        rdev: int = 0,
        *,
        taken: Callable[[Entry], None] | None = None,
    ) -> Entry:
        """MKNOD."""
        body = wire.pack(wire.MknodIn(mode, rdev, self._credentials().umask))
        return self._entry(Opcode.MKNOD, parent, body + name + b"\0", taken)

    def mkdir(
        self, parent: int, name: bytes, mode: int = 0o755, *, taken: Callable[[Entry], None] | None = None
    ) -> Entry:
        """MKDIR."""
        body = wire.pack(wire.MkdirIn(mode, self._credentials().umask))
        return self._entry(Opcode.MKDIR, parent, body + name + b"\0", taken)

    def symlink(
        self, parent: int, name: bytes, target: bytes, *, taken: Callable[[Entry], None] | None = None
    ) -> Entry:
        """SYMLINK: make *name*, which points to *target*."""
        return self._entry(Opcode.SYMLINK, parent, name + b"\0" + target + b"\0", taken)

    def link(
        self, node: int, parent: int, name: bytes, *, taken: Callable[[Entry], None] | None = None
    ) -> Entry:
        """LINK: one more name for *node*."""
        return self._entry(Opcode.LINK, parent, wire.pack(wire.LinkIn(node)) + name + b"\0", taken)

    def unlink(self, parent: int, name: bytes) -> None:
        """UNLINK."""
        self.call(Opcode.UNLINK, parent, name + b"\0")

    def rmdir(self, parent: int, name: bytes) -> None:
        """RMDIR."""
        self.call(Opcode.RMDIR, parent, name + b"\0")

    def rename(self, parent: int, name: bytes, new_parent: int, new_name: bytes, flags: int = 0) -> None:
        """RENAME, or RENAME2 when *flags* (``RENAME_NOREPLACE``, ``RENAME_EXCHANGE``) are given."""
        names = name + b"\0" + new_name + b"\0"
        if flags:
            self.call(Opcode.RENAME2, parent, wire.pack(wire.Rename2In(new_parent, flags)) + names)
        else:
            self.call(Opcode.RENAME, parent, wire.pack(wire.RenameIn(new_parent)) + names)

    def readlink(self, node: int, *, taken: Callable[[bytes], None] | None = None) -> bytes:
        """READLINK: the target."""
        return self.call(Opcode.READLINK, node, taken=taken)

    # -- attributes --------------------------------------------------------------------------------

    def getattr(
        self, node: int, fh: int | None = None, *, taken: Callable[[AttrReply], None] | None = None
    ) -> AttrReply:
        """GETATTR."""
        body = wire.pack(wire.GetattrIn(0 if fh is None else GETATTR_FH, fh or 0))
        return self._parsed(Opcode.GETATTR, node, body, values.unpack_attr_reply, taken)

    def setattr(
        self,
        node: int,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        size: int | None = None,
        atime_ns: int | None = None,
        mtime_ns: int | None = None,
        ctime_ns: int | None = None,
        atime_now: bool = False,
        mtime_now: bool = False,
        fh: int | None = None,
        taken: Callable[[AttrReply], None] | None = None,
    ) -> AttrReply:
        """SETATTR: change what is given, leave the rest.  Times are nanoseconds, or *now* as the server sees
        it.
        """
        given = {
            SetattrField.MODE: mode,
            SetattrField.UID: uid,
            SetattrField.GID: gid,
            SetattrField.SIZE: size,
            SetattrField.ATIME: atime_ns,
            SetattrField.MTIME: mtime_ns,
            SetattrField.CTIME: ctime_ns,
            SetattrField.FH: fh,
        }
        valid = SetattrField(0)
        for bit, value in given.items():
            if value is not None:
                valid |= bit
        if atime_now:
            valid |= SetattrField.ATIME | SetattrField.ATIME_NOW
        if mtime_now:
            valid |= SetattrField.MTIME | SetattrField.MTIME_NOW
        atime, atimensec = divmod(atime_ns or 0, 10**9)
        mtime, mtimensec = divmod(mtime_ns or 0, 10**9)
        ctime, ctimensec = divmod(ctime_ns or 0, 10**9)
        body = wire.pack(
            wire.SetattrIn(
                valid,
                fh or 0,
                size or 0,
                0,
                atime & values.FOREVER,
                mtime & values.FOREVER,
                ctime & values.FOREVER,
                atimensec,
                mtimensec,
                ctimensec,
                mode or 0,
                0,
                uid or 0,
                gid or 0,
            )
        )
        return self._parsed(Opcode.SETATTR, node, body, values.unpack_attr_reply, taken)

    def access(self, node: int, mask: int) -> None:
        """ACCESS: raises EACCES when the caller may not (*mask* as for `os.access`)."""
        self.call(Opcode.ACCESS, node, wire.pack(wire.AccessIn(mask)))

    def statfs(self, node: int = 1) -> Statfs:
        """STATFS."""
        return wire.unpack(Statfs, self.call(Opcode.STATFS, node))

    # -- files -------------------------------------------------------------------------------------

    def open(self, node: int, flags: int = os.O_RDONLY) -> Opened:
        """OPEN with the flags of ``open``."""
        return _opened(self.call(Opcode.OPEN, node, wire.pack(wire.OpenIn(flags))))

    def create(
        self,
        parent: int,
        name: bytes,
        flags: int = os.O_WRONLY | os.O_CREAT,
        mode: int = 0o644,
        *,
        taken: Callable[[Entry], None] | None = None,
    ) -> tuple[Entry, Opened]:
        """CREATE: make *name* and open it."""
        body = wire.pack(wire.CreateIn(flags, mode | 0o100000, self._credentials().umask)) + name + b"\0"
        return self._created(Opcode.CREATE, parent, body, taken)

    def _created(
        self, opcode: Opcode, parent: int, body: bytes, taken: Callable[[Entry], None] | None
    ) -> tuple[Entry, Opened]:
        def parse(reply: bytes) -> tuple[Entry, Opened]:
            return values.unpack_entry(reply), _opened(reply[values.ENTRY_SIZE :])

        def count(reply: tuple[Entry, Opened]) -> None:
            (taken or self._on_entry)(reply[0])

        return self._parsed(opcode, parent, body, parse, count)

    def read(
        self, node: int, fh: int, size: int, offset: int = 0, *, taken: Callable[[bytes], None] | None = None
    ) -> bytes:
        """READ up to *size* bytes at *offset*.

        Raises:
            ValueError: the server sent more than was asked for (Linux refuses such a reply).
        """
        data = self.call(Opcode.READ, node, wire.pack(wire.ReadIn(fh, offset, size)), taken=taken)
        if len(data) > size:
            raise ValueError(f"READ of {size} bytes was answered with {len(data)}")
        return data

    def write(self, node: int, fh: int, data: bytes, offset: int = 0, flags: int = os.O_WRONLY) -> int:
        """WRITE *data* at *offset*; how many bytes were taken.  *flags*: those of the open file
        (``O_APPEND``).
        """
        body = wire.pack(wire.WriteIn(fh, offset, len(data), 0, 0, flags)) + data
        written = wire.unpack(wire.WriteOut, self.call(Opcode.WRITE, node, body)).size
        if written > len(data):
            raise ValueError(f"WRITE of {len(data)} bytes was answered with {written}")
        return written

    def flush(self, node: int, fh: int, lock_owner: int = 0) -> None:
        """FLUSH: a descriptor of the handle was closed."""
        self.call(Opcode.FLUSH, node, wire.pack(wire.FlushIn(fh, lock_owner)))

    def release(self, node: int, fh: int, flags: int = 0, *, flock_owner: int = 0) -> None:
        """RELEASE: the last descriptor of the handle was closed.  *flock_owner*: who has a lock of flock(2)
        on it.
        """
        unlock = RELEASE_FLOCK_UNLOCK if flock_owner else 0
        self.call(Opcode.RELEASE, node, wire.pack(wire.ReleaseIn(fh, flags, unlock, flock_owner)))

    def fsync(self, node: int, fh: int, *, datasync: bool = False) -> None:
        """FSYNC."""
        self.call(Opcode.FSYNC, node, wire.pack(wire.FsyncIn(fh, FSYNC_DATASYNC if datasync else 0)))

    # -- directories -------------------------------------------------------------------------------

    def opendir(self, node: int = 1, flags: int = os.O_RDONLY | os.O_DIRECTORY) -> Opened:
        """OPENDIR."""
        return _opened(self.call(Opcode.OPENDIR, node, wire.pack(wire.OpenIn(flags))))

    def readdir(self, node: int, fh: int, offset: int = 0, size: int = 4096) -> list[Dirent]:
        """READDIR: lines after cookie *offset* that fit into *size* bytes; none: the end."""
        body = self._directory(Opcode.READDIR, node, fh, offset, size)
        return list(values.unpack_dirents(body, plus=False))

    def readdirplus(
        self,
        node: int,
        fh: int,
        offset: int = 0,
        size: int = 4096,
        *,
        taken: Callable[[list[Dirent]], None] | None = None,
    ) -> list[Dirent]:
        """READDIRPLUS: the same with an entry for each line; each raises a lookup count, but for ``.`` and
        ``..``.
        """
        lines: list[Dirent] = []

        def count(body: bytes) -> None:
            lines.extend(values.unpack_dirents(body, plus=True))
            if taken is not None:
                taken(lines)
                return
            for line in lines:
                if line.entry is not None and line.name not in (b".", b".."):
                    self._on_entry(line.entry)

        self._directory(Opcode.READDIRPLUS, node, fh, offset, size, count)
        return lines

    def releasedir(self, node: int, fh: int, flags: int = 0) -> None:
        """RELEASEDIR."""
        self.call(Opcode.RELEASEDIR, node, wire.pack(wire.ReleaseIn(fh, flags)))

    def fsyncdir(self, node: int, fh: int, *, datasync: bool = False) -> None:
        """FSYNCDIR."""
        self.call(Opcode.FSYNCDIR, node, wire.pack(wire.FsyncIn(fh, FSYNC_DATASYNC if datasync else 0)))

    # -- extended attributes -----------------------------------------------------------------------

    def setxattr(self, node: int, name: bytes, value: bytes, flags: int = 0) -> None:
        """SETXATTR."""
        if self._capabilities() & InitFlag.SETXATTR_EXT:
            head = wire.pack(wire.SetxattrExtIn(len(value), flags))
        else:
            head = wire.pack(wire.SetxattrIn(len(value), flags))
        self.call(Opcode.SETXATTR, node, head + name + b"\0" + value)

    def getxattr(self, node: int, name: bytes, size: int = 65536) -> bytes:
        """GETXATTR: the value, at most *size* bytes (ERANGE when it is longer)."""
        return self.call(Opcode.GETXATTR, node, wire.pack(wire.GetxattrIn(size)) + name + b"\0")

    def getxattr_size(self, node: int, name: bytes) -> int:
        """GETXATTR with size 0: how long the value is."""
        return wire.unpack(wire.GetxattrOut, self.getxattr(node, name, 0)).size

    def listxattr(self, node: int, size: int = 65536) -> list[bytes]:
        """LISTXATTR: the names."""
        body = self.call(Opcode.LISTXATTR, node, wire.pack(wire.GetxattrIn(size)))
        return body.split(b"\0")[:-1]

    def removexattr(self, node: int, name: bytes) -> None:
        """REMOVEXATTR."""
        self.call(Opcode.REMOVEXATTR, node, name + b"\0")

    def destroy(self) -> None:
        """DESTROY: the file system is about to go."""
        self.call(Opcode.DESTROY, 0)

    # -- shared ------------------------------------------------------------------------------------

    def _parsed(
        self,
        opcode: Opcode,
        node: int,
        body: bytes,
        parse: Callable[[bytes], T],
        taken: Callable[[T], None] | None,
    ) -> T:
        parsed: list[T] = []

        def take(reply: bytes) -> None:
            parsed.append(parse(reply))
            if taken is not None:
                taken(parsed[0])

        self.call(opcode, node, body, taken=take)
        return parsed[0]

    def _entry(self, opcode: Opcode, node: int, body: bytes, taken: Callable[[Entry], None] | None) -> Entry:
        return self._parsed(opcode, node, body, values.unpack_entry, taken or self._on_entry)

    def _directory(
        self,
        opcode: Opcode,
        node: int,
        fh: int,
        offset: int,
        size: int,
        taken: Callable[[bytes], None] | None = None,
    ) -> bytes:
        body = self.call(opcode, node, wire.pack(wire.ReadIn(fh, offset, size)), taken=taken)
        if len(body) > size:
            raise ValueError(f"{opcode.name} of {size} bytes was answered with {len(body)}")
        return body


def _opened(reply: bytes) -> Opened:
    out = wire.unpack(wire.OpenOut, reply)
    return Opened(out.fh, OpenedFlag(out.open_flags))
