"""Handlers called with made-up requests: no kernel; the inode table records what is to be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from fusetree.adapter import NodeOperations
from fusetree.lowlevel import ROOT_INODE, EntryAttributes, RequestContext, SetattrFields
from fusetree.nodes import Dir

if TYPE_CHECKING:
    from fusetree._lowlevel.nodeattributes import NodeAttributes

ROOT = RequestContext()  # user 0, as a request of root's


def user(uid: int, gid: int | None = None) -> RequestContext:
    """The context of a request of somebody else."""
    return cast("RequestContext", SimpleNamespace(uid=uid, gid=uid if gid is None else gid, pid=1, umask=0))


def fields(*names: str) -> SetattrFields:
    """Which fields a setattr sets."""
    known = ("atime", "mtime", "ctime", "mode", "uid", "gid", "size")
    return cast("SetattrFields", SimpleNamespace(**{f"update_{name}": name in names for name in known}))


class Requests:
    """Requests on one tree, by path. What was looked up keeps its node id to the end, as if it were held."""

    def __init__(self, ops: NodeOperations) -> None:
        self.ops = ops
        self.table = ops.inode_table
        self.held: list[EntryAttributes] = []

    def lookup(self, path: str, ctx: RequestContext = ROOT) -> NodeAttributes:
        """Look all names of a path up."""
        inode = ROOT_INODE
        for name in path.split("/"):
            attr = cast("NodeAttributes", self.ops.lookup(inode, name.encode(), ctx))
            self.held.append(attr)
            inode = attr.node_id
        return attr

    def inode(self, path: str) -> int:
        """The node id of a path; of the root for the empty one."""
        return self.lookup(path).node_id if path else ROOT_INODE

    def stat(self, path: str) -> EntryAttributes:
        """Attributes, asked for by inode."""
        return self.ops.getattr(self.inode(path), ROOT)

    def open(self, path: str, flags: int = 0) -> int:
        """Open a file, and return the handle."""
        return self.ops.open(self.inode(path), flags, ROOT).fh

    def setattr(
        self, path: str, fh: int | None = None, ctx: RequestContext = ROOT, **values: int
    ) -> EntryAttributes:
        """Change attributes."""
        attr = EntryAttributes()
        for name, value in values.items():
            setattr(attr, f"st_{name}_ns" if name.endswith("time") else f"st_{name}", value)
        return self.ops.setattr(self.inode(path), attr, fields(*values), fh, ctx)

    def notices(self) -> list[tuple[Any, ...]]:
        """What the kernel would have been told since the last time."""
        return self.table.take_notices()


Serve = Callable[..., Requests]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a tree: `serve(root, **options)`; the table's invariants are checked at the end."""
    with ExitStack() as stack:

        def start(root: Dir, **options: Any) -> Requests:
            options.setdefault("coherence_wait", 0.0)
            requests = Requests(NodeOperations(root, **options))

            def end() -> None:
                requests.table.check()
                requests.held.clear()
                requests.ops.close()

            stack.callback(end)
            return requests

        yield start
