"""Operations that a mount does on itself so that those who watch it (inotify(7)) get events.

The kernel makes events of what is done through the mount, and of nothing else. So the mount's own thread does
again what the program did already, and is answered that it was done. It is known by its thread id.

    it asks for                      it is answered
    utimensat of a node              the attributes as they are: IN_MODIFY or IN_ATTRIB
    open of a file, to write         an open file that touches nothing: IN_OPEN, and IN_CLOSE_WRITE at its end
    mkdir, mknod, symlink of a name  first that the name is free, then the node that has it: IN_CREATE
    unlink, rmdir of a name          first that an empty node (a ghost) has it, then that it is gone:
                                     IN_DELETE
    rename of a name                 first that the old name has the node still, or a ghost of it, and the new
                                     one nothing, then that it was done: IN_MOVED_FROM, IN_MOVED_TO
    lookup of a secret name          a node that has no name any more, with no link: the kernel says
                                     IN_DELETE_SELF when it is told to forget that name

Rule 1: none of these calls the program's code but `getattr`, where a class answers it, nor changes a node.
Rule 2: what only that thread may believe is given no time: the kernel asks again for everybody else. During
    an operation on a name it holds the directory's lock, so nobody else looks that name up meanwhile.
Rule 3: a name is removed or moved only if what has it was looked up for that: what came back under the name
    stays. (The kernel would move whatever it remembers under the name.)
"""

from __future__ import annotations

import errno
import secrets
from typing import TYPE_CHECKING, Any, Final

import attrs

from fusetree.adapter.announcements import Announcements, AnnouncingObserver
from fusetree.adapter.caching import CacheObserver
from fusetree.adapter.names import decode, encode
from fusetree.adapter.node_operations import NodeOperations
from fusetree.adapter.steps import handler
from fusetree.adapter.tree import S_IFDIR, refuse
from fusetree.lowlevel import FileInfo
from fusetree.nodes.callers import caller
from fusetree.nodes.directory import Dir
from fusetree.nodes.file import File
from fusetree.nodes.held import seen

if TYPE_CHECKING:
    from fusetree.adapter.steps import Steps
    from fusetree.lowlevel import EntryAttributes, RequestContext, SetattrFields
    from fusetree.nodes.base import Node

__all__ = ["AnnouncedOperations", "Announcing"]


# Handlers of what the kernel makes events of by itself.
_WITH_EVENTS: Final = (
    "setattr", "mknod", "mkdir", "symlink", "link", "unlink", "rmdir", "rename", "create", "open", "write",
    "flush", "release", "fsync", "fallocate", "copy_file_range", "setxattr", "removexattr",
)  # fmt: skip


@attrs.define(eq=False)
class Announcing:
    """What the announcing thread is doing: something to a node, or to a name of a directory."""

    node: Node | None = None
    directory: Dir | None = None
    name: bytes = b""
    #: What that thread finds under the name; None: nothing.
    ghost: Node | None = None
    haunted: bool = False  # the ghost was looked up
    gone: bool = False  # the ghost has no link
    #: Where the name is moved to: there that thread finds nothing.
    target: Dir | None = None
    new_name: bytes = b""


class AnnouncedOperations(NodeOperations):
    """A tree whose changes can be announced; the arguments are those of `NodeOperations`."""

    def __init__(self, root: Dir, **options: Any) -> None:
        self.announcements = Announcements()
        #: The thread that announces, as the kernel names it; 0: there is none.
        self.announcer = 0
        #: What it is doing; set by it alone.
        self.announcing: Announcing | None = None
        super().__init__(root, **options)
        for name in _WITH_EVENTS:
            setattr(self, name, self.announcements.marked(getattr(self, name)))

    def _make_observer(self, wait: float) -> CacheObserver:
        return AnnouncingObserver(self.inode_table, wait, self.announcements)

    def introduce(self) -> bytes:
        """The name of an extended attribute; the thread that reads it from the root is the announcer."""
        name = b"fusetree." + secrets.token_hex(8).encode()

        def answer() -> bytes:
            del self.own_xattrs[name]
            self.announcer = getattr(caller(), "pid", 0)
            return b"%d" % self.announcer

        self.own_xattrs[name] = answer
        return name

    @staticmethod
    def ghost_of(node: Node) -> Node:
        """A node that is removed, or moved, in another's place."""
        if node.file_type == S_IFDIR:
            return Dir(ino=node.ino, mode=0o700)  # who moves a directory must be let write to it
        return File(b"", ino=node.ino)

    # ---- handlers

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        """A child; for the announcer what it is to see."""
        if ctx.pid == self.announcer != 0:
            return self._lookup_announced(parent_inode, name)
        return super().lookup(parent_inode, name, ctx)

    @handler
    def _lookup_announced(self, parent_inode: int, name: bytes) -> Steps[EntryAttributes]:
        directory = self.directory(parent_inode)
        doing = self.announcing
        if doing is not None and doing.directory is directory and doing.name == name:
            if doing.ghost is None:
                refuse(errno.ENOENT)
            attr = yield from self.entries.attributes(doing.ghost)
            attr.publish = False
            attr.entry_timeout = attr.attr_timeout = 0.0
            if doing.gone:
                attr.st_nlink = 0
            doing.haunted = True
            return attr
        if doing is not None and doing.target is directory and doing.new_name == name:
            refuse(errno.ENOENT)
        child = seen(directory).child(decode(name))
        if child is None:
            refuse(errno.ENOENT)
        attr = yield from self._entry(directory, child)
        return attr

    def setattr(
        self, inode: int, attr: EntryAttributes, fields: SetattrFields, fh: int | None, ctx: RequestContext
    ) -> EntryAttributes:
        """Change attributes; for the announcer none."""
        if ctx.pid == self.announcer != 0:
            return self._setattr_announced(inode)
        return super().setattr(inode, attr, fields, fh, ctx)

    @handler
    def _setattr_announced(self, inode: int) -> Steps[EntryAttributes]:
        node: Node = self.node(inode)
        if self.announcing is None or self.announcing.node is not node:
            refuse(errno.ENOENT)  # another has its name by now
        attr = yield from self.entries.attributes(node)
        return attr

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        """Open a file; for the announcer without what that does."""
        if ctx.pid == self.announcer != 0:
            return self._opened_announced(inode)
        return super().open(inode, flags, ctx)

    def _opened_announced(self, inode: int) -> FileInfo:
        if self.announcing is None or self.announcing.node is not self.node(inode):
            refuse(errno.ENOENT)  # as above
        # Read and written it is not. Pages that are cached stay, and the inode's way of caching, too.
        return FileInfo(self.inode_table.open(inode, direct_io=True), True, True, noflush=True)

    def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: RequestContext
    ) -> EntryAttributes:
        """Make a file; for the announcer it is there."""
        if ctx.pid == self.announcer != 0:
            return self._made_announced(parent_inode, name)
        return super().mknod(parent_inode, name, mode, rdev, ctx)

    def mkdir(self, parent_inode: int, name: bytes, mode: int, ctx: RequestContext) -> EntryAttributes:
        """Make a directory; for the announcer it is there."""
        if ctx.pid == self.announcer != 0:
            return self._made_announced(parent_inode, name)
        return super().mkdir(parent_inode, name, mode, ctx)

    def symlink(self, parent_inode: int, name: bytes, target: bytes, ctx: RequestContext) -> EntryAttributes:
        """Make a symbolic link; for the announcer it is there."""
        if ctx.pid == self.announcer != 0:
            return self._made_announced(parent_inode, name)
        return super().symlink(parent_inode, name, target, ctx)

    @handler
    def _made_announced(self, parent_inode: int, name: bytes) -> Steps[EntryAttributes]:
        directory = self.directory(parent_inode)
        child = seen(directory).child(decode(name))
        if child is None:
            refuse(errno.ENOENT)
        attr = yield from self._entry(directory, child)
        return attr

    def unlink(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        """Remove a name; for the announcer it is removed."""
        if ctx.pid == self.announcer != 0:
            return self._removed_announced(parent_inode, name)
        return super().unlink(parent_inode, name, ctx)

    def rmdir(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        """Remove a directory; for the announcer it is removed."""
        if ctx.pid == self.announcer != 0:
            return self._removed_announced(parent_inode, name)
        return super().rmdir(parent_inode, name, ctx)

    def _removed_announced(self, parent_inode: int, name: bytes) -> None:
        doing = self.announcing
        if (
            doing is None
            or not doing.haunted
            or doing.name != name
            or doing.directory is not self.node(parent_inode)
        ):
            refuse(errno.ENOENT)  # the kernel has another node there, which stays

    def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: RequestContext,
    ) -> None:
        """Move a name; for the announcer it is moved."""
        if ctx.pid == self.announcer != 0:
            return self._moved_announced(parent_inode_old, name_old, parent_inode_new, name_new)
        return super().rename(parent_inode_old, name_old, parent_inode_new, name_new, flags, ctx)

    def _moved_announced(
        self, parent_inode_old: int, name_old: bytes, parent_inode_new: int, name_new: bytes
    ) -> None:
        doing = self.announcing
        self._removed_announced(parent_inode_old, name_old)
        assert doing is not None
        if doing.new_name != name_new or doing.target is not self.node(parent_inode_new):
            refuse(errno.ENOENT)

    # ---- for the announcer

    def is_known(self, node: Node) -> bool:
        """Whether the kernel has the node, so that somebody may watch it."""
        number = self.inode_table.node_id(node)
        return node is self.root or (number != 0 and self.inode_table.lookup_count(number) > 0)

    def place(self, node: Node) -> bytes | None:
        """Where the node is, below the root; None when no name leads there."""
        path = self.path(node)
        return None if path is None else encode(path.lstrip("/") or ".")

    def close(self) -> None:
        """Let go of the tree."""
        self.announcements.close()
        super().close()
