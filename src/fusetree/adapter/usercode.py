"""Calling the program's own code from a handler, and what its exceptions mean to the kernel.

Rule 1: while code of the program runs for a request, `inside_handler()` is true, in whatever thread or task
    it continues (a context variable; `asyncio.to_thread` takes it along). Whoever waits for the kernel asks
    it first: the kernel may be waiting for this very request.
Rule 2: a value that the program does not take is the writer's mistake: EINVAL, and one line in the log that
    says why. An `OSError` is the program's answer. All else is a bug, and passes through to the core, which
    answers EIO.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING

from fusetree.nodes.base import WriteStyle
from fusetree.nodes.held import state, undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    from fusetree.nodes.base import FileNode, Node

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = ["call", "call_told", "inside_handler", "is_told", "store"]

logger = logging.getLogger("fusetree.adapter")

_inside: ContextVar[bool] = ContextVar("fusetree_inside_handler", default=False)
# Whose kernel made the change that is under way, and to which node; None: to all that it touches.
_told: ContextVar[tuple[object, Node | None] | None] = ContextVar("fusetree_told", default=None)


def inside_handler() -> bool:
    """Whether this code runs on behalf of a request of some mount."""
    return _inside.get()


def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call code that may be the program's own, marked as running inside a handler. A transaction of the
    program is waited for.
    """
    if state.active is not None:
        undisturbed()
    token = _inside.set(True)
    try:
        return function(*args, **kwargs)
    finally:
        _inside.reset(token)


def call_told(
    observer: object, node: Node | None, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call code that does to *node* (None: to all that it touches) what this mount's kernel has asked for and
    enters into its caches by itself. Other mounts of the tree hear of it.

    Arguments:
        observer: The mount's.
    """
    token = _told.set((observer, node))
    try:
        return call(function, *args, **kwargs)
    finally:
        _told.reset(token)


def is_told(observer: object, node: Node) -> bool:
    """Whether a change of *node*, made here and now, is one that the kernel of this mount made itself."""
    told = _told.get()
    return told is not None and told[0] is observer and (told[1] is None or told[1] is node)


def store(node: FileNode, data: bytes, append: bool) -> None:
    """Hand what was written to a node.

    Raises:
        OSError: EINVAL when the node does not take the value (its old value stays), else what the node
            raised.
    """
    if state.active is not None:
        undisturbed()
    token = _inside.set(True)
    try:
        node.store(data, append)
    except OSError:
        raise
    except Exception as exc:
        if not _says_bad_value(exc, node):
            raise
        logger.info("%s refused what was written: %s", node, _reason(exc))
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from exc
    finally:
        _inside.reset(token)


def _says_bad_value(exc: Exception, node: FileNode) -> bool:
    if isinstance(exc, ValueError):  # those of attrs' validators, json and codecs too
        return True
    if isinstance(exc, TypeError):
        # attrs' instance_of() raises it. But an action's words are converted already: there it is a bug.
        return node.write_style is not WriteStyle.LINES
    # Whoever raised an error of cattrs has imported it; so it need not be imported here.
    cattrs = sys.modules.get("cattrs.errors")
    if cattrs is None:
        return False
    kinds = (cattrs.BaseValidationError, cattrs.StructureHandlerNotFoundError, cattrs.ForbiddenExtraKeysError)
    return isinstance(exc, kinds)


def _reason(exc: BaseException) -> str:
    """The text of an exception, and of those that a group of cattrs is made of."""
    parts = getattr(exc, "exceptions", None)
    if isinstance(parts, tuple):
        return f"{exc}: {'; '.join(_reason(part) for part in parts)}"
    # The validators of attrs put what they know behind the text: the attribute, its type, the value.
    is_tuple = len(exc.args) > 1 and str(exc) == str(exc.args)
    return f"{type(exc).__name__}: {exc.args[0] if is_tuple else exc}"
