"""What happens to an exception of a handler that is not an OSError: a bug in the file system, never lost.

The caller of the system call gets EIO, once.  The traceback goes to the log of ``fusetree`` with the
operation and the path, and the mount goes on.  A strict session stops instead, and raises the exception out
of ``run``, ``wait`` or ``close``.
"""

from __future__ import annotations

import builtins
import errno
import logging
import threading
from typing import TYPE_CHECKING, Any

from fusetree.errors import errno_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree._lowlevel.request import Request

logger = logging.getLogger("fusetree")


class Failures:
    """Collects the bugs of one session's handlers.

    :param describe: path of an inode for the log, or None when the file system has no paths to tell.
    :param strict: keep the exceptions and call *stop*.
    :param stop: ends the session; called without any lock.
    """

    def __init__(
        self, describe: Callable[[int], str | None] | None, *, strict: bool, stop: Callable[[], None]
    ) -> None:
        self._describe = describe
        self._strict = strict
        self._stop = stop
        self._lock = threading.Lock()
        self._kept: list[BaseException] = []  # guarded by _lock
        self._count = 0  # guarded by _lock

    @property
    def count(self) -> int:
        """How many handlers failed with something else than an OSError."""
        return self._count

    #: What is raised again, out of the handler's thread, instead of being kept from ending it.
    passing: tuple[type[BaseException], ...] = ()

    def __call__(self, request: Request, exc: BaseException) -> int:
        """Log *exc*, keep it if strict; the errno to answer with."""
        if isinstance(exc, self.passing):
            raise exc
        number = errno_of(exc)
        if number != errno.EIO and isinstance(exc, OSError):
            return number
        logger.error(
            "handler %s failed%s: EIO was answered", request.operation, self.where(request), exc_info=exc
        )
        with self._lock:
            self._count += 1
            if self._strict:
                self._kept.append(exc)
        return errno.EIO

    def answered(self) -> None:
        """End a strict session, now that the caller has the answer."""
        if self._strict:
            self._stop()

    def where(self, request: Request) -> str:
        """On what the request is, for the log."""
        text = f" on inode {request.inode}"
        if self._describe is not None and request.inode:
            try:
                path = self._describe(request.inode)
            except Exception:
                logger.exception("describing inode %d failed", request.inode)
                path = None
            if path is not None:
                text = f" on {path}"
        name: Any = request.name
        return text if name is None else f"{text}, name {name!r}"

    def raise_kept(self) -> None:
        """Raise what a strict session kept: the exception itself when it is one, else a group of them (on
        Python 3.10, which has no groups, the first one, with the others logged already).
        """
        with self._lock:
            kept, self._kept = self._kept, []
        if not kept:
            return
        if len(kept) > 1:
            group: Any = getattr(builtins, "BaseExceptionGroup", None)
            if group is not None:
                raise group("handlers failed", kept)
        raise kept[0]
