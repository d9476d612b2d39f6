"""Calling the program's own code from a handler, and what its exceptions mean to the kernel.

Rule 1: while code of the program runs for a request, `inside_handler()` is true, in whatever thread or task
    it continues (a context variable; `asyncio.to_thread` takes it along). Whoever waits for the kernel asks
    it first: the kernel may be waiting for this very request.
    Code that goes on as a coroutine (fusetree.adapter.steps) is inside too: its task is the request's own.
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
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from fusetree.nodes.filenode import WriteStyle
from fusetree.nodes.held import state, undisturbed
from fusetree.nodes.owed import Owed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    from fusetree.nodes.base import Node
    from fusetree.nodes.filenode import FileNode

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = ["call", "call_told", "go_inside", "inside_handler", "is_told", "store"]

logger = logging.getLogger("fusetree.adapter")

_inside: ContextVar[bool] = ContextVar("fusetree_inside_handler", default=False)
# Whose kernel made the change that is under way, and to which node; None: to all that it touches.
_told: ContextVar[tuple[object, Node | None] | None] = ContextVar("fusetree_told", default=None)


def inside_handler() -> bool:
    """Whether this code runs on behalf of a request of some mount."""
    return _inside.get()


def go_inside() -> None:
    """Be inside from now on: called in a context that belongs to one request."""
    _inside.set(True)


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
        result = call(function, *args, **kwargs)
    finally:
        _told.reset(token)
    if type(result) is CoroutineType:
        return cast("R", _told_while((observer, node), Owed(cast("Any", result))))
    return result


async def _told_while(who: tuple[object, Node | None], owed: Owed) -> Any:
    token = _told.set(who)
    try:
        return await owed.coroutine
    finally:
        _told.reset(token)


def is_told(observer: object, node: Node) -> bool:
    """Whether a change of *node*, made here and now, is one that the kernel of this mount made itself."""
    told = _told.get()
    return told is not None and told[0] is observer and (told[1] is None or told[1] is node)


def store(node: FileNode, data: bytes, append: bool) -> Any:
    """Hand what was written to a node; a coroutine comes back when the node goes on as one.

    Raises:
        OSError: EINVAL when the node does not take the value (its old value stays), else what the node
            raised.
    """
    if state.active is not None:
        undisturbed()
    token = _inside.set(True)
    try:
        storing: object = node.store(data, append)  # type: ignore[func-returns-value]  # a coroutine, perhaps
    except Exception as exc:
        refusal = _refusal(exc, node)
        if refusal is None:
            raise
        raise refusal from exc
    finally:
        _inside.reset(token)
    return _storing(node, Owed(storing)) if type(storing) is CoroutineType else None


async def _storing(node: FileNode, owed: Owed) -> None:
    try:
        await owed.coroutine
    except Exception as exc:
        refusal = _refusal(exc, node)
        if refusal is None:
            raise
        raise refusal from exc


def _refusal(exc: Exception, node: FileNode) -> OSError | None:
    """What a writer is told of a value that the node does not take; None for an answer, and for a bug."""
    if isinstance(exc, OSError) or not _says_bad_value(exc, node):
        return None
    logger.info("%s refused what was written: %s", node, _reason(exc))
    return OSError(errno.EINVAL, os.strerror(errno.EINVAL))


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
