"""Mount options as the originals take them: what only libfuse2 knew is dropped."""

from __future__ import annotations

from collections.abc import Iterable

#: Options of libfuse2 that libfuse3 has no more: it is always so now, or the library decides.
DROPPED = frozenset({
    "big_writes", "large_read", "no_remote_flock", "no_remote_lock", "no_remote_posix_lock", "no_splice_move",
    "no_splice_read", "no_splice_write", "nonempty", "splice_move", "splice_read", "splice_write",
})  # fmt: skip


def accepted(options: Iterable[str]) -> list[str]:
    """The options that are handed on, in a fixed order; each may itself be a list with commas, as for
    ``-o``.
    """
    wanted = sorted({part for option in options for part in _parts(option) if part})
    return [option for option in wanted if option not in DROPPED]


def _parts(option: str) -> list[str]:
    if not isinstance(option, str):
        raise TypeError(f"a mount option must be a str, not {type(option).__name__}")
    return [option] if "\\" in option else option.split(",")  # "\," is a comma inside of a value
