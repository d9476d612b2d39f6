"""An open file of the pretended kernel: reads through the page cache or past it, as the server asked at
OPEN.
"""

from __future__ import annotations

import errno
import os
from types import TracebackType
from typing import TYPE_CHECKING

from fusetree.testing.kernel import PAGE
from fusetree.testing.protocol import InitFlag, Opcode, OpenedFlag
from fusetree.testing.raw import Opened
from fusetree.testing.values import Attributes
from fusetree.testing.vfs import error

if TYPE_CHECKING:
    from fusetree.testing.vfs import VFS

__all__ = ["ClientFile", "open_node"]


def open_node(vfs: VFS, node: int, flags: int) -> ClientFile:
    """OPEN a node that the caller holds; the handle holds it for itself.

    Args:
        flags: those of open(2), without ``O_CREAT``.
    """
    atomic = bool(vfs.agreed & InitFlag.ATOMIC_O_TRUNC)
    asked = flags & ~(os.O_CREAT | os.O_EXCL | os.O_NOCTTY)
    opened = _ask(vfs, node, asked if atomic else asked & ~os.O_TRUNC)
    handle = ClientFile(vfs, node, flags, opened)
    try:
        if flags & os.O_TRUNC:
            if atomic:
                with vfs.kernel.lock:
                    vfs.kernel.attributes_changed_here(node, pages=True)
            else:
                handle.truncate(0)
    except BaseException:
        handle.close()
        raise
    return handle


def _ask(vfs: VFS, node: int, flags: int) -> Opened:
    without = Opened(0, OpenedFlag.KEEP_CACHE)
    if not vfs.supported(Opcode.OPEN):
        return without
    try:
        return vfs.raw.open(node, flags)
    except OSError as exc:
        if exc.errno != errno.ENOSYS or not vfs.agreed & InitFlag.NO_OPEN_SUPPORT:
            raise
        vfs.never_again(Opcode.OPEN)
        return without


class ClientFile:
    """A handle.  Used as a context manager it is closed at the end.

    Attributes:
        node: the node id.
        fh: the server's number for the handle.
        flags: those of open(2).
        opened: what the server said of the handle (`OpenedFlag`).
    """

    def __init__(self, vfs: VFS, node: int, flags: int, opened: Opened) -> None:
        """Made by `PathClient.open`."""
        self.node = node
        self.fh = opened.fh
        self.flags = flags
        self.opened = opened.flags
        self._vfs = vfs
        self._position = 0
        self._closed = False
        with vfs.kernel.lock:
            inode = vfs.kernel.hold(node)
            if not self.opened & (OpenedFlag.KEEP_CACHE | OpenedFlag.DIRECT_IO):
                inode.pages.clear()

    def __enter__(self) -> ClientFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- reading -----------------------------------------------------------------------------------

    def read(self, size: int = -1, *, block: int = 65536) -> bytes:
        """Read at the position, which moves on.

        Args:
            size: at most so many bytes; negative: all that is left.
            block: size of each read(2) when all is wanted.
        """
        if size >= 0:
            data = self.pread(size, self._position)
            self._position += len(data)
            return data
        whole = bytearray()
        while data := self.read(block):
            whole += data
        return bytes(whole)

    def pread(self, size: int, offset: int) -> bytes:
        """What ``pread`` does: up to *size* bytes at *offset*; empty at the end."""
        self._check(writing=False)
        with self._vfs.operation():
            if self.opened & OpenedFlag.DIRECT_IO:
                return self._read_direct(size, offset)
            return self._read_cached(size, offset)

    def _read_direct(self, size: int, offset: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            wanted = min(size - len(data), self._vfs.max_read)
            part = self._vfs.raw.read(self.node, self.fh, wanted, offset + len(data))
            data += part
            if len(part) < wanted:
                break
        return bytes(data)

    def _read_cached(self, size: int, offset: int) -> bytes:
        kernel = self._vfs.kernel
        end = min(offset + size, self._vfs.attributes(self.node, fh=self.fh).st_size)
        data = bytearray()
        while offset + len(data) < end:
            at = offset + len(data)
            page, start = divmod(at, PAGE)
            with kernel.lock:
                self._vfs.connection.pump()
                cached = kernel.inode(self.node).pages.get(page)
            if cached is None:
                cached = self._fetch(page, end)[:PAGE]
            part = cached[start : min(PAGE, start + end - at)]
            if not part:
                break
            data += part
            if start + len(part) < PAGE and len(cached) < PAGE:
                break  # a short page ends the file
        return bytes(data)

    def _fetch(self, page: int, end: int) -> bytes:
        """READ whole pages from *page* on, up to *end* or to the first one that is cached."""
        vfs, kernel = self._vfs, self._vfs.kernel
        with kernel.lock:
            pages = kernel.inode(self.node).pages
            count = 1
            while (
                (page + count) * PAGE < end
                and (count + 1) * PAGE <= vfs.max_read
                and page + count not in pages
            ):
                count += 1
            asked = kernel.moment()
        offset, wanted = page * PAGE, count * PAGE
        return vfs.raw.read(
            self.node, self.fh, wanted, offset,
            taken=lambda data: kernel.pages_came(self.node, offset, wanted, data, asked),
        )  # fmt: skip

    # -- writing -----------------------------------------------------------------------------------

    def write(self, data: bytes | str) -> int:
        """What ``write`` does at the position (with ``O_APPEND``: at the end as the kernel knows it); how
        many bytes were taken.
        """
        raw = data.encode() if isinstance(data, str) else bytes(data)
        offset = self._position
        if self.flags & os.O_APPEND:
            offset = self._vfs.attributes(self.node, fh=self.fh).st_size
        written = self.pwrite(raw, offset)
        self._position = offset + written
        return written

    def pwrite(self, data: bytes, offset: int) -> int:
        """What ``pwrite`` does: *data* at *offset*; how many bytes were taken."""
        self._check(writing=True)
        written = 0
        with self._vfs.operation():
            try:
                while written < len(data):
                    part = data[written : written + self._vfs.max_write]
                    taken = self._vfs.raw.write(self.node, self.fh, part, offset + written, self.flags)
                    written += taken
                    if taken < len(part):
                        break
            finally:
                with self._vfs.kernel.lock:
                    self._vfs.kernel.attributes_changed_here(self.node, pages=True)
        return written

    def truncate(self, size: int) -> None:
        """What ``ftruncate`` does."""
        self._check(writing=True)
        with self._vfs.operation():
            kernel = self._vfs.kernel
            asked = kernel.moment()
            self._vfs.raw.setattr(
                self.node, size=size, fh=self.fh, taken=lambda r: kernel.attributes_came(self.node, r, asked)
            )
            with kernel.lock:
                kernel.inode(self.node).pages.clear()

    # -- the rest ----------------------------------------------------------------------------------

    def seek(self, offset: int) -> None:
        """Put the position, in bytes from the beginning."""
        self._position = offset

    def stat(self) -> Attributes:
        """What ``fstat`` does."""
        with self._vfs.operation():
            return self._vfs.attributes(self.node, fh=self.fh)

    def flush(self) -> None:
        """What closing a duplicate of the descriptor does: FLUSH.  Raises what the server answers."""
        if not self._vfs.supported(Opcode.FLUSH) or self.opened & OpenedFlag.NOFLUSH:
            return
        try:
            self._vfs.raw.flush(self.node, self.fh)
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                raise
            self._vfs.never_again(Opcode.FLUSH)

    def fsync(self, *, datasync: bool = False) -> None:
        """What ``fsync`` or ``fdatasync`` does."""
        self._vfs.raw.fsync(self.node, self.fh, datasync=datasync)

    def close(self) -> None:
        """FLUSH, then RELEASE in any case; raises what FLUSH was answered, as ``close`` does.  Idempotent."""
        if self._closed:
            return
        self._closed = True
        with self._vfs.operation() as held:
            held.append(self.node)  # given up at the end of this operation
            try:
                self.flush()
            finally:
                if self._vfs.supported(Opcode.OPEN) and self._vfs.connection.connected:
                    self._vfs.raw.release(self.node, self.fh, self.flags)

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return self._closed

    def _check(self, *, writing: bool) -> None:
        access = self.flags & os.O_ACCMODE
        if self._closed or access == (os.O_RDONLY if writing else os.O_WRONLY):
            raise error(errno.EBADF)
