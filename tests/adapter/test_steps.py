"""Handlers as steps: plain results stay where they are, coroutines go on, and what is given up is undone."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Generator
from contextvars import copy_context
from types import CoroutineType
from typing import Any

import pytest

from fusetree.adapter.steps import drive, handler
from fusetree.adapter.usercode import inside_handler


def run(coroutine: Any) -> Any:
    assert type(coroutine) is CoroutineType
    return asyncio.run(coroutine)


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    assert inside_handler()
    if isinstance(value, BaseException):
        raise value
    return value


def test_plain_results_come_straight_back() -> None:
    def inner() -> Generator[Any, Any, int]:
        assert (yield None) is None
        return (yield 2)  # type: ignore[no-any-return]

    @handler
    def double(number: int) -> Generator[Any, Any, int]:
        """Twice."""
        one = yield number
        two = yield from inner()
        return one * two  # type: ignore[no-any-return]

    assert double(21) == 42
    assert double.__doc__ == "Twice."


def test_at_the_first_coroutine_it_becomes_one() -> None:
    def steps() -> Generator[Any, Any, list[int]]:
        seen = [(yield 1), (yield later(2)), (yield 3)]
        try:
            yield later(OSError(5, "five"))
        except OSError as error:
            seen.append(error.errno)
        seen.append((yield later(6)))
        return seen

    assert run(drive(steps())) == [1, 2, 3, 5, 6]
    assert not inside_handler()


def test_exceptions_of_both_kinds_leave_it() -> None:
    def bad(value: Any) -> Generator[Any, Any, None]:
        yield 1
        yield value
        raise KeyError("behind")

    with pytest.raises(KeyError):
        drive(bad(1))
    with pytest.raises(KeyError):
        run(drive(bad(later(1))))
    with pytest.raises(ZeroDivisionError):
        run(drive(bad(later(ZeroDivisionError()))))


@pytest.mark.parametrize("how", ["closed", "begun and closed", "cancelled"])
def test_what_is_given_up_is_undone(how: str) -> None:
    log: list[str] = []

    def steps(undo: Any) -> Generator[Any, Any, Any]:
        try:
            yield later(1)
        except BaseException as error:
            log.append(type(error).__name__)
            yield undo()
            log.append("undone")
            raise

    def coroutine() -> Any:
        return drive(steps(lambda: later(2)))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if how == "closed":
            coroutine().close()
        elif how == "begun and closed":
            begun = coroutine()
            copy_context().run(begun.send, None)
            begun.close()
        else:

            async def main() -> None:
                task = asyncio.ensure_future(coroutine())
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait({task})

            asyncio.run(main())
    if how == "cancelled":
        assert log == ["CancelledError", "undone"]  # it may still wait
    else:
        assert log == ["InterruptedError"]  # what would wait is left out
        del log[:]
        drive(steps(lambda: None)).close()
        assert log == ["InterruptedError", "undone"]
