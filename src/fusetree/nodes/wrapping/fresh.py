"""What is open of a file inside from the moment in which it was made, on its way to the `open` of the
wrapper: a subclass's `open` is asked, as for any other open(2), and finds there what its permission bits
would not let it open once more.

Rule 1: it is taken once, by the `open` that it is meant for, else it is released.
Rule 2: it is open to be read too, since wrappers read what they are to write over; who opens with other flags
    otherwise opens anew.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from fusetree.nodes.wrapping.passing import capability, then

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Fresh", "widened"]

# What is over once a file is open, and what `widened` sees to.
_SETTLED: Final = os.O_ACCMODE | os.O_CREAT | os.O_EXCL | os.O_TRUNC


def widened(flags: int) -> int:
    """The flags of open(2) with which a new file is opened for a wrapper."""
    return flags & ~os.O_ACCMODE | os.O_RDWR if flags & os.O_ACCMODE == os.O_WRONLY else flags


class Fresh:
    """An open file that waits for its wrapper.

    Arguments:
        wrapper: The wrapper of the file.
        opened: What the directory inside made of it.
        flags: With which flags.
    """

    __slots__ = ("_flags", "_opened", "_wrapper")

    def __init__(self, wrapper: object, opened: object, flags: int) -> None:
        self._wrapper = wrapper
        self._flags = flags
        self._opened: object | None = opened

    @staticmethod
    def take(wrapper: object, flags: int) -> object | None:
        """What is open already of the file that a wrapper shows, or None."""
        fresh = _waiting.get()
        if fresh is None or fresh._wrapper is not wrapper:
            return None
        can = fresh._flags & os.O_ACCMODE
        if can not in (os.O_RDWR, flags & os.O_ACCMODE) or (fresh._flags ^ flags) & ~_SETTLED:
            return None
        opened, fresh._opened = fresh._opened, None
        return opened

    def through(self, opening: Callable[[], Any]) -> Any:
        """What *opening* returns, which takes it or not; a coroutine is as well."""
        token = _waiting.set(self)
        try:
            answer = opening()
        except Exception as error:
            left = self._release()
            if type(left) is not CoroutineType:
                raise
            return _fails_after(left, error)
        finally:
            _waiting.reset(token)
        if type(answer) is CoroutineType:
            return self._awaited(answer)
        return then(self._release(), lambda _: answer)

    async def _awaited(self, answer: Any) -> Any:
        token = _waiting.set(self)
        try:
            result = await answer
        finally:
            _waiting.reset(token)
            left = self._release()
            if type(left) is CoroutineType:
                await left
        return result

    def _release(self) -> Any:
        """Let go of what nobody has taken."""
        opened, self._opened = self._opened, None
        releasing = None if opened is None else capability(opened, "release")
        return None if releasing is None else releasing()


async def _fails_after(left: Any, error: Exception) -> Any:
    await left
    raise error


_waiting: ContextVar[Fresh | None] = ContextVar("fusetree_fresh", default=None)
