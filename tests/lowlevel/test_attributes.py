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
