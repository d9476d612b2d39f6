from __future__ import annotations

import enum
import errno
from pathlib import Path
from typing import Any

import pytest

from fusetree import Dir, action, node
from fusetree.nodes import MAX_VALUE_SIZE, ActionFile, Policy, WriteStyle


class Color(enum.Enum):
    RED = 1


@node
class Machine(Dir):
    calls: list[Any] = []

    @action
    def reset(self) -> None:
        self.calls.append(())

    @action
    def say(self, text: str) -> None:
        self.calls.append(text)

    @action
    def count(self, number: int = 1) -> None:
        self.calls.append(number)

    @action
    def paint(self, color: Color, /) -> None:
        self.calls.append(color)

    @action
    def raw(self, data: bytes) -> None:
        self.calls.append(data)

    @action
    def load(self, document: dict[str, int]) -> None:
        self.calls.append(document)

    @action(name="copy-file", mode=0o222)
    def copy(self, source: Path, number: int = 1, *names: str, loud: bool = False) -> None:
        self.calls.append((source, number, names, loud))

    @action
    def untyped(self, one, two="2"):  # type: ignore[no-untyped-def]
        self.calls.append((one, two))

    @action
    def refuse(self, why: str) -> None:
        raise PermissionError(errno.EPERM, why)


@pytest.fixture
def machine() -> Machine:
    return Machine(calls=[])


def write(machine: Machine, name: str, data: bytes) -> list[Any]:
    found = machine[name]
    assert isinstance(found, ActionFile)
    machine.calls.clear()
    found.store(data)
    return machine.calls


@pytest.mark.parametrize(
    ("name", "data", "calls"),
    [
        ("reset", b"\n", [()]),
        ("reset", b"1\n", [()]),
        ("reset", b"anything", [()]),
        ("reset", b"\n\n", [(), ()]),
        ("reset", b"", []),
        ("say", b"two words\n", ["two words"]),
        ("say", b"'quotes' stay\n", ["'quotes' stay"]),
        ("say", b"\n", [""]),
        ("say", b"one\ntwo\nthree", ["one", "two", "three"]),
        ("count", b"5\n", [5]),
        ("count", b"\n", [1]),
        ("count", b"1\n2\n", [1, 2]),
        ("paint", b"RED\n", [Color.RED]),
        ("raw", b"\xff \n", [b"\xff "]),
        ("load", b'{"a": 1}\n', [{"a": 1}]),
        ("copy-file", b"/a\n", [(Path("/a"), 1, (), False)]),
        ("copy-file", b"'/a b' 2 c \"d e\"\n", [(Path("/a b"), 2, ("c", "d e"), False)]),
        ("untyped", b"x\n", [("x", "2")]),
        ("untyped", b"x y\n", [("x", "y")]),
    ],
)
def test_a_line_is_a_call(machine: Machine, name: str, data: bytes, calls: list[object]) -> None:
    assert write(machine, name, data) == calls


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("count", b"five\n"),
        ("count", b"1\nfive\n"),
        ("say", b"\xff\n"),
        ("copy-file", b"\n"),
        ("copy-file", b"/a two\n"),
        ("copy-file", b"'open\n"),
        ("untyped", b"a b c\n"),
        ("load", b"{\n"),
    ],
)
def test_a_line_that_does_not_fit_calls_nothing(machine: Machine, name: str, data: bytes) -> None:
    with pytest.raises(ValueError):
        write(machine, name, data)
    assert machine.calls == []


def test_the_error_says_what_it_takes(machine: Machine) -> None:
    with pytest.raises(ValueError, match=r"0 words, where it takes: source \[number\] \[names...\]"):
        write(machine, "copy-file", b"\n")


def test_what_the_method_raises_comes_out(machine: Machine) -> None:
    with pytest.raises(PermissionError, match="no reason"):
        write(machine, "refuse", b"no reason\n")


def test_a_line_is_bounded(machine: Machine) -> None:
    with pytest.raises(OSError) as caught:
        write(machine, "say", bytes(MAX_VALUE_SIZE + 1))
    assert caught.value.errno == errno.EFBIG


def test_it_is_written_to_and_not_read(machine: Machine) -> None:
    reset = machine["reset"]
    assert isinstance(reset, ActionFile)
    assert (reset.mode, machine["copy-file"].mode) == (0o200, 0o222)
    assert (reset.readable, reset.writable, reset.size()) == (False, True, 0)
    assert (reset.policy, reset.write_style) == (Policy.DYNAMIC, WriteStyle.LINES)
    with pytest.raises(PermissionError):
        reset.content()
    machine.calls.clear()
    machine.reset()
    assert machine.calls == [()]


@pytest.mark.parametrize("options", [{"mode": 0o600}, {"mode": 0}, {"name": ""}])
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        action(**options)


def test_a_parameter_that_no_line_can_name_is_refused() -> None:
    def needy(*, reason: str) -> None: ...

    with pytest.raises(TypeError, match="'reason'"):
        action(needy)
