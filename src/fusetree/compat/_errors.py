"""FUSEError as the originals have it, and what becomes of every other exception of a handler.

In the originals FUSEError is not an OSError, and an OSError that leaves a handler is a mistake as every
other: it ends the main loop, which raises it.
"""

from __future__ import annotations

import operator
import os


class FUSEError(Exception):
    """What a handler raises to answer with an errno.

    :param errno: a number of the module `errno`.
    :raises TypeError: it is not a number.
    """

    def __init__(self, errno: int) -> None:
        super().__init__(errno)
        self._number = operator.index(errno)

    @property
    def errno(self) -> int:
        """The number; read-only."""
        return self._number

    @property
    def errno_(self) -> int:
        """The number, under its older name."""
        return self._number

    def __str__(self) -> str:
        return os.strerror(self._number)


class HandlerError(Exception):
    """Wraps an OSError that left a handler, so that the core takes it for the mistake that it is here; it
    is the ``__cause__``.
    """


def first_cause(exc: BaseException) -> BaseException:
    """The exception that a handler raised first, of what a strict session raises."""
    while True:
        members: tuple[BaseException, ...] | None = getattr(exc, "exceptions", None)
        if members:
            exc = members[0]
        elif isinstance(exc, HandlerError) and exc.__cause__ is not None:
            exc = exc.__cause__
        else:
            return exc
