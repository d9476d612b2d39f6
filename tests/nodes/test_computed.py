from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from fusetree import Dir, action, computed, entry, node
from fusetree.nodes import ComputedFile, FileNode, Policy, WriteStyle

if TYPE_CHECKING:
    from decimal import Decimal


@node
class Machine(Dir):
    jobs: int = entry(2)

    @computed
    def load(self) -> float:
        return self.jobs / 2

    @computed(name="report.txt", size="exact", ttl=1.5, mode=0o400)
    def report(self) -> str:
        return f"jobs: {self.jobs}"

    @computed
    def lines(self) -> Iterator[str]:
        yield "a\n"
        yield "b"

    @computed
    def table(self) -> dict[str, int]:
        return {"jobs": self.jobs}

    @computed
    def nothing(self) -> None:
        pass

    @computed
    def unknown_type(self) -> Decimal:
        return "text"  # type: ignore[return-value]

    @computed
    def missing(self) -> str:
        raise FileNotFoundError(errno.ENOENT, "gone")


def file(owner: Dir, name: str) -> FileNode:
    found = owner[name]
    assert isinstance(found, FileNode)
    return found


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("load", b"1.0\n"),
        ("report.txt", b"jobs: 2\n"),
        ("lines", b"a\nb"),
        ("table", b'{\n  "jobs": 2\n}\n'),
        ("nothing", b""),
        ("unknown_type", b"text\n"),
    ],
)
def test_content_is_what_the_method_returns(name: str, content: bytes) -> None:
    assert file(Machine(), name).content() == content


def test_it_is_made_anew_each_time() -> None:
    machine = Machine()
    load = file(machine, "load")
    machine.jobs = 4
    assert load.content() == b"2.0\n"
    assert (load.policy, load.write_style, load.mode) == (Policy.DYNAMIC, WriteStyle.NONE, 0o444)
    assert machine.load() == 2.0


def test_the_size_is_unknown_unless_it_is_wanted_exact() -> None:
    machine = Machine()
    assert file(machine, "load").size() is None
    report = file(machine, "report.txt")
    assert (report.size(), report.ttl, report.mode) == (8, 1.5, 0o400)
    assert file(machine, "load").ttl == 0


def test_exceptions_come_out_as_they_are() -> None:
    with pytest.raises(FileNotFoundError):
        file(Machine(), "missing").content()


def test_it_is_not_written() -> None:
    with pytest.raises(PermissionError):
        file(Machine(), "load").store(b"x")


def test_an_override_needs_no_decorator() -> None:
    @node
    class Slow(Machine):
        report = None  # type: ignore[assignment]  # takes the file away

        def load(self) -> float:
            return 0.25 + super().load()

    slow = Slow()
    assert file(slow, "load").content() == b"1.25\n"
    assert "report.txt" not in slow


@pytest.mark.parametrize(
    "options", [{"mode": 0o644}, {"name": "a/b"}, {"ttl": -1}, {"size": "about"}, {"mode": 1 << 12}]
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        computed(**options)


def test_asynchronous_functions_are_refused() -> None:
    async def later() -> str:
        return ""

    with pytest.raises(TypeError, match="asynchronous"):
        computed(later)
    with pytest.raises(TypeError, match="asynchronous"):
        action(later)


def test_a_plain_function_is_a_child() -> None:
    def five() -> int:
        return 5

    root = Dir({"five": computed(size="exact")(five)})
    five_file = root["five"]
    assert isinstance(five_file, ComputedFile)
    assert five_file.size() == 2
    assert "computed by" in repr(five_file)
    assert five() == 5
