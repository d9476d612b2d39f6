"""A job queue that mounts its own state: a small real program, steered from outside with cat and echo.

Worker threads take jobs from a queue and run them: they hash files, count words, look for primes.  The
program's own objects are the files: what a worker sets, `cat` shows at once; what `echo` writes, the next job
uses.

    python examples/live_app.py MNT             serves at MNT until Ctrl-C, SIGTERM or `fusetree umount MNT`

    cat MNT/settings/algorithm                  which hash is used
    echo sha1 > MNT/settings/algorithm          use another one from the next job on
    echo "hash /etc/services" > MNT/submit      a new job; its directory appears in MNT/jobs
    cat MNT/jobs/1/wait                         blocks until the job has ended
    cat MNT/jobs/1/result                       what came out
    cat MNT/counters/bytes_read                 moves while jobs run
    echo 1 > MNT/forget                         take the job's directory away
"""

from __future__ import annotations

import argparse
import enum
import hashlib
import itertools
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import attrs

from fusetree import Dir, action, computed, entry, mount, node

README = """\
settings/   echo a value into a file to change it
counters/   what has been done so far
jobs/       one directory for each job
submit      write a line: "hash FILE", "words FILE" or "primes LIMIT"
forget      write a job's number: its directory goes away
"""

CHUNK = 1 << 16


class State(enum.Enum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@node
class Settings(Dir):
    """What can be changed while the program runs."""

    algorithm: str = entry("sha256", validator=attrs.validators.in_(sorted(hashlib.algorithms_available)))
    most_primes: int = entry(100_000, validator=attrs.validators.in_(range(10, 1_000_001)))


@node
class Counters(Dir):
    """What has been done.  Several workers add to these, so a lock is held while they do."""

    jobs_done: int = entry(0, writable=False)
    jobs_failed: int = entry(0, writable=False)
    bytes_read: int = entry(0, writable=False)

    _lock: Any = attrs.field(factory=threading.Lock)

    def add(self, counter: str, amount: int = 1) -> None:
        """Add to one of the counters."""
        with self._lock:
            setattr(self, counter, getattr(self, counter) + amount)


@node
class Job(Dir):
    """One job.  Its state and result are set by the worker that runs it."""

    command: str = entry("", writable=False)
    state: State = entry(State.QUEUED, writable=False)
    result: str = entry("", writable=False)

    ended: Any = attrs.field(factory=threading.Event)

    @computed
    def wait(self) -> str:
        """Blocks whoever reads it until the job has ended."""
        self.ended.wait()
        return self.state.value


@node
class JobQueue(Dir):
    """The program: a queue, its workers, and what they share.  This is the root of the mount."""

    settings: Settings = attrs.field(factory=Settings)
    counters: Counters = attrs.field(factory=Counters)
    jobs: Dir = attrs.field(factory=Dir)

    _waiting: Any = attrs.field(factory=queue.SimpleQueue)
    _numbers: Any = attrs.field(factory=lambda: itertools.count(1))

    @computed(name="README")
    def readme(self) -> str:
        """What the files are."""
        return README

    @action
    def submit(self, line: str) -> None:
        """Queue a job.  A bad line raises ValueError, which is "Invalid argument" for who wrote it."""
        kind, _, argument = line.strip().partition(" ")
        if kind not in RUNNERS or not argument:
            raise ValueError(f"{line!r}: expected one of {', '.join(RUNNERS)} and an argument")
        job = Job(command=f"{kind} {argument}")
        self.jobs[str(next(self._numbers))] = job
        self._waiting.put(job)

    @action
    def forget(self, number: str) -> None:
        """Take a job's directory away."""
        if number.strip() not in self.jobs:
            raise ValueError(f"there is no job {number!r}")
        del self.jobs[number.strip()]

    def work(self) -> None:
        """The body of a worker thread: run jobs for ever."""
        while True:
            job = self._waiting.get()
            job.state = State.RUNNING
            kind, _, argument = job.command.partition(" ")
            try:
                job.result = RUNNERS[kind](self, argument)
                job.state = State.DONE
                self.counters.add("jobs_done")
            except (OSError, ValueError) as error:
                job.result = str(error)
                job.state = State.FAILED
                self.counters.add("jobs_failed")
            finally:
                job.ended.set()


def hash_file(app: JobQueue, path: str) -> str:
    """The file's hash, with the algorithm that is set when the job starts."""
    digest = hashlib.new(app.settings.algorithm)
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            app.counters.add("bytes_read", len(chunk))
    return digest.hexdigest()


def count_words(app: JobQueue, path: str) -> str:
    """Lines, words and bytes, as `wc` counts them."""
    content = Path(path).read_bytes()
    app.counters.add("bytes_read", len(content))
    return f"{content.count(10)} {len(content.split())} {len(content)}"


def count_primes(app: JobQueue, limit: str) -> str:
    """How many primes there are below a limit."""
    top = int(limit)
    if not 2 <= top <= app.settings.most_primes:
        raise ValueError(f"the limit must be between 2 and {app.settings.most_primes}")
    sieve = bytearray([1]) * top
    sieve[0:2] = b"\0\0"
    for number in range(2, int(top**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, top, number)))
    return str(sum(sieve))


RUNNERS = {"hash": hash_file, "words": count_words, "primes": count_primes}


def main() -> int:
    """Start the workers, mount, and serve until the mount or the program is ended."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mountpoint", metavar="MNT")
    parser.add_argument("--workers", type=int, default=2, help="threads that run jobs (2)")
    arguments = parser.parse_args()

    app = JobQueue()
    for _ in range(arguments.workers):
        threading.Thread(target=app.work, name="worker", daemon=True).start()

    # SystemExit and KeyboardInterrupt leave through the `with` block, which unmounts.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with mount(app, arguments.mountpoint) as mounted:
        print(f"mounted at {mounted.mountpoint}", flush=True)
        try:
            mounted.wait()
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
