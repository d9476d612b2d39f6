"""What goes wrong, by whose fault, and which number the kernel is told.

The tree::

    Exception
    +-- FusetreeError                      everything that this library raises of its own
    |   +-- MountError                     (also OSError) the environment: no /dev/fuse, no permission, busy
    |   |   +-- StaleMountError            a killed server's dead mount is in the way
    |   +-- AlreadyRepliedError            (also RuntimeError) a request was answered twice
    |   +-- SessionClosedError             (also RuntimeError) a session is used after its end
    |   +-- UnsupportedFeatureError        the libfuse or the kernel at hand cannot do it
    +-- OSError
        +-- FUSEError                      what a handler raises to answer with an errno

Handlers speak `OSError`: any of them will do, the class alone too (`FileNotFoundError()` is ENOENT).
`FUSEError` is there for who has only the number. This module knows nothing of any other.
"""

from __future__ import annotations

import errno
import os
from typing import Final

__all__ = [
    "AlreadyRepliedError",
    "FUSEError",
    "FusetreeError",
    "MountError",
    "SessionClosedError",
    "StaleMountError",
    "UnsupportedFeatureError",
    "errno_of",
]


class FusetreeError(Exception):
    """The base of all errors that are the library's own."""


class MountError(FusetreeError, OSError):
    """Mounting or unmounting failed; the text says why, in libfuse's words where libfuse said something.

    Made as an `OSError` is: `MountError(errno, text)` or `MountError(errno, text, mountpoint)`.
    """


class StaleMountError(MountError):
    """The mountpoint holds the dead mount of a server that was killed.

    The text says how to clear it: ``fusermount3 -u MOUNTPOINT``, or `mount(..., clear_stale=True)`.
    """


class AlreadyRepliedError(FusetreeError, RuntimeError):
    """A request has one reply, and this one has had it."""


class SessionClosedError(FusetreeError, RuntimeError):
    """The session has ended: it was closed, unmounted, or never started."""


class UnsupportedFeatureError(FusetreeError):
    """Something was asked for that the libfuse or the kernel at hand does not have.

    Arguments:
        feature: The name of what is missing, as `lowlevel.features()` lists it.
        needs: The libfuse version that brought it, as (major, minor).
        have: The libfuse version that is running, as (major, minor).
        reason: More to say, when versions are not the reason.
    """

    def __init__(
        self,
        feature: str,
        *,
        needs: tuple[int, int] | None = None,
        have: tuple[int, int] | None = None,
        reason: str | None = None,
    ) -> None:
        text = f"{feature} is not available"
        if needs is not None:
            text += f": it needs libfuse {needs[0]}.{needs[1]}"
            if have is not None:
                text += f", and {have[0]}.{have[1]} is here"
        if reason:
            text += f" ({reason})" if needs is not None else f": {reason}"
        super().__init__(text)
        self.feature: Final = feature
        self.needs: Final = needs
        self.have: Final = have
        self.reason: Final = reason


class FUSEError(OSError):
    """What a handler raises to answer a request with an errno.

    Arguments:
        number: The errno, for example `errno.ENOENT`. The text (`strerror`) is filled in.
    """

    # OSError makes its fields in __new__ out of all arguments, so that is where the text is filled in.
    def __new__(cls, number: int) -> FUSEError:
        return super().__new__(cls, number, os.strerror(number))

    def __init__(self, number: int) -> None:
        super().__init__(number, os.strerror(number))

    def __reduce__(self) -> tuple[type[FUSEError], tuple[int | None]]:
        return type(self), (self.errno,)


# The most derived classes come first: ConnectionError's children before itself.
_ERRNO_OF_CLASS: Final[tuple[tuple[type[OSError], int], ...]] = (
    (FileNotFoundError, errno.ENOENT),
    (PermissionError, errno.EACCES),
    (FileExistsError, errno.EEXIST),
    (IsADirectoryError, errno.EISDIR),
    (NotADirectoryError, errno.ENOTDIR),
    (InterruptedError, errno.EINTR),
    (BlockingIOError, errno.EAGAIN),
    (TimeoutError, errno.ETIMEDOUT),
    (ChildProcessError, errno.ECHILD),
    (ProcessLookupError, errno.ESRCH),
    (BrokenPipeError, errno.EPIPE),
    (ConnectionAbortedError, errno.ECONNABORTED),
    (ConnectionRefusedError, errno.ECONNREFUSED),
    (ConnectionResetError, errno.ECONNRESET),
    (ConnectionError, errno.EIO),
)


def errno_of(exc: BaseException) -> int:
    """The errno that a request is answered with when its handler raised `exc`.

    An `OSError` answers with its number. One that was made without a number answers with what its class alone
    says (`FileNotFoundError()` is ENOENT). Everything else is a mistake of the handler: EIO.
    """
    if not isinstance(exc, OSError):
        return errno.EIO
    if isinstance(exc.errno, int) and exc.errno > 0:
        return exc.errno
    for kind, number in _ERRNO_OF_CLASS:
        if isinstance(exc, kind):
            return number
    return errno.EIO
