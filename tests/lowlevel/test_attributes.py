"""EntryAttributes and StatvfsData: their constructors."""

from __future__ import annotations

from typing import Any

import pytest

from fusetree.lowlevel import EntryAttributes, StatvfsData

MAKERS: list[Any] = [EntryAttributes, StatvfsData]


@pytest.mark.parametrize("made", MAKERS)
def test_arguments_are_refused_and_not_ignored(made: Any) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'st_size'"):
        made(st_size=1)
    with pytest.raises(TypeError, match="positional"):
        made(1)


@pytest.mark.parametrize("made", MAKERS)
def test_a_subclass_may_take_arguments(made: Any) -> None:
    class Own(made):  # type: ignore[misc]
        def __init__(self, path: str) -> None:
            self.path = path

    assert Own("a").path == "a"


@pytest.mark.parametrize("ns", [0, -1, 10**9, -(10**9) - 1, 2**63 - 1, 2**63, 2 * 10**19 + 7, 2**70])
def test_times_of_any_size(ns: int) -> None:
    attributes = EntryAttributes()
    attributes.st_mtime_ns = ns
    assert attributes.st_mtime_ns == ns


def test_of_a_number_with_a_fraction_the_whole_part_is_taken() -> None:
    attributes: Any = EntryAttributes()
    attributes.st_atime_ns = 1.5e18
    attributes.st_blocks = 7 / 2
    assert (attributes.st_atime_ns, attributes.st_blocks) == (1_500_000_000_000_000_000, 3)
    for name in ("st_atime_ns", "st_blocks", "st_ino", "st_birthtime_ns"):
        with pytest.raises(TypeError):
            setattr(attributes, name, "7")
