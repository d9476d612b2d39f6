"""A directory of the host shown at another place, for reading and writing.

    python examples/passthrough.py SOURCE MNT

It shows how a file system over another one stays right while names change under it:

* An inode is an O_PATH descriptor, never a path: renames, hard links and removed files need no bookkeeping,
  and nobody can lead us out of SOURCE by swapping a directory for a link.  What takes a path only gets
  ``/proc/self/fd/N``, which leads to the descriptor's own inode.
* A descriptor is closed when nobody refers to it any more, not when the kernel says so: a request whose
  caller was killed may still run when its RELEASE or FORGET has come, and must not meet a descriptor
  number that means another file by then.  So descriptors are objects, and calls get the object.
* As root, new files belong to the caller: the thread's own file-system ids are changed for that call only.

* Locks are the source's own, so processes beside the mount heed them.  Each owner of record locks (fcntl(2))
  has an open file description of its own for each file, whose locks end with it.

Invariant of ``_by_key`` and ``_by_number``, which are changed under ``_lock`` (one look needs none): an inode
is in both exactly while its lookup count is above zero.  While it is, its descriptor keeps the source's inode
alive, so the source can not give that inode number to another file.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fusetree import lowlevel
from fusetree.lowlevel import (
    ROOT_INODE,
    EntryAttributes,
    FileInfo,
    FileLock,
    ReaddirToken,
    RequestContext,
    SetattrFields,
    StatvfsData,
)

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11 on

TIMEOUT = 1.0  # seconds; others may change the source, too
LISTING = 32768  # bytes of directory entries asked for at once
FOREIGN = 1 << 62  # first inode number of what has none of its own here

LOOK_AGAIN = 0.05  # seconds until somebody who waits for a lock looks again, whatever we know
F_OFD_GETLK, F_OFD_SETLK = 36, 37  # fcntl(2)
FLOCK = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, length, process

PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP = 28, 4  # prctl(2), capabilities(7)

libc: Any = ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> int:
    """The result of a function of the C library; OSError where it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


class Descriptor(int):
    """An open descriptor of ours, closed with the last reference to it.

    It is its number itself: a call that gets it refers to it as long as it runs.
    """

    def __new__(cls, fd: int, *details: object) -> Self:
        return super().__new__(cls, fd)

    def __del__(self) -> None:
        os.close(self)

    @property
    def path(self) -> str:
        """A path that leads to it and nowhere else, not even on when it is a symbolic link."""
        return DescriptorPath(self)


class DescriptorPath(str):
    """The path of a descriptor, which it refers to: a call that gets it can rely on it as long as it runs."""

    __slots__ = ("_descriptor",)
    _descriptor: Descriptor

    def __new__(cls, descriptor: Descriptor) -> Self:
        self = super().__new__(cls, f"/proc/self/fd/{int(descriptor)}")
        self._descriptor = descriptor
        return self


class Inode(Descriptor):
    """A file of the source that the kernel knows."""

    def __init__(self, fd: int, key: tuple[int, int], number: int, generation: int) -> None:
        self.key = key  # st_dev and st_ino of the source
        self.number = number
        self.generation = generation  # tells it from a later file with the same number
        self.lookups = 0  # guarded by PassthroughOperations._lock


class File(Descriptor):
    """A file that is open."""

    def __init__(self, fd: int, number: int) -> None:
        self.number = number  # of its inode


class LockOwner(Descriptor):
    """The open file description that holds the record locks of one owner in one file."""

    def __init__(self, fd: int, handle: int, pid: int) -> None:
        self.handle = handle  # by which it came: locks of an open file description end with that
        self.pid = pid


class Directory(Descriptor):
    """A directory that is open for listing; its offset is moved, so one listing at a time."""

    def __init__(self, fd: int, inode: Inode) -> None:
        self.inode = inode
        self.lock = threading.Lock()


class PassthroughOperations(lowlevel.Operations):
    """Request handlers over the directory *source*.  They run in several threads at once."""

    supports_dot_lookup = False  # ".." of a directory that nobody looked up by name would need a search
    enable_acl = True  # the source keeps them; the kernel checks by them

    def __init__(self, source: str) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._generations = 0  # guarded by _lock
        fd = os.open(source, os.O_PATH | os.O_DIRECTORY)
        found = os.fstat(fd)
        self._device = found.st_dev
        root = Inode(fd, (found.st_dev, found.st_ino), ROOT_INODE, 0)
        root.lookups = 1  # for ever
        self._by_key = {root.key: root}  # guarded by _lock
        self._by_number = {ROOT_INODE: root}  # guarded by _lock
        self._handles: dict[int, Descriptor] = {}  # guarded by _lock; by file handle
        self._next_handle = 1  # guarded by _lock
        self._as_root = os.geteuid() == 0
        self._owners: dict[tuple[int, int], LockOwner] = {}  # guarded by _lock; by inode number and owner
        self._unlocked = threading.Condition()  # notified when a lock may have ended

    def init(self) -> None:
        os.umask(0)  # the kernel has applied the caller's

    # ------------------------------------------------------------------ inodes

    def _inode(self, number: int) -> Inode:
        inode = self._by_number.get(number)
        if inode is None:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return inode

    def _attributes(self, found: os.stat_result, number: int, generation: int = 0) -> EntryAttributes:
        entry = EntryAttributes()
        entry.st_ino = number
        entry.generation = generation
        entry.entry_timeout = entry.attr_timeout = TIMEOUT
        entry.st_mode = found.st_mode
        entry.st_nlink = found.st_nlink
        entry.st_uid = found.st_uid
        entry.st_gid = found.st_gid
        entry.st_rdev = found.st_rdev
        entry.st_size = found.st_size
        entry.st_blksize = found.st_blksize
        entry.st_blocks = found.st_blocks
        entry.st_atime_ns = found.st_atime_ns
        entry.st_mtime_ns = found.st_mtime_ns
        entry.st_ctime_ns = found.st_ctime_ns
        return entry

    def _entry(self, fd: int) -> EntryAttributes:
        """Attributes of what the new O_PATH descriptor *fd* leads to, counted.  It takes *fd* over."""
        found = os.fstat(fd)
        key = found.st_dev, found.st_ino
        with self._lock:
            inode = self._by_key.get(key)
            is_known = inode is not None
            if inode is None:
                self._generations += 1
                # The source's number is best; other devices mounted in it have the same numbers again.
                number = found.st_ino
                if found.st_dev != self._device or number in self._by_number:
                    number = FOREIGN + self._generations
                inode = Inode(fd, key, number, self._generations)
                self._by_key[key] = self._by_number[number] = inode
            inode.lookups += 1
        if is_known:
            os.close(fd)
        return self._attributes(found, inode.number, inode.generation)

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        return self._look(self._inode(parent_inode), name)

    def _look(self, parent: Inode, name: bytes) -> EntryAttributes:
        return self._entry(os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=parent))

    def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        gone = []  # closed behind the lock
        with self._lock:
            for number, count in inode_list:
                inode = self._by_number[number]
                inode.lookups -= count
                if inode.lookups == 0:
                    del self._by_number[number], self._by_key[inode.key]
                    gone.append(inode)

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        known = self._inode(inode)
        return self._attributes(os.fstat(known), known.number)

    def setattr(
        self,
        inode: int,
        attr: EntryAttributes,
        fields: SetattrFields,
        fh: int | None,
        ctx: RequestContext,
    ) -> EntryAttributes:
        known = self._inode(inode)
        opened = self._handles.get(fh) if fh is not None else None
        if fields.update_uid or fields.update_gid:
            os.chown(
                known.path, attr.st_uid if fields.update_uid else -1, attr.st_gid if fields.update_gid else -1
            )
        if fields.update_mode:
            os.chmod(known.path, stat.S_IMODE(attr.st_mode))
        if fields.update_size:
            os.truncate(known.path if opened is None else opened, attr.st_size)
            clear_set_id(known)
        if fields.update_atime or fields.update_mtime:
            found = os.fstat(known)
            os.utime(
                known.path,
                ns=(
                    attr.st_atime_ns if fields.update_atime else found.st_atime_ns,
                    attr.st_mtime_ns if fields.update_mtime else found.st_mtime_ns,
                ),
            )
        return self._attributes(os.fstat(known), known.number)

    def readlink(self, inode: int, ctx: RequestContext) -> bytes:
        return os.readlink(b"", dir_fd=self._inode(inode))

    def statfs(self, ctx: RequestContext) -> StatvfsData:
        found = os.fstatvfs(self._inode(ROOT_INODE))
        data = StatvfsData()
        data.f_bsize = found.f_bsize
        data.f_frsize = found.f_frsize
        data.f_blocks = found.f_blocks
        data.f_bfree = found.f_bfree
        data.f_bavail = found.f_bavail
        data.f_files = found.f_files
        data.f_ffree = found.f_ffree
        data.f_favail = found.f_favail
        data.f_namemax = found.f_namemax
        return data

    # ------------------------------------------------------------------ names

    @contextmanager
    def _as_caller(self, ctx: RequestContext) -> Iterator[None]:
        """Within, what this thread makes belongs to the caller.  The kernel has checked what they may do."""
        if not self._as_root:
            yield
            return
        libc.setfsgid(ctx.gid)
        libc.setfsuid(ctx.uid)
        try:
            yield
        finally:
            libc.setfsuid(0)
            libc.setfsgid(0)

    def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: RequestContext
    ) -> EntryAttributes:
        parent = self._inode(parent_inode)
        with self._as_caller(ctx):
            os.mknod(name, mode, rdev, dir_fd=parent)
        return self._look(parent, name)

    def mkdir(self, parent_inode: int, name: bytes, mode: int, ctx: RequestContext) -> EntryAttributes:
        parent = self._inode(parent_inode)
        with self._as_caller(ctx):
            os.mkdir(name, stat.S_IMODE(mode), dir_fd=parent)
        return self._look(parent, name)

    def symlink(self, parent_inode: int, name: bytes, target: bytes, ctx: RequestContext) -> EntryAttributes:
        parent = self._inode(parent_inode)
        with self._as_caller(ctx):
            os.symlink(target, name, dir_fd=parent)
        return self._look(parent, name)

    def link(
        self, inode: int, new_parent_inode: int, new_name: bytes, ctx: RequestContext
    ) -> EntryAttributes:
        known, parent = self._inode(inode), self._inode(new_parent_inode)
        # With a descriptor for the folder os.link calls linkat(2), which follows /proc's link and no other.
        os.link(known.path, new_name, dst_dir_fd=parent, follow_symlinks=True)
        return self._entry(os.dup(known))

    def unlink(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        os.unlink(name, dir_fd=self._inode(parent_inode))

    def rmdir(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        os.rmdir(name, dir_fd=self._inode(parent_inode))

    def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: RequestContext,
    ) -> None:
        old, new = self._inode(parent_inode_old), self._inode(parent_inode_new)
        if flags:
            checked(libc.renameat2(old, name_old, new, name_new, flags))
        else:
            os.rename(name_old, name_new, src_dir_fd=old, dst_dir_fd=new)

    # ------------------------------------------------------------------ open files

    def _handle(self, descriptor: Descriptor) -> int:
        with self._lock:
            number = self._next_handle
            self._next_handle += 1
            self._handles[number] = descriptor
        return number

    def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        parent = self._inode(parent_inode)
        with self._as_caller(ctx):
            fd = os.open(name, ours(flags) | os.O_CREAT, stat.S_IMODE(mode), dir_fd=parent)
        entry = self._entry(os.open(f"/proc/self/fd/{fd}", os.O_PATH))
        return FileInfo(fh=self._handle(File(fd, entry.st_ino)), keep_cache=False), entry

    def tmpfile(
        self, parent_inode: int, mode: int, flags: int, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        parent = self._inode(parent_inode)
        with self._as_caller(ctx):
            fd = os.open(b".", ours(flags) | os.O_TMPFILE, stat.S_IMODE(mode), dir_fd=parent)
        entry = self._entry(os.open(f"/proc/self/fd/{fd}", os.O_PATH))
        return FileInfo(fh=self._handle(File(fd, entry.st_ino)), keep_cache=False), entry

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        # O_NOFOLLOW would stop at /proc's link; it was heeded by the kernel on the way here.
        fd = os.open(self._inode(inode).path, ours(flags) & ~os.O_NOFOLLOW)
        return FileInfo(fh=self._handle(File(fd, inode)), keep_cache=False)

    def read(self, fh: int, off: int, size: int) -> bytes:
        return os.pread(self._handles[fh], size, off)

    def write(self, fh: int, off: int, buf: memoryview) -> int:
        opened = self._handles[fh]
        done = 0
        while done < len(buf):
            done += os.pwrite(opened, buf[done:], off + done)
        clear_set_id(opened)
        return done

    def fallocate(
        self, inode: int, fh: int, mode: int, offset: int, length: int, ctx: RequestContext
    ) -> None:
        opened = self._handles[fh]
        checked(libc.fallocate64(opened, mode, ctypes.c_int64(offset), ctypes.c_int64(length)))
        clear_set_id(opened)

    def lseek(self, inode: int, fh: int, offset: int, whence: int, ctx: RequestContext) -> int:
        return os.lseek(self._handles[fh], offset, whence)  # moves an offset that nobody uses

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
        source, target = self._handles[fh_in], self._handles[fh_out]
        done = os.copy_file_range(source, target, length, off_in, off_out)
        clear_set_id(target)
        return done

    def flush(self, fh: int) -> None:
        opened = self._handles[fh]
        assert isinstance(opened, File)
        # fcntl(2): closing any descriptor of a file ends the process's record locks on it.
        self._drop_owners([(opened.number, lowlevel.context().lock_owner)])
        os.close(os.dup(opened))  # tells what close(2) of the source has to tell

    def release(self, fh: int) -> None:
        with self._lock:
            descriptor = self._handles.pop(fh)
            # Locks of the open file description itself (F_OFD_SETLK): no flush tells of their end.
            owned = [key for key, owner in self._owners.items() if owner.handle == fh]
        del descriptor
        self._drop_owners(owned)

    def fsync(self, fh: int, datasync: bool) -> None:
        (os.fdatasync if datasync else os.fsync)(self._handles[fh])

    # ------------------------------------------------------------------ locks

    def getlk(self, inode: int, fh: int, lock: FileLock, ctx: RequestContext) -> FileLock | None:
        found = conflict(self._owner(inode, fh, lock), lock.type, lock.start, lock.length)
        if found is None:
            return None
        # The source tells of no process.  It is the one who does not find the lock in the way.
        with self._lock:
            owners = [owner for (number, _), owner in self._owners.items() if number == inode]
        pids = [
            owner.pid
            for owner in owners
            if conflict(owner, fcntl.F_WRLCK, found.start, found.length) != found
        ]
        return FileLock(found.type, found.start, found.length, pids[0] if len(pids) == 1 else 0)

    def _owner(self, inode: int, fh: int, lock: FileLock) -> LockOwner:
        key = inode, lock.owner
        with self._lock:
            owner = self._owners.get(key)
        if owner is None:
            path = self._inode(inode).path
            try:
                fd = os.open(path, os.O_RDWR)
            except OSError:
                fd = os.open(path, os.O_RDONLY)  # enough for read locks
            owner = LockOwner(fd, fh, lock.pid)
            with self._lock:
                owner = self._owners.setdefault(key, owner)
        return owner

    def _drop_owners(self, keys: Sequence[tuple[int, int]]) -> None:
        with self._lock:
            gone = [self._owners.pop(key, None) for key in keys]
        if any(owner is not None for owner in gone):
            gone.clear()  # closed here
            self._tell_waiters()

    def setlk(self, inode: int, fh: int, lock: FileLock, wait: bool, ctx: RequestContext) -> None:
        owner = self._owner(inode, fh, lock)
        request = FLOCK.pack(lock.type, os.SEEK_SET, lock.start, lock.length, 0)
        self._wait_for(lambda: fcntl.fcntl(owner, F_OFD_SETLK, request), wait)
        if lock.type != fcntl.F_WRLCK:
            self._tell_waiters()

    def flock(self, inode: int, fh: int, operation: int, ctx: RequestContext) -> None:
        opened = self._handles[fh]
        self._wait_for(lambda: fcntl.flock(opened, operation | fcntl.LOCK_NB), not operation & fcntl.LOCK_NB)
        if not operation & fcntl.LOCK_EX:
            self._tell_waiters()

    def _tell_waiters(self) -> None:
        with self._unlocked:
            self._unlocked.notify_all()

    def _wait_for(self, lock: Callable[[], object], wait: bool) -> None:
        """Call *lock* until it succeeds, or the caller gives up.

        A lock of somebody beside the mount ends without a word, so it is tried now and then.
        """
        pause = LOOK_AGAIN / 64
        while True:
            try:
                lock()
                return
            except OSError as error:
                if error.errno not in {errno.EAGAIN, errno.EACCES}:
                    raise
            if not wait:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            if lowlevel.interrupted():
                raise InterruptedError
            with self._unlocked:
                self._unlocked.wait(pause)
            pause = min(pause * 2, LOOK_AGAIN)

    # ------------------------------------------------------------------ listings

    def opendir(self, inode: int, ctx: RequestContext) -> int:
        known = self._inode(inode)
        return self._handle(Directory(os.open(known.path, os.O_RDONLY | os.O_DIRECTORY), known))

    def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        """The source's own positions are the kernel's: what stays is listed once, whatever comes and goes."""
        directory = self._handles[fh]
        assert isinstance(directory, Directory)
        with directory.lock:
            os.lseek(directory, start_id, os.SEEK_SET)
            while entries := list(listed(directory)):
                for name, position in entries:
                    if name in {b".", b".."}:
                        number = self._number_of(directory, name)
                        entry = self._attributes(os.fstat(directory), number)
                    else:
                        try:
                            entry = self._look(directory.inode, name)
                        except FileNotFoundError:
                            continue  # removed meanwhile
                    if not lowlevel.readdir_reply(token, name, entry, position):
                        if name not in {b".", b".."}:
                            self.forget([(entry.st_ino, 1)])
                        return

    def _number_of(self, directory: Directory, name: bytes) -> int:
        """Inode number of a directory's "." or ".."; nothing outside of the source is told."""
        if name == b"." or directory.inode.number == ROOT_INODE:
            return directory.inode.number
        found = os.stat(b"..", dir_fd=directory)
        known = self._by_key.get((found.st_dev, found.st_ino))
        return found.st_ino if known is None else known.number

    def releasedir(self, fh: int) -> None:
        with self._lock:
            directory = self._handles.pop(fh)
        del directory

    def fsyncdir(self, fh: int, datasync: bool) -> None:
        self.fsync(fh, datasync)

    # ------------------------------------------------------------------ extended attributes

    def setxattr(self, inode: int, name: bytes, value: bytes, ctx: RequestContext) -> None:
        os.setxattr(self._inode(inode).path, name, value)

    def getxattr(self, inode: int, name: bytes, ctx: RequestContext) -> bytes:
        return os.getxattr(self._inode(inode).path, name)

    def listxattr(self, inode: int, ctx: RequestContext) -> list[bytes]:
        return [os.fsencode(name) for name in os.listxattr(self._inode(inode).path)]

    def removexattr(self, inode: int, name: bytes, ctx: RequestContext) -> None:
        os.removexattr(self._inode(inode).path, name)


def ours(flags: int) -> int:
    """How the source is opened for an open(2) with *flags*: our buffers are not aligned for O_DIRECT."""
    return (flags & ~os.O_DIRECT) | os.O_CLOEXEC


def clear_set_id(descriptor: Descriptor) -> None:
    """After content changed: root's own writes leave set-id bits on, and the caller may be anybody."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode) and (
        mode & stat.S_ISUID or mode & (stat.S_ISGID | stat.S_IXGRP) == stat.S_ISGID | stat.S_IXGRP
    ):
        os.chmod(descriptor.path, stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))


def conflict(descriptor: Descriptor, kind: int, start: int, length: int) -> FileLock | None:
    """A lock of somebody else that keeps one of this *kind* from being set there."""
    request = FLOCK.pack(kind, os.SEEK_SET, start, length, 0)
    kind, _, start, length, _ = FLOCK.unpack(fcntl.fcntl(descriptor, F_OFD_GETLK, request))
    return None if kind == fcntl.F_UNLCK else FileLock(kind, start, length)


def listed(fd: int) -> Iterator[tuple[bytes, int]]:
    """The next names of a directory, each with the position behind it: getdents64(2)."""
    buffer = ctypes.create_string_buffer(LISTING)
    size = checked(libc.getdents64(fd, buffer, LISTING))
    data = buffer.raw[:size]
    start = 0
    while start < size:
        # struct linux_dirent64: d_ino and d_off (8 bytes each), d_reclen (2), d_type (1), d_name
        length = int.from_bytes(data[start + 16 : start + 18], sys.byteorder)
        name = data[start + 19 : start + length].partition(b"\0")[0]
        yield name, int.from_bytes(data[start + 8 : start + 16], sys.byteorder)
        start += length


def main() -> None:
    """Mount and serve until Ctrl-C or `fusermount3 -u`."""
    source, mountpoint = sys.argv[1:]
    options = ["fsname=" + source.replace(",", "\\,"), "default_permissions"]
    if os.geteuid() == 0:
        options += ["allow_other", "dev", "suid"]
        # Threads that take a caller's file-system ids keep root's capabilities.
        checked(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    with lowlevel.Session(PassthroughOperations(source), mountpoint, options) as session:
        try:
            session.run(workers=4)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
