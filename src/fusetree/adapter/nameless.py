"""Files without a name: open(2) with O_TMPFILE, where libfuse (3.17) and the kernel (Linux 6.1) have it.

The node is known as long as somebody has it open; linkat(2) may give it a name meanwhile, which is a link
like any other. With O_EXCL the kernel itself refuses that.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from fusetree.adapter.namespace import NameHandlers
from fusetree.adapter.steps import handler
from fusetree.adapter.tree import S_IFREG, refuse
from fusetree.nodes.filenode import FileNode
from fusetree.nodes.held import state, undisturbed

if TYPE_CHECKING:
    from fusetree.adapter.steps import Steps
    from fusetree.lowlevel import EntryAttributes, FileInfo, RequestContext

__all__ = ["NamelessHandlers"]


class NamelessHandlers(NameHandlers):
    """The handler that takes a directory and no name. Where libfuse lacks it, it is never called."""

    @handler
    def tmpfile(
        self, parent_inode: int, mode: int, flags: int, ctx: RequestContext
    ) -> Steps[tuple[FileInfo, EntryAttributes]]:
        """Make a file by the directory's `tmpfile`, and open it; EOPNOTSUPP where there is none."""
        if state.active is not None:
            undisturbed()
        directory = self.directory(parent_inode)
        method = self.kind_of(directory).tmpfile
        if self.ro:
            refuse(errno.EROFS)
        if method is None:
            refuse(errno.EOPNOTSUPP)
        permissions = self.masked(directory, mode, ctx) & 0o7777
        made: object = yield self.names_call(directory, method, directory, permissions, flags)
        node, opened = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
        if not isinstance(node, FileNode) or node.file_type != S_IFREG:
            raise TypeError(
                f"{type(directory).__name__}.tmpfile(...) must return a file, or a file and what its open "
                f"would return, not {made!r}"
            )
        self.give_to(directory, node, ctx)
        attr = self.entries.begin(node)  # keeps the node id while it is opened
        info = yield from self.open_node(attr.node_id, node, flags, opened)
        try:
            answer = yield from self.entries.attributes(node)
        except BaseException:
            yield self.release(info.fh)  # type: ignore[func-returns-value]  # a coroutine, perhaps
            raise
        return info, answer
