"""Figures that are no ratio of two requests: start-up, cold walks, a million files, many handles, changes in
a row.

Each function measures one thing and returns findings for the report.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import building, content
from benchmarks.contestants import CONTESTANTS
from benchmarks.measuring import run_load
from benchmarks.mounted import Server, ServerError
from benchmarks.report import Finding

IMPORT_GOAL_MS = 60
NODE_GOAL_BYTES = 600
FLAT_GOAL = (
    1.3  # a look-up among a million may cost this many times one among 10,000, beyond what the kernel adds
)
FORGET_SECONDS = 60.0
HANDLES_PER_CLIENT = 10_000

Progress = Callable[[str], None]


def quiet(text: str) -> None:
    """Progress that nobody reads."""


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    """A folder in memory, where there is one: the disk is not what is measured."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fusetree-bench-", dir=place) as folder:
        yield Path(folder)


# -------------------------------------------------------------------------------------------------- start-up


def importing(rounds: int = 7) -> list[Finding]:
    """How long `import fusetree` takes by `python -X importtime`, and whether it loads what it should not.

    As for everybody but the first who imports it: the byte code lies there.
    """
    times = []
    with _temporary() as folder:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = str(folder)
        for _ in range(rounds + 1):
            done = subprocess.run(
                [sys.executable, "-X", "importtime", "-c", "import fusetree"],
                capture_output=True,
                text=True,
                check=True,
                cwd=building.PROJECT,
                env=env,
            )
            lines = [line for line in done.stderr.splitlines() if line.rstrip().endswith("| fusetree")]
            times.append(int(lines[-1].split("|")[1]) / 1000)
    del times[0]  # which compiled
    check = "import fusetree, sys; print(*(m for m in ('asyncio', 'trio', 'cattrs') if m in sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=building.PROJECT
    ).stdout.split()
    milliseconds = statistics.median(times)
    return [
        Finding(
            "import fusetree",
            f"{milliseconds:.1f} ms",
            f"under {IMPORT_GOAL_MS} ms",
            milliseconds < IMPORT_GOAL_MS,
        ),
        Finding(
            "event loops and cattrs loaded by import fusetree",
            ", ".join(loaded) or "none",
            "none",
            not loaded,
        ),
    ]


# ------------------------------------------------------------------------------------------------ cold walks


def _timed(command: list[str], core: int) -> float:
    """Seconds that *command* takes on *core*."""
    begun = time.perf_counter()
    done = subprocess.run(["taskset", "-c", str(core), *command], capture_output=True, text=True, check=False)
    taken = time.perf_counter() - begun
    # grep says 1 when it finds nothing, which is what we ask it for
    if done.returncode > (1 if command[0] == "grep" else 0) or done.stderr:
        raise ServerError(f"{' '.join(command[:2])}: {done.stderr.strip()[:200]}")
    return taken


def _cold(key: str, source: str, command: Sequence[str], core: int) -> float:
    """Seconds that *command* takes on a mount that the kernel has not seen before."""
    with Server(CONTESTANTS[key], source, {core}) as server:
        return _timed([part.format(top=server.mountpoint) for part in command], core)


WALKS = {"find": ["find", "{top}", "-size", "+1000k"], "grep -r": ["grep", "-r", "no such text", "{top}"]}


def cold_walks(core: int, files: int = 100_000, rounds: int = 3, progress: Progress = quiet) -> list[Finding]:
    """`find` with a stat of each file, and `grep -r`, over a tree that the kernel has never seen.

    passthrough_ll keeps a descriptor open for each inode, and looks for inodes in a list: it is walked over
    as many of the files as the limit of open files lets it, and ours beside it over the same.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    few = min(files, (limit - 500) // 1000 * 1000)
    findings = []
    for count, keys in ((few, ("c", "c-memory", "cached")), (files, ("c-memory", "cached"))):
        times: dict[tuple[str, str], list[float]] = {(tool, key): [] for tool in WALKS for key in keys}
        with _temporary() as folder:
            content.write(content.synthetic(count // 1000, 1000), folder / "source")
            for number in range(rounds):
                for tool, command in WALKS.items():
                    for key in keys:
                        progress(f"cold {tool} over {count:,} files: {key}, round {number + 1} of {rounds}")
                        times[tool, key].append(_cold(key, str(folder / "source"), command, core))
        for tool in WALKS:
            seconds = {key: statistics.median(times[tool, key]) for key in keys}
            told = ", ".join(f"{CONTESTANTS[key].title} {seconds[key]:.2f} s" for key in keys)
            ratio = seconds[keys[0]] / seconds["cached"]
            title = f"cold {tool} over {count:,} declared files, times {CONTESTANTS[keys[0]].title}"
            goal = "1.00" if keys[0] == "c" else ""
            findings.append(Finding(title, f"{ratio:.2f} ({told})", goal, ratio >= 1 if goal else None))
        if few == files:
            break
    return findings


# -------------------------------------------------------------------------------------------------- a million


def _walk(server: Server, core: int) -> dict[str, Any]:
    return run_load(
        ["walk", server.mountpoint, "--once", "--cpu", str(core), "--server", str(server.pid)], 600
    )


def _cost(walked: dict[str, Any], count: int) -> float:
    """Microseconds for one file of a cold walk over *count* of them."""
    if walked["operations"] != count + count // 1000:
        raise ServerError(f"a walk over {count:,} files visited {walked['operations']:,}")
    return float(walked["seconds"] / walked["operations"] * 1e6)


def _drop_caches() -> bool:
    try:
        Path("/proc/sys/vm/drop_caches").write_text("2")
    except PermissionError:
        return False
    return True


def _wait_forgotten(server: Server) -> dict[str, int]:
    """The table's numbers once the kernel has let go of all that it need not keep."""
    deadline = time.monotonic() + FORGET_SECONDS
    while True:
        _drop_caches()
        numbers: dict[str, int] = server.ask("statistics")
        if numbers["entries"] <= 4 or time.monotonic() > deadline:
            return numbers


def million(core: int, files: int = 1_000_000, progress: Progress = quiet) -> list[Finding]:
    """Memory for each node of a large declared tree, cost of a look-up, and what is left after forget."""
    findings = []
    sizes = (files // 100, files // 10, files)
    cost: dict[tuple[str, int], float] = {}
    progress("a tree of one file, for comparison")
    with Server(CONTESTANTS["cached"], "synthetic:1x1", {core}) as server:
        _walk(server, core)
        empty = server.ask("collect")
    for count in sizes:
        progress(f"{count:,} declared files")
        source = f"synthetic:{count // 1000}x1000"
        with Server(CONTESTANTS["c-memory-cached"], source, {core}) as server:
            cost["c", count] = _cost(_walk(server, core), count)
        with Server(CONTESTANTS["cached"], source, {core}) as server:
            made = server.ask("collect")
            cost["ours", count] = _cost(_walk(server, core), count)
            if count == files:
                findings += _memory_of(server, count, empty, made)
                findings.append(_found(server, count))
    growth = {who: cost[who, sizes[-1]] / cost[who, sizes[0]] for who in ("ours", "c")}
    told = "; ".join(
        f"{count:,}: {cost['ours', count]:.1f} us, C {cost['c', count]:.1f} us" for count in sizes
    )
    findings.append(
        Finding(
            f"cold walk, a file of {sizes[-1]:,} over one of {sizes[0]:,}, as a multiple of C from memory",
            f"{growth['ours'] / growth['c']:.2f} ({told})",
            f"at most {FLAT_GOAL}",
            growth["ours"] / growth["c"] <= FLAT_GOAL,
        )
    )
    return findings


def _found(server: Server, count: int) -> Finding:
    """`find | wc -l`, as a person would look: cold where the kernel could be made to forget."""
    begin = time.perf_counter()
    with subprocess.Popen(["find", server.mountpoint, "-type", "f"], stdout=subprocess.PIPE) as find:
        found = int(subprocess.run(["wc", "-l"], stdin=find.stdout, capture_output=True, check=True).stdout)
    seconds = time.perf_counter() - begin
    how = "cold" if os.geteuid() == 0 else "warm"
    return Finding(
        f"find | wc -l over {count:,} declared files, {how}",
        f"{found:,} in {seconds:.1f} s",
        f"{count:,}",
        found == count,
    )


def _memory_of(server: Server, count: int, empty: int, made: int) -> list[Finding]:
    """What *count* files take in memory while the kernel knows them all, and after it has forgotten them."""
    each = (server.ask("collect") - empty) / count
    findings = [
        Finding(
            f"memory of {count:,} declared files, all told",
            f"{each:.0f} bytes a node",
            f"under {NODE_GOAL_BYTES}",
            each < NODE_GOAL_BYTES,
        ),
        Finding(
            "of these, for the nodes before the kernel has seen one",
            f"{(made - empty) / count:.0f} bytes a node",
        ),
    ]
    if os.geteuid() != 0:
        return findings  # only root can make the kernel forget
    numbers = _wait_forgotten(server)
    left = ", ".join(f"{name} {number}" for name, number in numbers.items() if number)
    findings.append(
        Finding(
            "inode table after the kernel forgot them",
            f"{numbers['entries']} entries ({left})",
            "at most 4",
            numbers["entries"] <= 4,
        )
    )
    findings.append(
        Finding("memory kept after that", f"{(server.ask('collect') - empty) / count:.0f} bytes a node")
    )
    return findings


# ---------------------------------------------------------------------------------------------------- handles

OPENER = """
import os, resource, sys, time
top, count = sys.argv[1], int(sys.argv[2])
_, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
begun = time.perf_counter()
handles = [os.open(f"{top}/d{n // 1000 % 10}/f{n % 1000}", os.O_RDONLY) for n in range(count)]
print(time.perf_counter() - begun, flush=True)
sys.stdin.read()
"""


def handles(count: int = 30_000, progress: Progress = quiet) -> list[Finding]:
    """Many files open at once: how fast they are opened, and that no handle is left when they are closed."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    each = min(HANDLES_PER_CLIENT, limit - 100)
    clients = -(-count // each)
    progress(f"{count:,} open handles")
    with (
        Server(CONTESTANTS["published"], "synthetic:10x1000", os.sched_getaffinity(0)) as server,
        contextlib.ExitStack() as stack,
    ):
        seconds = 0.0
        processes = []
        for _ in range(clients):
            process = subprocess.Popen(
                [sys.executable, "-c", OPENER, server.mountpoint, str(each)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            processes.append(process)
            assert process.stdout is not None
            seconds += float(process.stdout.readline())
        held = server.ask("statistics")["handles"]
        for process in processes:
            process.communicate("")
        deadline = time.monotonic() + FORGET_SECONDS
        while (left := server.ask("statistics")["handles"]) and time.monotonic() < deadline:
            pass
    opened = each * clients
    return [
        Finding(
            f"opening {opened:,} files that stay open",
            f"{opened / seconds:,.0f} a second, {held:,} handles held",
        ),
        Finding("handles left after they were closed", f"{left}", "0", left == 0),
    ]


# --------------------------------------------------------------------------------------------------- changes


def rates(seconds: float = 2.0, progress: Progress = quiet) -> list[Finding]:
    """What a setter costs its program, and how many children a second can be added; see rates.py."""
    progress("setters and additions")
    with tempfile.TemporaryDirectory(prefix="fusetree-bench-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.rates", folder, "--seconds", str(seconds)],
            capture_output=True,
            text=True,
            check=False,
            cwd=building.PROJECT,
            timeout=300,
        )
    if done.returncode:
        raise ServerError(f"rates: {done.stderr.strip().splitlines()[-1:]}")
    result = json.loads(done.stdout)
    findings = [
        Finding(f"value += 1, a million times: {label}", f"{cost:.0f} ns each")
        for label, cost in result["setters"].items()
    ]
    lowest = min(result["additions"].values())
    for label, rate in result["additions"].items():
        findings.append(Finding(f"children added: {label}", f"{rate:,.0f} a second"))
    findings.append(
        Finding(
            "children added under load, the slowest of these",
            f"{lowest:,.0f} a second",
            "over 2000",
            lowest > 2000,
        )
    )
    return findings
