"""What all nodes of a host directory have in common: attributes, extended attributes, access."""

from __future__ import annotations

import os
import stat
import time
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, Final

from fusetree.nodes.attributes import Attributes
from fusetree.nodes.base import Node, check_mode
from fusetree.nodes.host.acting import as_caller
from fusetree.nodes.host.calls import set_times
from fusetree.nodes.observers import Change

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusetree.nodes.host.descriptors import Descriptor
    from fusetree.nodes.host.directory import HostDir
    from fusetree.nodes.host.inodes import HostInode
    from fusetree.nodes.host.tree import HostTree

    _Base = Node
else:
    _Base = object

__all__ = ["HostMember"]

_ATTRIBUTES: Final = Change.ATTRIBUTES

#: utimensat(2) lets whoever may write set both times to now, and only the owner to anything else. What comes
#: from the kernel is a time already; it is "now" if it is no older than this, in nanoseconds.
_NOW_NS: Final = 10 * 10**9


class HostMember(_Base):
    """Mixed into each class of such nodes."""

    __slots__ = ()

    _does_all_: ClassVar[bool] = True
    _has_acls_: ClassVar[bool] = True

    if TYPE_CHECKING:
        _host_: HostTree
        _inode_: HostInode
        # What a program shows in its place; None: itself.
        _shown_: weakref.ref[Node] | None

    def _start_(self, host: HostTree, inode: HostInode, above: HostDir | None) -> None:
        self._host_ = host
        self._inode_ = inode
        self._shown_ = None
        if above is not None:
            self._parents_ = weakref.ref(above)

    def _is_at_(self, directory: HostDir, name: bytes) -> None:
        """It was seen, or put, in a directory."""
        if self._inode_.place is not None:  # the top has none, even where a link of the host leads to it
            self._inode_.place = (directory._inode_, name)
            self._parents_ = weakref.ref(directory)

    @property
    def host_path(self) -> str:
        """Where it was last seen on the host, for messages; not for opening it."""
        names = self._inode_.names()
        return os.path.join(self._host_.path, *(os.fsdecode(name) for name in names))

    # ---- attributes, as they were last seen

    @property
    def mode(self) -> int:
        """Permission bits. Assigning changes the host's file."""
        return stat.S_IMODE(self._inode_.stat.st_mode)

    @mode.setter
    def mode(self, mode: int) -> None:
        self.setattr(Attributes(mode=check_mode(mode)))

    @property
    def uid(self) -> int | None:
        """The owner's id. Assigning changes the host's file."""
        return self._inode_.stat.st_uid

    @uid.setter
    def uid(self, uid: int | None) -> None:
        self.setattr(Attributes(uid=uid))

    @property
    def gid(self) -> int | None:
        """The id of the owner's group. Assigning changes the host's file."""
        return self._inode_.stat.st_gid

    @gid.setter
    def gid(self, gid: int | None) -> None:
        self.setattr(Attributes(gid=gid))

    @property
    def ino(self) -> int:
        """The host's inode number; of what is mounted below on the host, one that is given out."""
        found = self._inode_.stat
        if found.st_dev == self._host_.device:
            return found.st_ino
        number = self._ino_
        return number if number > 0 else -(number or -self._give_out_ino_())

    @property
    def atime_ns(self) -> int:
        return self._inode_.stat.st_atime_ns

    @property
    def mtime_ns(self) -> int:
        return self._inode_.stat.st_mtime_ns

    @property
    def ctime_ns(self) -> int:
        return self._inode_.stat.st_ctime_ns

    @property
    def nlink(self) -> int:
        return self._inode_.stat.st_nlink

    @property
    def ttl(self) -> float:
        return self._host_.ttl

    def set_times(self, *, atime_ns: int | None = None, mtime_ns: int | None = None) -> None:
        """Set times of the host's file; see `Node.set_times`."""
        self.setattr(Attributes(atime_ns=atime_ns, mtime_ns=mtime_ns))

    def _touch_(self, what: Change) -> None:
        """The host keeps the times."""

    def _doc_(self) -> str | None:
        return None  # it has extended attributes of its own

    # ---- capabilities

    def getattr(self) -> Attributes:
        """The host's attributes as they are now."""
        found = self._inode_.refresh()
        return Attributes(
            mode=stat.S_IMODE(found.st_mode),
            uid=found.st_uid,
            gid=found.st_gid,
            size=found.st_size,
            atime_ns=found.st_atime_ns,
            mtime_ns=found.st_mtime_ns,
            ctime_ns=found.st_ctime_ns,
            nlink=found.st_nlink,
            blocks=found.st_blocks,
        )

    def setattr(self, changes: Attributes) -> None:
        """Change the host's attributes, with the rights of who asks."""
        self._change_(changes, None)

    def _change_(self, changes: Attributes, opened: Descriptor | None) -> None:
        """Change attributes, the size through an open file if there is one."""
        self._host_.must_write()
        descriptor = self._inode_.descriptor()
        path = descriptor.path
        mode = changes.mode
        # The kernel takes set-id bits away on behalf of whoever writes, who need not be the owner.
        drops = mode is not None and mode in _without_set_id(os.fstat(descriptor).st_mode)
        with as_caller():
            drops = drops and os.access(path, os.W_OK, effective_ids=True)
            if changes.uid is not None or changes.gid is not None:
                os.chown(
                    path,
                    -1 if changes.uid is None else changes.uid,
                    -1 if changes.gid is None else changes.gid,
                )
            if mode is not None and not drops:
                os.chmod(path, mode)
            if changes.size is not None:
                if opened is None:
                    os.truncate(path, changes.size)
                else:
                    os.ftruncate(opened, changes.size)
            if changes.atime_ns is not None or changes.mtime_ns is not None:
                _set_times(path, changes.atime_ns, changes.mtime_ns)
        if drops and mode is not None:
            os.chmod(path, mode)
        self._inode_.stat = os.fstat(descriptor)
        self._tell_(_ATTRIBUTES if changes.size is None else Change.ALL)

    def access(self, mask: int) -> bool:
        """What the host says to who asks."""
        path = self._inode_.descriptor().path
        with as_caller():
            return os.access(path, mask, effective_ids=True)

    def getxattr(self, name: str) -> bytes:
        """The value on the host."""
        path = self._inode_.descriptor().path
        with as_caller():
            return os.getxattr(path, name.encode("utf-8", "surrogateescape"))

    def listxattr(self) -> Iterable[str]:
        """The names on the host."""
        path = self._inode_.descriptor().path
        with as_caller():
            names = os.listxattr(path)
        return [os.fsencode(name).decode("utf-8", "surrogateescape") for name in names]

    def setxattr(self, name: str, value: bytes) -> None:
        """Set one on the host."""
        self._host_.must_write()
        path = self._inode_.descriptor().path
        with as_caller():
            os.setxattr(path, name.encode("utf-8", "surrogateescape"), value)
        self._tell_(_ATTRIBUTES)

    def removexattr(self, name: str) -> None:
        """Remove one on the host."""
        self._host_.must_write()
        path = self._inode_.descriptor().path
        with as_caller():
            os.removexattr(path, name.encode("utf-8", "surrogateescape"))
        self._tell_(_ATTRIBUTES)

    def __reduce__(self) -> Any:
        raise TypeError(f"a {type(self).__name__} belongs to something open, and cannot be pickled or copied")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.host_path!r}>"


def _without_set_id(mode: int) -> tuple[int, ...]:
    """What permission bits become when content is changed; nothing where there is no set-id bit."""
    mode = stat.S_IMODE(mode)
    if not mode & (stat.S_ISUID | stat.S_ISGID):
        return ()
    return mode & ~(stat.S_ISUID | stat.S_ISGID), mode & ~stat.S_ISUID


def _set_times(path: str, atime_ns: int | None, mtime_ns: int | None) -> None:
    try:
        set_times(path, atime_ns, mtime_ns)
    except PermissionError:
        now = time.time_ns()
        if atime_ns is None or mtime_ns is None or not 0 <= now - min(atime_ns, mtime_ns) < _NOW_NS:
            raise
        os.utime(path)
