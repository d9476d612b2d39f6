"""Methods as steps, so that each is written once, for handlers that are ``async`` and for all others.

A method that calls a handler is a generator, and yields what the call returned:

    told = yield route.handler(**values)

What is no coroutine is sent straight back. At the first coroutine the method itself becomes one, for whoever
called it to await. What an asynchronous generator gives is collected into a list.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from fusetree.nodes.owed import Owed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["collected", "owed", "stepwise"]


def stepwise(function: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
    """Make a method of steps."""

    @functools.wraps(function)
    def method(*args: Any, **kwargs: Any) -> Any:
        steps = function(*args, **kwargs)
        try:
            value = steps.send(None)
            while not isinstance(value, (CoroutineType, AsyncIterator)):
                value = steps.send(value)
        except StopIteration as end:
            return end.value
        return _rest(steps, owed(value))

    return method


def owed(value: Any) -> Owed:
    """What a coroutine, or an asynchronous generator as a list, is going to bring."""
    return Owed(value if isinstance(value, CoroutineType) else collected(value))


async def _rest(steps: Generator[Any, Any, Any], awaited: Owed) -> Any:
    while True:
        step: Callable[[Any], Any] = steps.send
        try:
            value = await awaited.coroutine
            if isinstance(value, AsyncIterator):
                value = await collected(value)
        except BaseException as error:  # noqa: BLE001 - the program's, or cancellation: raised in the steps
            value, step = error, steps.throw
        try:
            value = step(value)
            while not isinstance(value, (CoroutineType, AsyncIterator)):
                value = steps.send(value)
        except StopIteration as end:
            return end.value
        awaited = owed(value)


async def collected(items: AsyncIterator[Any]) -> list[Any]:
    """All that an asynchronous iterator gives."""
    return [item async for item in items]
