"""`Owed`: a coroutine of the program's that is not lost without a word.

Who calls an ``async`` function of the program hands its coroutine on to who can run it. When that never
happens, because the reader was killed before, the coroutine is closed; Python would complain that nobody
awaited it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["Owed"]


class Owed:
    """Holds a coroutine that is to be awaited, and closes it when it is let go of; an argument of the
    coroutine that will await it.
    """

    __slots__ = ("coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.coroutine = coroutine

    def __del__(self) -> None:
        self.coroutine.close()
