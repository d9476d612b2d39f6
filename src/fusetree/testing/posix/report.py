"""The table of results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fusetree.testing.posix.runner import Result, Status


class Report:
    """Writes results as they come, then a summary.

    :param verbose: a line for each check; else for those only that are not ok.
    :param width: of the column of names.
    """

    def __init__(self, *, verbose: bool, width: int) -> None:
        self._verbose = verbose
        self._width = width
        self._counts: Counter[Status] = Counter()
        self._groups: dict[str, Counter[Status]] = {}
        self._skipped: Counter[str] = Counter()

    def add(self, result: Result) -> str | None:
        """The line of *result*, or None when it is not to be shown."""
        self._counts[result.status] += 1
        self._groups.setdefault(result.check.group, Counter())[result.status] += 1
        if result.status is Status.SKIPPED:
            self._skipped[result.came] += 1
        if not self._verbose and result.status is not Status.FAILED:
            return None
        return f"{result.status.value:<8} {result.check!s:<{self._width}} {result}".rstrip()

    def summary(self) -> Iterable[str]:
        """A line for each group, why checks were skipped, and the sum."""
        yield f"{'':<24}{'ok':>6}{'FAILED':>8}{'skipped':>9}"
        for group, counts in self._groups.items():
            yield f"{group:<24}{_cells(counts)}"
        yield f"{'all':<24}{_cells(self._counts)}"
        for reason, count in self._skipped.most_common():
            yield f"{count} {reason}"

    @property
    def failed(self) -> int:
        """How many checks failed."""
        return self._counts[Status.FAILED]


def _cells(counts: Counter[Status]) -> str:
    return f"{counts[Status.OK]:>6}{counts[Status.FAILED] or '':>8}{counts[Status.SKIPPED] or '':>9}"
