"""What the nodes of one host directory share: the rules of showing it, and which nodes there are.

Rule 1: one file of the host is one node, as long as anybody knows the node.
Rule 2: no code of the program runs under the lock.
"""

from __future__ import annotations

import errno
import os
import threading
import weakref
from typing import TYPE_CHECKING, Final

from fusetree.nodes.host.descriptors import Descriptor
from fusetree.nodes.host.inodes import Finder, HostInode, Key
from fusetree.nodes.host.locking import HostLocks
from fusetree.nodes.refusals import refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.nodes.base import Node
    from fusetree.nodes.host.member import HostMember

__all__ = ["HostTree", "check_name"]


class HostTree:
    """The nodes of one host directory.

    Arguments:
        path: The host directory; links on the way to it are followed.
        writable: Whether programs may change it.
        ttl: For how long the kernel may keep names and attributes, in seconds.
        shown: Whether a path below the top is to be seen; None: all are.
        limit: How many descriptors are held to remember files by; None: half of what the process may have.
    """

    __slots__ = (
        "_behind",
        "_lock",
        "_nodes",
        "device",
        "finder",
        "locks",
        "path",
        "shown",
        "top",
        "ttl",
        "writable",
    )

    def __init__(
        self,
        path: str | bytes | os.PathLike[str],
        *,
        writable: bool,
        ttl: float,
        shown: Callable[[str], object] | None,
        limit: int | None,
    ) -> None:
        self.path = os.fsdecode(path)
        self.writable = writable
        self.ttl = ttl
        self.shown = shown
        self.finder = Finder(limit)
        self.locks = HostLocks()
        descriptor = Descriptor(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        self.finder.top = descriptor
        found = os.fstat(descriptor)
        self.device = found.st_dev
        #: The directory itself.
        self.top = HostInode(self.finder, descriptor, found, None)
        self._lock = threading.Lock()
        # Guarded by _lock.
        self._nodes: weakref.WeakValueDictionary[Key, HostMember] = weakref.WeakValueDictionary()
        # Guarded by _lock: which node stands behind one that a program shows in its place.
        self._behind: weakref.WeakKeyDictionary[Node, HostMember] = weakref.WeakKeyDictionary()

    def known(self, key: Key) -> HostMember | None:
        """The node of a file, if anybody knows it."""
        with self._lock:
            return self._nodes.get(key)

    def join(self, key: Key, node: HostMember, instead_of: HostMember | None = None) -> HostMember:
        """Enter a new node; the one that somebody else entered meanwhile, if so."""
        with self._lock:
            present = self._nodes.get(key)
            if present is None or present is instead_of:
                self._nodes[key] = node
                return node
            return present

    def stands_for(self, shown: Node, node: HostMember) -> None:
        """Remember which node of ours is behind one that a program shows."""
        with self._lock:
            self._behind[shown] = node

    def behind(self, shown: Node) -> HostMember | None:
        """The node of ours that is behind one that is shown; None when there is none."""
        from fusetree.nodes.host.member import HostMember

        if isinstance(shown, HostMember):
            return shown if shown._inode_.finder is self.finder else None
        with self._lock:
            return self._behind.get(shown)

    def must_write(self) -> None:
        """Refuse changes with EROFS where there may be none."""
        if not self.writable:
            raise refused(errno.EROFS)


_BAD: Final = frozenset({"", ".", ".."})


def check_name(name: str) -> bytes:
    """The bytes of one name; EINVAL for what is none."""
    if name in _BAD or "/" in name or "\0" in name:
        raise refused(errno.EINVAL)
    return name.encode("utf-8", "surrogateescape")
