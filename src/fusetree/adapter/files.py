"""Handlers of open files.

To read is to pin: OPEN makes the content, or finds it published, and the reads of that open file are answered
in C. Only who opens a file to write to it has a handle in Python (fusetree.adapter.handles).
"""

from __future__ import annotations

import errno
import os
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from fusetree.adapter.generated import GeneratedHandle
from fusetree.adapter.handles import Handle, handle_for, piece
from fusetree.adapter.own import OwnHandle
from fusetree.adapter.steps import drive
from fusetree.adapter.tree import S_IFDIR, S_IFREG, TreeOperations, refuse
from fusetree.adapter.usercode import call
from fusetree.lowlevel import FileInfo
from fusetree.nodes.attributes import Attributes
from fusetree.nodes.filenode import Policy
from fusetree.nodes.filerange import FileRange
from fusetree.nodes.held import seen, state, steady, undisturbed
from fusetree.nodes.observers import Change

if TYPE_CHECKING:
    from fusetree.adapter.backing import Backings
    from fusetree.adapter.locks import Locks
    from fusetree.adapter.steps import Steps
    from fusetree.lowlevel import RequestContext
    from fusetree.nodes.base import Node
    from fusetree.nodes.filenode import FileNode
    from fusetree.types import ReadableBuffer

__all__ = ["FileHandlers"]

_WRITES: Final = os.O_WRONLY | os.O_RDWR
_WRITES_OR_TRUNCATES: Final = _WRITES | os.O_TRUNC
_DYNAMIC: Final = Policy.DYNAMIC
_SNAPSHOT: Final = Policy.SNAPSHOT
_PAGE: Final = Policy.PAGE

#: For how long a write waits for what the kernel must know before, in seconds.
_SETTLING: Final = 0.1


class FileHandlers(TreeOperations):
    """Handlers of regular files and what is open of them."""

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        """Open for reading, with the content pinned, or for writing."""
        node: FileNode = self.node(inode)
        if node.file_type != S_IFREG:
            refuse(errno.EISDIR if node.file_type == S_IFDIR else errno.ELOOP)
        if node.policy is _DYNAMIC and not flags & _WRITES_OR_TRUNCATES:
            kind = self.kind_of(node)
            if not kind.content and not kind.locks:
                return self._open_made(inode, node)  # as below, without the steps
        return drive(self.open_node(inode, node, flags))

    def open_node(
        self, inode: int, node: FileNode, flags: int, opened: object | None = None
    ) -> Steps[FileInfo]:
        """Open a file that is known to the table under the node id `inode`; *opened* is what its `open` would
        return, if somebody else has done that.
        """
        kind = self.kind_of(node)
        if kind.locks:
            self._keep_locks(node)
        if kind.content:
            own = yield from self._open_own(inode, node, flags, opened)
            if own is not None:
                return own
        if flags & _WRITES_OR_TRUNCATES:
            if state.active is not None:
                undisturbed()
            info = yield from self._open_for_writing(inode, node, flags)
            return info
        policy = node.policy
        if policy is _DYNAMIC:
            made: FileInfo = yield self._open_made(inode, node)
            return made
        if not seen(node).readable:
            refuse(errno.EACCES)
        table = self.inode_table
        change = table.change(inode)  # before the content is made: who polls must not miss a change
        content = self._publish(inode, node)
        if policy is _SNAPSHOT and not isinstance(content, FileRange):
            fh = table.open(inode, content=content, direct_io=True, change=change)
            return FileInfo(fh, True, False, noflush=self.locks is None)
        # What comes here is new or has just changed: pages of before are dropped, not waited for to be told.
        uncached = not self.kernel_cache
        return FileInfo(table.open(inode, direct_io=uncached), uncached, False, noflush=self.locks is None)

    def _open_made(self, inode: int, node: FileNode) -> FileInfo:
        """Open for reading what is made when it is opened."""
        if not seen(node).readable:
            refuse(errno.EACCES)
        change = self.inode_table.change(
            inode
        )  # before the content is made: who polls must not miss a change
        made = steady(lambda: call(node._opened_))
        if type(made) is CoroutineType:
            return drive(self._open_awaited(inode, node, made, change))
        return self._pinned(inode, node, made, change)

    def _open_awaited(self, inode: int, node: FileNode, coroutine: object, change: int) -> Steps[FileInfo]:
        made = yield coroutine
        return self._pinned(inode, node, made, change)

    def _pinned(self, inode: int, node: FileNode, made: Any, change: int) -> FileInfo:
        """What is open of what was made: the bytes, or what they come from as they are read."""
        if isinstance(made, bytes):
            fh = self.inode_table.open(inode, content=made, direct_io=True, change=change)
        else:
            generated = GeneratedHandle(node, made)
            fh = self.inode_table.open(inode, state=generated, direct_io=True, change=change)
        return FileInfo(fh, True, False, noflush=self.locks is None)

    def _open_own(
        self, inode: int, node: FileNode, flags: int, opened: object | None = None
    ) -> Steps[FileInfo | None]:
        """Open a file whose class answers by itself; None when it does not read or write, after all."""
        kind = self.kind_of(node)
        if flags & _WRITES_OR_TRUNCATES and self.ro:
            refuse(errno.EROFS)
        handle = opened
        if handle is None and kind.open is not None:
            handle = yield self.bytes_call(node, kind.open, node, flags)
        own = OwnHandle(self, node, handle, flags)
        if not own.answers:
            return None
        try:
            if own.keeps_locks:
                self._keep_locks(handle)
            if flags & os.O_ACCMODE != os.O_WRONLY and not own.reads:
                refuse(errno.EACCES)
            if flags & _WRITES_OR_TRUNCATES and not own.writes:
                refuse(errno.EROFS)
            if flags & os.O_TRUNC and not node._does_all_:
                yield from self.change_attributes(node, Attributes(size=0), own)
            cached = self.kernel_cache and node.policy is _PAGE
            if cached and self.backings is not None:
                self._open_backed(self.backings, inode, own)
            fh = self.inode_table.open(inode, state=own, file=own.source, direct_io=not cached)
        except BaseException:
            self._close_backed(own)
            yield from own.release()
            raise
        noflush = not flags & _WRITES and own.method("flush") is None and self.locks is None
        backing_id = 0 if own.backed is None else own.backed.backing_id
        return FileInfo(fh, not cached, cached and own.keep_cache, noflush=noflush, backing_id=backing_id)

    def _open_backed(self, backings: Backings, inode: int, own: OwnHandle) -> None:
        """Count an open file, and have it passed through if it can be."""
        own.backed = backed = backings.open(inode, own.flags, own.backing())
        if backed.backing_id and own.flags & _WRITES:
            # What is published or cached may be wrong from now on. (Of its own writes the kernel knows, but
            # not of what is stored in a map.)
            self.inode_table.changed(own.node, content=False)

    def _close_backed(self, own: OwnHandle) -> None:
        """The opposite. What was written past us all mounts are told when nobody writes any more."""
        backed, own.backed = own.backed, None
        if backed is not None and self.backings is not None and self.backings.close(backed, own.flags):
            call(own.node._tell_, Change.ALL)

    def _keep_locks(self, owner: object) -> None:
        if self.locks is None and not getattr(owner, "locks_if_asked", False):
            raise TypeError(
                f"{type(owner).__name__} keeps locks by itself, and those of this mount are the kernel's: "
                'mount it with locks="program"'
            )

    def change_attributes(self, node: Node, changes: Attributes, handle: Handle | None = None) -> Steps[None]:
        """Change attributes as programs ask for it."""
        raise NotImplementedError  # inodes.py; what O_TRUNC asks for is among it

    def _publish(self, inode: int, node: FileNode) -> bytes | memoryview | FileRange:
        """The content as it is now, which C gives to whoever opens or reads the file until it changes."""
        attr = self.entries.begin(node)
        while True:
            view = seen(node)
            content = view._source_()
            if seen(node) is view:
                break
        snapshot = node.policy is _SNAPSHOT
        cached = self.kernel_cache and not snapshot
        if isinstance(content, FileRange):
            self.inode_table.publish_file(
                inode,
                attr.change,
                content.fileno(),
                offset=content.offset,
                size=content.size,
                direct_io=not cached,
                snapshot=snapshot,
                keep_cache=cached,
            )
        else:
            self.inode_table.publish_content(
                inode, attr.change, content, direct_io=not cached, snapshot=snapshot, keep_cache=cached
            )
        return content

    def _open_for_writing(self, inode: int, node: FileNode, flags: int) -> Steps[FileInfo]:
        if self.ro:
            refuse(errno.EROFS)
        if flags & os.O_ACCMODE != os.O_WRONLY and not node.readable:
            refuse(errno.EACCES)
        truncated = bool(flags & os.O_TRUNC)
        change = self.inode_table.change(inode)
        handle = handle_for(node, bool(flags & os.O_APPEND), truncated)
        if truncated:
            yield from handle.truncate(0)
        elif flags & _WRITES == os.O_RDWR and node.policy is not _PAGE:
            # What a reader sees is pinned by OPEN, whatever comes later.
            handle.content = yield call(node.content)
        cached = self.kernel_cache and node.policy is _PAGE
        fh = self.inode_table.open(inode, state=handle, direct_io=not cached, change=change)
        return FileInfo(fh, not cached, cached)

    def read(self, fh: int, off: int, size: int) -> bytes | memoryview:
        """Read what C could not: through a handle that writes too, or what was withdrawn since."""
        handle = self.inode_table.state(fh)
        if isinstance(handle, OwnHandle) or (isinstance(handle, Handle) and handle.node.policy is not _PAGE):
            if off == 0 and handle.watch is not None:
                handle.watch.begin_anew()
                handle.begin_anew()
            return drive(handle.read(off, size))
        inode = self.inode_table.opened(fh)
        return piece(self._publish(inode, self.node(inode)), off, size)

    def write(self, fh: int, off: int, buf: ReadableBuffer) -> int:
        """Write as the node understands it; EBADF when it was not opened for that."""
        handle = self.inode_table.state(fh)
        if not isinstance(handle, Handle):
            refuse(errno.EBADF)
        if handle.unsettled is not None:
            self.inode_table.wait([handle.unsettled], _SETTLING)
            handle.unsettled = None
        # A view of the request is enough for who does all by itself, and copies nothing.
        data: Any = buf if handle.node._does_all_ else bytes(buf)
        return drive(handle.write(off, data))

    def flush(self, fh: int) -> None:
        """A descriptor was closed: store what was gathered."""
        handle = self.inode_table.state(fh)
        if self.locks is not None:
            return drive(self._flush_and_unlock(self.locks, fh, handle))
        return drive(handle.flush()) if isinstance(handle, Handle) else None

    def _flush_and_unlock(self, locks: Locks, fh: int, handle: object) -> Steps[None]:
        try:
            if isinstance(handle, Handle):
                yield from handle.flush()
        finally:
            yield from locks.flushed(self.inode_table.opened(fh), fh)

    def fsync(self, fh: int, datasync: bool) -> None:
        """Store what was gathered."""
        handle = self.inode_table.state(fh)
        if isinstance(handle, OwnHandle):
            return drive(handle.call("fsync", datasync))
        return drive(handle.flush()) if isinstance(handle, Handle) else None

    def release(self, fh: int) -> None:
        """The last descriptor was closed."""
        return self._released(fh) if self.locks is None else drive(self._unlock_and_release(self.locks, fh))

    def _unlock_and_release(self, locks: Locks, fh: int) -> Steps[None]:
        try:
            yield from locks.released(self.inode_table.opened(fh), fh)
        finally:
            yield self._released(fh)  # type: ignore[func-returns-value]  # a coroutine, perhaps

    def _released(self, fh: int) -> None:
        handle = self.inode_table.release(fh)
        if not isinstance(handle, Handle):
            return None
        if handle.watch is not None:
            self.watches.remove(handle.watch)
        if isinstance(handle, OwnHandle):
            self._close_backed(handle)
        return drive(handle.release())
