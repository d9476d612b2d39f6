"""Handlers of parts of files, and of files as devices: fallocate, lseek, copy_file_range, ioctl, poll.

What a class does not say has an answer all the same, and never ENOSYS: the kernel would remember that for
the whole mount.
"""

from __future__ import annotations

import errno
import os
import select
from typing import TYPE_CHECKING, Any, Final, cast

from fusetree.adapter.handles import Handle
from fusetree.adapter.own import OwnHandle
from fusetree.adapter.steps import handler
from fusetree.adapter.tree import S_IFREG, TreeOperations, refuse
from fusetree.adapter.usercode import call
from fusetree.adapter.watches import CHANGED
from fusetree.nodes.filenode import Policy

if TYPE_CHECKING:
    from fusetree.adapter.kinds import Method
    from fusetree.adapter.steps import Steps
    from fusetree.adapter.watches import Watch
    from fusetree.lowlevel import PollHandle, RequestContext
    from fusetree.nodes.base import Node
    from fusetree.nodes.filenode import FileNode

__all__ = ["RangeHandlers"]

#: What is always ready (DEFAULT_POLLMASK of linux/poll.h).
_READY: Final = select.POLLIN | select.POLLOUT | select.POLLRDNORM | select.POLLWRNORM


class RangeHandlers(TreeOperations):
    """Handlers of the rarer requests on open files."""

    def _own(self, fh: int, name: str) -> Method | None:
        """The method of an open file, when its class or its handle's has it."""
        handle = self.inode_table.state(fh) if fh else None
        return handle.method(name) if isinstance(handle, OwnHandle) else None

    @handler
    def fallocate(
        self, inode: int, fh: int, mode: int, offset: int, length: int, ctx: RequestContext
    ) -> Steps[None]:
        """Take or give back space; EOPNOTSUPP where the class has no method for it."""
        method = self._own(fh, "fallocate")
        if method is None:
            refuse(errno.EOPNOTSUPP)
        yield self.bytes_call(self.node(inode), method, mode, offset, length)

    @handler
    def lseek(self, inode: int, fh: int, offset: int, whence: int, ctx: RequestContext) -> Steps[int]:
        """The next data or hole; a file whose class says nothing is all data."""
        node: FileNode = self.node(inode)
        method = self._own(fh, "lseek")
        if method is not None:
            return cast("int", (yield call(method, offset, whence)))
        size = ((yield call(node.size)) or 0) if node.file_type == S_IFREG else 0
        if not 0 <= offset < size:
            refuse(errno.ENXIO)
        return size if whence == os.SEEK_HOLE else offset

    @handler
    def copy_file_range(
        self,
        inode_in: int,
        fh_in: int,
        off_in: int,
        inode_out: int,
        fh_out: int,
        off_out: int,
        length: int,
        flags: int,
        ctx: RequestContext,
    ) -> Steps[int]:
        """Copy between two files of the tree; EOPNOTSUPP, after which the kernel reads and writes, where the
        first has no method for it.
        """
        source: Node = self.node(inode_in)
        target: Node = self.node(inode_out)
        ends = self.inode_table.state(fh_in), self.inode_table.state(fh_out)
        if isinstance(ends[0], OwnHandle) and isinstance(ends[1], OwnHandle):
            own = ends[0].handle_method("copy_file_range")
            if own is not None:
                done: int = yield self.bytes_call(target, own, off_in, ends[1].handle, off_out, length)
                return done
        method = self.kind_of(source).copy_file_range
        if method is None or self.kind_of(target).write is None:
            refuse(errno.EOPNOTSUPP)
        copied: int = yield self.bytes_call(target, method, source, off_in, target, off_out, length)
        return copied

    @handler
    def ioctl(
        self,
        inode: int,
        fh: int,
        command: int,
        argument: int,
        data: bytes,
        out_size: int,
        flags: int,
        ctx: RequestContext,
    ) -> Steps[int | bytes | None]:
        """A device command; ENOTTY where the class has no method for it."""
        node: Node = self.node(inode)
        method: Any = self._own(fh, "ioctl")
        if method is not None:
            return cast("int | bytes | None", (yield call(method, command, argument, data, out_size)))
        method = self.kind_of(node).ioctl
        if method is None:
            refuse(errno.ENOTTY)
        return cast("int | bytes | None", (yield call(method, node, command, argument, data, out_size)))

    @handler
    def poll(
        self, inode: int, fh: int, events: int, handle: PollHandle | None, ctx: RequestContext
    ) -> Steps[int]:
        """What a file is ready for: everything, where the class says nothing. A value that has changed since
        it was read is told as well.
        """
        method = self._own(fh, "poll")
        wake = None if handle is None else handle.notify
        if method is None:
            watch = self._watch(self.node(inode), fh)
            changed = watch is not None and watch.ask(wake)
            return events & _READY | (CHANGED if changed else 0)
        return cast("int", (yield call(method, events, wake)))

    def _watch(self, node: FileNode, fh: int) -> Watch | None:
        """The watch of an open file; None where reads do not come here, so nobody knew when to watch anew."""
        if node.file_type != S_IFREG or node.policy is Policy.PAGE or self.kind_of(node).content:
            return None
        table = self.inode_table
        state = table.state(fh) or table.adopt(fh, Handle(node, False, False))
        if not isinstance(state, Handle):
            return None
        watch = state.watch
        if watch is None:
            watch = self.watches.add(node)
            if table.changed_since_open(fh):
                watch.changed = True
            state.watch = watch
        return watch
