"""Which values are files when an object is shown as a tree, and how they read.

A value is a file when it is one line of text or bytes, when a codec was registered for its type, or when it
has no parts that could be shown; then it reads as its `repr`, and is not written.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from fusetree.nodes.codecs import Codec, codec_for
from fusetree.nodes.documents import Document
from fusetree.nodes.lines import Text
from fusetree.nodes.registry import registered_for

__all__ = ["OPAQUE", "leaf_codec", "part_codec"]


class _ExactText:
    """Text as it is, no newline added or taken."""

    immutable = True

    def encode(self, value: Any) -> bytes:
        return str(value).encode("utf-8", "surrogateescape")

    def decode(self, data: bytes) -> str:
        return data.decode("utf-8", "surrogateescape")


class _Opaque:
    """What can be looked at and no more."""

    immutable = False

    def encode(self, value: Any) -> bytes:
        return repr(value).encode("utf-8", "backslashreplace") + b"\n"

    def decode(self, data: bytes) -> Any:
        raise ValueError("this can be looked at and no more")


OPAQUE: Final[Codec] = _Opaque()
_EXACT: Final[Codec] = _ExactText()
_NONE: Final[Codec] = codec_for(str | None)

# Types of one line, in modules that need not be imported for them: whoever has a value of one has done it.
_BY_TEXT: Final = (
    ("builtins", "complex"),
    ("decimal", "Decimal"),
    ("fractions", "Fraction"),
    ("uuid", "UUID"),
    ("ipaddress", "_IPAddressBase"),
)
_SHOWN_ONLY: Final = (("datetime", "timedelta"), ("datetime", "tzinfo"))


def leaf_codec(value: Any, annotation: Any = None, *, exact: bool = False) -> Codec | None:
    """How a value reads as a file; None when it is no file of its own accord.

    Arguments:
        value: The value.
        annotation: What is declared of it; used where it makes one line of the value.
        exact: Whether text is shown exactly as it is, without a newline at the end.
    """
    kind = type(value)
    codec = registered_for(kind)
    if codec is not None:
        return codec
    if exact and isinstance(value, str) and kind is str:
        return _EXACT
    if annotation is not None:
        try:
            codec = codec_for(annotation)
        except Exception:  # noqa: BLE001 - it is for type checkers only; the value's own type will do
            codec = None
        if codec is not None and not isinstance(codec, Document):
            return codec
    if value is None:
        return _NONE
    codec = codec_for(kind)
    if not isinstance(codec, Document):
        return codec
    for module, name in _BY_TEXT:
        cls = getattr(sys.modules.get(module), name, None)
        if cls is not None and isinstance(value, cls):
            return Text(str, kind)
    for module, name in _SHOWN_ONLY:
        cls = getattr(sys.modules.get(module), name, None)
        if cls is not None and isinstance(value, cls):
            return Text(str, _refuse)
    return None


def part_codec(value: Any) -> Codec:
    """How something reads that has no parts: a set as a JSON document, all else as its `repr`."""
    return _SET if isinstance(value, (set, frozenset)) else OPAQUE


def _refuse(text: str) -> Any:
    raise ValueError("this can be looked at and no more")


class _Set:
    """A set as a JSON document: its items, in order where they have one."""

    immutable = False

    def encode(self, value: Any) -> bytes:
        import json

        try:
            items = sorted(value)
        except TypeError:
            items = list(value)
        try:
            return json.dumps(items, indent=2, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"
        except (TypeError, ValueError):
            return OPAQUE.encode(value)

    def decode(self, data: bytes) -> Any:
        raise ValueError("this can be looked at and no more")


_SET: Final[Codec] = _Set()
