"""A drop-in for the module `llfuse` (of its version 1.5): ``from fusetree.compat import llfuse``.

Every handler runs with the global `lock` held.  A process has one mount: `init`, `main`, `close`.

What differs: a handler that raises anything but FUSEError ends `main`, as there, and its caller gets EIO at
once; calls before `init` raise RuntimeError instead of crashing; a second `init` without `close` raises
RuntimeError; `SetattrFields` has ``update_ctime`` too.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable

from fusetree.compat._errors import FUSEError, first_cause
from fusetree.compat._host import get_sup_groups, getxattr, listdir, setxattr
from fusetree.compat._llfuse_operations import Operations, translated
from fusetree.compat._lock import Lock, NoLockManager
from fusetree.compat._mounted import Mounted
from fusetree.compat._notices import NoticeQueue
from fusetree.compat._signals import Received, ending_signals
from fusetree.errors import SessionClosedError
from fusetree.flags import ROOT_INODE
from fusetree.lowlevel import EntryAttributes, RequestContext, SetattrFields, StatvfsData
from fusetree.types import ReadableBuffer

__all__ = [
    "ENOATTR",
    "EntryAttributes",
    "FUSEError",
    "Lock",
    "NoLockManager",
    "Operations",
    "ROOT_INODE",
    "RequestContext",
    "SetattrFields",
    "StatvfsData",
    "close",
    "default_options",
    "get_ino_t_bits",
    "get_off_t_bits",
    "get_sup_groups",
    "getxattr",
    "init",
    "invalidate_entry",
    "invalidate_inode",
    "listdir",
    "lock",
    "lock_released",
    "log",
    "main",
    "notify_store",
    "setxattr",
]

__version__ = "1.5.2"
_NANOS_PER_SEC = 1_000_000_000

#: What getxattr and removexattr answer for an attribute that is not there.
ENOATTR = errno.ENODATA
#: Options to begin with; those that only libfuse2 knew are accepted and have no effect.
default_options = frozenset(
    {"big_writes", "default_permissions", "no_splice_read", "splice_write", "splice_move"}
)
log = logging.getLogger("llfuse")

#: The global lock, with which every handler runs.
lock = Lock._make()
#: ``with lock_released:`` lets go of the global lock around work that blocks.
lock_released = NoLockManager._make(lock)

WORKERS = 30  # threads of main(), unless said
QUEUED = 1000  # notifications that may wait

_mounted = Mounted(log, refused="fuse_lowlevel_new() failed", failed="fuse_mount failed")
_notices = NoticeQueue(QUEUED)


def init(ops: Operations, mountpoint: str, options: Iterable[str] = default_options) -> None:
    """Mount the file system *ops* at *mountpoint*.

    *ops* need not derive from `Operations`.  The process may fork between here and `main`, to go into the
    background.

    :param options: names as for ``mount -o``, as a set of strings.
    :raises RuntimeError: it could not be mounted; why is told by the log and the ``__cause__``.
    """
    _mounted.open(translated(ops, lock), mountpoint, options)


def main(workers: int | None = None, handle_signals: bool = True) -> int | None:
    """Serve, until unmounted from outside, a signal, or a handler's mistake.

    :param workers: how many threads; 1: every handler runs in the calling thread.  30 unless given.
    :param handle_signals: SIGTERM, SIGINT and SIGHUP end the serving, SIGUSR1 and SIGPIPE have no effect
        meanwhile. In a thread that is not the main thread it makes no difference, since Python lets only
        that install handlers.
    :returns: None after unmounting, or the number of the signal.
    :raises RuntimeError: `init` was not called.
    :raises ValueError: *workers* is 0 or less.
    :raises Exception: what a handler raised that was no FUSEError.
    """
    session = _mounted.session("main")
    if workers is not None and workers < 1:
        raise ValueError("No. of workers must be positive")
    received = Received()
    _notices.start()
    try:
        if handle_signals:
            with ending_signals(session.stop) as received:
                _serve(workers)
        else:
            _serve(workers)
    finally:
        _notices.stop()
    return received.number


def _serve(workers: int | None) -> None:
    session = _mounted.session("main")
    try:
        if workers == 1:
            session.run_here()
        else:
            session.run(workers or WORKERS)
    except Exception as error:
        cause = first_cause(error)
        if cause is error:
            raise
        raise cause from None


def close(unmount: bool = True) -> None:
    """End the session, calling ``ops.destroy`` with the lock held, and unmount.

    :param unmount: False leaves a dead mount there, so that nobody takes the directory beneath for the file
        system.
    :raises RuntimeError: `init` was not called.
    :raises Exception: what ``destroy`` raised.
    """
    _mounted.close(unmount=unmount)


def invalidate_inode(inode: int, attr_only: bool = False) -> None:
    """Have the kernel forget attributes and, unless *attr_only*, content of *inode*; soon, from another
    thread.
    """
    session = _mounted.session("invalidate_inode")

    def send() -> None:
        try:
            session.invalidate_inode(inode, attr_only)
        except (OSError, SessionClosedError) as error:
            log.debug("invalidate_inode(%d): %s", inode, error)  # the kernel may know nothing of it

    _notices.put(send)


def invalidate_entry(inode_p: int, name: bytes) -> None:
    """Have the kernel forget what *name* in directory *inode_p* leads to; soon, from another thread."""
    session = _mounted.session("invalidate_entry")
    if not isinstance(name, bytes):
        raise TypeError(f"name must be bytes, not {type(name).__name__}")

    def send() -> None:
        try:
            session.invalidate_entry(inode_p, name)
        except (OSError, SessionClosedError) as error:
            log.debug(
                "invalidate_entry(%d, %r): %s", inode_p, name, error
            )  # the kernel may know nothing of it

    _notices.put(send)


def notify_store(inode: int, offset: int, data: ReadableBuffer) -> None:
    """Put *data* into the kernel's page cache of *inode*, at *offset* bytes.

    :raises OSError: the kernel refused; some of it may have been stored.
    """
    _mounted.session("notify_store").notify_store(inode, offset, data)


def get_ino_t_bits() -> int:
    """How many bits an inode number has; more is an OverflowError."""
    return 64


def get_off_t_bits() -> int:
    """How many bits an offset has, its sign included; more is an OverflowError."""
    return 64
