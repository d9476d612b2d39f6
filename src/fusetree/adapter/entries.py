"""From a node to the attributes that the kernel is told.

The order is the whole point: first attach the observer, then `InodeTable.begin`, which remembers the change
counter, then read the values. A change in between moves the counter, and the answer goes out uncached.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final, cast

from fusetree.adapter.names import encode
from fusetree.adapter.usercode import call
from fusetree.nodes.attributes import Attributes
from fusetree.nodes.filenode import FileNode, Policy
from fusetree.nodes.held import seen, steady
from fusetree.nodes.special import SpecialNode
from fusetree.nodes.symlink import Symlink

if TYPE_CHECKING:
    from collections.abc import Container

    from fusetree._lowlevel.nodeattributes import NodeAttributes
    from fusetree.adapter.kinds import Kind, Kinds
    from fusetree.adapter.steps import Steps
    from fusetree.lowlevel import InodeTable
    from fusetree.nodes.base import Node
    from fusetree.nodes.observers import Observer

__all__ = ["Entries"]

_DYNAMIC: Final = Policy.DYNAMIC
_S_IFREG: Final = stat.S_IFREG
_S_IFLNK: Final = stat.S_IFLNK
_S_IFDIR: Final = stat.S_IFDIR


class Entries:
    """Makes the attributes of the nodes of one mount.

    Arguments:
        table: The mount's inode table.
        observer: Who is told of a node's changes from the first touch on.
        timeout: For how long the kernel may cache what is declared, in seconds; 0 caches nothing, also no
            `ttl`.
        kinds: What classes of nodes can do.
    """

    __slots__ = ("_gid", "_kinds", "_observer", "_table", "_timeout", "_uid", "written")

    def __init__(self, table: InodeTable, observer: Observer, timeout: float, kinds: Kinds) -> None:
        self._table = table
        self._observer = observer
        self._timeout = timeout
        self._kinds = kinds
        self._uid = os.geteuid()  # nodes whose owner is None belong to who serves them
        self._gid = os.getegid()
        #: Node ids of files that are written to without our knowing: nothing of them is kept.
        self.written: Container[int] = frozenset()

    def begin(self, node: Node) -> NodeAttributes:
        """Make the node known, and remember its change counter: what is read from now on may be published."""
        if self._observer not in node._observers_:
            node.attach(self._observer)
        return self._table.begin(node)

    def owner(self, node: Node) -> int:
        """The user id that the kernel is told."""
        uid = node.uid
        return self._uid if uid is None else uid

    def group(self, node: Node) -> int:
        """The group id that the kernel is told."""
        gid = node.gid
        return self._gid if gid is None else gid

    def attributes(self, node: Node, told: Attributes | None = None) -> Steps[NodeAttributes]:
        """The attributes as they are now. The exact size of a computed file takes the program's code.

        Arguments:
            node: The node.
            told: What its `getattr` would answer, when that is known; it was asked before `begin`, so it
                serves only where nothing is kept.
        """
        attr = self.begin(node)
        kind = self._kinds[type(node)]
        # Where there are no extended attributes, that is answered in C, until the attributes change.
        has_xattrs = node.has_xattrs if kind.xattrs else bool(node._doc_())
        self._table.set_xattrs(attr.node_id, has_xattrs, change=attr.change)
        made = node.file_type == _S_IFREG and cast("FileNode", node).policy is _DYNAMIC
        getattr_method = kind.getattr
        if told is not None and node.ttl > 0:
            told = None
        while True:
            view = seen(node)
            size, answer = None, cast("object", told)
            if made:
                size = yield steady(lambda: call(view.size))  # type: ignore[attr-defined]  # noqa: B023
            if getattr_method is not None and answer is None:
                answer = yield steady(lambda: call(getattr_method, view))  # noqa: B023 - called at once
            self._fill(attr, view, kind, size)
            if getattr_method is not None:
                _override(attr, answer, view)
            if seen(node) is view:  # else it was held meanwhile, and a part of it may be of after
                break
        if attr.node_id in self.written:  # asked after `begin`: who opens it now moves the counter
            attr.publish = False
            attr.attr_timeout = 0.0
        return attr

    def _fill(self, attr: NodeAttributes, node: Node, kind: Kind, made_size: int | None) -> None:
        """Read the values of a node, as readers see it, into what `begin` returned."""
        file_type = node.file_type
        attr.st_ino = node.ino
        attr.st_mode = file_type | node.mode
        attr.st_nlink = node.nlink
        uid = node.uid
        gid = node.gid
        attr.st_uid = self._uid if uid is None else uid
        attr.st_gid = self._gid if gid is None else gid
        dynamic = kind.names or kind.getattr is not None
        if file_type == _S_IFREG:
            file: FileNode = node  # type: ignore[assignment]  # what its type says; a cast costs a call
            if file.policy is _DYNAMIC:
                dynamic = True
                size = made_size
            else:
                size = file.size()
            attr.st_size = size or 0
            attr.st_blocks = file.blocks(size) if size else 0
        elif file_type == _S_IFLNK:
            if kind.readlink is None:
                attr.st_size = len(encode(cast("Symlink", node).target))
        elif file_type != _S_IFDIR:
            attr.st_rdev = cast("SpecialNode", node).rdev
        attr.st_atime_ns = node.atime_ns
        attr.st_mtime_ns = node.mtime_ns
        attr.st_ctime_ns = node.ctime_ns
        if dynamic:
            ttl = min(node.ttl, self._timeout)
            if ttl > 0:
                attr.ttl = attr.attr_timeout = ttl
            else:
                attr.publish = False
                attr.entry_timeout = self._timeout
                attr.attr_timeout = 0.0


def _override(attr: NodeAttributes, answer: object, node: Node) -> None:
    """Enter what a node's `getattr` answered."""
    if not isinstance(answer, Attributes):
        raise TypeError(f"{type(node).__name__}.getattr() must return Attributes, not {answer!r}")
    if answer.mode is not None:
        attr.st_mode = node.file_type | answer.mode & 0o7777
    for name in ("uid", "gid", "size", "nlink", "blocks", "atime_ns", "mtime_ns", "ctime_ns"):
        value = getattr(answer, name)
        if value is not None:
            try:
                setattr(attr, f"st_{name}", value)
            except (TypeError, OverflowError):
                raise TypeError(f"{type(node).__name__}.getattr() told {name}={value!r}") from None
    if answer.size is not None and answer.blocks is None:
        attr.st_blocks = (answer.size + 511) >> 9
