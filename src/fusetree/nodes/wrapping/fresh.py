"""What is open of a file inside from the moment in which it was made, on its way to the `open` of the
wrapper: a subclass's `open` is asked, as for any other open(2), and finds there what its permission bits
would not let it open once more.

Rule: it is taken once, by the `open` that it is meant for, else it is released.
"""

from __future__ import annotations

from contextvars import ContextVar
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from fusetree.nodes.wrapping.passing import capability, then

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Fresh"]


class Fresh:
    """An open file that waits for its wrapper.

    Arguments:
        wrapper: The wrapper of the file.
        opened: What the directory inside made of it.
    """

    __slots__ = ("_opened", "_wrapper")

    def __init__(self, wrapper: object, opened: object) -> None:
        self._wrapper = wrapper
        self._opened: object | None = opened

    @staticmethod
    def take(wrapper: object) -> object | None:
        """What is open already of the file that a wrapper shows, or None."""
        fresh = _waiting.get()
        if fresh is None or fresh._wrapper is not wrapper:
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
