"""Handlers of extended attributes: there are none but `user.doc`, unless a node's class has the methods for
them.

That there are none is answered in C. A node whose class could have some is asked when it says so
(`Node.has_xattrs`), and from the first one that is set on.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, cast

from fusetree.adapter.names import decode, encode
from fusetree.adapter.steps import handler
from fusetree.adapter.tree import TreeOperations, refuse
from fusetree.adapter.usercode import call
from fusetree.nodes.docs import doc_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusetree.adapter.steps import Steps
    from fusetree.lowlevel import RequestContext
    from fusetree.nodes.base import Node

__all__ = ["XattrHandlers"]

#: The extended attribute that tells what a node is.
DOC_XATTR: Final = b"user.doc"
#: The longest value that the kernel takes of one (XATTR_SIZE_MAX of linux/limits.h).
MAX_XATTR_BYTES: Final = 65536


class XattrHandlers(TreeOperations):
    """Handlers of extended attributes."""

    @handler
    def getxattr(self, inode: int, name: bytes, ctx: RequestContext) -> Steps[bytes]:
        """A value, or `user.doc` of a node that has one; ENODATA when there is none. (ENOSYS would make the
        kernel remember that for all.)
        """
        node: Node = self.node(inode)
        if node is self.root and name in self.own_xattrs:
            return self.own_xattrs[name]()
        kind = self.kind_of(node)
        if kind.xattrs:
            if kind.getxattr is None:
                refuse(errno.ENODATA)
            return cast("bytes", (yield call(kind.getxattr, node, decode(name))))
        doc = doc_of(node) if name == DOC_XATTR else None
        if doc is None:
            refuse(errno.ENODATA)
        value = encode(doc)
        if len(value) > MAX_XATTR_BYTES:  # cut between two characters
            value = value[:MAX_XATTR_BYTES].decode("utf-8", "ignore").encode()
        return value

    @handler
    def listxattr(self, inode: int, ctx: RequestContext) -> Steps[Iterable[bytes]]:
        """The names; without a method `user.doc`, if the node has one."""
        node: Node = self.node(inode)
        kind = self.kind_of(node)
        if not kind.xattrs:
            return () if doc_of(node) is None else (DOC_XATTR,)
        if kind.listxattr is None:
            return ()
        names: Iterable[str] = yield call(kind.listxattr, node)
        return [encode(name) for name in names]

    @handler
    def setxattr(self, inode: int, name: bytes, value: bytes, ctx: RequestContext) -> Steps[None]:
        """Set one; EOPNOTSUPP where there is no place for them, which `cp -a` and tar take for what it is."""
        node: Node = self.node(inode)
        method = self.kind_of(node).setxattr
        if method is None or self.ro:
            refuse(errno.EROFS if self.ro else errno.ENOTSUP)
        yield call(method, node, decode(name), value)
        self.inode_table.set_xattrs(inode, True)

    @handler
    def removexattr(self, inode: int, name: bytes, ctx: RequestContext) -> Steps[None]:
        """Remove one; ENODATA when there is none."""
        node: Node = self.node(inode)
        method = self.kind_of(node).removexattr
        if method is None or self.ro:
            refuse(errno.EROFS if self.ro else errno.ENODATA)
        yield call(method, node, decode(name))
