"""A tree on a real mount, served by threads, asyncio or trio."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from fusetree import Dir, Mount, mount
from fusetree.server.loops import arrived

__all__ = ["served"]


@contextmanager
def served(root: Dir, mountpoint: str | os.PathLike[str], backend: str, **options: Any) -> Iterator[Mount]:
    """Within, *root* is mounted: by `with`, or in the loop of a thread by `async with`."""
    if backend == "threads":
        with mount(root, mountpoint, **options) as mounted:
            yield mounted
        return
    began: Future[Mount] = Future()
    over: Future[None] = Future()

    async def main() -> None:
        async with mount(root, mountpoint, **options) as mounted:
            began.set_result(mounted)
            await arrived(over)

    def body() -> None:
        run: Callable[..., Any] = asyncio.run
        argument: Any = main
        if backend == "trio":
            import trio

            run = trio.run
        else:
            argument = main()
        try:
            run(argument)
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            failures.append(error)
            if not began.done():
                began.set_exception(error)

    failures: list[BaseException] = []
    thread = threading.Thread(target=body, name=f"served-{backend}", daemon=True)
    thread.start()
    try:
        yield began.result(20)
    finally:
        over.set_result(None)
        thread.join(20)
    assert not thread.is_alive()
    if failures:
        raise failures[0]
