"""The coherence stress: threads change a tree, processes look at it, and none may see what is torn or stale.

    python -m tests.stress.coherence [SECONDS]

Four threads change values, contents, children and where they are; eight processes (`watching.py`) read, list
and stat without a pause, interrupted by signals, while slow handlers run in the directories that change and
clients of theirs are killed. Nothing that the kernel caches has a time at which it ends by itself, so what is
stale stays so.

Not one answer may be torn, or older than a change that returned with delivery before it was asked for.
(A change that could not wait is not counted as told: the mount's statistics tell.) And none may be, whatever
happened, a second after the last change.
"""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from fusetree import Dir, File, Mount, Symlink, computed, entry, mount, node
from tests.stress import plan
from tests.support import PYTHON, ROOT

READERS = 8
SETTLING = 1.0  # seconds after the last change, and then nothing may be stale
PACE = 0.004  # seconds between two changes of a thread at most: readers shall come between them
SLOWNESS = 0.02  # seconds that a slow handler takes


@node
class Slow(Dir):
    """A directory in which a handler may be slow while it changes."""

    @computed(size="exact")
    def slow(self) -> str:
        time.sleep(SLOWNESS)
        return "slow"


@node
class Values(Slow):
    """Entries whose values change."""

    v0: str = entry(plan.value_text(0))
    v1: str = entry(plan.value_text(0))
    v2: str = entry(plan.value_text(0))
    v3: str = entry(plan.value_text(0))


def _content(number: int) -> bytes:
    return plan.page_text(number) * plan.pages_of(number)


def _replacement(number: int) -> File | Dir | Symlink:
    kinds = (lambda: File(str(number)), lambda: Dir({str(number): ""}), lambda: Symlink(str(number)))
    made: File | Dir | Symlink = kinds[number % 3]()
    return made


@attrs.frozen
class Report:
    """What came of it.

    Attributes:
        complaints: What a reader saw that was wrong, and what went wrong otherwise.
        looks: How often each reader looked.
        changes: How many changes each thread made.
        undelivered: How many of them did not wait until the kernel had been told, or waited in vain.
    """

    complaints: list[str]
    looks: list[int]
    changes: dict[str, int]
    undelivered: int


class Stress:
    """The tree, and the threads that change it.

    Arguments:
        mountpoint: where to mount it.
        memory: the shared numbers.
        wait: `coherence_wait` of the mount, in seconds.
    """

    def __init__(self, mountpoint: Path, memory: plan.Memory, wait: float) -> None:
        self.mountpoint = mountpoint
        self.memory = memory
        self.wait = wait
        self.values = Values()
        self.files = {cell: File(_content(0), mode=plan.file_mode(0)) for cell in plan.FILE_CELLS}
        self.moved = [f"m{cell}" for cell in plan.MOVED_CELLS]
        self.root = Dir(
            {
                "values": self.values,
                "files": {f"f{cell}": file for cell, file in self.files.items()},
                "slots": Slow(),
                "kinds": {f"k{cell}": _replacement(0) for cell in plan.REPLACED_CELLS},
                "sides": {"0": Slow(), "1": {}},
            }
        )
        for name in self.moved:
            self.root[f"sides/0/{name}"] = {"inside": "moved"}
        self.stop = threading.Event()
        self.mount: Mount | None = None
        self.complaints: list[str] = []  # appended to by several threads
        self.changes: dict[str, int] = {}  # each thread has a key of its own
        self.undelivered: dict[str, int] = {}

    # ---- changes, one of a cell each

    def set_value(self, cell: int, number: int) -> None:
        setattr(self.values, f"v{cell}", plan.value_text(number))

    def store(self, cell: int, number: int) -> None:
        self.files[cell].store(_content(number))
        self.files[cell].mode = plan.file_mode(number)

    def come_or_go(self, cell: int, number: int) -> None:
        if number % 2:
            self.root[f"slots/s{cell}"] = f"{number}\n"
        else:
            del self.root[f"slots/s{cell}"]

    def replace(self, cell: int, number: int) -> None:
        self.root[f"kinds/k{cell}"] = _replacement(number)

    def move(self, cell: int, number: int) -> None:
        here, there = (number + 1) % 2, number % 2
        self.root.move(f"sides/{here}/m{cell}", f"sides/{there}/m{cell}")

    def _not_told(self) -> int:
        """How many changes did not wait, or in vain; of all threads."""
        assert self.mount is not None
        statistics = self.mount._operations.cache_statistics()
        return statistics.timed_out + statistics.inside_handler + statistics.on_serving_loop

    def _change(self, name: str, seed: int, *kinds: tuple[range, Callable[[int, int], None]]) -> None:
        """What a thread does until the end."""
        chance = random.Random(seed)
        self.changes[name] = self.undelivered[name] = 0
        try:
            while not self.stop.is_set():
                cells, change = chance.choice(kinds)
                cell = chance.choice(cells)
                number = self.memory[plan.BEGUN + cell] + 1
                self.memory[plan.BEGUN + cell] = number
                before = self._not_told()
                change(cell, number)
                if self._not_told() == before:
                    self.memory[plan.TOLD + cell] = number
                else:
                    self.undelivered[name] += 1
                self.changes[name] += 1
                if chance.random() < 0.8:  # else in a row
                    self.stop.wait(chance.random() * PACE)
        except BaseException as error:  # noqa: BLE001 -- a thread's own end is reported
            self.complaints.append(f"the thread of {name} ended: {error!r}")

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Within, four threads change the tree; afterwards they have ended."""
        plans = {
            "values": [(plan.VALUE_CELLS, self.set_value)],
            "contents": [(plan.FILE_CELLS, self.store)],
            "children": [(plan.SLOT_CELLS, self.come_or_go), (plan.REPLACED_CELLS, self.replace)],
            "moves": [(plan.MOVED_CELLS, self.move)],
        }
        threads = [
            threading.Thread(target=self._change, args=(name, seed, *kinds), name=f"changes {name}")
            for seed, (name, kinds) in enumerate(plans.items())
        ]
        try:
            for thread in threads:
                thread.start()
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    # ---- readers

    def _die(self) -> None:
        """Clients of slow handlers come and are killed, until the end."""
        chance = random.Random()
        slow = [self.mountpoint / place / "slow" for place in ("values", "slots", "sides/0")]
        while not self.stop.is_set():
            with subprocess.Popen(["cat", *slow, *slow], stdout=subprocess.DEVNULL) as client:
                self.stop.wait(chance.random() * 4 * SLOWNESS)
                client.kill()

    @contextlib.contextmanager
    def _readers(self, shared: Path) -> Iterator[list[subprocess.Popen[str]]]:
        command: list[str | Path] = [
            PYTHON,
            "-S",
            "-E",
            "-m",
            "tests.stress.watching",
            shared,
            self.mountpoint,
        ]
        with contextlib.ExitStack() as stack:
            processes = []
            for me in range(READERS):
                process = subprocess.Popen([*command, str(me)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
                stack.enter_context(process)
                stack.callback(process.send_signal, signal.SIGKILL)
                processes.append(process)
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            yield processes

    def run(self, seconds: float, shared: Path) -> Report:
        """Do it."""
        memory = self.memory
        with mount(self.root, self.mountpoint, coherence_wait=self.wait) as self.mount:
            with self._readers(shared) as processes:
                killer = threading.Thread(target=self._die, name="killer")
                with self.changing():
                    killer.start()
                    deadline = time.monotonic() + seconds
                    for process in processes:  # one that complains has ended
                        with contextlib.suppress(subprocess.TimeoutExpired):
                            process.wait(max(deadline - time.monotonic(), 0))
                            break
                memory[plan.PHASE] = plan.STOPPED
                killer.join()
                threading.Event().wait(SETTLING)
                for cell in range(plan.CELLS):
                    memory[plan.TOLD + cell] = memory[plan.BEGUN + cell]
                memory[plan.PHASE] = plan.SETTLED
                for number, process in enumerate(processes):
                    output = process.communicate(timeout=60)[0].splitlines()
                    if process.returncode or not output or not output[-1].startswith("looks "):
                        self.complaints.append(f"reader {number} ended with {process.returncode}")
                    self.complaints += [f"reader {number}: {line}" for line in output[:-1]]
        return Report(
            complaints=self.complaints,
            looks=memory[plan.LOOKS : plan.LOOKS + READERS].tolist(),
            changes=dict(self.changes),
            undelivered=sum(self.undelivered.values()),
        )


def stress(seconds: float, mountpoint: Path, folder: Path, *, wait: float = 0.1) -> Report:
    """Change and look for so many seconds.

    Arguments:
        seconds: how long the changes go on.
        mountpoint: an empty directory.
        folder: where the shared memory's file may be.
        wait: `coherence_wait` of the mount, in seconds.
    """
    shared = folder / "shared"
    shared.write_bytes(bytes(plan.PLACES * 8))
    memory = plan.shared(shared)
    return Stress(mountpoint, memory, wait).run(seconds, shared)


def main() -> int:
    """The command."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top)
        (folder / "mnt").mkdir()
        report = stress(seconds, folder / "mnt", folder)
    print(f"looks {sum(report.looks)} ({min(report.looks)} at least), undelivered {report.undelivered}")
    print("changes", report.changes)
    print("\n".join(report.complaints) or "nothing torn, nothing stale")
    return bool(report.complaints)


if __name__ == "__main__":
    sys.exit(main())
