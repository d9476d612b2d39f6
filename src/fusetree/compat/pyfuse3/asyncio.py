"""pyfuse3 under asyncio: `enable` before ``pyfuse3.init``, as programs do that were written for it.

`fusetree.compat.pyfuse3` sees by itself which loop runs, so `enable` only has ``pyfuse3.trio`` lead here,
to the few functions of trio that programs used through it.
"""

from __future__ import annotations

import asyncio
import collections
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import fusetree.compat.pyfuse3 as _pyfuse3

Lock = asyncio.Lock


def enable() -> None:
    """Have ``pyfuse3.trio`` be this module."""
    vars(_pyfuse3)["trio"] = sys.modules[__name__]


def disable() -> None:
    """Have ``pyfuse3.trio`` be trio again."""
    vars(_pyfuse3).pop("trio", None)


def current_trio_token() -> str:
    """What stands for trio's token."""
    return "asyncio"


_waiting: dict[int, set[asyncio.Future[None]]] = collections.defaultdict(set)


class ClosedResourceError(Exception):
    """The descriptor that was waited for is being closed."""


async def wait_readable(fd: int) -> None:
    """Wait until *fd* is readable.

    :raises ClosedResourceError: `notify_closing` was called meanwhile.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    _waiting[fd].add(future)
    loop.add_reader(fd, _settle, future)
    try:
        await future
    finally:
        _waiting[fd].discard(future)
        if not _waiting[fd]:
            del _waiting[fd]
            loop.remove_reader(fd)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def notify_closing(fd: int) -> None:
    """Have everybody who waits for *fd* raise ClosedResourceError."""
    for future in list(_waiting.get(fd, ())):
        if not future.done():
            future.set_exception(ClosedResourceError())


def current_task() -> asyncio.Task[Any] | None:
    """The task that runs."""
    return asyncio.current_task()


class _Nursery:
    """Waits for the tasks that were started in it; the first that fails cancels the others."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> _Nursery:
        return self

    def start_soon(
        self, function: Callable[..., Awaitable[Any]], *arguments: Any, name: str | None = None
    ) -> None:
        """Call and await *function* in a task."""

        async def body() -> Any:
            return await function(*arguments)

        self.tasks.add(asyncio.create_task(body(), name=name))

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self._cancel(self.tasks)
        while self.tasks:
            done, pending = await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
            self.tasks -= done
            failed = [task.exception() for task in done if not task.cancelled() and task.exception()]
            if failed and failed[0] is not None:
                self._cancel(pending)
                raise failed[0]

    @staticmethod
    def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()


def open_nursery() -> _Nursery:
    """A context in which tasks can be started."""
    return _Nursery()


#: ``pyfuse3.trio.lowlevel`` is asked for some of these.
lowlevel = sys.modules[__name__]
