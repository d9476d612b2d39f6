"""Handlers of locks, for a mount with ``locks="program"``: then the kernel asks for each of them.

A file whose class (or whose open file) has `getlk`, `setlk` or `flock` is asked; all others have a table of
their own here, which does what the kernel would. A table is of one mount: owners of two mounts are numbers
that mean nothing to each other.

Rule 1: who waits is parked as a future and holds no thread; an interrupt cancels it.
Rule 2: at close(2) nobody sends an unlocking. FLUSH tells whose process it was, and takes its fcntl(2) locks;
    RELEASE is the end of an open file, and takes its flock(2) lock and what else was locked through it
    (F_OFD_SETLK). A class that keeps locks by itself is told in its own words.
Rule 3: futures are settled, and the program is called, with no lock held.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, cast

from fusetree.adapter.locktable import END, Held, LockTable, Waiter
from fusetree.adapter.own import OwnHandle
from fusetree.adapter.steps import drive
from fusetree.adapter.tree import refuse
from fusetree.adapter.usercode import call
from fusetree.lowlevel import FileLock, context

if TYPE_CHECKING:
    from fusetree.adapter.kinds import Method
    from fusetree.adapter.steps import Steps
    from fusetree.adapter.tree import TreeOperations
    from fusetree.lowlevel import RequestContext

__all__ = ["Locks"]

_UNLOCK: Final = fcntl.F_UNLCK
_KINDS: Final = {fcntl.LOCK_SH: fcntl.F_RDLCK, fcntl.LOCK_EX: fcntl.F_WRLCK, fcntl.LOCK_UN: _UNLOCK}


class Locks:
    """The locks of one mount.

    Arguments:
        tree: Whose files they are.
    """

    def __init__(self, tree: TreeOperations) -> None:
        self._tree = tree
        self._lock = threading.Lock()
        self._tables: dict[int, LockTable] = {}  # guarded by _lock; by node id
        # Guarded by _lock: owners to whom a file's own method has given locks, by node id, and open files to
        # which its own `flock` has given one, with the owner.
        self._own_owners: dict[int, set[int]] = {}
        self._own_files: dict[int, int] = {}

    # ---- handlers

    def getlk(self, inode: int, fh: int, lock: FileLock, ctx: RequestContext) -> FileLock | None:
        """A lock that is in the way of *lock*, or None."""
        method = self._own(inode, fh, "getlk")
        if method is not None:
            return cast("FileLock | None", drive(_answer(call(method, lock))))
        with self._lock:
            table = self._tables.get(inode)
            held = None if table is None else table.in_the_way(_held(lock, fh), whole=False)
        if held is None:
            return None
        length = 0 if held.end == END else held.end - held.start + 1
        return FileLock(held.type, held.start, length, held.pid, held.owner)

    def setlk(self, inode: int, fh: int, lock: FileLock, wait: bool, ctx: RequestContext) -> Any:
        """Set or remove a lock of fcntl(2)."""
        method = self._own(inode, fh, "setlk")
        if method is None:
            return self._set(inode, _held(lock, fh), wait, whole=False)
        if lock.type != _UNLOCK:
            with self._lock:
                self._own_owners.setdefault(inode, set()).add(lock.owner)
        return drive(_answer(call(method, lock, wait)))

    def flock(self, inode: int, fh: int, operation: int, ctx: RequestContext) -> Any:
        """Set or remove a lock of flock(2)."""
        kind = operation & ~fcntl.LOCK_NB
        method = self._own(inode, fh, "flock")
        if method is None:
            held = Held(_KINDS[kind], ctx.lock_owner, fh=fh, pid=ctx.pid)
            return self._set(inode, held, not operation & fcntl.LOCK_NB, whole=True)
        if kind != fcntl.LOCK_UN:
            with self._lock:
                self._own_files[fh] = ctx.lock_owner
        return drive(_answer(call(method, operation, ctx.lock_owner)))

    def _own(self, inode: int, fh: int, name: str) -> Method | None:
        state = self._tree.inode_table.state(fh)
        if isinstance(state, OwnHandle):
            return state.method(name)
        node = self._tree.node(inode)
        method: Method | None = getattr(self._tree.kind_of(node), name)
        return None if method is None else functools.partial(method, node)

    # ---- tables

    def _set(self, inode: int, wanted: Held, wait: bool, *, whole: bool) -> Future[None] | None:
        future: Future[None] | None = None
        granted: list[Future[None]] = []
        with self._lock:
            table = self._tables.setdefault(inode, LockTable())
            if whole:  # the old lock is given up, whatever becomes of the new one
                table.drop(owner=wanted.owner, whole=True)
            if wanted.type == _UNLOCK or table.in_the_way(wanted, whole=whole) is None:
                table.put(wanted, whole=whole)
                error = 0
            elif not wait:
                error = errno.EAGAIN
            elif not whole and self._closes_a_circle(table, wanted):
                error = errno.EDEADLK
            else:
                error = 0
                future = Future()
                table.waiting.append(Waiter(wanted, whole, future))
            granted = self._changed(inode, table)
        _settle(granted)
        if error:
            refuse(error)
        if future is not None:
            future.add_done_callback(functools.partial(self._gone, inode))
        return future

    def _changed(self, inode: int, table: LockTable) -> list[Future[None]]:
        granted = table.grant()
        if table.empty:
            del self._tables[inode]
        return granted

    def _gone(self, inode: int, future: Future[None]) -> None:
        """Who waited waits no more: it was cancelled, or has its lock."""
        if not future.cancelled():
            return
        with self._lock:
            table = self._tables.get(inode)
            if table is not None:
                table.waiting = [waiter for waiter in table.waiting if waiter.future is not future]
                if table.empty:
                    del self._tables[inode]

    def _closes_a_circle(self, table: LockTable, wanted: Held) -> bool:
        """Whether somebody whom *wanted* would wait for waits, by however many others, for its owner."""
        seen: set[int] = set()
        pending = [lock.owner for lock in table.ranges if lock.conflicts(wanted)]
        while pending:
            owner = pending.pop()
            if owner == wanted.owner:
                return True
            if owner in seen:
                continue
            seen.add(owner)
            for other in self._tables.values():
                for waiter in other.waiting:
                    if waiter.wanted.owner == owner and not waiter.whole:
                        pending += [lock.owner for lock in other.ranges if lock.conflicts(waiter.wanted)]
        return False

    # ---- the end of descriptors and of open files

    def flushed(self, inode: int, fh: int) -> Steps[None]:
        """A descriptor of a process was closed: its locks of fcntl(2) on this file go."""
        owner = context().lock_owner
        granted: list[Future[None]] = []
        with self._lock:
            table = self._tables.get(inode)
            if table is not None and any(lock.owner == owner for lock in table.ranges):
                table.drop(owner=owner, whole=False)
                granted = self._changed(inode, table)
            owners = self._own_owners.get(inode)
            is_own = owners is not None and owner in owners
            if owners is not None and is_own:
                owners.discard(owner)
                if not owners:
                    del self._own_owners[inode]
        _settle(granted)
        method = self._own(inode, fh, "setlk") if is_own else None
        if method is not None:
            yield call(method, FileLock(_UNLOCK, owner=owner), False)

    def released(self, inode: int, fh: int) -> Steps[None]:
        """An open file ends: what was locked through it goes."""
        granted: list[Future[None]] = []
        with self._lock:
            table = self._tables.get(inode)
            if table is not None:
                table.drop(fh=fh, whole=False)
                table.drop(fh=fh, whole=True)
                granted = self._changed(inode, table)
            owner = self._own_files.pop(fh, None)
        _settle(granted)
        method = None if owner is None else self._own(inode, fh, "flock")
        if method is not None:
            yield call(method, fcntl.LOCK_UN, owner)


def _answer(result: object) -> Steps[object]:
    answer: object = yield result
    return answer


def _held(lock: FileLock, fh: int) -> Held:
    end = END if lock.length == 0 else min(END, lock.start + lock.length - 1)
    return Held(lock.type, lock.owner, lock.start, end, fh, lock.pid)


def _settle(futures: list[Future[None]]) -> None:
    for future in futures:
        future.set_result(None)
