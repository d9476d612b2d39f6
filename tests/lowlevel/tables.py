"""A tree of plain objects served from an inode table: what the tests of the table's answers ask.

Handlers publish what they answer, as the adapter does, and note that they were called: a request that is
not in `Served.calls` was answered without Python.
"""

from __future__ import annotations

import itertools
import math
import os
import stat
from collections.abc import Callable, Sequence

from fusetree._lowlevel.nodeattributes import NodeAttributes
from fusetree.lowlevel import FileInfo, InodeTable, Operations, ReaddirToken, RequestContext

FOREVER = math.inf
_numbers = itertools.count(1000)


class Thing:
    """A node: a file with bytes, a symlink with a target, or a directory with children."""

    def __init__(self, mode: int = stat.S_IFREG | 0o644, content: bytes = b"") -> None:
        self.mode = mode
        self.ino = next(_numbers)
        self.content = content
        self.children: dict[str, Thing] = {}

    @property
    def d_type(self) -> int:
        return self.mode >> 12


def directory(**children: Thing) -> Thing:
    made = Thing(stat.S_IFDIR | 0o755)
    made.children.update(children)
    return made


def link(target: bytes) -> Thing:
    return Thing(stat.S_IFLNK | 0o777, target)


def table_of(root: object, timeout: float = FOREVER) -> InodeTable:
    return InodeTable(root, entry_timeout=timeout, attr_timeout=timeout)


def listing(node: Thing) -> list[tuple[str, object, int, int]]:
    return [(name, child, child.ino, child.d_type) for name, child in node.children.items()]


def told(table: InodeTable, *, again: Sequence[tuple[object, ...]] = ()) -> list[tuple[object, ...]]:
    """What is queued, each once, and without what may have been queued *again*.

    An answer that was on its way when something changed looks for that after it was sent, and queues the
    notice a second time. To a test, which sees the answer first, this happens at any time.
    """
    return [notice for notice in dict.fromkeys(table.take_notices()) if notice not in again]


class QuietTable(InodeTable):
    """Sends nothing by itself: tests look at the queue with `take_notices`."""

    def run_notifier(self, session_pointer: int, *, prunes: bool = False) -> None:
        return


class Served(Operations):
    """Serves a tree of things; see the module."""

    def __init__(self, root: Thing, timeout: float = FOREVER, *, quiet: bool = False) -> None:
        self.root = root
        kind = QuietTable if quiet else InodeTable
        self.inode_table: InodeTable = kind(root, entry_timeout=timeout, attr_timeout=timeout)
        self.calls: list[str] = []
        self.direct_io = False
        self.snapshot = False
        self.while_answering: Callable[[str], None] = lambda name: None

    def close(self) -> None:
        self.inode_table.close()

    # -- changes, as a program makes them

    def put(self, parent: Thing, name: str, child: Thing) -> bool:
        parent.children[name] = child
        ticket = self.inode_table.child_set(parent, name, child, child.ino, child.d_type)
        return self.inode_table.wait([ticket] if ticket else [], 5.0)

    def remove(self, parent: Thing, name: str, *, deleted: bool = False) -> bool:
        ticket = self.inode_table.child_removed(parent, name, parent.children.pop(name), deleted=deleted)
        return self.inode_table.wait([ticket] if ticket else [], 5.0)

    def write_content(self, node: Thing, content: bytes) -> bool:
        node.content = content
        ticket = self.inode_table.changed(node, content=True)
        return self.inode_table.wait([ticket] if ticket else [], 5.0)

    def publish(self, node: Thing) -> None:
        self.inode_table.publish_directory(self.inode_table.node_id(node), listing(node))

    # -- handlers

    def _node(self, inode: int) -> Thing:
        node = self.inode_table.node(inode)
        assert isinstance(node, Thing)
        return node

    def _attributes(self, node: Thing) -> NodeAttributes:
        attributes = self.inode_table.begin(node)
        attributes.st_ino = node.ino
        attributes.st_mode = node.mode
        attributes.st_size = len(node.content)
        return attributes

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> NodeAttributes:
        self.calls.append("lookup")
        child = self._node(parent_inode).children.get(os.fsdecode(name))
        if child is None:
            self.while_answering("lookup")
            raise FileNotFoundError
        attributes = self._attributes(child)
        self.while_answering("lookup")
        return attributes

    def getattr(self, inode: int, ctx: RequestContext) -> NodeAttributes:
        self.calls.append("getattr")
        attributes = self._attributes(self._node(inode))
        self.while_answering("getattr")
        return attributes

    def readlink(self, inode: int, ctx: RequestContext) -> bytes:
        self.calls.append("readlink")
        node = self._node(inode)
        attributes = self.inode_table.begin(node)
        target = node.content
        self.inode_table.publish_link(inode, attributes.change, target)
        return target

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        self.calls.append("open")
        node = self._node(inode)
        attributes = self.inode_table.begin(node)
        content = node.content
        self.inode_table.publish_content(
            inode, attributes.change, content, direct_io=self.direct_io, snapshot=self.snapshot
        )
        if self.snapshot:
            fh = self.inode_table.open(inode, content=content, direct_io=self.direct_io)
        else:
            fh = self.inode_table.open(inode, direct_io=self.direct_io)
        return FileInfo(fh, self.direct_io)

    def read(self, fh: int, off: int, size: int) -> bytes:
        self.calls.append("read")
        self.inode_table.state(fh)
        return self._node(self.inode_table.opened(fh)).content[off : off + size]

    def flush(self, fh: int) -> None:
        self.calls.append("flush")

    def release(self, fh: int) -> None:
        self.calls.append("release")
        self.inode_table.release(fh)

    def opendir(self, inode: int, ctx: RequestContext) -> FileInfo:
        self.calls.append("opendir")
        self.inode_table.publish_directory(inode, listing(self._node(inode)))
        return FileInfo(self.inode_table.open(inode))

    def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        self.calls.append("readdir")
        self.inode_table.fill(token, self.inode_table.opened(fh) if fh else token.inode, start_id)

    def releasedir(self, fh: int) -> None:
        self.calls.append("releasedir")
        self.inode_table.release(fh)
