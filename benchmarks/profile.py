"""Where a server's time goes: `python -m benchmarks.profile SERVER OPERATION [--tool perf|callgrind|stat]`.

Starts one server of the benchmarks on one core, puts it under load from there, and runs a profiler on it:

    perf        samples of where the server is, kernel included (needs linux-perf, and permission to use it)
    callgrind   every instruction of the server's own code, in a simulation (needs valgrind; very slow)
    stat        context switches, system calls and, where the machine shows them, cycles of one operation

What it writes is kept below `build/bench/profile`; docs/how-to/profiling.md says how to read it.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import building, content
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.measuring import run_load
from benchmarks.mounted import Server

FOLDER = building.BUILD / "profile"


def _need(program: str, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise SystemExit(f"{program} is not installed (Debian: {package})")
    return found


def _load(server: Server, arguments: argparse.Namespace, core: int) -> dict[str, Any]:
    return run_load(
        [
            arguments.operation, server.mountpoint, "--seconds", str(arguments.seconds), "--warmup", "0",
            "--size", str(arguments.size), "--cpu", str(core), "--server", str(server.pid),
        ],
        arguments.seconds,
    )  # fmt: skip


def _perf(server: Server, arguments: argparse.Namespace, core: int) -> None:
    """Sample the server while it is under load, and show where it was most often."""
    perf = _need("perf", "linux-perf")
    data = FOLDER / f"{arguments.server}-{arguments.operation}.perf"
    command = [perf, "record", "-q", "-F", "4999", "-g", "-p", str(server.pid), "-o", str(data)]
    with subprocess.Popen(command) as recording:
        print(_load(server, arguments, core))
        recording.send_signal(signal.SIGINT)
    report = [
        perf,
        "report",
        "-i",
        str(data),
        "--stdio",
        "--no-children",
        "-g",
        "none",
        "--percent-limit",
        "0.7",
    ]
    subprocess.run(report, check=False, stderr=subprocess.DEVNULL)
    print(f"call graphs: perf report -i {data}", file=sys.stderr)


def _stat(server: Server, arguments: argparse.Namespace, core: int) -> None:
    """Count events of the server's threads, for one operation."""
    perf = _need("perf", "linux-perf")
    events = (
        "task-clock,context-switches,cpu-migrations,page-faults,cycles,instructions,raw_syscalls:sys_enter"
    )
    command = [perf, "stat", "-x", ",", "-e", events, "-p", str(server.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as counting:
        result = _load(server, arguments, core)
        counting.send_signal(signal.SIGINT)
        _out, err = counting.communicate()
    print(result)
    for line in err.splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[0].replace(".", "", 1).isdigit():
            print(f"{fields[2]:28} {float(fields[0]) / result['operations']:12.3f} {fields[1]} an operation")


def _callgrind(contestant: Contestant, source: str, arguments: argparse.Namespace, core: int) -> None:
    """Run the server in valgrind's simulation, count only while it is under load, and show what cost most."""
    valgrind, annotate = _need("valgrind", "valgrind"), _need("callgrind_annotate", "valgrind")
    data = FOLDER / f"{arguments.server}-{arguments.operation}.callgrind"
    simulated = [valgrind, "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={data}"]

    def command(source: str, mountpoint: str, threads: bool, burn: bool) -> list[str]:
        return [*simulated, *contestant.command(source, mountpoint, threads, burn)]

    with Server(dataclasses.replace(contestant, command=command), source, {core}) as server:
        _load(server, arguments, core)  # imports and first times are not what is asked for
        control = [_need("callgrind_control", "valgrind"), "-i"]
        subprocess.run([*control, "on", str(server.pid)], check=True, stdout=subprocess.DEVNULL)
        print(_load(server, arguments, core))
        subprocess.run([*control, "off", str(server.pid)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([annotate, "--threshold=90", str(data)], check=False)
    print(f"call graphs: kcachegrind {data}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile")
    parser.add_argument("server", choices=list(CONTESTANTS))
    parser.add_argument(
        "operation", help="as in load.c: stat, fstat, open-read-close, read, write, readdir, ..."
    )
    parser.add_argument("--tool", choices=("perf", "callgrind", "stat"), default="perf")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--size", type=int, default=4096, help="bytes of a read or write")
    arguments = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    FOLDER.mkdir(parents=True, exist_ok=True)
    contestant = CONTESTANTS[arguments.server]
    with tempfile.TemporaryDirectory(prefix="fusetree-bench-") as folder:
        source = Path(folder) / "source"
        content.write(content.standard(), source)
        if arguments.tool == "callgrind":
            _callgrind(contestant, str(source), arguments, core)
            return
        with Server(contestant, str(source), {core}) as server:
            server.verify(content.load(str(source)))
            {"perf": _perf, "stat": _stat}[arguments.tool](server, arguments, core)


if __name__ == "__main__":
    main()
