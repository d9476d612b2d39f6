"""What every node is, and what the adapter needs to know of it.

A node is one inode of a tree: it has a fixed file type, permissions, times, an inode number of its own
and, while a mount knows it, observers. It does not know libfuse, node ids, lookup counts or handles; those
are the adapter's.

Rule 1: whoever changes a node stores first and tells the observers afterwards.
Rule 2: observers only record; `Observer.settle`, which may wait, is called with no lock held.
Rule 3: a node is small. What can be shared (times, links, locks) is shared; there is no list, dict or lock
per node.

Names of slots end in an underscore as well as they begin with one, so that the private fields of a user's
class (`_lock`, `_parent`, `_observers`) are theirs.
"""

from __future__ import annotations

import operator
import threading
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import attrs

from fusetree.nodes.capabilities import check_capabilities
from fusetree.nodes.docs import class_doc
from fusetree.nodes.held import hold, keep, state
from fusetree.nodes.locks import FREE_THREADED, gate
from fusetree.nodes.observers import Change, settle
from fusetree.nodes.stamps import now_ns, read_clock

if TYPE_CHECKING:
    from typing_extensions import Self, dataclass_transform

    from fusetree.nodes.directory import Dir
    from fusetree.nodes.observers import Observer
else:

    def dataclass_transform(**_: Any) -> Any:
        """Type checkers read this mark; at run time it is nothing."""
        return lambda decorator: decorator


__all__ = ["Node", "check_mode", "dataclass_transform", "node_class"]

#: The inode numbers that are given out begin here, out of the way of those that programs choose, and below
#: 2**32 for the first two thousand million, for programs that know no longer ones.
_FIRST_INO: Final = 1 << 31

_C = TypeVar("_C")

# Operations on flags are slow, and the setter of an attribute must not be: the constants are compared by
# identity.
_ATTRIBUTES: Final = Change.ATTRIBUTES
_ALL: Final = Change.ALL


# --------------------------------------------------------------------------------------------- small values


def check_mode(mode: int) -> int:
    """Permission bits as they were given, or ValueError: the file type is not part of them."""
    if not hasattr(mode, "__index__"):
        raise TypeError(f"mode is an int of permission bits, such as 0o644, not {mode!r}")
    mode = operator.index(mode)
    if not 0 <= mode <= 0o7777:
        raise ValueError(f"mode {mode:#o} is not between 0 and 0o7777: it holds permission bits only")
    return mode


def _check_owner(number: int | None) -> int | None:
    if number is None:
        return None
    if not hasattr(number, "__index__"):
        raise TypeError(
            f"uid and gid are numbers, not {number!r}; the modules pwd and grp know those of names"
        )
    number = operator.index(number)
    if not 0 <= number < 0xFFFF_FFFF:
        raise ValueError(f"{number} is not a user or group id")
    return number


def _check_ino(number: int) -> int:
    number = operator.index(number)
    if number >= 1 << 64:
        raise ValueError(f"inode number {number} does not fit into 64 bits")
    # Numbers that were given out are kept negative: attrs.evolve() then passes one on, and the copy gets
    # its own.
    return max(number, 0)


_next_ino = _FIRST_INO  # guarded by _ino_lock
_ino_lock: Final = threading.RLock()


@dataclass_transform(eq_default=False, field_specifiers=(attrs.field,))
def node_class(cls: type[_C]) -> type[_C]:
    """Make one of the library's own node classes: attrs, slots, equality by identity, no hooks on
    assignment.
    """
    return attrs.define(eq=False, repr=False, on_setattr=attrs.setters.NO_OP)(cls)


# ------------------------------------------------------------------------------------------------- the nodes


@node_class
class Node:
    """One inode of a tree. Use `Dir`, `File` or `Symlink`, or a class of your own made from them with `node`.

    Two nodes are equal when they are the same object. All may be called from any thread.

    Arguments:
        mode: Permission bits (0 to 0o7777).
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see in `st_ino`; 0 gives one out when it is first asked for.
    """

    #: `stat.S_IFREG`, `S_IFDIR` or another of them; a node never changes it.
    file_type: ClassVar[int]

    # Whether the methods of its class (capabilities) do all that is asked of them, so that the library has
    # nothing to add, and change only what the kernel that asks changes in its caches by itself.
    _does_all_: ClassVar[bool] = False

    # Whether a tree with this node at its top has ACLs, which the kernel is to check by.
    _has_acls_: ClassVar[bool] = False

    # What keeps locks by itself in a tree with this node at its top, for a message; "" if that is not known.
    _keeps_locks_: ClassVar[str] = ""

    _mode_: int = attrs.field(default=0o444, alias="mode", kw_only=True, converter=check_mode, repr=False)
    _uid_: int | None = attrs.field(
        default=None, alias="uid", kw_only=True, converter=_check_owner, repr=False
    )
    _gid_: int | None = attrs.field(
        default=None, alias="gid", kw_only=True, converter=_check_owner, repr=False
    )
    # 0: not asked for yet; negative: given out; positive: chosen by the program.
    _ino_: int = attrs.field(default=0, alias="ino", kw_only=True, converter=_check_ino, repr=False)
    # One number while all three times are the same, else (atime, mtime, ctime).
    _times_: int | tuple[int, int, int] = attrs.field(init=False, factory=now_ns, repr=False)
    # Which directories hold this node, once per name; guarded by LINKS. Weak, so that a tree has no reference
    # cycles; a directory has one weak reference, which all its children share.
    _parents_: weakref.ref[Dir] | tuple[weakref.ref[Dir], ...] | None = attrs.field(
        init=False, default=None, repr=False
    )
    # Guarded by gate(self); read without it, see fusetree.nodes.locks.
    _observers_: tuple[Observer, ...] = attrs.field(init=False, default=(), repr=False)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_capabilities(cls)

    # ---- attributes

    @property
    def mode(self) -> int:
        """Permission bits, without the file type. Assigning tells the kernel."""
        return self._mode_

    @mode.setter
    def mode(self, mode: int) -> None:
        mode = check_mode(mode)
        if state.active is not None:
            hold(self)
        self._mode_ = mode
        self.changed(_ATTRIBUTES)

    @property
    def uid(self) -> int | None:
        """The owner's id; None is the user that runs the server. Assigning tells the kernel."""
        return self._uid_

    @uid.setter
    def uid(self, uid: int | None) -> None:
        uid = _check_owner(uid)
        if state.active is not None:
            hold(self)
        self._uid_ = uid
        self.changed(_ATTRIBUTES)

    @property
    def gid(self) -> int | None:
        """The id of the owner's group; None is the group that runs the server. Assigning tells the kernel."""
        return self._gid_

    @gid.setter
    def gid(self, gid: int | None) -> None:
        gid = _check_owner(gid)
        if state.active is not None:
            hold(self)
        self._gid_ = gid
        self.changed(_ATTRIBUTES)

    @property
    def ino(self) -> int:
        """The inode number that programs see: the one that was given, else one given out now and kept for
        life.
        """
        number = self._ino_
        if number == 0:
            number = self._give_out_ino_()
        return number if number > 0 else -number

    def _give_out_ino_(self) -> int:
        global _next_ino  # noqa: PLW0603 - inode numbers are unique in the process
        with _ino_lock:
            if self._ino_ == 0:
                self._ino_ = -_next_ino
                _next_ino += 1
            return self._ino_

    @property
    def atime_ns(self) -> int:
        """When it was last read, in nanoseconds since the epoch. Reading does not move it: it goes with
        `mtime_ns` until set.
        """
        times = self._times_
        return times if isinstance(times, int) else times[0]

    @property
    def mtime_ns(self) -> int:
        """When the content last changed, in nanoseconds since the epoch (in ticks of some milliseconds)."""
        times = self._times_
        return times if isinstance(times, int) else times[1]

    @property
    def ctime_ns(self) -> int:
        """When the content or the attributes last changed, in nanoseconds since the epoch (in ticks of
        some milliseconds).
        """
        times = self._times_
        return times if isinstance(times, int) else times[2]

    def set_times(self, *, atime_ns: int | None = None, mtime_ns: int | None = None) -> None:
        """Set the times of the last access and the last change of content, as utimensat(2) does.

        Arguments:
            atime_ns: Nanoseconds since the epoch; None leaves it.
            mtime_ns: Nanoseconds since the epoch; None leaves it.
        """
        atime = self.atime_ns if atime_ns is None else operator.index(atime_ns)
        mtime = self.mtime_ns if mtime_ns is None else operator.index(mtime_ns)
        if state.active is not None:
            hold(self)
        self._times_ = (atime, mtime, now_ns())
        self.changed(_ATTRIBUTES)

    @property
    def nlink(self) -> int:
        """How many names the node has: at least 1."""
        links = self._parents_
        if links is None or isinstance(links, weakref.ref):
            return 1
        return max(1, sum(link() is not None for link in links))

    @property
    def ttl(self) -> float:
        """For how long the kernel may keep what the node's class answers by itself, in seconds."""
        return 0.0

    @property
    def has_xattrs(self) -> bool:
        """Whether it has extended attributes, of a class that can have them: if not, nobody is asked."""
        return True

    # ---- observers

    def changed(self, what: Change = _ALL) -> None:
        """Tell readers that something changed which the node could not see, such as a mutation inside a
        value.

        Returns when the mounts that know the node have told the kernel, or have given up waiting
        (`coherence_wait`).

        Arguments:
            what: `Change.CONTENT` moves the times of change and of content, `Change.ATTRIBUTES` alone only
                the former.
        """
        if state.active is not None:
            hold(self)
        # The setter of an entry comes through here each time, so the usual case has no further call.
        if what is _ALL and isinstance(self._times_, int):
            self._times_ = read_clock()
        else:
            self._touch_(what)
        self._tell_(what)

    def _tell_(self, what: Change) -> None:
        """Tell readers what `changed` tells, the times being right already."""
        if state.active is not None and keep(self, "changed", what):
            return
        observers = self._observing_() if FREE_THREADED else self._observers_
        if observers:
            pending = [
                (observer, ticket)
                for observer in observers
                if (ticket := observer.changed(self, what)) is not None
            ]
            if pending:
                settle(pending)

    def attach(self, observer: Observer) -> None:
        """Let an observer know of all changes from now on. It must attach before it reads any value of the
        node.
        """
        with self._gate_():
            if not any(known is observer for known in self._observers_):
                self._observers_ = (*self._observers_, observer)

    def detach(self, observer: Observer) -> None:
        """Forget an observer; nothing happens when it is not attached."""
        with self._gate_():
            self._observers_ = tuple(known for known in self._observers_ if known is not observer)

    def _observing_(self) -> tuple[Observer, ...]:
        """The observers, for who has stored something and must not miss one that is attaching."""
        if FREE_THREADED:
            with self._gate_():
                return self._observers_
        return self._observers_

    def _gate_(self) -> threading.RLock:
        return gate(self)

    def _touch_(self, what: Change) -> None:
        """Move the times. A race with another change loses one of two stamps of the same tick."""
        now = now_ns()
        times = self._times_
        if what is _ATTRIBUTES:
            if isinstance(times, int):
                if times != now:
                    self._times_ = (times, times, now)
            else:
                self._times_ = (times[0], times[1], now)
        elif isinstance(times, int) or times[0] == times[1]:
            self._times_ = now
        else:
            self._times_ = (times[0], now, now)

    def _held_with_(self) -> Node | None:
        """What is held before it by a transaction: where its state lies."""
        return None

    def _before_(self) -> None:
        """Bring what the node holds into a state in which a copy of its slots is a copy of the node. The lock
        of its children, or its gate, is held.
        """

    def _after_copy_(self, copy: Self) -> None:
        """Copy what a copy of the slots would share."""

    def _restored_(self, before: Self) -> None:
        """Its slots are about to be those of *before* again, which `_before_` and `_after_copy_` made."""

    def _doc_(self) -> str | None:
        """What it is, in the words of who declared it, as they were written; see `fusetree.nodes.docs`."""
        return class_doc(type(self))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x}>"
