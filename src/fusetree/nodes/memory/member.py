"""What all nodes of a tree in memory have in common: attributes that programs may change, extended
attributes, exact link counts, and an account.
"""

from __future__ import annotations

import errno
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any, Final

from fusetree.nodes.base import Node
from fusetree.nodes.held import hold, state
from fusetree.nodes.observers import Change
from fusetree.nodes.stamps import now_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Self

    from fusetree.nodes.attributes import Attributes
    from fusetree.nodes.memory.space import Space

    _Base = Node
else:
    _Base = object

__all__ = ["MemoryMember"]

_ATTRIBUTES: Final = Change.ATTRIBUTES

#: A day: an access time that is older moves with the next access, as with the mount option relatime.
_STALE_NS: Final = 86_400 * 10**9


class MemoryMember(_Base):
    """Mixed into each class of such nodes.

    Times, as relatime has them: the access time moves when a file is opened to be read, if it was not later
    than the last change or is a day old; listing a directory or following a link moves nothing.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        # Given by the tree when the node joins it; None before.
        _space_: Space | None
        # Names and values; replaced as a whole under the node's gate, so reading it takes no lock.
        _xattrs_: dict[str, bytes] | None

    def _start_(self) -> None:
        """From now on the three times go their own ways."""
        now = now_ns()
        self._times_ = (now, now, now)

    # ---- the account

    def _join_(self, space: Space) -> None:
        """Be counted by a tree; ENOSPC when it has no inode left."""
        if self._space_ is None:
            space.take_inode()
            self._space_ = space

    def __del__(self, _at_exit: Callable[[], bool] = sys.is_finalizing) -> None:
        space = getattr(self, "_space_", None)
        # At the interpreter's end nobody asks for the account any more, and modules are emptied.
        if space is not None and not _at_exit():
            space.give(self._held_())
            space.give_inode()

    def _held_(self) -> int:
        """How many bytes it has on the account."""
        return sum(map(len, (self._xattrs_ or {}).values()))

    def _after_copy_(self, copy: Self) -> None:
        copy._space_ = None  # it is not counted
        super()._after_copy_(copy)

    def _restored_(self, before: Self) -> None:
        if self._space_ is not None:
            self._space_.retake(before._held_() - self._held_())

    # ---- attributes

    @property
    def nlink(self) -> int:
        """How many names it has; 0 when the last was removed."""
        links = self._parents_
        if links is None:
            return 0
        if isinstance(links, weakref.ref):
            return 1
        return sum(link() is not None for link in links)

    def setattr(self, changes: Attributes) -> None:
        """Everything may be changed: the kernel has checked who asks."""
        if state.active is not None:
            hold(self)
        self._take_(changes)
        self._touch_(_ATTRIBUTES)
        if changes.atime_ns is not None or changes.mtime_ns is not None:
            _, _, ctime = self._three_()
            atime = self.atime_ns if changes.atime_ns is None else changes.atime_ns
            mtime = self.mtime_ns if changes.mtime_ns is None else changes.mtime_ns
            self._times_ = (atime, mtime, ctime)
        self._tell_(_ATTRIBUTES if changes.size is None else Change.ALL)

    def _take_(self, changes: Attributes) -> None:
        """Store what is asked for, but for the times."""
        if changes.mode is not None:
            self._mode_ = changes.mode
        if changes.uid is not None:
            self._uid_ = changes.uid
        if changes.gid is not None:
            self._gid_ = changes.gid

    def _three_(self) -> tuple[int, int, int]:
        times = self._times_
        return (times, times, times) if isinstance(times, int) else times

    def _touch_(self, what: Change) -> None:
        atime, mtime, _ = self._three_()
        now = now_ns()
        self._times_ = (atime, mtime if what is _ATTRIBUTES else now, now)

    def _accessed_(self) -> None:
        atime, mtime, ctime = self._three_()
        now = now_ns()
        if atime != now and (atime <= mtime or atime <= ctime or now - atime > _STALE_NS):
            self._times_ = (now, mtime, ctime)
            self._tell_(_ATTRIBUTES)

    # ---- extended attributes

    @property
    def has_xattrs(self) -> bool:
        """Whether it has extended attributes."""
        return bool(self._xattrs_)

    def getxattr(self, name: str) -> bytes:
        """The value; ENODATA when there is none of that name."""
        value = (self._xattrs_ or {}).get(name)
        if value is None:
            raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))
        return value

    def listxattr(self) -> Iterable[str]:
        """The names."""
        return tuple(self._xattrs_ or ())

    def setxattr(self, name: str, value: bytes) -> None:
        """Set one; EOPNOTSUPP for those of the system (ACLs), which nobody here would obey."""
        if name.startswith("system."):
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        if state.active is not None:
            hold(self)
        with self._gate_():
            known = self._xattrs_ or {}
            self._account_(len(value) - len(known.get(name, b"")))
            self._xattrs_ = {**known, name: bytes(value)}
        self.changed(_ATTRIBUTES)

    def removexattr(self, name: str) -> None:
        """Remove one; ENODATA when there is none of that name."""
        if state.active is not None:
            hold(self)
        with self._gate_():
            left = dict(self._xattrs_ or {})
            value = left.pop(name, None)
            if value is None:
                raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))
            self._account_(-len(value))
            self._xattrs_ = left or None
        self.changed(_ATTRIBUTES)

    def _account_(self, amount: int) -> None:
        """Take bytes, or give them back when the amount is below 0; ENOSPC."""
        space: Any = self._space_
        if space is None or amount == 0:
            return
        if amount > 0:
            space.take(amount)
        else:
            space.give(-amount)
