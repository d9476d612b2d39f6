"""One file system served: mounted, or on a descriptor.

::

    Session(...)  --> mounted, nothing served yet
      start(), run(), serve()  --> serving, the INIT handshake done
        unmounted from outside, stop()  --> ended: wait() returns
          close()  --> unmounted, closed

Rule: whatever happens, close() unmounts; it is called at the end of the ``with`` block. Forks and interpreter
    exit are the business of `lifetimes.py`.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any, Literal

from fusetree._lowlevel.connection import Connection, ReceiveBuffer
from fusetree._lowlevel.dispatch import Dispatcher
from fusetree._lowlevel.passthrough import Passthrough
from fusetree._lowlevel.watched import WatchedDispatcher
from fusetree.errors import SessionClosedError, UnsupportedFeatureError
from fusetree.server.background import BackgroundLoop
from fusetree.server.failures import Failures
from fusetree.server.features import Feature, Negotiation
from fusetree.server.lifetimes import end_watch, keep_watch
from fusetree.server.loops import running_backend
from fusetree.server.notifications import Notifying
from fusetree.server.offload import sync_opcodes
from fusetree.server.operations import handlers_of
from fusetree.server.options import SessionOptions
from fusetree.server.place import Place
from fusetree.server.rings import RingThreads
from fusetree.server.statistics import OperationTiming, SessionStatistics
from fusetree.server.threads import ThreadPool, report_stuck, start_thread
from fusetree.server.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from types import TracebackType

    from fusetree._lowlevel.request import Request
    from fusetree.server.loops import Backend
    from fusetree.server.operations import Operations

logger = logging.getLogger("fusetree")

#: Seconds that close() waits for handlers that are still running.
CLOSE_GRACE = 5.0


class Session(Notifying):
    """Serves *operations* at *mountpoint*, or on the socket *fd*.

    The file system is mounted when this returns; :meth:`run` or :meth:`start` serves it, and :meth:`close`,
    or the end of the ``with`` block, unmounts.

    :param operations: the file system.
    :param mountpoint: an existing directory; made absolute.
    :param options: `SessionOptions`, or strings as for ``mount -o`` ("ro", "fsname=x", "allow_other",
        "default_permissions", "max_write=65536", ...); checked before anything is mounted.
    :param fd: a connected stream socket to speak the FUSE protocol on, instead of a mount: each message is a
        frame whose first four bytes are its length.  It stays the caller's, the session keeps a duplicate.
    :param strict: an exception of a handler that is not an OSError ends the session and is raised by
        :meth:`run`, :meth:`wait` and :meth:`close`.
    :param inherited: the child of a fork may serve it, as programs want that go into the background between
        mounting and serving.  Until it is served a child keeps the device, and interpreter exit leaves it
        mounted.
    :raises MountError: the mount failed; the message has libfuse's own words.
    :raises ValueError: an option is unknown, or two contradict each other.
    :raises UnsupportedFeatureError: an option insists on what this libfuse lacks.
    """

    def __init__(
        self,
        operations: Operations,
        mountpoint: str | os.PathLike[str] | None = None,
        options: SessionOptions | str | Iterable[str] = (),
        *,
        fd: int | None = None,
        strict: bool = False,
        inherited: bool = False,
    ) -> None:
        if (mountpoint is None) == (fd is None):
            raise TypeError("Session needs either a mountpoint or a descriptor (fd=)")
        self.operations = operations
        self.mountpoint = None if mountpoint is None else os.path.abspath(os.fspath(mountpoint))
        self._handlers = handlers = handlers_of(operations)
        self.options = chosen = SessionOptions.of(options)
        self._negotiation = Negotiation(operations, chosen, handlers, mounted=fd is None)
        option_list = list(chosen.strings()) if self.mountpoint is not None else _without_mount(chosen)
        if operations.enable_acl and "default_permissions" not in option_list and fd is None:
            option_list.append("default_permissions")
        self._failures = Failures(operations.describe, strict=strict, stop=self._stop_from_handler)
        self._watchdog: Watchdog | None = None
        if chosen.watchdog is None:
            self._dispatcher = Dispatcher(
                handlers, self._failures, self._failures.answered, operations.checks_answers
            )
        else:
            watched = WatchedDispatcher(
                handlers, self._failures, self._failures.answered, operations.checks_answers
            )
            self._dispatcher = watched
            self._watchdog = Watchdog(chosen.watchdog, watched, self._waiting, self._failures.where)
        self._connection = Connection(
            set(handlers),
            option_list,
            operations.inode_table,
            self._negotiation.capabilities,
            operations.readdirplus,
            self._negotiation.limits,
            self._negotiation.rings,
        )
        self._begin_notifying(self._connection)
        self._passthrough = Passthrough(self._connection)
        self._lock = threading.Lock()
        self._pool: ThreadPool | None = None  # guarded by _lock
        self._rings: RingThreads | None = None  # beside the pool; set once
        self._backend: Backend | None = None  # guarded by _lock; of an event loop
        self._background: BackgroundLoop | None = None  # beside the pool, for async handlers; set once
        self._begun = False  # the handshake is done, operations.init() was called
        self._helpers: list[threading.Thread] = []  # the table's notifier and reaper
        self._ended = threading.Event()
        self._closed = threading.Event()  # close() is done
        self._closing = False  # guarded by _lock
        self._place: Place | None = None  # None: on a descriptor
        if self.mountpoint is not None:
            self._place = Place(self._connection, self.mountpoint)
        else:
            assert fd is not None
            self._connection.attach(fd)
        if not inherited:
            keep_watch(self)

    def start(self, workers: int = 8, *, async_handlers: Literal["refuse", "loop"] = "refuse") -> None:
        """Serve in background threads; returns when the handshake with the kernel is done.

        :param workers: how many handlers may run at once.
        :param async_handlers: "loop" runs what ``async`` handlers return in an asyncio loop in a thread of
            its own, which begins with the first of them and ends with the session; such a handler holds none
            of the workers, and is cancelled when its caller gives up waiting.  "refuse" answers EIO.
        :raises MountError: the connection ended before the handshake was done.
        """
        if async_handlers not in ("refuse", "loop"):
            raise ValueError(f'async_handlers is "refuse" or "loop", not {async_handlers!r}')
        pool = self._open_pool(workers)
        if async_handlers == "loop":
            self._background = BackgroundLoop(self._dispatcher)
        pool.start()

    def run_here(self) -> None:
        """Serve in the calling thread, where every handler runs, until unmounted from outside or stopped.

        While a handler runs nothing is received.  A signal handler of Python runs when the next request
        comes; who wants to end by a signal calls :meth:`stop` from another thread (``signal.set_wakeup_fd``).

        :raises MountError: the connection ended before the handshake was done.
        :raises UnsupportedFeatureError: the options insist on rings, whose handlers run in other threads.
        """
        self._without_rings("handlers run in libfuse's ring threads then: serve it with run() or start()")
        self._open_pool(1).run_here()
        self._failures.raise_kept()

    def _open_pool(self, workers: int) -> ThreadPool:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        with self._lock:
            if self._closing:
                raise SessionClosedError("the session is closed")
            if self._pool is not None or self._backend is not None:
                raise RuntimeError("the session is served already")
            self._pool = pool = ThreadPool(self._connection, self._dispatcher, workers, self._all_ended)
        try:
            self._connection.handshake(ReceiveBuffer())
            if self._connection.rings:
                self._rings = RingThreads(self._connection, self._dispatcher, self.stop)
            self._begin()
        except BaseException:
            self._ended.set()
            self.close()
            raise
        if self._rings is not None:
            self._rings.open()
        return pool

    def _without_rings(self, reason: str) -> None:
        """Rings go with :meth:`start` and :meth:`run` only.

        :raises UnsupportedFeatureError: they were insisted on, or are in use.
        """
        if self._rings is not None:
            raise UnsupportedFeatureError("io_uring", reason=reason)
        if self._negotiation.rings:
            self._negotiation.without_rings(reason)
            self._connection.without_rings()

    def _begin(self) -> None:
        """The handshake is done."""
        self._negotiation.check(self._connection)
        keep_watch(self)
        self._begun = True
        self.operations.init()
        if self._watchdog is not None:
            self._watchdog.start()
        table = self.operations.inode_table
        if table is not None:
            pointer = self._connection.pointer
            prunes = self._connection.prunes
            self._helpers = [
                start_thread("fusetree-notifier", lambda: table.run_notifier(pointer, prunes=prunes)),
                start_thread("fusetree-reaper", table.run_reaper),
            ]

    async def serve(
        self,
        *,
        close: bool = True,
        cancel_handlers: bool = True,
        sync_handlers: Literal["loop", "threads"] = "loop",
        workers: int = 8,
    ) -> None:
        """Serve in the running event loop, asyncio or trio, until unmounted from outside, stopped or
        cancelled; then the session is closed.

        Handlers, which may be ``async``, run in the loop, in its thread.  While the loop is busy or blocked a
        thread stands by for what the inode table can answer.  Handlers that wait when the serving ends are
        cancelled, and their requests answered with EINTR.  A session that threads serve already
        (:meth:`start`) is taken over from them.

        :param close: False leaves the session open, so mounted, for :meth:`close`; nobody answers meanwhile.
        :param cancel_handlers: False lets handlers finish, whether their caller gave up waiting or the
            serving ends, unless the task that awaits this is cancelled.
        :param sync_handlers: where handlers run that are not ``async``: "loop" runs them in the loop, which
            is fastest and right for what does not block; "threads" runs them in threads of their own, so that
            they hold up nobody.  These are not cancelled: `lowlevel.interrupted()` tells them.
        :param workers: how many handlers may run at once in such threads.
        :raises RuntimeError: neither asyncio nor trio runs here, or a loop serves the session already.
        :raises MountError: the connection ended before the handshake was done.
        :raises UnsupportedFeatureError: the options insist on rings, which libfuse's threads serve.
        :raises BaseException: what a strict session kept.
        """
        if sync_handlers not in ("loop", "threads"):
            raise ValueError(f'sync_handlers is "loop" or "threads", not {sync_handlers!r}')
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        backend_class = running_backend()
        self._without_rings(
            "libfuse's ring threads run the handlers then, and no event loop: serve it with run() or start()"
        )
        with self._lock:
            if self._closing:
                raise SessionClosedError("the session is closed")
            if self._backend is not None:
                raise RuntimeError("an event loop serves the session already")
            self._backend = backend = backend_class(
                self._connection,
                self._dispatcher,
                standby=self.operations.inode_table is not None,
                cancels=cancel_handlers,
                in_threads=sync_opcodes(self._handlers) if sync_handlers == "threads" else frozenset(),
                workers=workers,
            )
            pool = self._pool
        self._failures.passing = (KeyboardInterrupt, SystemExit)  # they end the program that has this loop
        try:
            self._connection.set_nonblocking()
            if pool is None:
                await self._shake_hands(backend)
            else:
                pool.retire()
            await backend.run()
        finally:
            self._all_ended()
            backend.ended.set()
            if close:
                self.close()
        self._failures.raise_kept()

    async def _shake_hands(self, backend: Backend) -> None:
        buffer = ReceiveBuffer()
        while True:
            try:
                self._connection.handshake(buffer)
            except BlockingIOError:
                await backend.readable()
            else:
                break
        self._begin()

    def run(self, workers: int = 8) -> None:
        """Serve until unmounted from outside or stopped; a signal handler that raises (Ctrl-C) ends it too.

        :param workers: how many handlers may run at once.
        """
        self.start(workers)
        self.wait()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the session ended: unmounted from outside, :meth:`stop`, or a bug in a strict session.

        :param timeout: seconds, or None for ever.
        :returns: whether it ended.
        """
        ended = self._ended.wait(timeout)
        if ended:
            self._failures.raise_kept()
        return ended

    def stop(self) -> None:
        """End the serving, from any thread and also from a handler; :meth:`close` then unmounts."""
        with self._lock:
            pool, backend = self._pool, self._backend
        if backend is not None:
            backend.stop()
            return
        if pool is None:
            self._ended.set()
            return
        if self._rings is not None:
            self._rings.refuse(0)
        self._connection.exit()
        pool.insist()

    def statistics(self, *, keep_timing: float = 0.0) -> SessionStatistics:
        """What was answered so far, by operation.

        :param keep_timing: for how many seconds from now on handlers are to be timed; asking again prolongs
            it.  While nobody asks nothing is timed, and it costs nothing.
        """
        meter, table = self._dispatcher.meter, self.operations.inode_table
        if keep_timing > 0:
            meter.keep_on(keep_timing)
        return SessionStatistics(
            timing=meter.on,
            handled={
                name: OperationTiming(count, errors, total / 1e9, longest / 1e9, buckets)
                for name, (count, errors, total, longest, buckets) in meter.timings().items()
            },
            answered_in_c={} if table is None else table.answers(),
        )

    def abort(self) -> None:
        """End the connection at once, from any thread and also from a handler.

        Whoever waits in the file system gets ECONNABORTED, whoever comes later ENOTCONN. Handlers that run go
        on, are told by `lowlevel.interrupted()`, and their answers go nowhere. The session has then ended, as
        when it was unmounted from outside; it is still to be closed, which unmounts. Once it has ended
        nothing is done.

        It takes no privileges. The kernel's control file of the connection is used where there is one for
        this user; else the device is closed, which ends the connection too unless a process that was forked
        by C code holds it open.

        :raises SessionClosedError: the session is closed, or belongs to the parent of this process.
        """
        with self._lock:
            if self._closing:
                raise SessionClosedError("the session is closed")
            pool, backend = self._pool, self._backend
        if self._ended.is_set():
            return
        if self._place is None:
            self._connection.exit()
        elif not self._place.is_connected:
            return
        elif not self._place.abort():
            self._connection.let_go()
            if self._rings is not None:  # they have the device open, too
                self._rings.refuse(0)
                self._rings.end()
        else:
            self._connection.wind_up()  # not before: a handler that gives up would answer
            return  # who reads the device hears of it
        if backend is not None:
            backend.stop()
        elif pool is not None:
            pool.stop()
        else:
            self._ended.set()

    def _stop_from_handler(self) -> None:
        self.stop()

    def close(self, *, unmount: bool = True) -> None:
        """Stop, unmount, and end the session.  Idempotent.  Handlers that still run get a few seconds to
        finish.

        :param unmount: False leaves the mount there, dead: whoever uses it gets ENOTCONN, and nobody writes
            by mistake into the directory beneath.
        :raises BaseException: what a strict session kept.
        """
        with self._lock:
            closing, self._closing = self._closing, True
            pool, backend = self._pool, self._backend
        if closing:
            if backend is not None and backend.thread != threading.get_ident():
                self._closed.wait(CLOSE_GRACE)  # the loop does it
            return
        if backend is not None and not backend.ended.is_set():
            if backend.thread == threading.get_ident():
                backend.cut()
            else:
                backend.stop()
                if not backend.ended.wait(CLOSE_GRACE):
                    logger.warning("closing although the event loop does not end its handlers: it is blocked")
                    self._free_waiters()
        if self._watchdog is not None:
            self._watchdog.stop()
        if self._background is not None:
            self._background.stop(CLOSE_GRACE)  # before the connection ends: what waits there is answered
        self._dispatcher.cancel_parked()
        rings = self._rings
        if rings is not None and not rings.refuse(CLOSE_GRACE):
            logger.warning(
                "closing although a handler still runs in a ring thread; its answer will be dropped"
            )
            self._free_waiters()
        self._connection.exit()
        if pool is not None:
            pool.stop()
            stuck = pool.join(CLOSE_GRACE)
            if stuck:
                report_stuck(stuck)
                self._free_waiters()
        self._outbox.stop()
        self._connection.close(unmount=unmount and self._place is not None and self._place.is_mounted())
        if not self._outbox.join(CLOSE_GRACE):
            logger.warning("closing although a notification still waits for a handler that does not end")
        table = self.operations.inode_table
        if table is not None:
            table.stop()
            for thread in self._helpers:
                if thread is not threading.current_thread():
                    thread.join(CLOSE_GRACE)
        if rings is not None:
            rings.end()
        self._ended.set()
        end_watch(self)
        try:
            if self._begun:
                self.operations.destroy()
        finally:
            self._closed.set()
        self._failures.raise_kept()

    def _free_waiters(self) -> None:
        if self._place is not None:
            self._place.free_waiters()

    def _waiting(self) -> list[tuple[Request, Coroutine[Any, Any, Any]]]:
        """Handlers that an event loop waits for, for the watchdog."""
        backend = self._backend
        waiting = [] if backend is None else backend.waiting()
        return waiting if self._background is None else [*waiting, *self._background.waiting()]

    def _all_ended(self) -> None:
        """The last worker ended."""
        if self._place is not None:
            self._place.look()
        self._ended.set()

    def _forked(self) -> None:
        self._closing = True
        self._connection.abandon()
        self._ended.set()

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called, or this is the child of a fork."""
        return self._closing

    @property
    def failures(self) -> int:
        """How many handlers failed with something else than an OSError."""
        return self._failures.count

    def features(self) -> dict[str, Feature]:
        """What is compiled, offered by the kernel, on or off in this session, and why; complete once it is
        served.
        """
        return self._negotiation.features(self._connection)

    @property
    def connection(self) -> Connection:
        """The core's connection: the way down."""
        return self._connection

    def open_backing(self, fd: int) -> int:
        """Have the kernel read and write an open file by itself, wherever ``FileInfo.backing_id`` says so.

        Ask for it with ``SessionOptions(passthrough=True)``, or "auto".  It takes root (CAP_SYS_ADMIN), and a
        file of a file system that is not itself stacked on another.

        :param fd: a descriptor, which may be closed afterwards.
        :returns: the backing id, which is good until :meth:`close_backing`.  Keep one for each inode: while
            an inode is open, the kernel refuses to open it with another.
        :raises UnsupportedFeatureError: libfuse is older than 3.17, the kernel than 6.9, or it was not asked
            for.
        :raises OSError: EBADF, EPERM, ELOOP (a stacked file system), EOPNOTSUPP (no regular file).
        """
        return self._passthrough.open(fd)

    def close_backing(self, backing_id: int) -> None:
        """Take a backing id back.  What was opened with it stays as it is.

        :raises FileNotFoundError: there is no such backing id.
        """
        self._passthrough.close(backing_id)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closing else "ended" if self._ended.is_set() else "open"
        return f"<Session {self.mountpoint or 'on a descriptor'} {state}>"


def _without_mount(options: SessionOptions) -> list[str]:
    """What libfuse has to be told where nothing is mounted: it compares the sizes of reads."""
    return [] if options.max_read is None else [f"max_read={options.max_read}"]
