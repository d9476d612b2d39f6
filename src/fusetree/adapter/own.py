"""What is open of a file whose class answers by itself: the methods of the handle that its `open` returned,
else the node's own, bound once for each open file.
"""

from __future__ import annotations

import errno
import functools
import os
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from fusetree.adapter.handles import Handle
from fusetree.adapter.tree import refuse
from fusetree.lowlevel import context

if TYPE_CHECKING:
    from fusetree.adapter.backing import Backed
    from fusetree.adapter.kinds import Kind, Method
    from fusetree.adapter.steps import Steps
    from fusetree.adapter.tree import TreeOperations
    from fusetree.nodes.filenode import FileNode

__all__ = ["OwnHandle"]


class OwnHandle(Handle):
    """An open file that answers by itself.

    Arguments:
        tree: Whose handlers call it.
        node: The file.
        handle: What the node's `open` returned.
        flags: Of open(2).
    """

    __slots__ = (
        "_handle_kind",
        "_node_kind",
        "_read",
        "_tree",
        "_write",
        "backed",
        "flags",
        "handle",
        "source",
    )

    def __init__(self, tree: TreeOperations, node: FileNode, handle: object | None, flags: int) -> None:
        super().__init__(node, bool(flags & os.O_APPEND), False)
        self._tree = tree
        self.flags = flags
        #: How the kernel has it open, where that is counted.
        self.backed: Backed | None = None
        #: What the node's `open` returned.
        self.handle = handle
        self._node_kind: Kind = tree.kinds[type(node)]
        self._handle_kind: Kind | None = None if handle is None else tree.kinds[type(handle)]
        self._read = self.method("read")
        self._write = self.method("write")
        #: What reads are answered from in C: a handle with a descriptor, and no reading of its own.
        self.source: Any = handle if self._reads_in_c() else None

    def method(self, name: str) -> Method | None:
        """A method of the handle, else of the node; None when neither has it."""
        method = self.handle_method(name)
        if method is not None:
            return method
        method = getattr(self._node_kind, name)
        return None if method is None else functools.partial(method, self.node)

    def handle_method(self, name: str) -> Method | None:
        """A method of the handle alone."""
        method: Method | None = None if self._handle_kind is None else getattr(self._handle_kind, name)
        return None if method is None else functools.partial(method, self.handle)

    def _reads_in_c(self) -> bool:
        kind = self._handle_kind
        return kind is not None and kind.fileno is not None and kind.read is None

    def backing(self) -> Method | None:
        """What tells the descriptor of the file that the kernel may read and write by itself; None when there
        is none, or reading or writing of the node's own.
        """
        if self._node_kind.read is not None or self._node_kind.write is not None:
            return None
        return self.handle_method("backing")

    @property
    def keep_cache(self) -> bool:
        """Whether the kernel may keep what it has cached of the file before."""
        return bool(getattr(self.handle, "keep_cache", True))

    @property
    def answers(self) -> bool:
        """Whether there is any reading or writing of its own."""
        return self._read is not None or self._write is not None or self.source is not None

    @property
    def keeps_locks(self) -> bool:
        """Whether what the node's `open` returned keeps locks by itself."""
        return self._handle_kind is not None and self._handle_kind.locks

    @property
    def reads(self) -> bool:
        """Whether it can be read."""
        return self._read is not None or self.source is not None

    @property
    def writes(self) -> bool:
        """Whether it can be written."""
        return self._write is not None

    def read(self, offset: int, size: int) -> Steps[Any]:
        """What the method returns; EBADF when there is none. EAGAIN when that is yet to come and the file is
        open with O_NONBLOCK.
        """
        if self._read is None:
            refuse(errno.EBADF)
        data = yield self._tree.bytes_call(self.node, self._read, size, offset)
        # Asked of each read, since fcntl(2) may set it at any time.
        if type(data) is Future and context().flags & os.O_NONBLOCK and data.cancel():
            refuse(errno.EAGAIN)
        return data

    def write(self, offset: int, data: bytes) -> Steps[int]:
        """What the method returns, None being all; EBADF when there is none."""
        if self._write is None:
            refuse(errno.EBADF)
        taken: int | None = yield self._tree.bytes_call(self.node, self._write, data, offset)
        return len(data) if taken is None else taken

    def call(self, name: str, *arguments: object) -> Steps[None]:
        """Call a method that returns nothing, if there is one."""
        method = self.method(name)
        if method is not None:
            yield self._tree.bytes_call(self.node, method, *arguments)

    def flush(self) -> Steps[None]:
        """A descriptor was closed."""
        yield from self.call("flush")

    def release(self) -> Steps[None]:
        """The last descriptor was closed."""
        yield from self.call("release")
