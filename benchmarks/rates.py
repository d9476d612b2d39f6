"""Changes in a row: `python -m benchmarks.rates MOUNTPOINT [--seconds S]` mounts a tree there, changes it,
prints JSON.

It is a program of its own because what is measured is the program that owns the tree: what a setter costs it,
and how many children a second it can add, while clients read what it changes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from typing import Any

import attrs

from fusetree import Dir, File, entry, mount, node

ROUNDS = 1_000_000

# A client that reads what changes, until it is ended: it says "ready" after the first visit.
READER = """
import os, sys
first = True
while True:
    {visit}
    if first:
        print("ready", flush=True)
        first = False
"""


class Reader:
    """A process that runs *visit* over and over; ended at the end of the `with` block."""

    def __init__(self, visit: str) -> None:
        self._visit = visit

    def __enter__(self) -> Reader:
        self._process = subprocess.Popen(
            [sys.executable, "-c", READER.format(visit=self._visit)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the reader failed")
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def _set_many(counter: Any, rounds: int) -> float:
    """Nanoseconds for one `counter.value += 1`."""
    begun = time.perf_counter_ns()
    for _ in range(rounds):
        counter.value += 1
    return (time.perf_counter_ns() - begun) / rounds


def setters(mountpoint: str, rounds: int) -> dict[str, float]:
    """What a setter costs: not mounted, mounted and never looked at, looked at once, read all the time."""

    class Plain:
        __slots__ = ("value",)

        def __init__(self) -> None:
            self.value = 0

    @attrs.define
    class Attrs:
        value: int = 0

    @node
    class Counter(Dir):
        value: int = entry(0)

    counter = Counter()
    costs = {"plain attribute": _set_many(Plain(), rounds), "attrs class": _set_many(Attrs(), rounds)}
    costs["not mounted"] = _set_many(counter, rounds)
    path = os.path.join(mountpoint, "counter", "value")
    with mount({"counter": counter}, mountpoint):
        costs["mounted, unseen"] = _set_many(counter, rounds)
        with open(path, encoding="ascii") as file:
            file.read()
        costs["mounted, seen once"] = _set_many(counter, rounds)
        with Reader(f"open({path!r}).read()"):
            costs["mounted, read all the time"] = _set_many(counter, rounds)
        with open(path, encoding="ascii") as file:
            assert int(file.read()) == counter.value, "a reader got an old value"
    return costs


def _add_for(directory: Any, seconds: float) -> float:
    """Children added a second to *directory*."""
    added = 0
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        for _ in range(10):  # a look at the clock costs as much as a child
            directory[f"child{added}"] = File(b"new\n")
            added += 1
    return added / (time.perf_counter() - begun)


def additions(mountpoint: str, seconds: float) -> dict[str, float]:
    """Children added a second to a directory that a client lists, or in which it looks for names."""
    rates = {}
    for label, visit in (
        ("nobody looks", ""),
        ("a client lists the directory", "os.listdir({path!r})"),
        ("a client looks for a name that is not there", "os.path.exists({path!r} + '/missing')"),
    ):
        directory = Dir()
        path = os.path.join(mountpoint, "dir")
        with mount({"dir": directory}, mountpoint):
            with Reader(visit.format(path=path)) if visit else contextlib.nullcontext():
                rates[label] = _add_for(directory, seconds)
            assert len(os.listdir(path)) == len(directory), "the directory lists other children than it has"
    return rates


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mountpoint")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    result = {
        "setters": setters(arguments.mountpoint, arguments.rounds),
        "additions": additions(arguments.mountpoint, arguments.seconds),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
