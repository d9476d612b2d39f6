"""Annotations that are text (`from __future__ import annotations`) made into types, as late as need be."""

from __future__ import annotations

import functools
import typing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["hints_of", "resolve_annotation"]


def resolve_annotation(annotation: Any, globalns: dict[str, Any], localns: Mapping[str, Any] | None) -> Any:
    """The type that an annotation stands for, `Annotated` kept.

    Arguments:
        annotation: A type, or the text of one, or something with such text inside.
        globalns: The names of the module that it was written in.
        localns: The names of the function that it was written in.

    Raises:
        NameError: A name in it is not known (yet).
    """

    def holder() -> None: ...

    holder.__annotations__ = {"it": annotation}
    return typing.get_type_hints(holder, globalns, dict(localns or {}), include_extras=True)["it"]


def hints_of(function: Callable[..., Any], localns: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The annotations of a callable by parameter, and of its result as "return". Empty when it has none.

    Arguments:
        function: A function, a bound method, a partial, or an object with `__call__`.
        localns: The names of the function that it was written in.

    Raises:
        NameError: A name in one of them is not known (yet).
    """
    while isinstance(function, functools.partial):
        function = function.func
    if not hasattr(function, "__annotations__") or isinstance(function, type):
        function = getattr(type(function), "__call__", function)  # noqa: B004 - wanted for its annotations
    try:
        return typing.get_type_hints(function, localns=dict(localns or {}) or None, include_extras=True)
    except TypeError:  # a builtin has none
        return {}
