"""What is known of one file of the host, and how it is found again.

A file is remembered by an O_PATH descriptor, so that names may change as they like. There is a limit to how
many are open at a time: beyond it, those that were not used lately are closed, and opened again by the last
name that led there. Whether that is still the same file is told by device, inode number, type and the time
of its birth; ESTALE, if not, after which the kernel looks the name up anew.

Invariants:
  (1) while an inode has its descriptor, no other file of the host has its key: the host keeps it;
  (2) an inode without one has a mark, taken when the descriptor was given up;
  (3) what is open through a mount, and what has no name any more, keeps its descriptor.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from fusetree.nodes.host.calls import birth_of, open_below
from fusetree.nodes.host.descriptors import Descriptor, usual_limit
from fusetree.nodes.refusals import refused

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Finder", "HostInode", "Key", "key_of"]

#: Device, inode number and file type: the type, because a node never changes it.
Key = tuple[int, int, int]

_SEE: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

#: How many directories deep a file is looked for again (PATH_MAX allows no deeper names).
_DEEPEST: Final = 2048


def key_of(found: os.stat_result) -> Key:
    """What tells one file of the host from all others that exist."""
    return found.st_dev, found.st_ino, stat.S_IFMT(found.st_mode)


class HostInode:
    """One file of the host.

    Arguments:
        finder: Which keeps count of the descriptors.
        descriptor: An O_PATH descriptor of it.
        found: Its attributes.
        place: The directory that was asked, and the name; None for the top.
    """

    __slots__ = ("__weakref__", "_descriptor", "finder", "key", "mark", "opened", "place", "stat", "used")

    def __init__(
        self,
        finder: Finder,
        descriptor: Descriptor,
        found: os.stat_result,
        place: tuple[HostInode, bytes] | None,
    ) -> None:
        self.finder = finder
        self.key = key_of(found)
        #: The attributes, as they were last seen.
        self.stat = found
        self.place = place
        #: How many open files there are of it: guarded by Finder._lock.
        self.opened = 0
        #: Whether it was used since it was last thought of closing it.
        self.used = False
        #: (birth or change, see _mark) when the descriptor was given up.
        self.mark: object = None
        self._descriptor: Descriptor | None = descriptor
        if place is not None:
            finder.count(self)

    def descriptor(self) -> Descriptor:
        """An O_PATH descriptor; ESTALE when the file cannot be found again."""
        found = self._descriptor
        if found is not None:
            self.used = True
            return found
        return self._find_again()

    def refresh(self) -> os.stat_result:
        """The attributes as they are now."""
        found = self.stat = os.fstat(self.descriptor())
        return found

    @property
    def is_held(self) -> bool:
        """Whether it has its descriptor."""
        return self._descriptor is not None

    def is_again(self, descriptor: Descriptor, found: os.stat_result) -> bool:
        """Whether a descriptor, whose key is the same, is one of this file. If so it is taken over."""
        if self._descriptor is None:
            if _mark(descriptor, found) != self.mark:
                return False
            self._descriptor = descriptor
            self.finder.count(self)
        self.stat = found
        return True

    def give_up(self) -> bool:
        """Close the descriptor, unless that would lose the file."""
        held = self._descriptor
        if held is None or self.opened:
            return held is None
        found = os.fstat(held)
        if not found.st_nlink:
            return False
        self.mark = _mark(held, found)
        self._descriptor = None
        return True

    def names(self) -> list[bytes]:
        """The names that led here from the top, as far as is known."""
        names: list[bytes] = []
        here = self
        while here.place is not None:
            if len(names) == _DEEPEST:
                raise refused(errno.ESTALE)  # directories that were moved into each other behind our back
            here, name = here.place
            names.append(name)
        return names[::-1]

    def _find_again(self) -> Descriptor:
        names = self.names()
        top = self.finder.top
        assert top is not None
        try:
            descriptor = self.finder.open(lambda: open_below(top, names, _SEE))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV):
                raise refused(errno.ESTALE) from error
            raise
        found = os.fstat(descriptor)
        if key_of(found) != self.key or not self.is_again(descriptor, found):
            raise refused(errno.ESTALE)
        self.used = True
        return descriptor


def _mark(descriptor: Descriptor, found: os.stat_result) -> object:
    """What a later file with the same inode number has not. Without births: when it last changed, so that it
    is rather taken for another than another for it.
    """
    return birth_of(descriptor) or found.st_ctime_ns


class Finder:
    """The descriptors of one tree, and how many there may be.

    Those that were not used since the hand of the clock last passed are closed first.

    Arguments:
        limit: How many; None: half of what the process may have.
    """

    __slots__ = ("_circle", "_lock", "limit", "top")

    def __init__(self, limit: int | None) -> None:
        self.limit = usual_limit() if limit is None else limit
        #: The descriptor of the top, which stays.
        self.top: Descriptor | None = None
        self._lock = threading.Lock()
        # Guarded by _lock: each inode with a descriptor is in it once; and some that are gone.
        self._circle: deque[weakref.ref[HostInode]] = deque()

    def count(self, inode: HostInode) -> None:
        """An inode has a descriptor from now on."""
        with self._lock:
            self._circle.append(weakref.ref(inode))
            surplus = len(self._circle) - self.limit
        if surplus > 0:
            self.close(surplus)

    def close(self, number: int) -> None:
        """Close that many descriptors, if they are not needed."""
        for _ in range(2 * len(self._circle)):
            if number <= 0:
                return
            with self._lock:
                if not self._circle:
                    return
                reference = self._circle.popleft()
            inode = reference()
            if inode is not None:
                was_used, inode.used = inode.used, False
                if was_used or not inode.give_up():
                    with self._lock:
                        self._circle.append(reference)
                    continue
            number -= 1

    def open(self, function: Callable[[], int]) -> Descriptor:
        """What *function* opens; when there are no descriptors left, after closing half of ours."""
        try:
            return Descriptor(function())
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        self.close(max(1, len(self._circle) // 2))
        return Descriptor(function())

    def see(self, directory: Descriptor, name: bytes) -> Descriptor:
        """An O_PATH descriptor of what has a name in a directory; links are not followed."""
        return self.open(lambda: os.open(name, _SEE, dir_fd=directory))

    def opened(self, inode: HostInode, by: int) -> None:
        """There are more, or fewer, open files of an inode."""
        with self._lock:
            inode.opened += by

    def __reduce__(self) -> Any:
        raise TypeError("what is open cannot be pickled or copied")
