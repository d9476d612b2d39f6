"""Locks that are passed on to the host, for a mount that leaves locks to the program: processes beside the
mount heed them, and the mount heeds theirs.

Locks of fcntl(2) belong to a process, and here all would be the server's. So each owner has an open file
description of its own for each file, and the locks are that's (F_OFD_SETLK): they end with it.

Rule 1: nothing blocks. Who waits gets a future, and is tried again when a lock of ours ends and, since nobody
    tells of those of others, every few hundredths of a second.
Rule 2: no system call under the lock.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from fusetree.nodes.refusals import refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.nodes.host.descriptors import Descriptor
    from fusetree.nodes.host.inodes import Key
    from fusetree.nodes.host.opened import HostReader

__all__ = ["HostLocks"]

#: struct flock: type, whence, start, length, process.
_FLOCK: Final = struct.Struct("hhqqi4x")

#: Seconds until somebody who waits is tried again, at first and at most.
_SOON: Final = 0.001
_AGAIN: Final = 0.05


class _Owner:
    """The open file description that holds the locks of one owner in one file."""

    __slots__ = ("descriptor", "opened", "pid")

    def __init__(self, descriptor: Descriptor, opened: HostReader, pid: int) -> None:
        self.descriptor = descriptor
        self.opened = opened  # by which it came: locks of an open file description end with that
        self.pid = pid


class _Waiter:
    """Somebody who waits for a lock."""

    __slots__ = ("attempt", "future", "undo")

    def __init__(self, attempt: Callable[[], object], undo: Callable[[], object]) -> None:
        self.attempt = attempt
        self.undo = undo
        self.future: Future[None] = Future()

    def is_done(self) -> bool:
        """Try again; whether it need not be tried any more."""
        if self.future.cancelled():
            return True
        try:
            self.attempt()
        except BlockingIOError:
            return False
        except OSError as error:
            if self.future.set_running_or_notify_cancel():
                self.future.set_exception(error)
            return True
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(None)
        else:  # given up in this very moment
            self.undo()
        return True


class HostLocks:
    """The locks of one tree."""

    __slots__ = ("_changed", "_owners", "_thread", "_waiting")

    def __init__(self) -> None:
        self._changed = threading.Condition()  # its lock guards the others; notified when a lock may be free
        self._owners: dict[tuple[Key, int], _Owner] = {}
        self._waiting: list[_Waiter] = []
        self._thread: threading.Thread | None = None  # tries again; there while anybody waits

    # ---- fcntl(2)

    def get(self, opened: HostReader, lock: Any) -> Any:
        """A lock that is in the way of *lock*, or None."""
        owner = self._owner(opened, lock)
        found = _conflict(owner.descriptor, lock.type, lock.start, lock.length)
        if found is None:
            return None
        kind, start, length = found
        # The host tells of no process. It is the one of ours that does not find this lock in its way.
        key = opened.key
        with self._changed:
            others = [other for (file, _), other in self._owners.items() if file == key]
        pids = [
            other.pid
            for other in others
            if _conflict(other.descriptor, fcntl.F_WRLCK, start, length) != found
        ]
        return type(lock)(kind, start, length, pids[0] if len(pids) == 1 else 0)

    def set(self, opened: HostReader, lock: Any, wait: bool) -> Future[None] | None:
        """Set or remove a lock; a future where that takes time."""
        key = opened.key, lock.owner
        if lock.type == fcntl.F_UNLCK and not lock.start and not lock.length:
            with self._changed:
                gone = self._owners.pop(key, None)
            if gone is not None:
                _set(gone.descriptor, fcntl.F_UNLCK, 0, 0)  # somebody may still have the descriptor
                self._tell()
            return None
        descriptor = self._owner(opened, lock).descriptor

        def attempt() -> None:
            _set(descriptor, lock.type, lock.start, lock.length)

        def undo() -> None:
            _set(descriptor, fcntl.F_UNLCK, lock.start, lock.length)
            self._tell()

        waits = self._try(attempt, undo, wait)
        if lock.type != fcntl.F_WRLCK:
            self._tell()
        return waits

    def _owner(self, opened: HostReader, lock: Any) -> _Owner:
        key = opened.key, lock.owner
        with self._changed:
            owner = self._owners.get(key)
        if owner is None:
            made = _Owner(opened.again(), opened, lock.pid)
            with self._changed:
                owner = self._owners.setdefault(key, made)
        return owner

    # ---- flock(2)

    def whole(self, descriptor: Descriptor, operation: int) -> Future[None] | None:
        """Lock or unlock an open file as a whole; a future where that takes time."""
        wanted = operation & ~fcntl.LOCK_NB

        def attempt() -> None:
            fcntl.flock(descriptor, wanted | fcntl.LOCK_NB)

        def undo() -> None:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            self._tell()

        waits = self._try(attempt, undo, not operation & fcntl.LOCK_NB)
        if wanted != fcntl.LOCK_EX:
            self._tell()
        return waits

    # ---- the end of an open file

    def end(self, opened: HostReader) -> None:
        """What was locked through an open file goes with it."""
        with self._changed:
            keys = [key for key, owner in self._owners.items() if owner.opened is opened]
            gone = [self._owners.pop(key) for key in keys]
        for owner in gone:
            _set(owner.descriptor, fcntl.F_UNLCK, 0, 0)
        if gone:
            self._tell()

    # ---- waiting

    def _try(
        self, attempt: Callable[[], object], undo: Callable[[], object], wait: bool
    ) -> Future[None] | None:
        try:
            attempt()
        except BlockingIOError:
            if not wait:
                raise refused(errno.EAGAIN) from None
        else:
            return None
        waiter = _Waiter(attempt, undo)
        with self._changed:
            self._waiting.append(waiter)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._try_again, name="fusetree-host-locks", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()
        return waiter.future

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _try_again(self) -> None:
        pause = _SOON
        while True:
            with self._changed:
                waiting = list(self._waiting)
                if not waiting:
                    self._thread = None
                    return
            done = [waiter for waiter in waiting if waiter.is_done()]
            with self._changed:
                self._waiting = [waiter for waiter in self._waiting if waiter not in done]
                if self._waiting:
                    pause = _SOON if self._changed.wait(pause) else min(2 * pause, _AGAIN)


def _set(descriptor: Descriptor, kind: int, start: int, length: int) -> None:
    """BlockingIOError when somebody else's is in the way."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, start, length, 0))
    except PermissionError as error:  # EACCES is the other name that fcntl(2) has for it
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error


def _conflict(descriptor: Descriptor, kind: int, start: int, length: int) -> tuple[int, int, int] | None:
    """Type, start and length of somebody else's lock that keeps one of this *kind* from being set there."""
    request = _FLOCK.pack(kind, os.SEEK_SET, start, length, 0)
    found, _, start, length, _ = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, request))
    return None if found == fcntl.F_UNLCK else (found, start, length)
