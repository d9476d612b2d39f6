"""What is refused when it is declared, not when somebody reads: the text says what it should have been."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import fusetree
from fusetree import Dir, action, computed, node

# As for programs that are not checked.
untyped: Any = fusetree


def declared(method: Any) -> type[Dir]:
    return node(type("Declared", (Dir,), {"method": method}))


def of_two(self: Any, other: Any) -> str:
    return ""


def of_none() -> str:
    return ""


def made_of(size: int) -> Dir:
    return Dir()


@pytest.mark.parametrize(
    ("declare", "error", "said"),
    [
        (
            lambda: untyped.File(b"", mode="644"),
            TypeError,
            "mode is an int of permission bits, such as 0o644, not '644'",
        ),
        (lambda: untyped.entry(0, mode="644"), TypeError, "such as 0o644"),
        (lambda: untyped.File(b"", uid="root"), TypeError, "uid and gid are numbers, not 'root'"),
        (lambda: untyped.computed(ttl="1"), TypeError, "ttl is a number of seconds, not '1'"),
        (lambda: untyped.computed(ttl=float("nan")), ValueError, "at least 0, not nan"),
        (lambda: untyped.MappingDir({}, ttl=None), TypeError, "ttl is a number of seconds, not None"),
        (
            lambda: declared(untyped.computed(of_two)),
            TypeError,
            "of_two cannot be a file.* argument: 'other'",
        ),
        (lambda: declared(untyped.computed(of_none)), TypeError, "of_none cannot be a file.* too many"),
        (
            lambda: Dir({"f": untyped.computed(made_of)}),
            TypeError,
            "made_of cannot be a file.* argument: 'size'",
        ),
        (lambda: Dir({"f": made_of}), TypeError, "made_of cannot be a file.* argument: 'size'"),
        (lambda: untyped.DynamicDir({}), TypeError, "the one called with a name"),
        (lambda: untyped.DynamicDir(len, []), TypeError, "the other without arguments"),
        (lambda: untyped.FactoryDir(made_of), TypeError, "cannot make what mkdir.* argument: 'size'"),
        (lambda: untyped.MemoryDir(max_bytes="10M"), TypeError, "max_bytes is an int or None, not '10M'"),
    ],
)
def test_it_is_said_what_it_should_have_been(
    declare: Callable[[], object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        declare()


def test_what_may_be_left_out_is_no_parameter() -> None:
    def kept(self: Any, most: int = 5) -> str:
        return "x" * most

    assert declared(computed(kept))()["method"].content() == b"xxxxx\n"  # type: ignore[attr-defined]
    assert declared(action(of_two))()["method"].writable  # type: ignore[attr-defined]
    assert Dir({"f": lambda most=2: "x" * most})["f"].content() == b"xx\n"  # type: ignore[attr-defined]
