"""The registry of codecs: how the values of a type of the program's own read, wherever they are shown.

One registry for all: entries, computed files, plain values in directories, exposed objects.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.nodes.codecs import Codec

__all__ = ["on_change", "registered", "registered_for", "registrations"]

# Replaced as a whole and never changed in place, so reading it needs no lock; replaced under _lock.
_codecs: dict[type, Codec] = {}
_lock: Final = threading.RLock()
_listeners: list[Callable[[], None]] = []


def on_change(listener: Callable[[], None]) -> None:
    """Call a function after each change of the registry; for caches of what was chosen."""
    _listeners.append(listener)


def registered(cls: type, codec: Codec) -> Callable[[], None]:
    """Enter a codec, and return what takes it out again (and puts back what was there)."""
    before = _replace(cls, codec)
    return lambda: _restore(cls, before)


def _replace(cls: type, codec: Codec | None) -> Codec | None:
    global _codecs  # noqa: PLW0603 - there is one registry
    with _lock:
        before = _codecs.get(cls)
        changed = {kind: known for kind, known in _codecs.items() if kind is not cls}
        if codec is not None:
            changed[cls] = codec
        _codecs = changed
    for listener in _listeners:
        listener()
    return before


def _restore(cls: type, before: Codec | None) -> None:
    _replace(cls, before)


def registered_for(cls: type) -> Codec | None:
    """The codec that was registered for a class, or for the nearest class above it."""
    codecs = _codecs
    if not codecs:
        return None
    for base in cls.__mro__:
        codec = codecs.get(base)
        if codec is not None:
            return codec
    return None


def registrations() -> dict[type, Any]:
    """All that is registered."""
    return dict(_codecs)
