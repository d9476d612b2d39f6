"""An open directory of the pretended kernel, and listings that are cached when the server allows it."""

from __future__ import annotations

import errno
from types import TracebackType
from typing import TYPE_CHECKING

from fusetree.testing.protocol import InitFlag, Opcode, OpenedFlag
from fusetree.testing.raw import Opened

if TYPE_CHECKING:
    from fusetree.testing.values import Dirent
    from fusetree.testing.vfs import VFS

__all__ = ["ClientDirectory"]


class ClientDirectory:
    """A directory handle.  Used as a context manager it is closed at the end.

    Attributes:
        node: the node id.
        fh: the server's number for the handle.
        opened: what the server said of the handle (`OpenedFlag`).
        cookie: where the next `read_batch` begins; may be put to an earlier value (seekdir).
    """

    def __init__(self, vfs: VFS, node: int, *, block: int = 4096) -> None:
        """Made by `PathClient.opendir`; *block* is how many bytes each READDIR asks for."""
        opened = _ask(vfs, node)
        self.node = node
        self.fh = opened.fh
        self.opened = opened.flags
        self.cookie = 0
        self._vfs = vfs
        self._block = block
        self._closed = False
        with vfs.kernel.lock:
            inode = vfs.kernel.hold(node)
            if not self.opened & OpenedFlag.KEEP_CACHE:
                inode.listing = None

    def __enter__(self) -> ClientDirectory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def read_batch(self, *, plus: bool | None = None) -> list[Dirent]:
        """One READDIR or READDIRPLUS from `cookie` on, which moves behind the last line; nothing: the end.

        Args:
            plus: which of the two; None: as Linux does (PLUS for the first batch, or always without
                READDIRPLUS_AUTO).
        """
        vfs, kernel = self._vfs, self._vfs.kernel
        if plus is None:
            agreed = vfs.agreed
            plus = bool(agreed & InitFlag.DO_READDIRPLUS) and (
                self.cookie == 0 or not agreed & InitFlag.READDIRPLUS_AUTO
            )
        with vfs.operation():
            if not plus:
                lines = vfs.raw.readdir(self.node, self.fh, self.cookie, self._block)
            else:
                asked = kernel.moment()

                def taken(batch: list[Dirent]) -> None:
                    for line in batch:
                        if line.entry is not None and line.entry.node_id and line.name not in (b".", b".."):
                            kernel.entry_came(self.node, line.name, line.entry, asked)

                lines = vfs.raw.readdirplus(self.node, self.fh, self.cookie, self._block, taken=taken)
        if lines:
            self.cookie = lines[-1].cookie
        return lines

    def read_all(self, *, plus: bool | None = None) -> list[Dirent]:
        """All lines, from the cached listing when there is one that is still good."""
        vfs, kernel = self._vfs, self._vfs.kernel
        caching = bool(self.opened & OpenedFlag.CACHE_DIR)
        with vfs.operation():
            if caching:
                mtime_ns = vfs.attributes(self.node).st_mtime_ns
                with kernel.lock:
                    vfs.connection.pump()
                    inode = kernel.inode(self.node)
                    if inode.listing is not None and inode.listing_mtime_ns == mtime_ns:
                        return list(inode.listing)
            asked = kernel.moment()
            self.cookie = 0
            lines: list[Dirent] = []
            while batch := self.read_batch(plus=plus):
                lines += batch
            if caching:
                with kernel.lock:
                    vfs.connection.pump()
                    kernel.listing_came(self.node, list(lines), asked)
        return lines

    def close(self) -> None:
        """RELEASEDIR.  Idempotent."""
        if self._closed:
            return
        self._closed = True
        with self._vfs.operation() as held:
            held.append(self.node)
            if self._vfs.supported(Opcode.OPENDIR) and self._vfs.connection.connected:
                self._vfs.raw.releasedir(self.node, self.fh)


def _ask(vfs: VFS, node: int) -> Opened:
    without = Opened(0, OpenedFlag.KEEP_CACHE | OpenedFlag.CACHE_DIR)
    if not vfs.supported(Opcode.OPENDIR):
        return without
    try:
        return vfs.raw.opendir(node)
    except OSError as exc:
        if exc.errno != errno.ENOSYS or not vfs.agreed & InitFlag.NO_OPENDIR_SUPPORT:
            raise
        vfs.never_again(Opcode.OPENDIR)
        return without
