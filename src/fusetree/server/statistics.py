"""What a session has done so far: requests by operation, and how long handlers took.

Requests that the inode table answered without Python are counted always. Handlers are timed only while
somebody wants to know: who asks says for how long (`Session.statistics`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["OperationTiming", "SessionStatistics"]


@attrs.frozen
class OperationTiming:
    """How long the handlers of one operation took, while they were timed.

    Attributes:
        count: How many requests were answered.
        errors: How many of them with an error.
        seconds: What they took together.
        longest: The longest, in seconds.
        buckets: `buckets[n]` of them took up to 2**n nanoseconds, and longer than half of that.
    """

    count: int
    errors: int
    seconds: float
    longest: float
    buckets: Sequence[int]


@attrs.frozen
class SessionStatistics:
    """What a session has done so far.

    Attributes:
        timing: Whether handlers are timed now.
        handled: What handlers have answered while they were timed, by operation.
        answered_in_c: How many requests were answered without Python since the session began, by operation.
    """

    timing: bool
    handled: Mapping[str, OperationTiming]
    answered_in_c: Mapping[str, int]
