"""llfuse's global lock: it serves in the order of arrival, so whoever yields it is certain to let another in.

Invariants (all fields are guarded by ``_guard``, which is held for a few instructions and never across a
  wait): (1) somebody waits only while there is an owner; (2) the lock is handed over: a gate is opened by
  the one who made its waiter the owner.
"""

from __future__ import annotations

import threading
from collections import deque
from pickle import PicklingError
from typing import NoReturn


class _Waiter:
    """A thread that waits; its gate is opened when it has become the owner."""

    __slots__ = ("gate", "ident")

    def __init__(self, ident: int) -> None:
        self.ident = ident
        self.gate = threading.Lock()
        self.gate.acquire()


class Lock:
    """A lock that knows its owner.  Use the module's ``lock``; there is no other."""

    _guard: threading.Lock
    _owner: int | None
    _waiters: deque[_Waiter]

    def __init__(self) -> None:
        raise TypeError("there is one global lock, and no other can be made")

    @classmethod
    def _make(cls) -> Lock:
        lock = cls.__new__(cls)
        lock._guard = threading.Lock()
        lock._owner = None
        lock._waiters = deque()
        return lock

    def acquire(self, timeout: float | None = None) -> bool:
        """Take the lock, waiting *timeout* seconds at most, or for ever.

        :returns: whether it was taken.
        :raises RuntimeError: the calling thread has it already.
        :raises TypeError: *timeout* is no number.
        """
        me = threading.get_ident()
        patience = -1 if timeout is None else max(0, timeout)
        with self._guard:
            if self._owner is None:
                self._owner = me
                return True
            if self._owner == me:
                raise RuntimeError("Global lock cannot be acquired more than once")
            waiter = _Waiter(me)
            self._waiters.append(waiter)
        try:
            got = waiter.gate.acquire(timeout=patience)
        except BaseException:  # a signal handler raised
            self._give_up(waiter)
            raise
        return got or not self._leave(waiter)

    def _leave(self, waiter: _Waiter) -> bool:
        """Wait no longer; False when the lock was handed over meanwhile."""
        with self._guard:
            if self._owner == waiter.ident:
                return False
            self._waiters.remove(waiter)
            return True

    def _give_up(self, waiter: _Waiter) -> None:
        if not self._leave(waiter):
            self.release()

    def release(self) -> None:
        """Let go of the lock; the thread that has waited longest gets it.

        :raises RuntimeError: the calling thread does not have it.
        """
        with self._guard:
            if self._owner != threading.get_ident():
                raise RuntimeError("Lock can only be released by the holding thread")
            if self._waiters:
                following = self._waiters.popleft()
                self._owner = following.ident
                following.gate.release()
            else:
                self._owner = None

    def yield_(self, count: int = 1) -> None:
        """Let waiting threads have the lock, *count* of them one after the other, and take it again.

        :raises RuntimeError: the calling thread does not have it.
        """
        for _ in range(count):
            if not self._waiters and self._owner == threading.get_ident():
                return
            self.release()
            self.acquire()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()

    def __reduce__(self) -> NoReturn:
        raise PicklingError("a lock can not be pickled or copied")


class NoLockManager:
    """``with lock_released:`` lets go of the global lock meanwhile."""

    _lock: Lock

    def __init__(self) -> None:
        raise TypeError("lock_released belongs to the one global lock, and no other can be made")

    @classmethod
    def _make(cls, lock: Lock) -> NoLockManager:
        manager = cls.__new__(cls)
        manager._lock = lock
        return manager

    def __enter__(self) -> None:
        self._lock.release()

    def __exit__(self, *exc: object) -> None:
        self._lock.acquire()

    def __reduce__(self) -> NoReturn:
        raise PicklingError("lock_released can not be pickled or copied")
