"""Interleaved rounds: in each, every contestant of a case runs once, so that what disturbs the machine
disturbs all.

A ratio is the median of the ratios of the rounds, never a ratio of medians: the two runs of a pair follow
each other within a second, and what slows the machine for longer than that drops out.  Every second round
goes backwards through the contestants.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks import building
from benchmarks.cases import BUSY, PINNED, Case
from benchmarks.mounted import Server, ServerError

LOAD_SLACK = 60.0  # seconds that a run may take beyond its time before it is given up


@dataclasses.dataclass(frozen=True)
class Sample:
    """One run of the load generator."""

    rate: float  # operations per second
    bytes_per_second: float
    median_us: float
    p99_us: float
    operations: int
    seconds: float
    server_seconds: float  # CPU of the server's process

    @property
    def server_us(self) -> float:
        """The server's CPU in microseconds for one operation, as exact as clock ticks allow."""
        return self.server_seconds / self.operations * 1e6 if self.operations else 0.0


@dataclasses.dataclass(frozen=True)
class Spread:
    """A median with the quarter below and above which a quarter of the values lies."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high)


@dataclasses.dataclass
class Measured:
    """What a case came to: the samples of each contestant, one for each round."""

    case: Case
    samples: dict[str, list[Sample]] = dataclasses.field(default_factory=dict)

    def rate(self, key: str) -> Spread:
        return Spread.of([sample.rate for sample in self.samples[key]])

    def ratio(self, key: str, against: str) -> Spread:
        """How many times *against*'s rate *key* reached, round by round."""
        pairs = zip(self.samples[key], self.samples[against], strict=True)
        return Spread.of([one.rate / other.rate for one, other in pairs])

    def latency_ratio(self, key: str, against: str) -> float:
        """The same of the median times of one operation, in which what interrupts a few does not show."""
        pairs = zip(self.samples[key], self.samples[against], strict=True)
        return statistics.median(other.median_us / one.median_us for one, other in pairs)

    def best_ratio(self, key: str, against: str) -> float:
        """The best round of *key* against the best of *against*: what noise alone cannot make worse."""
        return max(sample.rate for sample in self.samples[key]) / max(
            sample.rate for sample in self.samples[against]
        )

    def server_us(self, key: str) -> float:
        return statistics.median(sample.server_us for sample in self.samples[key])

    def as_json(self) -> dict[str, Any]:
        return {
            "case": dataclasses.asdict(self.case),
            "samples": {
                key: [dataclasses.asdict(sample) for sample in samples]
                for key, samples in self.samples.items()
            },
        }


def run_load(arguments: Sequence[str], seconds: float) -> dict[str, Any]:
    """Run the load generator once and return what it prints."""
    command = [str(building.load()), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.communicate(timeout=seconds + LOAD_SLACK)
    except BaseException:
        process.kill()  # its clients die with it
        process.wait()
        raise
    if process.returncode:
        raise ServerError(f"{' '.join(arguments[:2])}: {err.strip()}")
    result: dict[str, Any] = json.loads(out)
    return result


def sample(server: Server, case: Case, core: int, seconds: float, warmup: float) -> Sample:
    """Run *case* on *server* once."""
    arguments = [
        case.operation, server.mountpoint, "--clients", str(case.clients), "--seconds", str(seconds),
        "--warmup", str(warmup), "--size", str(case.size), "--order", case.order, "--server", str(server.pid),
    ]  # fmt: skip
    if case.setting == PINNED:
        arguments += ["--cpu", str(core)]
    if case.setting == BUSY:
        server.resume()
    try:
        result = run_load(arguments, seconds + warmup)
    finally:
        if case.setting == BUSY:
            server.pause()
    return Sample(
        rate=result["operations_per_second"],
        bytes_per_second=result["bytes_per_second"],
        median_us=result["median_us"],
        p99_us=result["p99_us"],
        operations=result["operations"],
        seconds=result["seconds"],
        server_seconds=result["server_user_seconds"] + result["server_system_seconds"],
    )


def interleave(
    case: Case,
    servers: Mapping[str, Server],
    *,
    rounds: int,
    seconds: float,
    warmup: float = 0.05,
    core: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Measured:
    """Run *case* on each of *servers* that takes part in it, *rounds* times in turn."""
    core = max(os.sched_getaffinity(0)) if core is None else core
    keys = [key for key in case.contestants if key in servers]
    measured = Measured(case, {key: [] for key in keys})
    for number in range(rounds):
        for key in keys if number % 2 == 0 else reversed(keys):
            progress(f"{case.title}: {key}, round {number + 1} of {rounds}")
            measured.samples[key].append(sample(servers[key], case, core, seconds, warmup))
    return measured
