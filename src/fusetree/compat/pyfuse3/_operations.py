"""pyfuse3's Operations."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence

from fusetree.compat._errors import FUSEError
from fusetree.compat._stacks import log_stacks
from fusetree.lowlevel import (
    EntryAttributes,
    FileInfo,
    PollHandle,
    ReaddirToken,
    RequestContext,
    SetattrFields,
    StatvfsData,
)
from fusetree.types import ReadableBuffer


class Operations:
    """Handlers of requests; override those that the file system has.  Names and targets are bytes.

    A handler raises FUSEError to answer with an errno; what is not overridden answers ENOSYS.
    ``fusetree.lowlevel.Operations`` tells of each handler what it gets and which lookup counts rise.
    """

    #: Lookups of "." and ".." work; needed for export over NFS.
    supports_dot_lookup: bool = True
    #: The kernel may buffer and merge writes.
    enable_writeback_cache: bool = False
    #: The kernel enforces POSIX ACLs kept in xattrs; implies the option default_permissions.
    enable_acl: bool = False

    def init(self) -> None:
        """Called when `main` begins to serve."""

    async def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        """Attributes of an entry; ``st_ino`` 0 for "no such name", to be cached."""
        raise FUSEError(errno.ENOSYS)

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        """Lower lookup counts."""

    async def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        """Attributes of an inode."""
        raise FUSEError(errno.ENOSYS)

    async def setattr(
        self, inode: int, attr: EntryAttributes, fields: SetattrFields, fh: int | None, ctx: RequestContext
    ) -> EntryAttributes:
        """Change attributes."""
        raise FUSEError(errno.ENOSYS)

    async def readlink(self, inode: int, ctx: RequestContext) -> bytes:
        """Target of a symbolic link."""
        raise FUSEError(errno.ENOSYS)

    async def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: RequestContext
    ) -> EntryAttributes:
        """Make a file."""
        raise FUSEError(errno.ENOSYS)

    async def mkdir(self, parent_inode: int, name: bytes, mode: int, ctx: RequestContext) -> EntryAttributes:
        """Make a directory."""
        raise FUSEError(errno.ENOSYS)

    async def unlink(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        """Remove a name."""
        raise FUSEError(errno.ENOSYS)

    async def rmdir(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        """Remove an empty directory."""
        raise FUSEError(errno.ENOSYS)

    async def symlink(
        self, parent_inode: int, name: bytes, target: bytes, ctx: RequestContext
    ) -> EntryAttributes:
        """Make a symbolic link."""
        raise FUSEError(errno.ENOSYS)

    async def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: RequestContext,
    ) -> None:
        """Move a name; *flags* may be RENAME_NOREPLACE or RENAME_EXCHANGE."""
        raise FUSEError(errno.ENOSYS)

    async def link(
        self, inode: int, new_parent_inode: int, new_name: bytes, ctx: RequestContext
    ) -> EntryAttributes:
        """Give an inode one more name."""
        raise FUSEError(errno.ENOSYS)

    async def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        """Open a file."""
        raise FUSEError(errno.ENOSYS)

    async def read(self, fh: int, off: int, size: int) -> ReadableBuffer:
        """Content of an open file."""
        raise FUSEError(errno.ENOSYS)

    async def write(self, fh: int, off: int, buf: bytes) -> int:
        """Change the content of an open file; returns how many bytes were written."""
        raise FUSEError(errno.ENOSYS)

    async def flush(self, fh: int) -> None:
        """A descriptor was closed."""
        raise FUSEError(errno.ENOSYS)

    async def release(self, fh: int) -> None:
        """The last descriptor was closed."""
        raise FUSEError(errno.ENOSYS)

    async def fsync(self, fh: int, datasync: bool) -> None:
        """Bring an open file to the store."""
        raise FUSEError(errno.ENOSYS)

    async def poll(
        self, inode: int, fh: int, poll_handle: PollHandle | None, ctx: RequestContext
    ) -> int | None:
        """What an open file is ready for (poll(2)); call ``poll_handle.notify()`` when that changes."""
        raise FUSEError(errno.ENOSYS)

    async def opendir(self, inode: int, ctx: RequestContext) -> int:
        """Open a directory; returns a file handle."""
        raise FUSEError(errno.ENOSYS)

    async def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        """List by calls of `readdir_reply`.  Each entry that it took **raises a lookup count**."""
        raise FUSEError(errno.ENOSYS)

    async def releasedir(self, fh: int) -> None:
        """The directory was closed."""
        raise FUSEError(errno.ENOSYS)

    async def fsyncdir(self, fh: int, datasync: bool) -> None:
        """Bring a directory to the store."""
        raise FUSEError(errno.ENOSYS)

    async def statfs(self, ctx: RequestContext) -> StatvfsData:
        """Size and limits of the file system."""
        raise FUSEError(errno.ENOSYS)

    def stacktrace(self) -> None:
        """Log the stacks of all threads.  Called when somebody sets the extended attribute
        ``fuse_stacktrace`` of the mountpoint.
        """
        log_stacks("pyfuse3")

    async def setxattr(self, inode: int, name: bytes, value: bytes, ctx: RequestContext) -> None:
        """Set an extended attribute."""
        raise FUSEError(errno.ENOSYS)

    async def getxattr(self, inode: int, name: bytes, ctx: RequestContext) -> bytes:
        """Value of an extended attribute."""
        raise FUSEError(errno.ENOSYS)

    async def listxattr(self, inode: int, ctx: RequestContext) -> Iterable[bytes]:
        """Names of the extended attributes."""
        raise FUSEError(errno.ENOSYS)

    async def removexattr(self, inode: int, name: bytes, ctx: RequestContext) -> None:
        """Remove an extended attribute."""
        raise FUSEError(errno.ENOSYS)

    async def access(self, inode: int, mode: int, ctx: RequestContext) -> bool:
        """Whether the caller may do *mode*."""
        raise FUSEError(errno.ENOSYS)

    async def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        """Make a file and open it."""
        raise FUSEError(errno.ENOSYS)
