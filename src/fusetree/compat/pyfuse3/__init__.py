"""A drop-in for the package `pyfuse3` (of its version 3.5): ``from fusetree.compat import pyfuse3``.

Handlers are ``async``; they run under trio or asyncio, whichever runs `main`.  A process has one mount:
`init`, `main`, `close`.

What differs: a handler that raises anything but FUSEError ends `main`, as there, and its caller gets EIO at
once, under asyncio too; calls before `init` raise RuntimeError instead of crashing; a second `init` without
`close` raises RuntimeError; setting ``fuse_stacktrace`` works, and so do pickled attributes.
"""

from __future__ import annotations

import errno
import functools
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from fusetree.compat._errors import FUSEError
from fusetree.compat._host import NamespaceT, get_sup_groups, getxattr, listdir, setxattr, syncfs
from fusetree.compat._mounted import Mounted
from fusetree.compat._notices import NoticeQueue
from fusetree.compat.pyfuse3._operations import Operations
from fusetree.compat.pyfuse3._serving import serve
from fusetree.compat.pyfuse3._translated import PyTranslated
from fusetree.flags import RENAME_EXCHANGE, RENAME_NOREPLACE, ROOT_INODE
from fusetree.lowlevel import (
    EntryAttributes,
    FileInfo,
    PollHandle,
    ReaddirToken,
    RequestContext,
    SetattrFields,
    StatvfsData,
    readdir_reply,
)
from fusetree.types import FileHandleT, FileNameT, FlagT, InodeT, ModeT, ReadableBuffer, XAttrNameT

if TYPE_CHECKING:
    trio: Any

__all__ = [
    "ENOATTR",
    "EntryAttributes",
    "FUSEError",
    "FileHandleT",
    "FileInfo",
    "FileNameT",
    "FlagT",
    "InodeT",
    "ModeT",
    "NamespaceT",
    "Operations",
    "PollHandle",
    "RENAME_EXCHANGE",
    "RENAME_NOREPLACE",
    "ROOT_INODE",
    "ReaddirToken",
    "RequestContext",
    "SetattrFields",
    "StatvfsData",
    "XAttrNameT",
    "async_wrapper",
    "close",
    "default_options",
    "get_sup_groups",
    "getxattr",
    "init",
    "invalidate_entry",
    "invalidate_entry_async",
    "invalidate_inode",
    "listdir",
    "log",
    "main",
    "notify_store",
    "readdir_reply",
    "setxattr",
    "syncfs",
    "terminate",
    "trio_token",
]

__version__ = "3.5.0"
_NANOS_PER_SEC = 1_000_000_000

#: What getxattr and removexattr answer for an attribute that is not there.
ENOATTR = errno.ENODATA
#: Options to begin with.
default_options = frozenset({"default_permissions"})
log = logging.getLogger("pyfuse3")

#: While `main` runs: trio's token, to call `terminate` from another thread; "asyncio" under asyncio.
trio_token: Any = None

_mounted = Mounted(log, refused="fuse_session_new() failed", failed="fuse_session_mount failed")
_notices = NoticeQueue()


def __getattr__(name: str) -> Any:
    """``pyfuse3.trio``, imported when it is first asked for."""
    if name == "trio":
        import trio

        return trio
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def init(ops: Operations, mountpoint: str, options: Iterable[str] = default_options) -> None:
    """Mount the file system *ops* at *mountpoint*.

    *ops* need not derive from `Operations`.  The process may fork between here and `main`, to go into the
    background.

    :param options: names as for ``mount -o``.
    :raises RuntimeError: it could not be mounted; why is told by the log and the ``__cause__``.
    """
    _mounted.open(PyTranslated(ops), mountpoint, options)


async def main(min_tasks: int = 1, max_tasks: int = 99) -> None:
    """Serve in the running loop, until unmounted from outside, `terminate`, or a handler's mistake.

    Handlers that run at the end are let finish.

    :param min_tasks: accepted, and without effect: a handler that does not wait takes no task.
    :param max_tasks: how many handlers may run at once; further requests wait.
    :raises RuntimeError: `init` was not called.
    :raises Exception: what a handler raised that was no FUSEError; under trio in a group, as everything is
        that comes out of a nursery.
    """
    global trio_token  # noqa: PLW0603 - the name is the interface
    session = _mounted.session("main")
    try:
        await serve(session, max_tasks, _set_token)
    finally:
        trio_token = None
        _notices.stop()


def _set_token(token: Any) -> None:
    global trio_token  # noqa: PLW0603 - see above
    trio_token = token


def terminate() -> None:
    """Have `main` return, when the handlers that run are done.

    :raises RuntimeError: `init` was not called.
    """
    _mounted.session("terminate").stop()


def close(unmount: bool = True) -> None:
    """End the session and unmount.

    :param unmount: False leaves a dead mount there, so that nobody takes the directory beneath for the file
        system.
    :raises RuntimeError: `init` was not called.
    """
    _notices.stop()
    _mounted.close(unmount=unmount)


def invalidate_inode(inode: InodeT, attr_only: bool = False) -> None:
    """Have the kernel forget attributes and, unless *attr_only*, content of *inode*.

    :raises OSError: the kernel refused; ENOENT: it does not know the inode.
    """
    _mounted.session("invalidate_inode").invalidate_inode(inode, attr_only)


def invalidate_entry(inode_p: InodeT, name: FileNameT, deleted: InodeT = 0) -> None:
    """Have the kernel forget what *name* in directory *inode_p* leads to.

    It waits for the directory's lock: never call it from a handler of a request on that directory.

    :param deleted: the inode that the name led to, if it was removed: watchers are told.
    :raises OSError: the kernel refused; ENOENT: it does not know the name.
    """
    session = _mounted.session("invalidate_entry")
    if deleted:
        session.notify_delete(inode_p, deleted, name)
    else:
        session.invalidate_entry(inode_p, name)


def invalidate_entry_async(
    inode_p: InodeT, name: FileNameT, deleted: InodeT = 0, ignore_enoent: bool = False
) -> None:
    """As `invalidate_entry`, soon, from another thread; errors are logged.

    :param ignore_enoent: that the kernel does not know the name is no error.
    """
    session = _mounted.session("invalidate_entry_async")
    if not isinstance(name, bytes):
        raise TypeError(f"name must be bytes, not {type(name).__name__}")

    def send() -> None:
        try:
            if deleted:
                session.notify_delete(inode_p, deleted, name)
            else:
                session.invalidate_entry(inode_p, name)
        except FileNotFoundError:
            if not ignore_enoent:
                log.exception("invalidating %r in inode %d failed", name, inode_p)
        except Exception:
            log.exception("invalidating %r in inode %d failed", name, inode_p)

    _notices.put(send)
    _notices.start()


def notify_store(inode: InodeT, offset: int, data: ReadableBuffer) -> None:
    """Put *data* into the kernel's page cache of *inode*, at *offset* bytes.

    :raises OSError: the kernel refused; some of it may have been stored.
    """
    _mounted.session("notify_store").notify_store(inode, offset, data)


def async_wrapper(fn: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[None]]:
    """*fn* as an ordinary coroutine function that awaits it and returns None."""

    @functools.wraps(fn)
    async def wrapper(*arguments: Any, **named: Any) -> None:
        await fn(*arguments, **named)

    return wrapper
