"""What type checkers are to say of node classes: mypy reads this file, and complains of unneeded ignores."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from fusetree import Dir, File, Symlink, action, computed, entry, node
from fusetree.nodes import Node

if TYPE_CHECKING:
    from typing_extensions import assert_type


@node
class Worker(Dir):
    jobs: int = entry(0)
    tags: dict[str, str] = entry(factory=dict, name="tags.json")
    level: str = entry(default="info", mode=0o600)
    wrong: int = entry("text")  # type: ignore[assignment]
    _count: int = attrs.field(default=0)

    @computed
    def uptime(self) -> float:
        return 1.0

    @action(name="stop-it")
    def stop(self, reason: str) -> None: ...


@node(kw_only=True)
class Needy(Worker):
    name: str


if TYPE_CHECKING:
    worker = Worker(1, {"a": "b"}, level="x", mode=0o700, uid=1, children={"x": "y"})
    assert_type(worker, Worker)
    assert_type(worker.jobs, int)
    assert_type(worker.tags, dict[str, str])
    assert_type(worker.uptime(), float)
    worker.jobs = "five"  # type: ignore[assignment]
    worker.stop(5)  # type: ignore[arg-type]
    Worker(jobs="five")  # type: ignore[arg-type]
    Worker(unheard_of=1)  # type: ignore[call-arg]
    Needy()  # type: ignore[call-arg]
    Needy(name="x", jobs=3)

    root = Dir({"a": "text", "w": worker})
    assert_type(root, Dir)
    assert_type(root["a"], Node)
    assert_type(root.child("a"), Node | None)
    assert_type(root.items(), list[tuple[str, Node]])
    for name in root:
        assert_type(name, str)
    root["f"] = lambda: 5
    File("x").mode = "644"  # type: ignore[assignment]
    Symlink()  # type: ignore[call-arg]

    @computed(size="around")  # type: ignore[call-overload, untyped-decorator]
    def about() -> Any: ...

    @computed
    def five() -> int: ...

    assert_type(five, Callable[[], int])


def test_what_mypy_believes_is_so() -> None:
    worker = Worker(1, {"a": "b"}, level="x", mode=0o700, uid=1, children={"x": "y"})
    assert worker.uptime() == 1.0
    assert Needy(name="x", jobs=3).jobs == 3
