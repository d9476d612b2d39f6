from collections.abc import Callable, Coroutine, Generator
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

class Stepper:
    def __init__(
        self,
        rest: Callable[[Generator[Any, Any, Any], Coroutine[Any, Any, Any]], Coroutine[Any, Any, Any]],
    ) -> None: ...
    def __call__(self, steps: Generator[Any, Any, _R]) -> _R: ...
    def handler(self, function: Callable[_P, Generator[Any, Any, _R]]) -> Callable[_P, _R]: ...
