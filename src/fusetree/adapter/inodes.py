"""Handlers of what is asked of an inode: attributes, link targets, access, limits.

What may be changed through the mount: the size of a file that can be written to, and its times; the times of
a directory whose class lets names in. Mode and owner are the declaration's: changing them is refused with
EROFS, unless the class has `setattr` (fusetree.nodes.capabilities) or nothing would change.
"""

from __future__ import annotations

import errno
import functools
from typing import TYPE_CHECKING, cast

from fusetree.adapter.handles import Handle
from fusetree.adapter.names import encode
from fusetree.adapter.own import OwnHandle
from fusetree.adapter.steps import drive, handler
from fusetree.adapter.tree import S_IFDIR, S_IFLNK, S_IFREG, TreeOperations, refuse
from fusetree.adapter.usercode import call
from fusetree.flags import MAX_NAME_BYTES, R_OK, W_OK, X_OK
from fusetree.lowlevel import StatvfsData
from fusetree.nodes.attributes import Attributes, FileSystemSize
from fusetree.nodes.filenode import MAX_VALUE_SIZE, WriteStyle
from fusetree.nodes.held import seen, state, steady, undisturbed

if TYPE_CHECKING:
    from fusetree.adapter.kinds import Method
    from fusetree.adapter.steps import Steps
    from fusetree.lowlevel import EntryAttributes, RequestContext, SetattrFields
    from fusetree.nodes.base import Node
    from fusetree.nodes.filenode import FileNode
    from fusetree.nodes.symlink import Symlink

__all__ = ["InodeHandlers"]


class InodeHandlers(TreeOperations):
    """Handlers that need a node and no name."""

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        """All attributes; published, unless the file is made anew at each open."""
        return drive(self.entries.attributes(self.node(inode)))

    @handler
    def setattr(
        self, inode: int, attr: EntryAttributes, fields: SetattrFields, fh: int | None, ctx: RequestContext
    ) -> Steps[EntryAttributes]:
        """Change what the node's class lets be changed; EROFS for all else."""
        node: Node = self.node(inode)
        if self.ro:
            refuse(errno.EROFS)
        if state.active is not None:
            undisturbed()
        changes = Attributes(
            mode=attr.st_mode & 0o7777 if fields.update_mode else None,
            uid=attr.st_uid if fields.update_uid else None,
            gid=attr.st_gid if fields.update_gid else None,
            size=attr.st_size if fields.update_size else None,
            atime_ns=attr.st_atime_ns if fields.update_atime else None,
            mtime_ns=attr.st_mtime_ns if fields.update_mtime else None,
        )
        handle = None if fh is None else self.inode_table.state(fh)
        yield from self.change_attributes(node, changes, handle if isinstance(handle, Handle) else None)
        attributes = yield from self.entries.attributes(node)
        return attributes

    def change_attributes(self, node: Node, changes: Attributes, handle: Handle | None = None) -> Steps[None]:
        """Change attributes as programs ask for it, through an open file (`handle`) or by name."""
        kind = self.kind_of(node)
        timed = changes.atime_ns is not None or changes.mtime_ns is not None
        mode, uid, gid = changes.mode, changes.uid, changes.gid
        method: Method | None
        if isinstance(handle, OwnHandle):
            method = handle.method("setattr")
        else:
            method = None if kind.setattr is None else functools.partial(kind.setattr, node)
        if method is not None:
            yield self.bytes_call(node, method, changes)
            if node._does_all_:
                return
        else:
            mode, uid, gid = self._unasked(node, changes)
            if not self._changeable(node) and (changes.size is not None or timed):
                refuse(errno.EROFS)
        if changes.size is not None and not self._changeable(node):
            refuse(errno.EROFS)
        self._set_permissions(node, mode, uid, gid)
        if changes.size is not None and not kind.content:
            yield from self._truncate(cast("FileNode", node), changes.size, handle)
        if timed and not self._has_times(node, changes):
            call(node.set_times, atime_ns=changes.atime_ns, mtime_ns=changes.mtime_ns)

    def _unasked(self, node: Node, changes: Attributes) -> tuple[None, None, None]:
        """Refuse mode and owner where the class says nothing of them, unless they are so already."""
        if changes.mode not in (None, node.mode):
            refuse(errno.EROFS)
        if changes.uid not in (None, self.entries.owner(node)):
            refuse(errno.EROFS)
        if changes.gid not in (None, self.entries.group(node)):
            refuse(errno.EROFS)
        return None, None, None

    def _set_permissions(self, node: Node, mode: int | None, uid: int | None, gid: int | None) -> None:
        """Do what the node's method left undone."""
        if uid is not None and self.entries.owner(node) != uid:
            call(setattr, node, "uid", uid)
        if gid is not None and self.entries.group(node) != gid:
            call(setattr, node, "gid", gid)
        if mode is not None and node.mode != mode:
            call(setattr, node, "mode", mode)

    @staticmethod
    def _has_times(node: Node, changes: Attributes) -> bool:
        return changes.atime_ns in (None, node.atime_ns) and changes.mtime_ns in (None, node.mtime_ns)

    def _changeable(self, node: Node) -> bool:
        file_type = node.file_type
        kind = self.kind_of(node)
        if file_type == S_IFREG:
            # What its open makes may be written to; its class says so itself, by setattr.
            opens = kind.open is not None and kind.setattr is not None
            return cast("FileNode", node).writable or kind.write is not None or opens
        return file_type == S_IFDIR and kind.takes_names

    def _truncate(self, node: FileNode, size: int, handle: Handle | None) -> Steps[None]:
        if handle is not None:
            yield from handle.truncate(size)
        elif node.write_style is WriteStyle.BYTES:
            if (yield call(node.size)) != size:
                yield call(node.truncate, size)
        elif size > MAX_VALUE_SIZE:
            refuse(errno.EFBIG)

    @handler
    def readlink(self, inode: int, ctx: RequestContext) -> Steps[bytes]:
        """The target, published."""
        node: Symlink = self.node(inode)
        if node.file_type != S_IFLNK:
            refuse(errno.EINVAL)
        if state.active is not None and self.inode_table.is_held(inode):
            undisturbed()
        method = self.kind_of(node).readlink
        if method is not None:
            told = yield steady(lambda: call(method, node))
            if not isinstance(told, str):
                raise TypeError(f"{type(node).__name__}.readlink() must return text, not {told!r}")
            return encode(told)
        attr = self.entries.begin(node)
        while True:
            view = seen(node)
            target = encode(view.target)
            if seen(node) is view:
                break
        self.inode_table.publish_link(inode, attr.change, target)
        return target

    @handler
    def statfs(self, ctx: RequestContext) -> Steps[StatvfsData]:
        """What the root's `statfs` says; else a file system without blocks of its own, like /proc."""
        method = self.kind_of(self.root).statfs
        if method is not None:
            return _statvfs((yield call(method, self.root)))
        change = self.inode_table.begin_statfs()
        data = StatvfsData()
        data.f_bsize = data.f_frsize = 4096
        data.f_namemax = MAX_NAME_BYTES
        self.inode_table.publish_statfs(change, data)
        return data

    @handler
    def access(self, inode: int, mode: int, ctx: RequestContext) -> Steps[bool]:
        """Whether the mode bits let the caller (by user and main group) in; only asked without
        default_permissions.
        """
        node: Node = self.node(inode)
        method = self.kind_of(node).access
        if method is not None:
            return bool((yield call(method, node, mode)))
        node = seen(node)
        bits = node.mode
        if ctx.uid == 0:  # reads what anybody may read, and writes what can be written
            bits |= bits >> 3 | bits >> 6 | W_OK
        elif ctx.uid == self.entries.owner(node):
            bits >>= 6
        elif ctx.gid == self.entries.group(node):
            bits >>= 3
        if mode & (R_OK | W_OK | X_OK) & ~bits:
            return False
        if mode & W_OK and (self.ro or not self._changeable(node)):
            refuse(errno.EROFS)
        return True


def _statvfs(size: FileSystemSize) -> StatvfsData:
    if not isinstance(size, FileSystemSize):
        raise TypeError(f"statfs() must return a FileSystemSize, not {size!r}")
    data = StatvfsData()
    data.f_bsize = data.f_frsize = size.block_size
    data.f_blocks = size.blocks
    data.f_bfree = size.free_blocks
    data.f_bavail = size.free_blocks if size.available_blocks is None else size.available_blocks
    data.f_files = size.files
    data.f_ffree = data.f_favail = size.free_files
    data.f_namemax = MAX_NAME_BYTES
    return data
