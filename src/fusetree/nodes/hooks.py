"""`entry(on_change=...)`: the program hears that a program wrote one of its entries.

Validators refuse, hooks observe: the value is stored and readers are told of it before a hook is called, so
what a hook raises is logged, and changes nothing for who wrote.
"""

from __future__ import annotations

import logging
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from fusetree.nodes.owed import Owed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import TypeAlias

    #: Called with the object, the value that was and the value that is; or the name of a method that is
    #: called with the two values.
    Hook: TypeAlias = Callable[[Any, Any, Any], object] | str

__all__ = ["check_hook", "tell"]

logger = logging.getLogger("fusetree.nodes")

_FAILED: Final = "on_change of %r of a %s failed; the value is stored"


def check_hook(hook: Hook | None, writable: bool) -> None:
    """Refuse what can never be called.

    Raises:
        TypeError: It is neither a function nor a name.
        ValueError: Nobody can write the entry.
    """
    if hook is None:
        return
    if not isinstance(hook, str) and not callable(hook):
        raise TypeError(f"on_change is a function or the name of a method, not {hook!r}")
    if not writable:
        raise ValueError("on_change tells of what programs write, and this entry cannot be written")


def tell(hook: Hook, owner: Any, entry: str, old: Any, new: Any) -> Coroutine[Any, Any, None] | None:
    """Call a hook, with no lock held. What has to be awaited, if it is ``async``, is returned."""
    try:
        found = getattr(owner, hook)(old, new) if isinstance(hook, str) else hook(owner, old, new)
    except Exception:
        logger.exception(_FAILED, entry, type(owner).__name__)
        return None
    return _told(owner, entry, Owed(found)) if type(found) is CoroutineType else None


async def _told(owner: Any, entry: str, owed: Owed) -> None:
    try:
        await owed.coroutine
    except Exception:
        logger.exception(_FAILED, entry, type(owner).__name__)
