"""Handlers of open directories. The listing is published whole, in insertion order, and then read in C.

A published listing follows every change of names without being made again, so an open directory needs no
state: its place in the listing is a cookie, which stays right while entries come and go. A class that
answers `list` by itself has a listing for each open directory (fusetree.adapter.listings).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from fusetree.adapter.listings import Listing
from fusetree.adapter.steps import drive, handler
from fusetree.adapter.tree import S_IFDIR, S_IFREG, TreeOperations
from fusetree.adapter.usercode import call
from fusetree.lowlevel import FileInfo, context
from fusetree.nodes.directory import Dir
from fusetree.nodes.filenode import Policy
from fusetree.nodes.held import flip_lock, seen
from fusetree.nodes.links import parents_of

if TYPE_CHECKING:
    from fusetree._lowlevel.nodeattributes import NodeAttributes
    from fusetree.adapter.steps import Steps
    from fusetree.lowlevel import ReaddirToken, RequestContext
    from fusetree.nodes.base import Node
    from fusetree.nodes.filenode import FileNode

__all__ = ["DirectoryHandlers"]

_DYNAMIC: Final = Policy.DYNAMIC


class DirectoryHandlers(TreeOperations):
    """Handlers of directories and what is open of them."""

    def publish_directory(self, inode: int, directory: Dir) -> None:
        """Publish the complete listing: afterwards it is read, and unknown names are refused, in C."""
        parent_ino = self._parent_ino(directory)
        # The observer is told of changes of names under the same lock: none is missed, none comes twice.
        # No transaction shows what it changed in between, either.
        with directory.lock, flip_lock:
            children = list(seen(directory)._tree_().items())
            items = ((name, child, child.ino, child.file_type >> 12) for name, child in children)
            self.inode_table.publish_directory(inode, items, parent_ino=parent_ino)
        now = self._parent_ino(directory)
        if now != parent_ino:  # moved meanwhile
            self.inode_table.directory_moved(directory, now)
        # Directories that came here while nobody told this mount, since it did not know this one.
        for _, child in children:
            if child.file_type == S_IFDIR:
                self.inode_table.directory_moved(child, directory.ino)

    def _parent_ino(self, directory: Dir) -> int:
        if directory is not self.root:  # the kernel knows what lies above the root
            for parent in parents_of(seen(directory)):
                return parent.ino
        return directory.ino

    @handler
    def opendir(self, inode: int, ctx: RequestContext) -> Steps[FileInfo]:
        """Open a directory; the kernel may keep its listing until told otherwise."""
        directory = self.directory(inode)
        kind = self.kind_of(directory)
        if kind.names:
            listing = Listing(directory, kind.list or Dir.children_snapshot, self._parent_ino(directory))
            yield from listing.rewind()
            return FileInfo(self.inode_table.open(inode, state=listing, direct_io=True), keep_cache=False)
        if not self.inode_table.is_published(inode):
            self.publish_directory(inode, directory)
        cached = self.kernel_cache
        return FileInfo(self.inode_table.open(inode), keep_cache=cached, cache_readdir=cached)

    @handler
    def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> Steps[None]:
        """Fill the reply from the listing, which is published anew if it was withdrawn.

        READDIRPLUS comes here when it would begin with a child of which nobody has asked yet: the attributes
        of as many as fit are published at once, so that the kernel need not ask for each.
        """
        table = self.inode_table
        listing = table.state(fh) if fh else None
        if isinstance(listing, Listing):
            yield from listing.fill(token, start_id)
            return
        inode = table.opened(fh) if fh else token.inode  # what was opened in C has no handle
        if not table.is_published(inode):
            self.publish_directory(inode, self.directory(inode))
        told = [self._told(cast("Node", child)) for child in table.cold(token, inode, start_id)]
        with flip_lock:
            table.fill(token, inode, start_id)
        del told  # it kept their node ids until they were counted

    def _told(self, child: Node) -> NodeAttributes | None:
        kind = self.kind_of(child)
        asked = kind.getattr is not None or kind.names
        if asked or (child.file_type == S_IFREG and cast("FileNode", child).policy is _DYNAMIC):
            return None  # to tell its size may take the program's code; lookup will, if anybody wants it
        try:
            attributes = drive(self.entries.attributes(child))
        except Exception:  # noqa: BLE001 - the program's bug; whoever looks the name up is told
            return None
        self.inode_table.publish_attributes(attributes)
        return attributes

    @handler
    def releasedir(self, fh: int) -> Steps[None]:
        """The directory was closed."""
        listing = self.inode_table.release(fh)
        if isinstance(listing, Listing):
            yield from listing.close()

    @handler
    def fsyncdir(self, fh: int, datasync: bool) -> Steps[None]:
        """Nothing is held back, but by a class that has `fsync`."""
        # What was opened in C has no handle.
        directory: Dir = self.node(self.inode_table.opened(fh) if fh else context().inode)
        method = self.kind_of(directory).fsync
        if method is not None:
            yield call(method, directory, datasync)
