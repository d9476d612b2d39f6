"""A file system with every rarer handler: one directory with two files in memory; used by all rings."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from fusetree import lowlevel
from fusetree.lowlevel import FileLock, RequestContext

FILES = {b"a": 2, b"b": 3}
BLOCK = 4096

# _IOR('q', 1, 8 bytes), _IOW('q', 2, 4 bytes), _IOWR('q', 3, 4 bytes), _IO('q', 4)
GET_SIZE = 2 << 30 | 8 << 16 | ord("q") << 8 | 1
SET_LEVEL = 1 << 30 | 4 << 16 | ord("q") << 8 | 2
DOUBLE = 3 << 30 | 4 << 16 | ord("q") << 8 | 3
SEVEN = ord("q") << 8 | 4


class Locks:
    """The locks of one file; waiting is done by asking again after each change."""

    def __init__(self) -> None:
        self.held: list[FileLock] = []  # guarded by changed
        self.changed = threading.Condition()

    def blocking(self, lock: FileLock) -> FileLock | None:
        """A lock that is in the way."""
        return next((other for other in self.held if other.conflicts(lock)), None)

    def put(self, lock: FileLock) -> None:
        """Replace what the owner holds; whole ranges only, which is all that these tests want."""
        self.held = [o for o in self.held if o.owner != lock.owner or not o.overlaps(lock)]
        if lock.type != fcntl.F_UNLCK:
            self.held.append(lock)
        self.changed.notify_all()


class Device(lowlevel.Operations):
    """Handlers that keep what they were asked in `calls`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.data = {inode: bytearray() for inode in (*FILES.values(), 9)}
        self.locks = {inode: Locks() for inode in self.data}
        self.whole = {inode: Locks() for inode in self.data}
        self.waiting = threading.Semaphore(0)  # released when a handler begins to wait for a lock
        self.ready = 0
        self.handles: dict[int, lowlevel.PollHandle] = {}
        self.polled = threading.Semaphore(0)  # released when a handle was kept
        self.level = 0
        self.names = {b"special": 0}
        self.nameless: set[int] = set()  # made by tmpfile

    def attributes(
        self, inode: int, kind: Callable[[], lowlevel.EntryAttributes] = lowlevel.EntryAttributes
    ) -> Any:
        """What all handlers say of *inode*."""
        attributes = kind()
        attributes.st_ino = inode
        attributes.attr_timeout = attributes.entry_timeout = 0
        if inode == lowlevel.ROOT_INODE:
            attributes.st_mode = stat.S_IFDIR | 0o777
        else:
            attributes.st_mode = stat.S_IFREG | 0o666
            attributes.st_size = len(self.data[inode])
            attributes.st_nlink = 0 if inode in self.nameless else 1
        return attributes

    # -- names

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> lowlevel.EntryAttributes:
        if name not in FILES:
            raise FileNotFoundError
        result: lowlevel.EntryAttributes = self.attributes(FILES[name])
        return result

    def getattr(self, inode: int, ctx: RequestContext) -> lowlevel.EntryAttributes:
        result: lowlevel.EntryAttributes = self.attributes(inode)
        return result

    def setattr(
        self,
        inode: int,
        attr: lowlevel.EntryAttributes,
        fields: lowlevel.SetattrFields,
        fh: int | None,
        ctx: RequestContext,
    ) -> lowlevel.EntryAttributes:
        if fields.update_size:
            self._resize(inode, attr.st_size)
        return self.getattr(inode, ctx)

    def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: RequestContext
    ) -> lowlevel.EntryAttributes:
        self.calls.append(("mknod", name, mode, rdev))
        entry = self.getattr(9, ctx)
        entry.st_mode, entry.st_rdev = mode, rdev
        return entry

    def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: RequestContext,
    ) -> None:
        self.calls.append(("rename", name_old, name_new, flags))
        if flags & lowlevel.RENAME_NOREPLACE and name_new in FILES:
            raise FileExistsError
        if flags & lowlevel.RENAME_EXCHANGE and name_new not in FILES:
            raise FileNotFoundError

    def tmpfile(
        self, parent_inode: int, mode: int, flags: int, ctx: RequestContext
    ) -> tuple[lowlevel.FileInfo, lowlevel.EntryAttributes]:
        self.calls.append(("tmpfile", parent_inode, mode, flags))
        self.nameless.add(9)
        entry = self.getattr(9, ctx)
        entry.st_mode = mode
        return lowlevel.FileInfo(fh=9), entry

    def statx(
        self, inode: int, fh: int | None, flags: int, mask: int, ctx: RequestContext
    ) -> lowlevel.StatxAttributes:
        self.calls.append(("statx", inode, fh, flags, mask))
        result: lowlevel.StatxAttributes = self.attributes(inode, lowlevel.StatxAttributes)
        result.st_birthtime_ns = 1_000_000_000_000_000_001
        result.attributes = result.attributes_mask = 0x10
        return result

    def syncfs(self, inode: int, ctx: RequestContext) -> None:
        self.calls.append(("syncfs", inode))

    def bmap(self, inode: int, blocksize: int, index: int, ctx: RequestContext) -> int:
        self.calls.append(("bmap", inode, blocksize, index))
        return 100 * inode + index

    # -- files

    def open(self, inode: int, flags: int, ctx: RequestContext) -> lowlevel.FileInfo:
        return lowlevel.FileInfo(fh=inode, direct_io=True)

    def opendir(self, inode: int, ctx: RequestContext) -> int:
        return inode

    def read(self, fh: int, off: int, size: int) -> bytes:
        return bytes(self.data[fh][off : off + size])

    def write(self, fh: int, off: int, buf: memoryview) -> int:
        data = self.data[fh]
        if off > len(data):
            data.extend(bytes(off - len(data)))
        data[off : off + len(buf)] = buf
        return len(buf)

    def _resize(self, inode: int, size: int) -> None:
        data = self.data[inode]
        del data[size:]
        data.extend(bytes(size - len(data)))

    def fsyncdir(self, fh: int, datasync: bool) -> None:
        self.calls.append(("fsyncdir", fh, datasync))

    def fallocate(
        self, inode: int, fh: int, mode: int, offset: int, length: int, ctx: RequestContext
    ) -> None:
        self.calls.append(("fallocate", inode, fh, mode, offset, length))
        data = self.data[inode]
        if mode == 0x03:  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
            end = min(offset + length, len(data))
            data[offset:end] = bytes(max(end - offset, 0))
        elif mode == 0:
            self._resize(inode, max(len(data), offset + length))
        else:
            raise OSError(errno.EOPNOTSUPP, "mode")

    def copy_file_range(
        self,
        inode_in: int,
        fh_in: int,
        off_in: int,
        inode_out: int,
        fh_out: int,
        off_out: int,
        length: int,
        flags: int,
        ctx: RequestContext,
    ) -> int:
        self.calls.append(
            ("copy_file_range", inode_in, fh_in, off_in, inode_out, fh_out, off_out, length, flags)
        )
        return self.write(fh_out, off_out, memoryview(self.read(fh_in, off_in, length)))

    def lseek(self, inode: int, fh: int, offset: int, whence: int, ctx: RequestContext) -> int:
        """Blocks of zeros are holes."""
        self.calls.append(("lseek", inode, fh, offset, whence))
        data = self.data[inode]
        if offset >= len(data):
            raise OSError(errno.ENXIO, "behind the end")
        while offset < len(data):
            block = data[offset : (offset // BLOCK + 1) * BLOCK]
            if any(block) == (whence == os.SEEK_DATA):
                return offset
            offset = (offset // BLOCK + 1) * BLOCK
        if whence == os.SEEK_DATA:
            raise OSError(errno.ENXIO, "no more data")
        return len(data)

    # -- locks

    def _lock(self, locks: Locks, lock: FileLock, wait: bool, ctx: RequestContext) -> Any:
        with locks.changed:
            while locks.blocking(lock) is not None and lock.type != fcntl.F_UNLCK:
                if not wait:
                    raise BlockingIOError
                self.waiting.release()
                locks.changed.wait(20)
            locks.put(lock)

    def getlk(self, inode: int, fh: int, lock: FileLock, ctx: RequestContext) -> FileLock | None:
        self.calls.append(("getlk", inode, fh, lock))
        with self.locks[inode].changed:
            return self.locks[inode].blocking(lock)

    def setlk(self, inode: int, fh: int, lock: FileLock, wait: bool, ctx: RequestContext) -> Any:
        self.calls.append(("setlk", inode, fh, lock, wait))
        self._lock(self.locks[inode], lock, wait, ctx)

    def flock(self, inode: int, fh: int, operation: int, ctx: RequestContext) -> Any:
        self.calls.append(("flock", inode, fh, operation, ctx.lock_owner))
        kinds = {
            fcntl.LOCK_SH: fcntl.F_RDLCK,
            fcntl.LOCK_EX: fcntl.F_WRLCK,
            fcntl.LOCK_UN: fcntl.F_UNLCK,
        }
        lock = FileLock(kinds[operation & ~fcntl.LOCK_NB], owner=ctx.lock_owner)
        return self._lock(self.whole[inode], lock, not operation & fcntl.LOCK_NB, ctx)

    # -- devices

    def ioctl(
        self,
        inode: int,
        fh: int,
        command: int,
        argument: int,
        data: bytes,
        out_size: int,
        flags: int,
        ctx: RequestContext,
    ) -> Any:
        self.calls.append(("ioctl", inode, fh, command, argument, data, out_size, flags))
        if command == GET_SIZE:
            return struct.pack("=Q", len(self.data[inode]))
        if command == SET_LEVEL:
            self.level = struct.unpack("=i", data)[0]
            return None
        if command == DOUBLE:
            return 1, struct.pack("=i", 2 * struct.unpack("=i", data)[0])
        if command == SEVEN:
            return 7
        raise OSError(errno.ENOTTY, "no such command")

    def poll(
        self, inode: int, fh: int, events: int, handle: lowlevel.PollHandle | None, ctx: RequestContext
    ) -> int:
        self.calls.append(("poll", inode, fh, events, handle is not None))
        if handle is not None:
            self.handles[fh] = handle
            self.polled.release()
        return self.ready & events

    def get_ready(self, fh: int, events: int = select.POLLIN) -> None:
        """Let the file be ready, and wake who waits."""
        self.ready = events
        self.handles[fh].notify()


class Parking(Device):
    """Who waits for a lock holds no thread."""

    def __init__(self) -> None:
        super().__init__()
        self.parked: list[tuple[Locks, FileLock, Future[None]]] = []  # guarded by `parking`
        self.parking = threading.Lock()

    def _lock(self, locks: Locks, lock: FileLock, wait: bool, ctx: RequestContext) -> Any:
        with self.parking:
            if locks.blocking(lock) is not None and lock.type != fcntl.F_UNLCK:
                if not wait:
                    raise BlockingIOError
                future: Future[None] = Future()
                self.parked.append((locks, lock, future))
                self.waiting.release()
                return future
            with locks.changed:
                locks.put(lock)
        return self._serve_parked()

    def _serve_parked(self) -> None:
        served = []
        with self.parking:
            for waiter in list(self.parked):
                locks, lock, future = waiter
                if locks.blocking(lock) is None:
                    self.parked.remove(waiter)
                    if future.set_running_or_notify_cancel():
                        with locks.changed:
                            locks.put(lock)
                        served.append(future)
        for future in served:
            future.set_result(None)

    def setlk(self, inode: int, fh: int, lock: FileLock, wait: bool, ctx: RequestContext) -> Any:
        self.calls.append(("setlk", inode, fh, lock, wait))
        return self._lock(self.locks[inode], lock, wait, ctx)
