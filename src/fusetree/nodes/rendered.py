"""From what a function returned to the content of its file."""

from __future__ import annotations

import enum
import os
import types
from collections.abc import Iterator
from typing import Any

from fusetree.nodes.codecs import codec_for

__all__ = ["render"]


def render(value: Any, annotation: Any = None) -> bytes:
    """The content of a computed file, of what its function returned.

    Bytes are taken as they are. Text gets a newline unless it ends with one. An iterator (such as a
    generator) is run to its end, and its texts and bytes are joined. None is empty. Anything else is
    encoded by `codec_for`.

    Arguments:
        value: What was returned.
        annotation: The resolved annotation of the result; None, and `Any`, go by the value's own type.
    """
    if value is None:
        return b""
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        data = value.encode("utf-8", "surrogateescape")
        return data if not data or data.endswith(b"\n") else data + b"\n"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, Iterator):
        return b"".join(
            piece.encode("utf-8", "surrogateescape") if isinstance(piece, str) else bytes(memoryview(piece))
            for piece in value
        )
    if isinstance(value, os.PathLike):
        return os.fsencode(value) + b"\n"
    if annotation in (None, Any, object, types.NoneType):
        annotation = type(value)
    return codec_for(annotation).encode(value)
