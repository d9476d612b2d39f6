"""Which names a directory takes, and how a path is taken apart."""

from __future__ import annotations

from fusetree.flags import MAX_NAME_BYTES

__all__ = ["check_name"]


def check_name(name: str) -> str:
    """The name as it was given, or an error that says what is wrong with it.

    Bytes that are not UTF-8 are taken as `os.fsdecode` gives them, as surrogate escapes.

    Raises:
        TypeError: It is not text.
        ValueError: It is empty, ".", "..", longer than 255 bytes, or holds "/", NUL or what cannot be
            encoded.
    """
    if not isinstance(name, str):
        raise TypeError(f"a name in a directory is str, not {type(name).__name__}: {name!r}")
    if "/" in name:
        raise ValueError(f"the name {name!r} holds a slash")
    if "\0" in name:
        raise ValueError(f"the name {name!r} holds NUL")
    if name in ("", ".", ".."):
        raise ValueError("a name cannot be empty" if not name else f"the name {name!r} means something else")
    if name.isascii():
        length = len(name)
    else:
        try:
            length = len(name.encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError as error:
            raise ValueError(f"the name {name!r} cannot be encoded: {error.reason}") from None
    if length > MAX_NAME_BYTES:
        raise ValueError(f"the name {name[:32]!r}... has {length} bytes, and {MAX_NAME_BYTES} are allowed")
    return name
