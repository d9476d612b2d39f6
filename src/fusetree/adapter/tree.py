"""What all handlers share: the inode table, nodes and directories by inode, first touch, errors, paths.

Rule 1: inode numbers in this room are node ids, private numbers of one mount; `st_ino` is the node's.
Rule 2: an unknown node id gets ESTALE.
"""

from __future__ import annotations

import errno
import math
import os
import stat
import weakref
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from fusetree.adapter.caching import CacheObserver
from fusetree.adapter.entries import Entries
from fusetree.adapter.kinds import Kind, Kinds
from fusetree.adapter.usercode import call, call_told
from fusetree.adapter.watches import Watches
from fusetree.lowlevel import InodeTable, Operations
from fusetree.nodes.filenode import Policy
from fusetree.nodes.links import parents_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    from fusetree._lowlevel.notices import Ticket
    from fusetree.adapter.backing import Backings
    from fusetree.adapter.locks import Locks
    from fusetree.nodes.base import Node
    from fusetree.nodes.directory import Dir
    from fusetree.nodes.filenode import FileNode

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = ["S_IFDIR", "S_IFLNK", "S_IFREG", "TreeOperations", "refuse"]

S_IFREG: Final = stat.S_IFREG
S_IFDIR: Final = stat.S_IFDIR
S_IFLNK: Final = stat.S_IFLNK
_PAGE: Final = Policy.PAGE


def refuse(number: int) -> NoReturn:
    """Answer with an errno."""
    raise OSError(number, os.strerror(number))


class TreeOperations(Operations):
    """The base of all handlers of a tree.

    Arguments:
        root: The directory at the top.
        kernel_cache: Whether the kernel may cache; without it every system call becomes a request.
        ro: Whether everything that would change something is refused with EROFS.
        coherence_wait: For how long a change waits until the kernel has been told of it, in seconds.
        checks_permissions: Whether the kernel checks permissions (`default_permissions`).
        max_cached_nodes: How many nodes the kernel may know, or not many more; None: any number.
    """

    inode_table: InodeTable
    #: The locks of files, if they are not the kernel's.
    locks: Locks | None = None
    #: What the kernel reads and writes by itself, if it may: see `pass_through`.
    backings: Backings | None = None
    supports_dot_lookup = False
    atomic_o_trunc = True

    def __init__(
        self,
        root: Dir,
        *,
        kernel_cache: bool = True,
        ro: bool = False,
        coherence_wait: float = 0.1,
        checks_permissions: bool = True,
        max_cached_nodes: int | None = None,
    ) -> None:
        if getattr(root, "file_type", None) != S_IFDIR:
            raise TypeError(f"the root of a tree is a directory node, not {type(root).__name__}")
        if not coherence_wait >= 0:
            raise ValueError(f"coherence_wait is a number of seconds, not {coherence_wait!r}")
        self.root = root
        self.kernel_cache = kernel_cache
        self.ro = ro
        self.cache_symlinks = kernel_cache  # type: ignore[misc]  # read from the object by the session
        # The kernel cannot know which directory has a default ACL, so it leaves the umask to us then.
        has_acls = root._has_acls_ and checks_permissions
        self.enable_acl = self.applies_umask = has_acls  # type: ignore[misc]  # likewise
        self.timeout = math.inf if kernel_cache else 0.0
        self.inode_table = InodeTable(root, entry_timeout=self.timeout, attr_timeout=self.timeout)
        #: The node with a node id; ESTALE when there is none. (Untyped: every handler knows what it expects.)
        self.node: Callable[[int], Any] = self.inode_table.node
        #: What getxattr on the root answers whatever the root has: a name, and what makes the value.
        self.own_xattrs: dict[bytes, Callable[[], bytes]] = {}
        if max_cached_nodes is not None:
            self.inode_table.bound(max_cached_nodes)
        self.observer = self._make_observer(coherence_wait)
        self.kinds = Kinds()
        self.watches = Watches()
        #: Entries that were moved away, until the kernel knows it (fusetree.adapter.editing).
        self.mistaken: weakref.WeakKeyDictionary[Node, Ticket] = weakref.WeakKeyDictionary()
        self.entries = Entries(self.inode_table, self.observer, self.timeout, self.kinds)
        root.attach(self.observer)

    def _make_observer(self, wait: float) -> CacheObserver:
        return CacheObserver(self.inode_table, wait)

    def kind_of(self, node: Node) -> Kind:
        """What the node's class can do."""
        return self.kinds[type(node)]

    def bytes_call(self, node: Node, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call what reads or changes a file's bytes. What the kernel keeps in its page cache it has changed
        there itself.
        """
        if node._does_all_ or (node.file_type == S_IFREG and cast("FileNode", node).policy is _PAGE):
            return call_told(self.observer, node, function, *args, **kwargs)
        return call(function, *args, **kwargs)

    def names_call(self, directory: Dir, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call what makes, moves or removes names in a directory. If its class does all by itself, the kernel
        has changed the same in its caches.
        """
        if directory._does_all_:
            return call_told(self.observer, None, function, *args, **kwargs)
        return call(function, *args, **kwargs)

    def directory(self, inode: int) -> Dir:
        """The directory with a node id; ENOTDIR when it is something else."""
        node: Dir = self.node(inode)
        if node.file_type != S_IFDIR:
            refuse(errno.ENOTDIR)
        return node

    def describe(self, inode: int) -> str | None:
        """A path that leads to the inode, for messages; None when there is none (any more)."""
        try:
            return self.path(self.node(inode))
        except OSError:
            return None

    def path(self, node: Node) -> str | None:
        """A path from the root to a node, beginning with "/"; None when none leads there."""
        if node is self.root:
            return "/"
        for parent in parents_of(node):
            above = self.path(parent)
            if above is not None:
                name = parent._name_of_(node)
                if name is not None:
                    return f"{above.rstrip('/')}/{name}"
        return None
