"""`python -m benchmarks`, which is `make bench`: measures, prints tables, keeps them in `build/bench`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import building, content, machine, plots, scale
from benchmarks.cases import BUSY, CASES, FREE, PINNED, SETTINGS, Case
from benchmarks.contestants import CONTESTANTS
from benchmarks.measuring import interleave
from benchmarks.mounted import Server, ServerError
from benchmarks.report import Report

EXTRAS = {
    "import": "how long `import fusetree` takes",
    "cold": "find and grep -r over 100,000 files",
    "million": "memory and look-ups of a million files",
    "handles": "tens of thousands of open handles",
    "rates": "setters and additions in a row",
}


def progress(text: str) -> None:
    """Say what is being done, on one line of a terminal or, elsewhere, nowhere."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:100]}", end="", file=sys.stderr, flush=True)


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures fusetree beside libfuse's C programs and other bindings.",
        epilog="Rows: " + ", ".join([*(case.key for case in CASES), *EXTRAS]),
    )
    parser.add_argument(
        "--quick", action="store_true", help="few rows, few rounds: two minutes instead of half an hour"
    )
    parser.add_argument("--rows", default="", metavar="ROW,...", help="only these; a name may end in *")
    parser.add_argument("--only", default="", metavar="WHO,...", help="only these: " + ", ".join(CONTESTANTS))
    parser.add_argument("--rounds", type=int, help="rounds of each row (9; quick: 3)")
    parser.add_argument("--seconds", type=float, help="length of one run (0.4; quick: 0.2)")
    parser.add_argument("--core", type=int, help="the core that client and server are pinned to (the last)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where all samples go (build/bench/report.json)"
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="where the tables go (build/bench/report.md)"
    )
    parser.add_argument(
        "--plots", type=Path, metavar="FOLDER", help="draw bar charts into this folder; needs matplotlib"
    )
    parser.add_argument("--list", action="store_true", help="say which rows there are, and end")
    arguments = parser.parse_args(given)
    arguments.rounds = arguments.rounds or (3 if arguments.quick else 9)
    arguments.seconds = arguments.seconds or (0.2 if arguments.quick else 0.4)
    return arguments


def _wanted(key: str, rows: Sequence[str]) -> bool:
    return any(key == row or (row.endswith("*") and key.startswith(row[:-1])) for row in rows)


def _chosen(arguments: argparse.Namespace) -> tuple[list[Case], list[str]]:
    rows = [row for row in arguments.rows.split(",") if row]
    if rows:
        cases = [case for case in CASES if _wanted(case.key, rows)]
        extras = [key for key in EXTRAS if _wanted(key, rows)]
        if not cases and not extras:
            raise SystemExit(f"no row is called {arguments.rows}; --list names them")
        return cases, extras
    if arguments.quick:
        return [case for case in CASES if case.quick], ["import"]
    return list(CASES), list(EXTRAS)


class Bench:
    """One run: the servers of one setting after the other, and what comes out."""

    def __init__(self, arguments: argparse.Namespace, report: Report) -> None:
        self._arguments = arguments
        self._report = report
        self._core = max(os.sched_getaffinity(0)) if arguments.core is None else arguments.core

    def _servers(
        self, stack: contextlib.ExitStack, setting: str, source: str, cases: Sequence[Case]
    ) -> dict[str, Server]:
        """The servers that *cases* need, started and checked; the report notes which cannot be had."""
        only = [key for key in self._arguments.only.split(",") if key]
        needed = dict.fromkeys(key for case in cases for key in case.contestants if not only or key in only)
        cores = {self._core} if setting == PINNED else os.sched_getaffinity(0)
        tree = content.load(source)
        servers = {}
        for key in needed:
            progress(f"starting {key}, {SETTINGS[setting]}")
            server = Server(CONTESTANTS[key], source, cores, threads=setting == FREE, burn=setting == BUSY)
            try:
                stack.enter_context(server)
                server.verify(tree)
            except (building.UnavailableError, ServerError) as why:
                self._report.missing[key] = str(why)
                continue
            if setting == BUSY:
                server.pause()
            servers[key] = server
        return servers

    def measure(self, cases: Sequence[Case]) -> None:
        """Run *cases*, setting by setting."""
        for setting in SETTINGS:
            here = [case for case in cases if case.setting == setting]
            if not here:
                continue
            # passthrough_ll writes where it reads, so each setting has a source of its own
            with contextlib.ExitStack() as stack:
                folder = Path(stack.enter_context(_in_memory()))
                content.write(content.standard(), folder / "source")
                servers = self._servers(stack, setting, str(folder / "source"), here)
                for case in here:
                    able = {
                        key: server
                        for key, server in servers.items()
                        if case.operation in server.contestant.operations
                    }
                    if len(able) < 1:
                        continue
                    try:
                        self._report.measured[case.key] = interleave(
                            case,
                            able,
                            rounds=self._arguments.rounds,
                            seconds=self._arguments.seconds,
                            core=self._core,
                            progress=progress,
                        )
                    except ServerError as failure:
                        self._report.missing[case.key] = str(failure)

    def measure_extras(self, extras: Sequence[str]) -> None:
        """What is no request: see scale.py."""
        jobs: dict[str, Any] = {
            "import": scale.importing,
            "cold": lambda: scale.cold_walks(self._core, progress=progress),
            "million": lambda: scale.million(self._core, progress=progress),
            "handles": lambda: scale.handles(progress=progress),
            "rates": lambda: scale.rates(progress=progress),
        }
        for key in extras:
            try:
                self._report.findings += jobs[key]()
            except (building.UnavailableError, ServerError) as failure:
                self._report.missing[key] = str(failure)


def _pictures(report: Report, folder: Path | None, seen_from: Path) -> dict[str, str]:
    """The plots, if they were asked for and matplotlib is there, as paths from the folder *seen_from*."""
    if folder is None:
        return {}
    try:
        drawn = plots.draw(report, folder)
    except ImportError:
        print("no plots: matplotlib is not installed (pip install 'fusetree[bench]')", file=sys.stderr)
        return {}
    return {setting: os.path.relpath(path, seen_from) for setting, path in drawn.items()}


def _in_memory() -> tempfile.TemporaryDirectory[str]:
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="fusetree-bench-", dir=place)


def _interrupted(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print and keep; exit status 1 if nothing could be measured."""
    arguments = _arguments(given)
    if arguments.list:
        for case in CASES:
            print(f"{case.key:22} {case.title} ({SETTINGS[case.setting]})")
        for key, text in EXTRAS.items():
            print(f"{key:22} {text}")
        return 0
    cases, extras = _chosen(arguments)
    signal.signal(signal.SIGTERM, _interrupted)  # ended from outside, it cleans up as after Ctrl-C
    how = f"{arguments.rounds} interleaved rounds of {arguments.seconds} s for each row."
    report = Report(machine.describe(), how)
    bench = Bench(arguments, report)
    try:
        bench.measure(cases)
        bench.measure_extras(extras)
    except KeyboardInterrupt:
        print("\ninterrupted; what was measured until then:", file=sys.stderr)
    progress("")
    report.machine = {**report.machine, **machine.bindings()}
    markdown = arguments.markdown or building.BUILD / "report.md"
    text = report.as_markdown(_pictures(report, arguments.plots, markdown.parent))
    print(text)
    for path, written in (
        (markdown, text),
        (arguments.json or building.BUILD / "report.json", json.dumps(report.as_json(), indent=1)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written)
    return 0 if report.measured or report.findings else 1


if __name__ == "__main__":
    sys.exit(main())
