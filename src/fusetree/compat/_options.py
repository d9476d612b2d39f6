"""Mount options as the originals take them: what only libfuse2 knew is dropped."""

from __future__ import annotations

from collections.abc import Iterable

#: Options of libfuse2 that libfuse3 refuses: what they asked for is negotiated now, or always so.
DROPPED = frozenset({
    "async_read", "atomic_o_trunc", "big_writes", "large_read", "no_remote_flock", "no_remote_lock",
    "no_remote_posix_lock", "no_splice_move", "no_splice_read", "no_splice_write", "nonempty", "splice_move",
    "splice_read", "splice_write", "sync_read",
})  # fmt: skip
#: The same, of the form NAME=VALUE.
DROPPED_WITH_VALUE = frozenset({"congestion_threshold", "max_background", "max_readahead", "max_write"})


def accepted(options: Iterable[str]) -> list[str]:
    """The options that are handed on, in a fixed order; each may itself be a list with commas, as for
    ``-o``.
    """
    wanted = sorted({part for option in options for part in _parts(option) if part})
    return [option for option in wanted if not _is_dropped(option)]


def _parts(option: str) -> list[str]:
    if not isinstance(option, str):
        raise TypeError(f"a mount option must be a str, not {type(option).__name__}")
    return [option] if "\\" in option else option.split(",")  # "\," is a comma inside of a value


def _is_dropped(option: str) -> bool:
    name, equals, _ = option.partition("=")
    return option in DROPPED or bool(equals and name in DROPPED_WITH_VALUE)
