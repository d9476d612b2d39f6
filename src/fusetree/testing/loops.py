"""An event loop in a thread of its own, for the client of a session that asyncio or trio serves.

The client is synchronous and blocks; the loop is somewhere else, as a program that uses a mount is.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from fusetree.lowlevel import Session

__all__ = ["BackendName", "LoopThread"]

BackendName: TypeAlias = Literal["threads", "asyncio", "trio"]


class LoopThread:
    """Runs ``session.serve()`` in a thread, under asyncio or trio, until the session ends.

    Args:
        session: what to serve.
        backend: "asyncio" or "trio".
        debug: asyncio's debug mode.
        **how: for ``session.serve()``.
    """

    def __init__(self, session: Session, backend: BackendName, *, debug: bool = False, **how: Any) -> None:
        self._how = how
        self._session = session
        self._run = self._runner(backend, debug)
        self.failure: BaseException | None = None  # what serve() raised; set before the thread ends
        self._thread = threading.Thread(target=self._body, name=f"fusetree-testing-{backend}", daemon=True)
        self._thread.start()

    def _runner(self, backend: BackendName, debug: bool) -> Callable[[], Any]:
        session = self._session
        if backend == "asyncio":
            import asyncio

            return lambda: asyncio.run(session.serve(**self._how), debug=debug)
        if backend == "trio":
            import trio

            return lambda: trio.run(functools.partial(session.serve, **self._how))
        raise ValueError(f'backend is "threads", "asyncio" or "trio", not {backend!r}')

    def _body(self) -> None:
        try:
            self._run()
        except BaseException as exc:  # noqa: BLE001 - `join` raises it
            self.failure = exc

    def join(self, timeout: float) -> None:
        """Wait until the loop has ended.

        Raises:
            BaseException: what `serve` raised.
            TimeoutError: it did not end within *timeout* seconds.
        """
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"{self._thread.name} did not end within {timeout:g} s")
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
