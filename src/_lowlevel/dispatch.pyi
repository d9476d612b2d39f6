from collections.abc import Callable, Coroutine
from typing import Any

from fusetree._lowlevel.request import Request

HANDLER_OPCODES: dict[str, tuple[int, ...]]

class Dispatcher:
    background: Callable[[Coroutine[Any, Any, Any]], object] | None
    ask_first: Callable[[Coroutine[Any, Any, Any], int, Callable[[], Any]], Coroutine[Any, Any, None]] | None
    def __init__(
        self,
        handlers: dict[str, Any],
        on_error: Callable[[Request, BaseException], int],
        after_error: Callable[[], object] | None = None,
    ) -> None: ...
    def call(self, request: Request) -> Coroutine[Any, Any, Any] | None: ...
    def finish(self, request: Request, result: object) -> int: ...
    def fail(self, request: Request, exc: BaseException) -> int: ...
    def refuse(self, request: Request, coroutine: Coroutine[Any, Any, Any]) -> int: ...
    def check_xattr_flags(self, r: Request) -> None: ...
