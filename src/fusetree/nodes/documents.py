"""Values as JSON documents. How a document becomes typed objects is the work of `cattrs`, which is imported
when the first one is read.
"""

from __future__ import annotations

import functools
import typing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Document"]


class Document:
    """A JSON document of whatever `cattrs` can structure.

    Arguments:
        annotation: The type that is structured and unstructured.
    """

    immutable = False
    document = True

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation

    def encode(self, value: Any) -> bytes:
        import json

        plain = _converter().unstructure(value, unstructure_as=self._annotation)
        return json.dumps(plain, indent=2, ensure_ascii=False).encode("utf-8") + b"\n"

    def decode(self, data: bytes) -> Any:
        import json

        try:
            plain = json.loads(data)
        except RecursionError:
            raise ValueError("the document is nested too deeply") from None
        converter = _converter()
        try:
            return converter.structure(plain, self._annotation)
        except Exception as error:
            from cattrs import BaseValidationError, transform_error

            if isinstance(error, BaseValidationError):
                raise ValueError("; ".join(transform_error(error, path="document"))) from error
            if isinstance(error, (KeyError, AttributeError, RecursionError)):
                raise ValueError(f"the document does not fit: {error!r}") from error
            raise


@functools.cache
def _converter() -> Any:
    from cattrs.preconf.json import make_converter

    converter = make_converter()

    def structure(cls: Any) -> Callable[[Any, Any], Any]:
        # cattrs takes the annotations as they are written, and of named tuples only those that are classes.
        hints = typing.get_type_hints(cls)
        fields: Any = tuple[tuple(hints.get(name, Any) for name in cls._fields)]  # type: ignore[misc]  # of values
        return lambda value, _: cls(*converter.structure(value, fields))

    converter.register_structure_hook_factory(_is_named_tuple, structure)
    return converter


def _is_named_tuple(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")
