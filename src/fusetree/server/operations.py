"""The handlers that a file system may define, one for each request of the kernel.

Rule 1: a handler that a subclass does not define is not registered: the kernel learns that once and does not
    ask again.
Rule 2: handlers may be called from several threads at once.
Rule 3: a handler raises ``OSError`` to answer with its errno (the class alone is enough:
    ``FileNotFoundError()`` is ENOENT); anything else is a bug: EIO is answered, the traceback is logged, the
    mount goes on.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING, ClassVar

from fusetree.errors import FUSEError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fusetree._lowlevel.attributes import EntryAttributes, SetattrFields
    from fusetree._lowlevel.dirents import ReaddirToken
    from fusetree._lowlevel.filedata import FileData
    from fusetree._lowlevel.fileinfo import FileInfo
    from fusetree._lowlevel.filelock import FileLock
    from fusetree._lowlevel.inodes import InodeTable
    from fusetree._lowlevel.ioctls import IoctlRetry
    from fusetree._lowlevel.polling import PollHandle
    from fusetree._lowlevel.request import RequestContext
    from fusetree._lowlevel.statvfs import StatvfsData
    from fusetree._lowlevel.statx import StatxAttributes
    from fusetree.types import ReadableBuffer

ENOSYS = 38


class Operations:
    """Base class of a low-level file system; override the handlers that it has.

    Inodes are named by the number that a handler gives out in ``EntryAttributes.st_ino``; the root is
    ``ROOT_INODE`` (1) and needs no lookup.  The *lookup count* of an inode says how many references the
    kernel holds: each successful answer of ``lookup``, ``create``, ``mknod``, ``mkdir``, ``symlink``,
    ``link`` and each entry that ``readdir_reply`` took raises it by one, ``forget`` lowers it.  While it is
    above zero the inode number must stay valid, even when no name leads to it any more.  A count that an
    answer raised but that did not reach the kernel is taken back by a call of ``forget``, an open file that
    did not by a call of ``release``.  So it is with the entries of a listing whose handler failed.

    An ordinary handler that has to wait for something may return a ``concurrent.futures.Future``: it holds no
    thread, and the request is answered when the future gets its result or exception.  When the caller gives
    up (a signal), or the session ends, the future is cancelled and EINTR answered.

    Names, link targets and xattr names are ``bytes``; sizes and offsets count bytes; *ctx* tells who asks.
    """

    #: Lookups of "." and ".." work; needed for export over NFS.
    supports_dot_lookup: ClassVar[bool] = True
    #: The kernel may buffer and merge writes (and then decides about sizes and times itself).
    enable_writeback_cache: ClassVar[bool] = False
    #: The kernel enforces POSIX ACLs kept in xattrs; implies the option default_permissions.
    enable_acl: ClassVar[bool] = False
    #: Modes of new files come as the caller asked for them, and the handlers apply ``ctx.umask``: needed
    #: where a directory's default ACL counts instead.
    applies_umask: ClassVar[bool] = False
    #: open gets O_TRUNC; else the kernel sends a setattr of the size after open.
    atomic_o_trunc: ClassVar[bool] = False
    #: ``readdir`` is asked by READDIRPLUS: its entries carry attributes to the kernel and raise lookup
    #: counts.  False: by plain READDIR, where ``readdir_reply`` tells no more than name, inode and type, and
    #: **raises no lookup count**.
    readdirplus: ClassVar[bool] = True
    #: What the kernel would refuse of an answer without a word (attributes without a file type, of another
    #: inode, a value of a handler that has none to return) is an error in the log that names the handler; the
    #: caller gets EIO.
    checks_answers: ClassVar[bool] = True
    #: The kernel may cache link targets.
    cache_symlinks: ClassVar[bool] = False
    #: A table that answers in C what it knows, before any handler is asked.
    inode_table: InodeTable | None = None

    def init(self) -> None:
        """Called once, when the handshake with the kernel is done and before any other handler."""

    def destroy(self) -> None:
        """Called once, when the session is closed; lookup counts that the kernel never took back end here."""

    def describe(self, inode: int) -> str | None:
        """Path of *inode* for log messages, or None."""
        return None

    def stacktrace(self) -> None:
        """Log the stack of every thread; useful to see what a stuck file system waits for."""
        lines = []
        for ident, frame in sys._current_frames().items():
            lines.append(f"thread {ident}:\n{''.join(traceback.format_stack(frame))}")
        logging.getLogger("fusetree").error("%s", "\n".join(lines))

    # Names

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        """Attributes of the entry *name* in directory *parent_inode*.

        ENOENT when there is none; or attributes with ``st_ino`` 0, which the kernel caches as "no such name"
        for ``entry_timeout`` seconds.  **Raises the lookup count** of the returned inode by one.
        """
        raise FUSEError(ENOSYS)

    def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        """Lower lookup counts: *inode_list* has pairs (inode, by how much).  Nobody waits for an answer; it
        must not raise.
        """

    def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: RequestContext
    ) -> EntryAttributes:
        """Make a file of the type in *mode*, with device number *rdev* where it is a device.

        EEXIST when the name is taken.  **Raises the lookup count** of the new inode by one.
        """
        raise FUSEError(ENOSYS)

    def mkdir(self, parent_inode: int, name: bytes, mode: int, ctx: RequestContext) -> EntryAttributes:
        """Make a directory; *mode* has its type and permission bits.

        EEXIST when the name is taken.  **Raises the lookup count** of the new inode by one.
        """
        raise FUSEError(ENOSYS)

    def unlink(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        """Remove a name that is not a directory's.  The inode lives on while its lookup count is above
        zero.
        """
        raise FUSEError(ENOSYS)

    def rmdir(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        """Remove an empty directory (else ENOTEMPTY).  The inode lives on while its lookup count is above
        zero.
        """
        raise FUSEError(ENOSYS)

    def symlink(self, parent_inode: int, name: bytes, target: bytes, ctx: RequestContext) -> EntryAttributes:
        """Make a symbolic link to *target*.  **Raises the lookup count** of the new inode by one."""
        raise FUSEError(ENOSYS)

    def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: RequestContext,
    ) -> None:
        """Move a name.  What *name_new* led to before loses that name, unless *flags* says otherwise
        (rename(2)).

        With ``RENAME_NOREPLACE`` EEXIST is raised when *name_new* is taken; with ``RENAME_EXCHANGE`` both
        names must be there (else ENOENT) and change places.  Other flags: EINVAL.  Changes no lookup count.
        """
        raise FUSEError(ENOSYS)

    def link(
        self, inode: int, new_parent_inode: int, new_name: bytes, ctx: RequestContext
    ) -> EntryAttributes:
        """Give *inode* one more name.  **Raises the lookup count** of *inode* by one."""
        raise FUSEError(ENOSYS)

    def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        """Make a regular file and open it with *flags* (open(2)).  **Raises the lookup count** of the new
        inode by one.
        """
        raise FUSEError(ENOSYS)

    def tmpfile(
        self, parent_inode: int, mode: int, flags: int, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        """Make a regular file that has no name (``st_nlink`` 0), on the file system of directory
        *parent_inode*, and open it: O_TMPFILE of open(2).  ``link`` may give it a name later, unless *flags*
        has O_EXCL.

        **Raises the lookup count** of the new inode by one.  Needs libfuse 3.17 and Linux 6.1; without the
        handler open(2) fails with EOPNOTSUPP.
        """
        raise FUSEError(ENOSYS)

    # Inodes

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        """Attributes of *inode*; ``entry_timeout`` is not used."""
        raise FUSEError(ENOSYS)

    def setattr(
        self,
        inode: int,
        attr: EntryAttributes,
        fields: SetattrFields,
        fh: int | None,
        ctx: RequestContext,
    ) -> EntryAttributes:
        """Change the attributes that *fields* names to their values in *attr* ("now" is resolved already).

        *fh* is the file handle when the system call had one (ftruncate(2)), else None.  Returns all
        attributes, after the change.
        """
        raise FUSEError(ENOSYS)

    def readlink(self, inode: int, ctx: RequestContext) -> bytes:
        """Target of the symbolic link *inode*."""
        raise FUSEError(ENOSYS)

    def statfs(self, ctx: RequestContext) -> StatvfsData:
        """Size and limits of the file system."""
        raise FUSEError(ENOSYS)

    def access(self, inode: int, mode: int, ctx: RequestContext) -> bool:
        """Whether the caller may do *mode* (access(2)); not called with the option default_permissions."""
        raise FUSEError(ENOSYS)

    def setxattr(self, inode: int, name: bytes, value: bytes, ctx: RequestContext) -> None:
        """Set an extended attribute.  XATTR_CREATE and XATTR_REPLACE are settled before, by a call of
        ``getxattr``.
        """
        raise FUSEError(ENOSYS)

    def getxattr(self, inode: int, name: bytes, ctx: RequestContext) -> bytes:
        """Value of an extended attribute; ENODATA when there is none of that name."""
        raise FUSEError(ENOSYS)

    def listxattr(self, inode: int, ctx: RequestContext) -> Iterable[bytes]:
        """Names of the extended attributes."""
        raise FUSEError(ENOSYS)

    def removexattr(self, inode: int, name: bytes, ctx: RequestContext) -> None:
        """Remove an extended attribute; ENODATA when there is none of that name."""
        raise FUSEError(ENOSYS)

    def statx(
        self, inode: int, fh: int | None, flags: int, mask: int, ctx: RequestContext
    ) -> StatxAttributes | EntryAttributes:
        """Attributes of *inode* with what only statx(2) tells: when it was made.  Asked instead of
        ``getattr`` where the caller wants that.

        *fh* is the file handle when there is one, *flags* has the ``AT_STATX_*`` bits, *mask* the
        ``STATX_*`` bits that are wanted; what is wanted and not known may be left out.  Needs libfuse 3.18
        and Linux 6.6; without the handler statx(2) tells what ``getattr`` does.
        """
        raise FUSEError(ENOSYS)

    def syncfs(self, inode: int, ctx: RequestContext) -> None:
        """Bring the whole file system to the store: syncfs(2) of a file on it.

        Linux sends it to servers that it trusts only (block devices: the option blkdev, from 6.18 on).
        Needs libfuse 3.19; without the handler syncfs(2) writes back what the kernel has and succeeds.
        """
        raise FUSEError(ENOSYS)

    def bmap(self, inode: int, blocksize: int, index: int, ctx: RequestContext) -> int:
        """Number, on the block device below, of the block that has bytes *index* * *blocksize* and following
        of the file; 0: a hole.

        For file systems on block devices (the option blkdev): ioctl FIBMAP, swap files.  Without the handler
        FIBMAP fails with EINVAL.
        """
        raise FUSEError(ENOSYS)

    # Open files

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        """Open *inode*; *flags* as in open(2), without O_CREAT, O_EXCL, O_NOCTTY and (unless
        ``atomic_o_trunc``) O_TRUNC.

        ``FileInfo.fh`` comes back with every request on this open file.
        """
        raise FUSEError(ENOSYS)

    def read(self, fh: int, off: int, size: int) -> ReadableBuffer | FileData:
        """*size* bytes at offset *off*; fewer only at the end of the file.

        Any object whose bytes lie in one piece will do (bytes, bytearray, memoryview, array, mmap, a NumPy
        array); it is not copied, and must not change before it is sent. One that lies in pieces, such as
        every second byte of a memoryview, is a TypeError: return ``bytes(...)`` of it. A :class:`FileData`
        names bytes of a file.
        """
        raise FUSEError(ENOSYS)

    def write(self, fh: int, off: int, buf: memoryview) -> int:
        """Write *buf* at offset *off*; returns how many bytes were written, which must be all but with
        direct_io.

        *buf* shows the bytes where they were received, read-only, and nothing is copied.  It is released when
        the handler has answered: ``bytes(buf)`` is what to keep, the view itself then raises ValueError.
        """
        raise FUSEError(ENOSYS)

    def flush(self, fh: int) -> None:
        """A descriptor of this open file was closed; errors reach close(2).  Called once for each
        duplicate.
        """
        raise FUSEError(ENOSYS)

    def release(self, fh: int) -> None:
        """The last descriptor was closed; *fh* is not used again.  Errors reach nobody."""
        raise FUSEError(ENOSYS)

    def fsync(self, fh: int, datasync: bool) -> None:
        """Bring data, and unless *datasync* also metadata, to the store."""
        raise FUSEError(ENOSYS)

    def fallocate(
        self, inode: int, fh: int, mode: int, offset: int, length: int, ctx: RequestContext
    ) -> None:
        """Do to the bytes from *offset* on, *length* of them, what *mode* says (fallocate(2)): 0 takes space
        for them and lets the file grow, ``FALLOC_FL_*`` bits keep the size, punch a hole, zero, collapse or
        insert.

        EOPNOTSUPP for a mode that is not supported, ENOSPC when there is no space.  Without the handler,
        fallocate(2) fails with EOPNOTSUPP and posix_fallocate(3) writes zeros.
        """
        raise FUSEError(ENOSYS)

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
        """Copy up to *length* bytes from one open file to another (copy_file_range(2)); returns how many
        were copied, 0 at the end of the first.  *flags* is 0 up to now.

        EOPNOTSUPP or EXDEV make the caller copy with read and write, as it does without the handler.
        """
        raise FUSEError(ENOSYS)

    def lseek(self, inode: int, fh: int, offset: int, whence: int, ctx: RequestContext) -> int:
        """Offset of the next data (``os.SEEK_DATA``) or hole (``os.SEEK_HOLE``) from *offset* on; the end of
        a file counts as a hole.

        ENXIO when *offset* is at or behind the end, or there is no more data.  Other kinds of seeking never
        come here.  Without the handler the kernel takes the whole file for data.
        """
        raise FUSEError(ENOSYS)

    # Locks.  Without these handlers the kernel keeps the locks of this mount by itself, which is right
    # unless others see the same files by other ways.

    def getlk(self, inode: int, fh: int, lock: FileLock, ctx: RequestContext) -> FileLock | None:
        """A lock that keeps *lock* from being set (fcntl(2), F_GETLK), or None when nothing does.

        ``FileLock.conflicts`` tells which do.  Must be defined together with ``setlk``.
        """
        raise FUSEError(ENOSYS)

    def setlk(self, inode: int, fh: int, lock: FileLock, wait: bool, ctx: RequestContext) -> None:
        """Set *lock*, or with type F_UNLCK remove what ``lock.owner`` holds in its range (fcntl(2), F_SETLK,
        F_SETLKW).

        When another owner's lock is in the way: EAGAIN, or with *wait* return when it is gone.  Such a
        handler holds up nobody, however long it takes; EINTR when the caller gives up, EDEADLK when it would
        wait for itself.

        At close(2) the kernel sends no unlocking: ``flush`` must remove all locks of
        ``context().lock_owner``.  Must be defined together with ``getlk``.
        """
        raise FUSEError(ENOSYS)

    def flock(self, inode: int, fh: int, operation: int, ctx: RequestContext) -> None:
        """Lock the open file *fh* as a whole (flock(2)): ``fcntl.LOCK_SH``, ``LOCK_EX`` or ``LOCK_UN``; the
        owner is ``ctx.lock_owner``.

        EAGAIN when it cannot be had and *operation* has LOCK_NB, else return when it can.  Waiting is as for
        ``setlk``; ``release`` must remove the lock.
        """
        raise FUSEError(ENOSYS)

    # Devices

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
    ) -> int | ReadableBuffer | tuple[int, ReadableBuffer] | IoctlRetry | None:
        """A device command (ioctl(2)).

        *argument* is what the caller gave, an address mostly; *data* what the kernel fetched from there and
        *out_size* how many bytes may be handed back, both by the size and direction in *command* (``_IOR``
        and friends).  *flags* has ``FUSE_IOCTL_*`` bits (linux/fuse.h); with FUSE_IOCTL_DIR *fh* is a
        directory's.

        Returns what ioctl(2) shall return, or the bytes to hand back (ioctl(2) returns 0 then), or both in a
        tuple, or None for 0 and nothing; for an unrestricted ioctl (never on a mounted file system) also an
        IoctlRetry, to be called again with other memory. ENOTTY for an unknown command.  Without the handler
        ENOTTY.
        """
        raise FUSEError(ENOSYS)

    def poll(self, inode: int, fh: int, events: int, handle: PollHandle | None, ctx: RequestContext) -> int:
        """Which of *events* (``select.POLLIN`` and the like) the open file is ready for; 0: none.

        When *handle* is given somebody will wait: keep it, in place of an older one of the same *fh*, and
        call ``handle.notify()`` when something changes; then this is asked again.  Without the handler files
        are always ready.
        """
        raise FUSEError(ENOSYS)

    # Open directories

    def opendir(self, inode: int, ctx: RequestContext) -> int | FileInfo:
        """Open a directory; returns a file handle, or a FileInfo to say more (``cache_readdir``)."""
        raise FUSEError(ENOSYS)

    def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        """List from behind the entry whose ``next_id`` was *start_id* (0: from the start), by calls of
        ``readdir_reply(token, ...)`` until that returns False or there is no more.

        Each entry that was taken **raises the lookup count** of its inode by one, except "." and "..".
        Entries that come or go meanwhile must not make others be skipped or appear twice.
        """
        raise FUSEError(ENOSYS)

    def releasedir(self, fh: int) -> None:
        """The directory was closed; *fh* is not used again."""
        raise FUSEError(ENOSYS)

    def fsyncdir(self, fh: int, datasync: bool) -> None:
        """Bring the directory to the store."""
        raise FUSEError(ENOSYS)


#: Names of all handlers that answer a request.
HANDLERS: tuple[str, ...] = (
    "lookup", "forget", "getattr", "setattr", "readlink", "mknod", "mkdir", "unlink", "rmdir", "symlink",
    "rename", "link", "create", "open", "read", "write", "flush", "release", "fsync", "opendir", "readdir",
    "releasedir", "fsyncdir", "statfs", "access", "setxattr", "getxattr", "listxattr", "removexattr",
    "tmpfile", "statx", "syncfs", "bmap", "fallocate", "copy_file_range", "lseek", "getlk", "setlk", "flock",
    "ioctl", "poll",
)  # fmt: skip


def handlers_of(operations: Operations) -> dict[str, object]:
    """The handlers that *operations* defines itself, bound, by name.

    :raises TypeError: *operations* is no object of an `Operations` class; a handler can not be called; or one
        of ``getlk`` and ``setlk`` is there without the other: libfuse asks the kernel for locks only when it
        has both.
    """
    given: object = operations  # what a program that is not checked may give
    if not isinstance(given, Operations):
        what = f"the class {given.__name__}" if isinstance(given, type) else repr(given)
        raise TypeError(f"a session serves an object of a subclass of lowlevel.Operations, not {what}")
    found: dict[str, object] = {}
    for name in HANDLERS:
        defined = getattr(type(operations), name, None)
        if defined is not getattr(Operations, name) or name in getattr(operations, "__dict__", {}):
            handler = getattr(operations, name)
            if not callable(handler):
                raise TypeError(
                    f"handler {name!r} of {type(operations).__name__} can not be called: it is {handler!r}; "
                    "leave out what the file system does not have"
                )
            found[name] = handler
    if ("getlk" in found) != ("setlk" in found):
        raise TypeError(f"{type(operations).__name__} must define both getlk and setlk, or neither")
    return found
