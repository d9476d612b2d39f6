from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from fusetree import Dir, action, computed, diff, entry, node, tree
from fusetree.nodes import ActionFile, ComputedFile, FileNode, Policy, WriteStyle

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


def run(coroutine: Any) -> Any:
    """What a coroutine returns that waits for nothing."""
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    return end.value.value


def test_of_an_asynchronous_function_content_and_size_are_coroutines() -> None:
    async def later() -> int:
        return 5

    async def pieces() -> Any:
        yield "a"
        yield b"b"

    async def gives_pieces() -> Any:
        return pieces()

    for function, content in ((later, b"5\n"), (pieces, b"ab"), (gives_pieces, b"ab")):
        file = Dir({"f": computed(size="exact")(function)})["f"]
        assert isinstance(file, ComputedFile)
        assert run(file.content()) == content
        assert run(file.size()) == len(content)
    plain = Dir({"f": lambda: later()})["f"]
    assert isinstance(plain, ComputedFile)
    sized: object = plain.size()
    assert sized is None
    assert run(plain.content()) == b"5\n"
    assert str(tree(Dir({"f": computed(size="exact")(later)}))).count("-") > 0
    assert not list(diff({"f": later}, {"f": later}))


def test_what_nobody_awaits_is_closed_without_a_word() -> None:
    async def later() -> str:
        return ""

    file = Dir({"f": computed(size="exact")(later)})["f"]
    assert isinstance(file, ComputedFile)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        file.content().close()
        file.size().close()


def test_an_action_of_an_asynchronous_function_is_a_coroutine() -> None:
    calls: list[int] = []

    async def add(number: int) -> None:
        calls.append(number)

    file = Dir({"add": action(add)})["add"]
    assert isinstance(file, ActionFile)
    run(file.store(b"1\n2\n3\n"))
    assert calls == [1, 2, 3]
    with pytest.raises(ValueError):
        file.store(b"4\nfive\n")
    assert calls == [1, 2, 3]

    async def gives() -> Any:
        yield 1

    with pytest.raises(TypeError, match="asynchronous generator"):
        action(gives)


def test_a_plain_function_is_a_child() -> None:
    def five() -> int:
        return 5

    root = Dir({"five": computed(size="exact")(five)})
    five_file = root["five"]
    assert isinstance(five_file, ComputedFile)
    assert five_file.size() == 2
    assert "computed by" in repr(five_file)
    assert five() == 5
