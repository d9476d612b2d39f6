"""Whether the code that runs is a handler's: whoever waits for the kernel there may wait for itself.

A context variable, so it holds wherever a handler's work is carried on with its context: in a task, in
``asyncio.to_thread`` or ``trio.to_thread``.  It is set once for each worker thread and each event loop's
backend, never for a request.
"""

from __future__ import annotations

from contextvars import Context, ContextVar, copy_context

_inside: ContextVar[bool] = ContextVar("fusetree_inside_handler_of_session", default=False)


def inside_context() -> Context:
    """A copy of the current context; what runs in it is a handler's."""
    context = copy_context()
    context.run(_inside.set, True)
    return context


def marked_inside() -> bool:
    """Whether this is a handler's code."""
    return _inside.get()
