"""From an object with handlers as the originals know them to `fusetree.lowlevel.Operations`.

The core asks what a file system defines and never calls the rest; so only what is defined gets translated.
Where the core's answer for what is missing differs from the originals', which say ENOSYS, a handler that
says so is put in.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from fusetree import lowlevel
from fusetree.compat._errors import FUSEError, HandlerError

Handler = Callable[..., Any]
#: Without these libfuse answers with success, and the originals with ENOSYS.
MISSED = ("open", "opendir", "statfs")
STACKTRACE = b"fuse_stacktrace"


def defined(operations: object, base: type, name: str) -> Handler | None:
    """The handler *name* of *operations*; None when it is only what *base* has."""
    if getattr(type(operations), name, None) is getattr(base, name) and name not in vars(operations):
        return None
    handler: Handler | None = getattr(operations, name, None)
    return handler


def answer(error: FUSEError) -> OSError:
    """A FUSEError as the core takes it."""
    return OSError(error.errno, str(error))


def mistake(error: OSError) -> HandlerError:
    """An OSError, which no handler of the originals may raise, as the core takes what is no answer."""
    return HandlerError(f"the handler raised {error!r}, which is no FUSEError")


def missing(*arguments: object) -> NoReturn:
    """A handler that the file system lacks."""
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


class Translated(lowlevel.Operations):
    """Handlers of *operations*, translated; see `fill`."""

    checks_answers = False  # the originals leave that to the kernel

    def __init__(self, operations: Any, base: type) -> None:
        self.original = operations
        self._base = base

    def fill(self, names: Iterable[str], translate: Callable[[str, Handler], Handler]) -> None:
        """Put in what *translate* makes of each handler in *names* that is defined."""
        handlers = vars(self)
        for name in names:
            if not hasattr(self._base, name):
                continue  # ours alone: a method of that name has nothing to do with it
            handler = defined(self.original, self._base, name)
            if handler is not None:
                handlers[name] = translate(name, handler)
        for name in MISSED:
            handlers.setdefault(name, missing)
        # Always there: it is the way to `stacktrace`.
        handlers["setxattr"] = self._watch_for_stacktrace(handlers.get("setxattr", self._no_xattrs))

    @staticmethod
    def _no_xattrs(*arguments: object) -> NoReturn:
        # ENOSYS would have the kernel never ask again, and setxattr(2) tells EOPNOTSUPP for both.
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    def _watch_for_stacktrace(self, handler: Handler) -> Handler:
        def setxattr(inode: int, name: bytes, *rest: Any) -> Any:
            if inode == lowlevel.ROOT_INODE and name == STACKTRACE:
                self.original.stacktrace()
                return None
            return handler(inode, name, *rest)

        return setxattr
