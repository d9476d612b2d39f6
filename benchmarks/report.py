"""What came out: as tables in Markdown, as JSON, and as plots (plots.py)."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.cases import BUSY, GOALS, PINNED, SETTINGS, Goal
from benchmarks.contestants import CONTESTANTS
from benchmarks.measuring import Measured, Spread

CEILING = """\
The last column is what the C server that answers from memory reaches in our place: nothing that does the same
work can do more on this machine, since a request costs the kernel the same whoever answers it."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """A figure that is not a ratio of two runs: memory, start-up, rates."""

    title: str
    value: str
    goal: str = ""
    met: bool | None = None  # None: there is no goal


@dataclasses.dataclass
class Report:
    """All of one run."""

    machine: Mapping[str, str]
    how: str  # how many rounds of how many seconds
    measured: dict[str, Measured] = dataclasses.field(default_factory=dict)
    findings: list[Finding] = dataclasses.field(default_factory=list)
    missing: dict[str, str] = dataclasses.field(default_factory=dict)  # contestant: why it did not take part

    def as_json(self) -> dict[str, Any]:
        return {
            "machine": dict(self.machine),
            "how": self.how,
            "missing": self.missing,
            "cases": {key: measured.as_json() for key, measured in self.measured.items()},
            "goals": [
                {
                    **dataclasses.asdict(goal),
                    "ratio": dataclasses.asdict(ratio),
                    "met": ratio.median >= goal.figure,
                }
                for goal, ratio in self.goals()
            ],
            "findings": [dataclasses.asdict(finding) for finding in self.findings],
        }

    def goals(self) -> list[tuple[Goal, Spread]]:
        """The goals that were measured, with what was reached."""
        reached = []
        for goal in GOALS:
            measured = self.measured.get(goal.case)
            if (
                measured is None
                or goal.subject not in measured.samples
                or goal.against not in measured.samples
            ):
                continue
            if sys.version_info >= goal.needs_python:
                reached.append((goal, measured.ratio(goal.subject, goal.against)))
        return reached

    def as_markdown(self, pictures: Mapping[str, str] | None = None) -> str:
        """All tables; *pictures* are the paths of the plots by setting, as seen from where this is kept."""
        pictures = pictures or {}
        parts = [
            "# How fast it is",
            _machine_table(self.machine),
            f"{self.how} A ratio is the median of the ratios of the rounds; in brackets the quartiles.",
        ]
        if self.missing:
            parts.append(
                "Not measured:\n\n" + "\n".join(f"* {key}: {why}" for key, why in self.missing.items())
            )
        goals = self.goals()
        if goals or any(finding.goal for finding in self.findings):
            parts += [
                "## Goals",
                _goal_table(goals, self.measured, self.findings),
                CEILING,
            ]
        for setting, title in SETTINGS.items():
            cases = [measured for measured in self.measured.values() if measured.case.setting == setting]
            if cases:
                parts.append(f"## {title[0].upper()}{title[1:]}")
                if setting in pictures:
                    parts.append(f"![Operations a second, {title}]({pictures[setting]})")
                parts += [_case_table(measured) for measured in cases]
        others = [finding for finding in self.findings if not finding.goal]
        if others:
            parts += [
                "## Figures without a goal",
                _table(["what", "figure"], [[f.title, f.value] for f in others]),
            ]
        return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, readable as text too; all columns but the first are right-aligned."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join(
        "-" * (width + 2) if column == 0 else "-" * (width + 1) + ":" for column, width in enumerate(widths)
    )
    return "\n".join([line(head), rule + "|", *map(line, rows)])


def _machine_table(machine: Mapping[str, str]) -> str:
    return "\n".join(f"* {label}: {text}" for label, text in machine.items())


def _figure(value: float) -> str:
    return f"{value:.2f}" if value < 20 else f"{value:.0f}"


def _with_spread(spread: Spread) -> str:
    return f"{_figure(spread.median)} ({_figure(spread.low)}-{_figure(spread.high)})"


def _ceiling(goal: Goal, measured: Measured) -> Spread | None:
    """What C from memory reaches in the place of the goal's subject: no server can do better on this machine.

    A request costs the kernel the same whoever answers, and the slower the machine is at that, the less of a
    difference the answer can make.
    """
    if goal.against in ("c", "c-memory") or "c-memory" not in measured.samples:
        return None
    return measured.ratio("c-memory", goal.against)


def _goal_table(
    goals: Sequence[tuple[Goal, Spread]], measured: Mapping[str, Measured], findings: Sequence[Finding]
) -> str:
    rows = []
    for goal, ratio in goals:
        case = measured[goal.case].case
        place = "" if case.setting == PINNED else f" ({case.setting})"
        rows.append(
            [
                f"{case.title}{place}",
                CONTESTANTS[goal.subject].title,
                f"times {CONTESTANTS[goal.against].title}",
                _with_spread(ratio),
                # under a busy GIL the few operations that wait are what it is about
                _figure(measured[goal.case].latency_ratio(goal.subject, goal.against))
                if case.setting != BUSY
                else "",
                _figure(goal.figure),
                "yes" if ratio.median >= goal.figure else "**no**",
                _figure(ceiling.median) if (ceiling := _ceiling(goal, measured[goal.case])) else "",
            ]
        )
    for finding in findings:
        if finding.goal:
            met = {True: "yes", False: "**no**", None: ""}[finding.met]
            rows.append([finding.title, "", "", finding.value, "", finding.goal, met, ""])
    return _table(
        ["what", "who", "measured as", "reached", "by median time", "goal", "met", "C from memory"], rows
    )


def _rate(spread: Spread) -> str:
    return f"{spread.median:,.0f}"


def _case_table(measured: Measured) -> str:
    keys = list(measured.samples)
    head = ["", "per second", "quartiles", "median us", "p99 us", "server CPU us"]
    references = [key for key in ("c", "c-memory", "pyfuse3") if key in keys]
    head += [f"/ {CONTESTANTS[key].title}" for key in references]
    rows = []
    for key in keys:
        samples = measured.samples[key]
        rate = measured.rate(key)
        rows.append(
            [
                CONTESTANTS[key].title,
                _rate(rate),
                f"{rate.low:,.0f}-{rate.high:,.0f}",
                f"{Spread.of([sample.median_us for sample in samples]).median:.1f}",
                f"{Spread.of([sample.p99_us for sample in samples]).median:.1f}",
                f"{measured.server_us(key):.1f}",
                *(_figure(measured.ratio(key, reference).median) for reference in references),
            ]
        )
    return f"### {measured.case.title}\n\n{_table(head, rows)}"
