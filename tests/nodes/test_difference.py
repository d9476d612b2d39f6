from __future__ import annotations

import pytest

from fusetree import Dir, File, Symlink, diff, entry, node
from fusetree.nodes import Difference


@node
class Settings(Dir):
    level: int = entry(1)
    token: str = entry("a", mode=0o200)


def test_trees_that_say_the_same_have_no_difference() -> None:
    made = [Dir({"s": Settings(), "d": {"f": "text", "g": "more"}, "l": Symlink("d")}) for _ in range(2)]
    assert diff(*made) == []
    assert diff({"a": "1", "b": "2"}, {"b": "2", "a": "1"}) == []
    assert diff(made[0], made[0]) == []


def test_every_kind_of_difference() -> None:
    a = Dir(
        {
            "gone": {"below": ""},
            "kind": "",
            "mode": File(mode=0o400),
            "owner": File(uid=1),
            "link": Symlink("a"),
            "s": Settings(),
        }
    )
    b = Dir(
        {
            "new": "",
            "kind": {},
            "mode": File(mode=0o440),
            "owner": File(uid=2),
            "link": Symlink("b"),
            "s": Settings(level=2, token="b"),
        }
    )
    found = diff(a, b)
    assert [str(one) for one in found] == [
        "- gone",
        "! kind: type file -> directory",
        "! link: target a -> b",
        "! mode: mode 0400 -> 0440",
        "+ new",
        "! owner: owner 1:None -> 2:None",
        r"! s/level: content b'1\n' -> b'2\n'",  # and the token, which nobody may read, is not shown
    ]
    assert found[0] == Difference("gone", "removed")


def test_the_top_itself_may_differ() -> None:
    assert [str(one) for one in diff(Dir(), Dir(mode=0o755))] == ["! /: mode 0555 -> 0755"]


def test_a_content_that_fails_is_part_of_the_answer() -> None:
    def broken() -> str:
        raise RuntimeError("a bug")

    assert diff({"f": broken}, {"f": broken}) == []
    (one,) = diff({"f": broken}, {"f": lambda: "fine"})
    assert (one.kind, one.before, one.after) == ("content", "RuntimeError: a bug", r"b'fine\n'")


def test_a_long_content_is_shown_shortly() -> None:
    (one,) = diff({"f": "x" * 1000}, {"f": ""})
    assert one.before is not None
    assert one.before.endswith("... (1000 bytes)")


def test_what_is_no_tree() -> None:
    with pytest.raises(TypeError):
        diff({}, object())
