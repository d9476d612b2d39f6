"""Handlers as steps, written once for classes whose methods are ``async`` and for all others.

A handler that calls the program's code is a generator, and yields what the call returned:

    child = yield call(method, directory, name)

Rule 1: what is no coroutine is sent straight back, in the thread that called the handler: a class without
    ``async`` methods never leaves it.
Rule 2: at the first coroutine the handler itself becomes one, which the core hands to whoever can run it: the
    event loop that serves, or the loop that threads have beside them. From there on all is inside one task:
    `inside_handler()` is true, and an interrupt is raised where the program waits.
Rule 3: nothing is held across a yield but a turn (fusetree.adapter.turns): no lock of a thread.
Rule 4: when the coroutine is dropped before its first step (its caller was killed), what the program's method
    returned is closed: Python would complain that nobody awaited it.
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fusetree._lowlevel.stepping import Stepper
from fusetree.adapter.usercode import go_inside
from fusetree.nodes.owed import Owed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from typing import ParamSpec, TypeAlias

    P = ParamSpec("P")

R = TypeVar("R")

if TYPE_CHECKING:
    Steps: TypeAlias = Generator[Any, Any, R]

__all__ = ["Steps", "drive", "handler"]


def _go_on(steps: Steps[R], coroutine: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, R]:
    return _rest(steps, Owed(coroutine))


async def _rest(steps: Steps[R], owed: Owed) -> R:
    go_inside()
    step: Callable[[Any], Any]
    while True:
        try:
            value = await owed.coroutine
            step = steps.send
        except BaseException as exc:  # noqa: BLE001 - the program's, or cancellation: it is raised in the steps
            value, step = exc, steps.throw
        try:
            value = step(value)
            while type(value) is not CoroutineType:
                value = steps.send(value)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        owed = Owed(value)


_stepper: Final = Stepper(_go_on)


def drive(steps: Steps[R]) -> R:
    """Run steps to their end, or to the first coroutine; then a coroutine of the result is returned."""
    return _stepper(steps)


def handler(function: Callable[P, Steps[R]]) -> Callable[P, R]:
    """Make a handler of steps."""
    return _stepper.handler(function)
