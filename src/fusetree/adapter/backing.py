"""Files that the kernel reads, writes and maps by itself: passthrough (libfuse 3.17, Linux 6.9, root).

A handle that has `backing` (fusetree.nodes.capabilities) tells a descriptor, the session makes a backing id
of it, and the answer to open carries that.

Rule 1: how a file is opened first is how it is opened as long as anybody has it open: passed through by one
    backing id, or with the kernel's page cache. The kernel refuses with EIO what differs (fs/fuse/iomode.c).
Rule 2: what is open is counted from before the answer to open until RELEASE, and the kernel begins after the
    one and has ended before the other: with none counted, it knows of none.
Rule 3: while somebody has a file open to write to it, passed through, nobody tells us of what is written: its
    attributes are neither published nor cached. When the last of them has closed it, all mounts are told that
    it has changed.
Rule 4: the kernel is not called with the lock held. Who makes a backing id in vain, because somebody else was
    quicker, gives it back.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from fusetree.errors import FusetreeError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backed", "Backings"]

logger = logging.getLogger("fusetree.adapter")

_WRITES: Final = os.O_WRONLY | os.O_RDWR


class Backed:
    """How one file is open. All fields are guarded by Backings._lock.

    Arguments:
        inode: Its node id.
        backing_id: The kernel's number for what it reads and writes by itself; 0: it does not.
    """

    __slots__ = ("backing_id", "inode", "opened", "writers")

    def __init__(self, inode: int, backing_id: int) -> None:
        self.inode = inode
        self.backing_id = backing_id
        #: How many open files there are, and how many of them may write.
        self.opened = 0
        self.writers = 0


class Backings:
    """The backing files of one mount.

    Arguments:
        open_backing: Makes a backing id of a descriptor: `Session.open_backing`.
        close_backing: Takes one back: `Session.close_backing`.
        insists: Whether somebody relies on it: the first file that cannot be passed through is told in the
            log then, else nothing is said.
    """

    def __init__(
        self,
        open_backing: Callable[[int], int],
        close_backing: Callable[[int], None],
        *,
        insists: bool = False,
    ) -> None:
        self._open_backing = open_backing
        self._close_backing = close_backing
        self._tells = insists
        self._possible = True  # until the session has said that it has none
        #: Node ids of what is written to without our knowing. Changed with _lock held.
        self.written: set[int] = set()
        self._lock = threading.Lock()
        self._files: dict[int, Backed] = {}  # guarded by _lock: what is open, by node id

    def open(self, inode: int, flags: int, descriptor: Callable[[], int] | None) -> Backed:
        """One more open file of a node; `close` ends it.

        Arguments:
            inode: Its node id.
            flags: Of open(2). O_DIRECT begins no passthrough: not every file system of the host takes it.
            descriptor: Gives a descriptor of the file behind it; None if there is none.
        """
        with self._lock:
            known = self._files.get(inode)
            if known is not None:
                return self._enter(known, flags)
        made = 0
        if descriptor is not None and self._possible and not flags & os.O_DIRECT:
            made = self._make(descriptor())
        with self._lock:
            known = self._files.get(inode)
            if known is None:
                known = self._files[inode] = Backed(inode, made)
                made = 0
            entered = self._enter(known, flags)
        if made:
            self._give_back(made)
        return entered

    def close(self, backed: Backed, flags: int) -> bool:
        """An open file is closed; *flags* are those of its open. True if it was the last one that could write
        without our knowing.
        """
        done = 0
        with self._lock:
            backed.opened -= 1
            ends = False
            if backed.backing_id and flags & _WRITES:
                backed.writers -= 1
                ends = backed.writers == 0
                if ends:
                    self.written.discard(backed.inode)
            if backed.opened == 0:
                del self._files[backed.inode]
                done = backed.backing_id
        if done:
            self._give_back(done)
        return ends

    def _enter(self, backed: Backed, flags: int) -> Backed:
        """Count one; with the lock held."""
        backed.opened += 1
        if backed.backing_id and flags & _WRITES:
            backed.writers += 1
            self.written.add(backed.inode)
        return backed

    def _make(self, descriptor: int) -> int:
        """A backing id; 0 when the kernel does not give any."""
        try:
            return self._open_backing(descriptor)
        except (OSError, FusetreeError) as error:
            if isinstance(error, FusetreeError):
                self._possible = False
            if self._tells:
                self._tells = False
                logger.warning(
                    "a file is served as without passthrough (%s)%s; this is logged once",
                    error,
                    _hint(error),
                )
            return 0

    def _give_back(self, backing_id: int) -> None:
        try:
            self._close_backing(backing_id)
        except (OSError, FusetreeError) as error:  # the session has ended, and all of them with it
            logger.debug("backing id %d is not taken back: %s", backing_id, error)

    def __reduce__(self) -> Any:
        raise TypeError("what is open cannot be pickled or copied")


def _hint(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return ": it lies on a file system that is itself stacked on another"
    return ""
