"""`NodeOperations`: a tree of nodes as a file system of the low-level API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from fusetree.adapter.backing import Backings
from fusetree.adapter.directories import DirectoryHandlers
from fusetree.adapter.files import FileHandlers
from fusetree.adapter.inodes import InodeHandlers
from fusetree.adapter.locks import Locks
from fusetree.adapter.nameless import NamelessHandlers
from fusetree.adapter.ranges import RangeHandlers
from fusetree.adapter.tree import S_IFDIR
from fusetree.adapter.xattrs import XattrHandlers

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.adapter.caching import CacheStatistics
    from fusetree.nodes.directory import Dir

__all__ = ["NodeOperations"]


class NodeOperations(
    NamelessHandlers, InodeHandlers, FileHandlers, DirectoryHandlers, XattrHandlers, RangeHandlers
):
    """Serve a tree of nodes: hand it to a `lowlevel.Session`.

    Most requests never arrive here, because the inode table answers what is published. A tree may be served
    by several of these at once, each with its own node ids, counts and caches.

    Arguments:
        root: The directory at the top.
        kernel_cache: Whether the kernel may cache what is declared, which costs nothing in freshness: it is
            told of every change. Without it, every system call becomes a request.
        ro: Whether everything that would change something is refused with EROFS.
        coherence_wait: For how long a change waits until the kernel has been told of it, in seconds.
        checks_permissions: Whether the kernel checks permissions (the mount option `default_permissions`),
            and so ACLs where the tree has any.
        max_cached_nodes: How many nodes the kernel may know, or not many more; None: any number.
        locks: Who keeps the locks of files: "kernel", or "program", which asks the classes that keep their
            own, and keeps those of all other files here.

    Raises:
        TypeError: `root` is no directory node, or one that keeps locks by itself and `locks` is "kernel".
        ValueError: `locks` is neither of the two.
    """

    def __init__(
        self,
        root: Dir,
        *,
        kernel_cache: bool = True,
        ro: bool = False,
        coherence_wait: float = 0.1,
        checks_permissions: bool = True,
        max_cached_nodes: int | None = None,
        locks: Literal["kernel", "program"] = "kernel",
    ) -> None:
        if locks not in ("kernel", "program"):
            raise ValueError(f'locks is "kernel" or "program", not {locks!r}')
        keeper = getattr(root, "_keeps_locks_", None)
        if keeper and locks == "kernel":
            raise TypeError(
                f"{keeper} keeps locks by itself, and those of this mount would be the kernel's: "
                'mount it with locks="program"'
            )
        super().__init__(
            root,
            kernel_cache=kernel_cache,
            ro=ro,
            coherence_wait=coherence_wait,
            checks_permissions=checks_permissions,
            max_cached_nodes=max_cached_nodes,
        )
        if locks == "program":
            self.locks = kept = Locks(self)
            # Where these handlers are there, the kernel leaves locks to us, all of them.
            self.getlk = kept.getlk  # type: ignore[method-assign]  # of this mount alone
            self.setlk = kept.setlk  # type: ignore[method-assign]  # of this mount alone
            self.flock = kept.flock  # type: ignore[method-assign]  # of this mount alone
            self.inode_table.tells_closing = True

    def pass_through(
        self,
        open_backing: Callable[[int], int],
        close_backing: Callable[[int], None],
        *,
        insists: bool = False,
    ) -> None:
        """Have the kernel read and write files by itself, whose handles have `backing`: to be called before
        the session serves. Where the session has no passthrough, all stays as it is.

        Arguments:
            open_backing: Makes a backing id of a descriptor: `Session.open_backing`.
            close_backing: Takes one back: `Session.close_backing`.
            insists: Whether the first file that cannot be passed through is told in the log.
        """
        self.backings = backings = Backings(open_backing, close_backing, insists=insists)
        self.entries.written = backings.written

    def destroy(self) -> None:
        """The session has ended."""
        self.close()

    def close(self) -> None:
        """Let go of the tree: its nodes are observed no more. It may be called more than once."""
        self.observer.close()
        self.watches.close()
        pending: list[Dir] = [self.root]
        while pending:
            directory = pending.pop()
            if self.observer not in directory._observers_:
                continue  # never touched, and so nothing below it
            directory.detach(self.observer)
            for _, child in directory.children_snapshot():
                if child.file_type == S_IFDIR:
                    pending.append(cast("Dir", child))
                elif self.observer in child._observers_:
                    child.detach(self.observer)
        self.inode_table.close()

    def cache_statistics(self) -> CacheStatistics:
        """How changes reached the kernel so far."""
        return self.observer.statistics()
