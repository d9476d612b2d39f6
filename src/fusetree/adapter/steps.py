"""Handlers as steps, written once for classes whose methods are ``async`` and for all others.

A handler that calls the program's code is a generator, and yields what the call returned:

    child = yield call(method, directory, name)

Rule 1: what is no coroutine is sent straight back, in the thread that called the handler: a class without
    ``async`` methods never leaves it.
Rule 2: at the first coroutine the handler itself becomes one, which the core hands to whoever can run it: the
    event loop that serves, or the loop that threads have beside them. From there on all is inside one task:
    `inside_handler()` is true, and an interrupt is raised where the program waits.
Rule 3: nothing is held across a yield but a turn (fusetree.adapter.turns): no lock of a thread.
Rule 4: when the coroutine is closed, or let go of before its first step (the caller was killed, the mount
    ends), the steps end as by an interrupt, and undo what they can. What the program's method returned is
    closed: Python would complain that nobody awaited it.
"""

from __future__ import annotations

import errno
import logging
import os
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fusetree._lowlevel.stepping import Stepper
from fusetree.adapter.usercode import go_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from typing import ParamSpec, TypeAlias

    P = ParamSpec("P")

R = TypeVar("R")

if TYPE_CHECKING:
    Steps: TypeAlias = Generator[Any, Any, R]

__all__ = ["Steps", "drive", "handler"]

logger = logging.getLogger("fusetree.adapter")


class _Going:
    """Steps and the coroutine that they wait for, until somebody runs them."""

    __slots__ = ("coroutine", "steps")

    def __init__(self, steps: Steps[Any], coroutine: Coroutine[Any, Any, Any]) -> None:
        self.steps: Steps[Any] | None = steps
        self.coroutine = coroutine

    def __del__(self) -> None:
        if self.steps is not None:
            self.coroutine.close()
            _abandon(self.steps)


def _go_on(steps: Steps[R], coroutine: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, R]:
    return _rest(steps, _Going(steps, coroutine))


async def _rest(steps: Steps[R], going: _Going) -> R:
    going.steps = None
    go_inside()
    awaited = going.coroutine
    step: Callable[[Any], Any]
    while True:
        try:
            value = await awaited
            step = steps.send
        except GeneratorExit:
            _abandon(steps)
            raise
        except BaseException as exc:  # noqa: BLE001 - the program's, or cancellation: it is raised in the steps
            value, step = exc, steps.throw
        try:
            value = step(value)
            while type(value) is not CoroutineType:
                value = steps.send(value)
        except StopIteration as end:
            result: R = end.value
            return result
        awaited = value


def _abandon(steps: Steps[Any]) -> None:
    """End steps that nobody will run any more, as an interrupt does; they undo what they can without
    waiting.
    """
    reason = InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
    try:
        while True:
            value = steps.throw(reason)
            while type(value) is not CoroutineType:
                value = steps.send(value)
            value.close()
    except (StopIteration, InterruptedError):
        pass
    except Exception:
        logger.exception("a request that was given up could not be undone")


_stepper: Final = Stepper(_go_on)


def drive(steps: Steps[R]) -> R:
    """Run steps to their end, or to the first coroutine; then a coroutine of the result is returned."""
    return _stepper(steps)


def handler(function: Callable[P, Steps[R]]) -> Callable[P, R]:
    """Make a handler of steps."""
    return _stepper.handler(function)
