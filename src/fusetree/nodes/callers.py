"""Who is asking: what code of a node may know of the program whose request it answers.

The rooms below know nothing of requests. Whoever serves them says here, once, how to find out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Caller", "caller", "tell_callers_by"]


class Caller(Protocol):
    """Who made a request."""

    @property
    def uid(self) -> int:
        """The user id that counts for files."""

    @property
    def gid(self) -> int:
        """The group id that counts for files."""

    @property
    def pid(self) -> int:
        """The thread id; 0 where it is not of this pid namespace, or the kernel itself asks."""

    @property
    def umask(self) -> int:
        """What new files are not to allow."""

    @property
    def groups(self) -> tuple[int, ...]:
        """The supplementary groups; ProcessLookupError when nobody can tell any more."""


def _nobody() -> Caller:
    raise LookupError("no request is handled here")


_ask: Callable[[], Caller] = _nobody


def tell_callers_by(function: Callable[[], Caller]) -> None:
    """Say how to find out: *function* returns who asks, or raises LookupError outside of requests."""
    global _ask  # noqa: PLW0603 - there is one way for all mounts of the process
    _ask = function


def caller() -> Caller | None:
    """Who asks, or None where the program itself does."""
    try:
        return _ask()
    except LookupError:
        return None
