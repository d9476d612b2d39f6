"""Whether a server that runs for long grows: `python -m benchmarks.soak [--minutes M] [--only WHO,...]`.

Each server is used without a pause, by clients in processes of their own; meanwhile its resident memory,
descriptors and threads are looked at. The first tenth of the time is for warming up. Prints a table; ends
with status 1 when a server has grown by more than the table's tolerance.

    passthrough    examples/passthrough.py, used by the list of POSIX checks: every operation of files
    sqlite         examples/sqlite_fs.py, the same
    declared       a tree that its program changes all the time, used by readers and writers
    devices        ioctl, poll, flock, notifications
    asyncio        coroutines that wait, and are interrupted
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import building
from benchmarks.mounted import is_mounted

SAMPLES = 60
WARM_UP = 0.1  # of the time
MEMORY_TOLERANCE = 0.05  # of the memory after warming up ...
MEMORY_SLACK = 2 << 20  # ... and this many bytes: an allocator's pools
DESCRIPTOR_TOLERANCE = 3  # requests that are being handled at the moment of the look

_POSIX = """
import io, sys
from fusetree.testing.posix import checks, run
while True:
    for _ in run(sys.argv[1], checks): pass
"""

_TREE = """
import contextlib, json, os, random, sys
top = sys.argv[1]
while True:
    for name in os.listdir(top):
        path = os.path.join(top, name)
        with contextlib.suppress(OSError):
            os.stat(path)
            os.listdir(path) if os.path.isdir(path) else open(path, "rb").read()
    with contextlib.suppress(OSError):
        open(top + "/setting", "w").write(random.choice("abc"))
        open(top + "/document", "w").write(json.dumps({"a": random.randrange(9)}))
        open(top + "/act", "w").write(random.choice(["good", "bad"]))
    with contextlib.suppress(OSError):
        open(top + "/counter", "w").write("not a number")
"""

_DEVICE = """
import contextlib, fcntl, os, select, sys
while True:
    with open(sys.argv[1] + "/file", "rb") as file:
        fcntl.ioctl(file, ord("f") << 8 | 4)
        poll = select.poll()
        poll.register(file, select.POLLIN)
        poll.poll(20)
        for operation in (fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_EX | fcntl.LOCK_NB):
            with contextlib.suppress(OSError):
                fcntl.flock(file, operation)
"""

_SLOW = """
import contextlib, os, signal, sys, threading
class Late(Exception): pass
def late(*_): raise Late
signal.signal(signal.SIGALRM, late)
fd = os.open(sys.argv[1] + "/file", os.O_RDONLY)
while True:
    os.pread(fd, 1, 1)
    signal.setitimer(signal.ITIMER_REAL, 0.005)
    with contextlib.suppress(Late):
        os.pread(fd, 1, 60_000)
        raise SystemExit("a read of a minute came back")
"""


@dataclasses.dataclass(frozen=True)
class Soaked:
    """One server and what its clients do; `command(mountpoint, source)` starts it."""

    key: str
    command: Callable[[str, str], list[str]]
    client: str
    clients: int = 2


def _ours(mode: str) -> Callable[[str, str], list[str]]:
    return lambda mountpoint, source: ["-m", "benchmarks.servers.soaking", mode, mountpoint]


SERVERS = (
    Soaked("passthrough", lambda mnt, source: ["examples/passthrough.py", source, mnt], _POSIX, 1),
    Soaked("sqlite", lambda mnt, source: ["examples/sqlite_fs.py", mnt], _POSIX, 1),
    Soaked("declared", _ours("declared"), _TREE),
    Soaked("devices", _ours("devices"), _DEVICE),
    Soaked("asyncio", _ours("asyncio"), _SLOW, 4),
)


@dataclasses.dataclass(frozen=True)
class Sample:
    """What a process has: bytes, descriptors, threads."""

    memory: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Sample:
        """What process *pid* has now."""
        folder = Path(f"/proc/{pid}")
        memory = int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        return cls(memory, len(os.listdir(folder / "fd")), len(os.listdir(folder / "task")))


@contextlib.contextmanager
def _process(arguments: Sequence[str], end: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, *arguments], cwd=building.PROJECT, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(end)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _serving(soaked: Soaked) -> Iterator[tuple[int, str]]:
    """Within, *soaked* serves: its process id and its mountpoint."""
    with tempfile.TemporaryDirectory(prefix="fusetree-soak-") as folder:
        mountpoint, source = (os.path.join(os.path.realpath(folder), name) for name in ("mnt", "source"))
        os.mkdir(mountpoint)
        os.mkdir(source)
        os.chmod(source, 0o777)
        try:
            with _process(soaked.command(mountpoint, source), signal.SIGTERM) as server:
                deadline = time.monotonic() + 30
                while not is_mounted(mountpoint):
                    if server.poll() is not None or time.monotonic() > deadline:
                        raise SystemExit(f"{soaked.key} does not serve")
                    time.sleep(0.05)
                yield server.pid, mountpoint
        finally:
            if is_mounted(mountpoint):
                subprocess.run(["umount", "-l", mountpoint], check=False)


def soak(soaked: Soaked, seconds: float) -> list[Sample]:
    """Use *soaked* for so long; what its process had from time to time, warm-up left out."""
    with _serving(soaked) as (pid, mountpoint), contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(_process(["-c", soaked.client, mountpoint], signal.SIGKILL))
            for _ in range(soaked.clients)
        ]
        time.sleep(seconds * WARM_UP)
        samples = []
        for _ in range(SAMPLES):
            samples.append(Sample.of(pid))
            time.sleep(seconds * (1 - WARM_UP) / SAMPLES)
            if any(client.poll() is not None for client in clients):
                raise SystemExit(f"a client of {soaked.key} ended")
        samples.append(Sample.of(pid))
        return samples


def judge(samples: Sequence[Sample]) -> tuple[str, bool]:
    """A row of the table, and whether the server stayed as it was.

    Compares what there was at most in the first and in the last fifth of the time: it goes up and down.
    """
    fifth = max(len(samples) // 5, 1)
    first, last = samples[:fifth], samples[-fifth:]
    memory = [max(sample.memory for sample in part) for part in (first, last)]
    descriptors = [max(sample.descriptors for sample in part) for part in (first, last)]
    threads = [max(sample.threads for sample in part) for part in (first, last)]
    flat = (
        memory[1] <= memory[0] * (1 + MEMORY_TOLERANCE) + MEMORY_SLACK
        and descriptors[1] <= descriptors[0] + DESCRIPTOR_TOLERANCE
    )
    row = (
        f"{memory[0] / 2**20:.1f} | {memory[1] / 2**20:.1f} | {descriptors[0]} | {descriptors[1]} | "
        f"{threads[0]} | {threads[1]} | {'yes' if flat else '**no**'}"
    )
    return row, flat


def main(given: Sequence[str] | None = None) -> int:
    """Soak them one after the other; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="for all servers together (10)")
    parser.add_argument("--only", default="", metavar="WHO,...", help=", ".join(s.key for s in SERVERS))
    arguments = parser.parse_args(given)
    wanted = [s for s in SERVERS if not arguments.only or s.key in arguments.only.split(",")]
    print("| server | MiB before | MiB after | descriptors before | after | threads before | after | flat |")
    print("|---|--:|--:|--:|--:|--:|--:|---|", flush=True)
    all_flat = True
    for soaked in wanted:
        row, flat = judge(soak(soaked, arguments.minutes * 60 / len(wanted)))
        print(f"| {soaked.key} | {row} |", flush=True)
        all_flat = all_flat and flat
    return 0 if all_flat else 1


if __name__ == "__main__":
    sys.exit(main())
