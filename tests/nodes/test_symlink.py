from __future__ import annotations

from pathlib import Path

import pytest

from fusetree import Symlink
from fusetree.nodes import Change
from tests.nodes.recorder import Recorder


def test_a_target_is_a_path() -> None:
    assert Symlink("../x").target == "../x"
    assert Symlink(Path("/a/b")).target == "/a/b"
    assert Symlink("x" * 4095).target == "x" * 4095


@pytest.mark.parametrize("target", ["", "a\0b", "x" * 4096])
def test_what_no_link_can_hold_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="target"):
        Symlink(target)
    link = Symlink("kept")
    with pytest.raises(ValueError, match="target"):
        link.target = target
    assert link.target == "kept"


def test_bytes_are_no_target() -> None:
    with pytest.raises(TypeError):
        Symlink(b"x")  # type: ignore[arg-type]


def test_a_new_target_is_told() -> None:
    link = Symlink("old")
    observer = Recorder(lambda: link.target)
    link.attach(observer)
    link.target = "new"
    assert observer.seen == ["new"]
    assert observer.take() == [("changed", link, Change.ALL)]
    assert repr(link) == "<Symlink to 'new'>"
