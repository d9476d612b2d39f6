"""Nodes that come by themselves: what a plain value becomes when it is put into a directory.

What becomes what: docs/reference/values.md.  Everything else is refused, with a hint at what was meant.
"""

from __future__ import annotations

import datetime as dt
import enum
import os
from collections.abc import Mapping
from typing import Any, Protocol

from fusetree.nodes.action import ActionOptions
from fusetree.nodes.base import Node
from fusetree.nodes.codecs import codec_for
from fusetree.nodes.computed import MARK, ComputedFile, Marked, check_called_bare
from fusetree.nodes.file import File
from fusetree.nodes.registry import registered_for

__all__ = ["BecomesNode", "as_node"]

_ONE_LINE = (int, float, enum.Enum, dt.date, dt.time)


class BecomesNode(Protocol):
    """What knows by itself which node it is in a tree: a `Router`, say."""

    def __fusetree_node__(self) -> Node:
        """The node, the same at each call."""


def as_node(value: Any) -> Node:
    """The node that a value is, or becomes by itself.

    Raises:
        TypeError: It is no node, and none comes of it by itself.
    """
    if isinstance(value, Node):
        return value
    given = getattr(type(value), "__fusetree_node__", None)
    if given is not None:
        made: Node = given(value)
        return made
    own = registered_for(type(value))
    if own is not None:
        return File(own.encode(value))
    if isinstance(value, _ONE_LINE):  # before text: an enum may be a str
        return File(codec_for(type(value)).encode(value))
    if isinstance(value, (bytes, str, bytearray, memoryview)):
        return File(value)
    if isinstance(value, Mapping):
        from fusetree.nodes.directory import Dir

        return Dir(value)
    if isinstance(value, type):
        hint = f"{value.__name__}() makes one" if issubclass(value, Node) else "it is a class"
        raise TypeError(f"{value!r} is not a node: {hint}")
    if isinstance(value, os.PathLike):
        raise TypeError(
            f"{value!r} may mean a link or a content: write Symlink(path) or File(path.read_bytes())"
        )
    if callable(value):
        return _from_function(value)
    raise TypeError(
        f"a {type(value).__name__} does not become a node by itself: text, bytes, numbers, mappings and "
        "functions without arguments do; entry() of a node class takes any type, expose() any object"
    )


def _from_function(function: Any) -> Node:
    marked = getattr(function, MARK, None)
    if not isinstance(marked, ActionOptions):
        check_called_bare(function)
    return marked.make(function) if isinstance(marked, Marked) else ComputedFile(function)
