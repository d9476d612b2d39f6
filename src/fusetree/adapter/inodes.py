"""Handlers of what is asked of an inode: attributes, link targets, access, limits, extended attributes.

What may be changed through the mount: the size of a file that can be written to, and its times; the times of
a directory whose class lets names in. Mode and owner are the declaration's: changing them is refused with
EROFS, unless the class says otherwise (fusetree.adapter.kinds) or nothing would change.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, cast

from fusetree.adapter.names import encode
from fusetree.adapter.tree import S_IFDIR, S_IFLNK, S_IFREG, TreeOperations, refuse
from fusetree.adapter.usercode import call
from fusetree.flags import MAX_NAME_BYTES, R_OK, W_OK, X_OK
from fusetree.lowlevel import StatvfsData
from fusetree.nodes.base import MAX_VALUE_SIZE, WriteStyle
from fusetree.nodes.docs import doc_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusetree.adapter.handles import Handle
    from fusetree.lowlevel import EntryAttributes, RequestContext, SetattrFields
    from fusetree.nodes.base import FileNode, Node
    from fusetree.nodes.symlink import Symlink

__all__ = ["InodeHandlers"]

#: The extended attribute that tells what a node is.
DOC_XATTR: Final = b"user.doc"
#: The longest value that the kernel takes of one (XATTR_SIZE_MAX of linux/limits.h).
MAX_XATTR_BYTES: Final = 65536


class InodeHandlers(TreeOperations):
    """Handlers that need a node and no name."""

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        """All attributes; published, unless the file is made anew at each open."""
        return self.entries.attributes(self.node(inode))

    def setattr(
        self, inode: int, attr: EntryAttributes, fields: SetattrFields, fh: int | None, ctx: RequestContext
    ) -> EntryAttributes:
        """Change size and times where that is possible; EROFS for all else."""
        node: Node = self.node(inode)
        if self.ro:
            refuse(errno.EROFS)
        mode = attr.st_mode & 0o7777 if fields.update_mode else None
        uid = attr.st_uid if fields.update_uid else None
        gid = attr.st_gid if fields.update_gid else None
        if mode is not None or uid is not None or gid is not None:
            self._change_permissions(node, mode, uid, gid)
        atime = attr.st_atime_ns if fields.update_atime else None
        mtime = attr.st_mtime_ns if fields.update_mtime else None
        if not self._changeable(node) and (fields.update_size or atime is not None or mtime is not None):
            refuse(errno.EROFS)
        if fields.update_size:
            self._truncate(cast("FileNode", node), attr.st_size, fh)
        if atime is not None or mtime is not None:
            call(node.set_times, atime_ns=atime, mtime_ns=mtime)
        return self.entries.attributes(node)

    def _change_permissions(self, node: Node, mode: int | None, uid: int | None, gid: int | None) -> None:
        if mode == node.mode:
            mode = None
        if uid == self.entries.owner(node):
            uid = None
        if gid == self.entries.group(node):
            gid = None
        kind = self.kinds[type(node)]
        owned = uid is not None or gid is not None
        if (owned and kind.chown is None) or (mode is not None and kind.chmod is None):
            refuse(errno.EROFS)
        if owned and kind.chown is not None:
            call(kind.chown, node, uid, gid)
            if uid is not None and node.uid != uid:
                call(setattr, node, "uid", uid)
            if gid is not None and node.gid != gid:
                call(setattr, node, "gid", gid)
        if mode is not None and kind.chmod is not None:
            call(kind.chmod, node, mode)
            if node.mode != mode:
                call(setattr, node, "mode", mode)

    def _changeable(self, node: Node) -> bool:
        file_type = node.file_type
        if file_type == S_IFREG:
            return cast("FileNode", node).writable
        return file_type == S_IFDIR and self.kinds[type(node)].takes_names

    def _truncate(self, node: FileNode, size: int, fh: int | None) -> None:
        handle = None if fh is None else cast("Handle | None", self.inode_table.state(fh))
        if handle is not None:
            handle.truncate(size)
        elif node.write_style is WriteStyle.BYTES:
            call(node.truncate, size)
        elif size > MAX_VALUE_SIZE:
            refuse(errno.EFBIG)

    def readlink(self, inode: int, ctx: RequestContext) -> bytes:
        """The target, published."""
        node: Symlink = self.node(inode)
        if node.file_type != S_IFLNK:
            refuse(errno.EINVAL)
        attr = self.entries.begin(node)
        target = encode(node.target)
        self.inode_table.publish_link(inode, attr.change, target)
        return target

    def statfs(self, ctx: RequestContext) -> StatvfsData:
        """A file system without blocks of its own, like /proc; published."""
        change = self.inode_table.begin_statfs()
        data = StatvfsData()
        data.f_bsize = data.f_frsize = 4096
        data.f_namemax = MAX_NAME_BYTES
        self.inode_table.publish_statfs(change, data)
        return data

    def access(self, inode: int, mode: int, ctx: RequestContext) -> bool:
        """Whether the mode bits let the caller (by user and main group) in; only asked without
        default_permissions.
        """
        node: Node = self.node(inode)
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

    def getxattr(self, inode: int, name: bytes, ctx: RequestContext) -> bytes:
        """`user.doc` of a node that has one; ENODATA for all others. (ENOSYS would make the kernel remember
        that for all.)
        """
        doc = doc_of(self.node(inode)) if name == DOC_XATTR else None
        if doc is None:
            refuse(errno.ENODATA)
        value = encode(doc)
        if len(value) > MAX_XATTR_BYTES:  # cut between two characters
            value = value[:MAX_XATTR_BYTES].decode("utf-8", "ignore").encode()
        return value

    def listxattr(self, inode: int, ctx: RequestContext) -> Iterable[bytes]:
        """`user.doc`, if the node has one."""
        return () if doc_of(self.node(inode)) is None else (DOC_XATTR,)

    def setxattr(self, inode: int, name: bytes, value: bytes, ctx: RequestContext) -> None:
        """Nodes have no place for them: ENOTSUP, which `cp -a` and tar take for what it is."""
        refuse(errno.EROFS if self.ro else errno.ENOTSUP)

    def removexattr(self, inode: int, name: bytes, ctx: RequestContext) -> None:
        """There are none: ENODATA."""
        refuse(errno.EROFS if self.ro else errno.ENODATA)
