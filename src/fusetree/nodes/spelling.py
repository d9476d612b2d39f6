"""Keys that no directory could hold, spelt as names: ``a/b`` is ``a%2Fb``, as in the address of a web page.

Only what must be is written so: "/", NUL, the whole of "." and "..", and a "%" that would be read as the
beginning of such a spelling. The empty key is "%". So every key has one name, and every name one key.
"""

from __future__ import annotations

import re
from typing import Final

from fusetree.flags import MAX_NAME_BYTES

__all__ = ["spell", "unspell"]

_PLAIN: Final = re.compile(r"[^%/\0]+")
_SPECIAL: Final = re.compile(r"%(?=[0-9A-Fa-f]{2})|[/\0]")
_SPELT: Final = re.compile(r"%(?:25|2F|00)")
_WHOLE: Final = {"": "%", "%": "%25", ".": "%2E", "..": "%2E%2E"}
_WHOLE_BACK: Final = {name: key for key, name in _WHOLE.items()}


def spell(key: str) -> str | None:
    """The name of a key; None when none is short enough, or the text cannot be encoded."""
    name = _WHOLE.get(key)
    if name is None:
        name = key
        if not _PLAIN.fullmatch(key):
            name = _SPECIAL.sub(lambda found: f"%{ord(found[0]):02X}", key)
    if len(name) > MAX_NAME_BYTES:
        return None
    if not name.isascii():
        try:
            if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
                return None
        except UnicodeEncodeError:
            return None
    return name


def unspell(name: str) -> str:
    """The key that a name stands for; KeyError when it is the name of none ("%41" would be one of "A")."""
    if "%" not in name:
        return name
    key = _WHOLE_BACK.get(name)
    if key is None:
        key = _SPELT.sub(lambda found: chr(int(found[0][1:], 16)), name)
    if spell(key) != name:
        raise KeyError(name)
    return key
