from __future__ import annotations

import datetime as dt
import enum
import functools
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from fusetree import Dir, File, Symlink, action, computed
from fusetree.nodes import ActionFile, ComputedFile, FileNode, as_node


class Color(enum.Enum):
    RED = 1


class Speed(str, enum.Enum):
    FAST = "fast"


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("text", b"text"),
        (b"bytes", b"bytes"),
        (bytearray(b"array"), b"array"),
        (5, b"5\n"),
        (1.5, b"1.5\n"),
        (True, b"true\n"),
        (Color.RED, b"RED\n"),
        (Speed.FAST, b"fast\n"),
        (dt.date(2026, 1, 2), b"2026-01-02\n"),
    ],
)
def test_values_become_files(value: object, content: bytes) -> None:
    node = as_node(value)
    assert isinstance(node, File)
    assert node.content() == content
    assert node.mode == 0o444


def test_mappings_become_directories() -> None:
    root = as_node(MappingProxyType({"a": {"b": "x"}}))
    assert isinstance(root, Dir)
    assert root["a/b"].content() == b"x"  # type: ignore[attr-defined]


def test_nodes_stay_themselves() -> None:
    for node in (Dir(), File(), Symlink("x")):
        assert as_node(node) is node


class Callable:
    def __call__(self) -> str:
        return "called"


def test_callables_become_computed_files() -> None:
    for function in (lambda: "called", Callable(), functools.partial(str, "called"), Callable().__call__):
        node = as_node(function)
        assert isinstance(node, ComputedFile)
        assert node.content() == b"called\n"
    assert float(as_node(time.time).content()) > 0  # type: ignore[attr-defined]


def test_decorated_functions_keep_their_options() -> None:
    calls: list[str] = []

    @computed(ttl=2, size="exact", mode=0o400)
    def now() -> str:
        return "x"

    @action
    def stop(reason: str) -> None:
        calls.append(reason)

    root = Dir({"now": now, "stop": stop, "append": action(calls.append)})
    file, stopper = root["now"], root["stop"]
    assert isinstance(file, ComputedFile)
    assert (file.ttl, file.size(), file.mode) == (2, 2, 0o400)
    assert isinstance(stopper, ActionFile)
    stopper.store(b"because\n")
    append = root["append"]
    assert isinstance(append, FileNode)
    append.store(b"builtin\n")
    assert calls == ["because", "builtin"]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (None, "NoneType does not become a node"),
        ([1], "list does not become a node"),
        (object(), "object does not"),
        (Path("/x"), "Symlink"),
        (Dir, r"Dir\(\) makes one"),
        (int, "it is a class"),
        (lambda x: x, "without arguments"),
    ],
)
def test_what_is_refused_comes_with_a_hint(value: Any, hint: str) -> None:
    with pytest.raises(TypeError, match=hint):
        as_node(value)
    with pytest.raises(TypeError, match=hint):
        Dir({"x": value})
