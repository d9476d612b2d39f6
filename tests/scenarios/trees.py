"""Trees that the scenarios are played on, with the pretended kernel and on real mounts."""

from __future__ import annotations

import threading

import attrs

from fusetree import Dir, File, Symlink, action, computed, entry, node

LEVELS = ["debug", "info", "warning"]
REPORT_LINES = 3000
REPORT = "".join(f"line {number} of the report: {'.' * (number % 80)}\n" for number in range(REPORT_LINES))


@node
class Settings(Dir):
    """Values that can be steered from outside."""

    jobs: int = entry(3)
    ratio: float = entry(0.5)
    level: str = entry("info", validator=attrs.validators.in_(LEVELS))
    note: str = entry("")
    tags: dict[str, str] = entry(factory=dict, name="tags.json")
    token: str = entry("s3cret", mode=0o200)
    fixed: int = entry(1, writable=False)

    stored: list[str] = attrs.field(factory=list)  # what reset was called with

    @action
    def reset(self, reason: str) -> None:
        """Puts jobs back, from inside a request."""
        self.stored.append(reason)
        self.jobs = 0

    @action
    def explode(self, reason: str) -> None:
        raise RuntimeError(f"a bug: {reason}")


@node
class Reports(Dir):
    """Content that is made when it is asked for."""

    made: int = attrs.field(default=0)

    @computed
    def report(self) -> str:
        self.made += 1
        return REPORT

    @computed(size="exact")
    def exact(self) -> str:
        return REPORT

    @computed
    def number(self) -> int:
        self.made += 1
        return self.made

    @computed
    def broken(self) -> str:
        raise RuntimeError("a bug in user code")

    @computed
    def refused(self) -> str:
        raise PermissionError


@node
class Slow(Dir):
    """A directory whose `slow` is made only when the test lets it, also when its attributes are asked for."""

    began: threading.Event = attrs.field(factory=threading.Event)
    go_on: threading.Event = attrs.field(factory=threading.Event)

    @computed(size="exact")
    def slow(self) -> str:
        self.began.set()
        if not self.go_on.wait(20):
            raise TimeoutError
        return "done"


def steered() -> Dir:
    return Dir({"settings": Settings(), "reports": Reports(), "README": "hello\n"})


def linked() -> tuple[Dir, File]:
    """A tree in which one file has two names."""
    file = File(b"the same\n")
    return Dir({"one": file, "below": {"two": file}, "link": Symlink("below/two")}), file
