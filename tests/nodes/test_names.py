from __future__ import annotations

import pytest

from fusetree.nodes.names import check_name


@pytest.mark.parametrize(
    "name", ["a", "...", ".hidden", "with space", "\N{SNOWMAN}" * 85, "x" * 255, "caf\udce9", "a\nb", "~"]
)
def test_names_that_a_directory_takes(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        (".", "means something else"),
        ("..", "means something else"),
        ("a/b", "slash"),
        ("/", "slash"),
        ("a\0b", "NUL"),
        ("x" * 256, "256 bytes"),
        ("\N{SNOWMAN}" * 86, "258 bytes"),
        ("\ud800", "cannot be encoded"),
    ],
)
def test_names_that_it_refuses_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_name(name)


def test_a_name_is_text() -> None:
    with pytest.raises(TypeError, match="bytes"):
        check_name(b"a")  # type: ignore[arg-type]
