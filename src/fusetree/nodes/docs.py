"""What nodes say of themselves: the docstrings of the program's classes and functions, and `entry(doc=...)`.

A node gives its text as it was written (`Node._doc_`, asked at each lookup, so it must be quick); who shows
it calls `doc_of`, which lays it out.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusetree.nodes.base import Node

__all__ = ["class_doc", "doc_of", "function_doc"]


def class_doc(cls: type) -> str | None:
    """The docstring of a class, or the next one above it that is the program's; the library's own classes
    have none.
    """
    return _class_doc(cls)


@functools.lru_cache(maxsize=1024)
def _class_doc(cls: Any) -> str | None:
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] in ("fusetree", "builtins"):
            return None
        doc = base.__dict__.get("__doc__")
        if isinstance(doc, str) and doc:
            return doc
    return None


def function_doc(function: Any) -> str | None:
    """The docstring of what makes a computed file or takes the lines of an action."""
    while isinstance(function, functools.partial):
        function = function.func
    doc = getattr(function, "__doc__", None)
    return doc if isinstance(doc, str) else None


def doc_of(node: Node) -> str | None:
    """What a node is, without the indentation of the source; None when nobody said."""
    doc = node._doc_()
    return (inspect.cleandoc(doc) or None) if doc else None
