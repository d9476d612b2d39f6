"""llfuse's Operations, and how its handlers become ours: with the global lock, and with llfuse's return
values.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from typing import Any

from fusetree.compat._errors import FUSEError
from fusetree.compat._lock import Lock
from fusetree.compat._stacks import log_stacks
from fusetree.compat._translating import Handler, Translated, answer, mistake
from fusetree.lowlevel import (
    EntryAttributes,
    FileInfo,
    ReaddirToken,
    RequestContext,
    SetattrFields,
    StatvfsData,
    readdir_reply,
)
from fusetree.server.operations import HANDLERS
from fusetree.types import ReadableBuffer


class Operations:
    """Handlers of requests; override those that the file system has.  Names and targets are bytes.

    Each runs with the global lock held.  It raises FUSEError to answer with an errno; what is not
    overridden answers ENOSYS.  ``fusetree.lowlevel.Operations`` tells of each handler what it gets and
    which lookup counts rise; here are only the differences.
    """

    def init(self) -> None:
        """Called when `main` begins to serve."""

    def destroy(self) -> None:
        """Called by `close`."""

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        """Attributes of an entry; ``st_ino`` 0 for "no such name", to be cached."""
        raise FUSEError(errno.ENOSYS)

    def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        """Lower lookup counts."""

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        """Attributes of an inode."""
        raise FUSEError(errno.ENOSYS)

    def setattr(
        self, inode: int, attr: EntryAttributes, fields: SetattrFields, fh: int | None, ctx: RequestContext
    ) -> EntryAttributes:
        """Change attributes."""
        raise FUSEError(errno.ENOSYS)

    def readlink(self, inode: int, ctx: RequestContext) -> bytes:
        """Target of a symbolic link."""
        raise FUSEError(errno.ENOSYS)

    def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: RequestContext
    ) -> EntryAttributes:
        """Make a file."""
        raise FUSEError(errno.ENOSYS)

    def mkdir(self, parent_inode: int, name: bytes, mode: int, ctx: RequestContext) -> EntryAttributes:
        """Make a directory."""
        raise FUSEError(errno.ENOSYS)

    def unlink(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        """Remove a name."""
        raise FUSEError(errno.ENOSYS)

    def rmdir(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        """Remove an empty directory."""
        raise FUSEError(errno.ENOSYS)

    def symlink(self, parent_inode: int, name: bytes, target: bytes, ctx: RequestContext) -> EntryAttributes:
        """Make a symbolic link."""
        raise FUSEError(errno.ENOSYS)

    def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        ctx: RequestContext,
    ) -> None:
        """Move a name.  There are no flags: a renameat2(2) with any is answered with EINVAL."""
        raise FUSEError(errno.ENOSYS)

    def link(
        self, inode: int, new_parent_inode: int, new_name: bytes, ctx: RequestContext
    ) -> EntryAttributes:
        """Give an inode one more name."""
        raise FUSEError(errno.ENOSYS)

    def open(self, inode: int, flags: int, ctx: RequestContext) -> int:
        """Open a file; returns a file handle.  What the kernel has cached of the file is kept."""
        raise FUSEError(errno.ENOSYS)

    def read(self, fh: int, off: int, size: int) -> ReadableBuffer:
        """Content of an open file."""
        raise FUSEError(errno.ENOSYS)

    def write(self, fh: int, off: int, buf: bytes) -> int:
        """Change the content of an open file; returns how many bytes were written."""
        raise FUSEError(errno.ENOSYS)

    def flush(self, fh: int) -> None:
        """A descriptor was closed."""
        raise FUSEError(errno.ENOSYS)

    def release(self, fh: int) -> None:
        """The last descriptor was closed."""
        raise FUSEError(errno.ENOSYS)

    def fsync(self, fh: int, datasync: bool) -> None:
        """Bring an open file to the store."""
        raise FUSEError(errno.ENOSYS)

    def opendir(self, inode: int, ctx: RequestContext) -> int:
        """Open a directory; returns a file handle."""
        raise FUSEError(errno.ENOSYS)

    def readdir(self, fh: int, off: int) -> Iterable[tuple[bytes, EntryAttributes, int]]:
        """Entries behind offset *off*, each as (name, attributes, offset behind it); no more are taken than
        there is room for.  **No lookup count rises.**
        """
        raise FUSEError(errno.ENOSYS)

    def releasedir(self, fh: int) -> None:
        """The directory was closed."""
        raise FUSEError(errno.ENOSYS)

    def fsyncdir(self, fh: int, datasync: bool) -> None:
        """Bring a directory to the store."""
        raise FUSEError(errno.ENOSYS)

    def statfs(self, ctx: RequestContext) -> StatvfsData:
        """Size and limits of the file system."""
        raise FUSEError(errno.ENOSYS)

    def stacktrace(self) -> None:
        """Log the stacks of all threads.  Called, without the global lock, when somebody sets the extended
        attribute ``fuse_stacktrace`` of the mountpoint.
        """
        log_stacks("llfuse")

    def setxattr(self, inode: int, name: bytes, value: bytes, ctx: RequestContext) -> None:
        """Set an extended attribute."""
        raise FUSEError(errno.ENOSYS)

    def getxattr(self, inode: int, name: bytes, ctx: RequestContext) -> bytes:
        """Value of an extended attribute."""
        raise FUSEError(errno.ENOSYS)

    def listxattr(self, inode: int, ctx: RequestContext) -> Iterable[bytes]:
        """Names of the extended attributes."""
        raise FUSEError(errno.ENOSYS)

    def removexattr(self, inode: int, name: bytes, ctx: RequestContext) -> None:
        """Remove an extended attribute."""
        raise FUSEError(errno.ENOSYS)

    def access(self, inode: int, mode: int, ctx: RequestContext) -> bool:
        """Whether the caller may do *mode*."""
        raise FUSEError(errno.ENOSYS)

    def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: RequestContext
    ) -> tuple[int, EntryAttributes]:
        """Make a file and open it; returns a file handle and the attributes."""
        raise FUSEError(errno.ENOSYS)


def translated(operations: Any, lock: Lock) -> Translated:
    """*operations* as the core takes it; each handler runs with *lock* held."""
    return _Translated(operations, lock)


class _Translated(Translated):
    readdirplus = False  # readdir raises no lookup count

    def __init__(self, operations: Any, lock: Lock) -> None:
        super().__init__(operations, Operations)
        self._lock = lock
        special = {
            "open": self._open,
            "create": self._create,
            "write": self._write,
            "readdir": self._readdir,
            "rename": self._rename,
        }
        self.fill(
            HANDLERS,
            lambda name, handler: self._locked(special[name](handler) if name in special else handler),
        )

    def init(self) -> None:
        self._locked(self.original.init)()

    def destroy(self) -> None:
        with self._lock:
            self.original.destroy()

    def _locked(self, handler: Handler) -> Handler:
        acquire, release = self._lock.acquire, self._lock.release

        def locked(*arguments: Any) -> Any:
            acquire()
            try:
                return handler(*arguments)
            except FUSEError as error:
                raise answer(error) from None
            except OSError as error:
                raise mistake(error) from error
            finally:
                release()

        return locked

    def _open(self, handler: Handler) -> Handler:
        def opened(inode: int, flags: int, ctx: RequestContext) -> FileInfo:
            return FileInfo(handler(inode, flags, ctx), keep_cache=True)

        return opened

    def _create(self, handler: Handler) -> Handler:
        def create(*arguments: Any) -> tuple[FileInfo, EntryAttributes]:
            fh, attributes = handler(*arguments)
            return FileInfo(fh, keep_cache=True), attributes

        return create

    def _write(self, handler: Handler) -> Handler:
        def write(fh: int, off: int, buf: ReadableBuffer) -> Any:
            return handler(fh, off, bytes(buf))  # a bytes object stays what it is

        return write

    def _readdir(self, handler: Handler) -> Handler:
        def readdir(fh: int, start_id: int, token: ReaddirToken) -> None:
            for name, attributes, following in handler(fh, start_id):
                if not readdir_reply(token, name, attributes, following):
                    return

        return readdir

    def _rename(self, handler: Handler) -> Handler:
        def rename(
            old_parent: int, old: bytes, new_parent: int, new: bytes, flags: int, ctx: RequestContext
        ) -> Any:
            if flags:
                raise FUSEError(errno.EINVAL)
            return handler(old_parent, old, new_parent, new, ctx)

        return rename
