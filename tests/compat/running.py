"""Programs of llfuse and pyfuse3 as processes of their own: on the drop-ins, or on the originals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT, clear, is_mounted, shell, until_mounted, wait_for

PROGRAMS = Path(__file__).resolve().parent / "programs"
USE = PROGRAMS.parent / "use"
#: Where `make test-dropins` installs the originals.
ORIGINALS = ROOT / "build" / "dropins" / "bin" / "python"
#: Where it unpacks the programs that come with them.
SOURCES = ROOT / "build" / "dropins" / "sources"

Ending = Callable[[subprocess.Popen[bytes], Path], None]


@dataclass
class Outcome:
    """What a client saw, and what the program says of itself."""

    seen: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    errors: str = ""


def ours(name: str) -> list[str]:
    """The command that runs a program of the original *name* on the drop-in."""
    return [sys.executable, "-W", "error", "-m", "fusetree.compat", name]


def original(name: str) -> list[str]:
    """The command that runs a program on the original; skips the test where there is none."""
    if (
        not ORIGINALS.exists()
        or subprocess.run([ORIGINALS, "-c", f"import {name}"], capture_output=True).returncode
    ):
        pytest.skip(f"the original {name} is not installed: make test-dropins")
    return [str(ORIGINALS)]


def unmounted(process: subprocess.Popen[bytes], mountpoint: Path) -> None:
    """End a program by unmounting."""
    subprocess.run(["fusermount3", "-u", mountpoint], check=True, timeout=20)


def unmounted_if_there(process: subprocess.Popen[bytes], mountpoint: Path) -> None:
    """End a program that is about to end."""
    subprocess.run(["fusermount3", "-u", "-z", mountpoint], timeout=20, stderr=subprocess.DEVNULL)


def signalled(number: int) -> Ending:
    """End a program by a signal."""

    def end(process: subprocess.Popen[bytes], mountpoint: Path) -> None:
        process.send_signal(number)

    return end


def by_itself(process: subprocess.Popen[bytes], mountpoint: Path) -> None:
    """Leave it to the program."""


def client(mountpoint: Path, *scenarios: str) -> dict[str, Any]:
    """What a client sees, by scenario."""
    done = subprocess.run(
        [sys.executable, PROGRAMS / "client.py", mountpoint, *scenarios],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def used(script: str, folder: Path) -> str:
    """What a script in `use` prints, errors included, when it has worked in *folder*."""
    done = shell(f"bash {USE / script}.sh {folder}", timeout=120)
    assert done.status == 0, f"{script}.sh ended with {done.status}\n{done.text}{done.error}"
    return done.text


def worked(
    command: list[str], words: list[str], script: str, mountpoint: Path, end: Ending = unmounted
) -> tuple[str, int, str]:
    """What *script* printed of a program at *mountpoint*, the program's exit status and its stderr.

    :param words: the program and its arguments.
    """
    with started([*command, *words], mountpoint) as process:
        seen = used(script, mountpoint)
        end(process, mountpoint)
        _, errors = process.communicate(timeout=20)
        wait_for(lambda: not is_mounted(mountpoint), what="the end of the mount")
    return seen, process.returncode, errors.decode()


def run(
    command: list[str],
    program: str,
    *arguments: str,
    mountpoint: Path,
    use: Callable[[Path], dict[str, Any]] = client,
    end: Ending = unmounted,
) -> Outcome:
    """Run *program* at *mountpoint*, *use* that, and *end* it."""
    report = mountpoint.parent / f"{mountpoint.name}.report"
    report.unlink(missing_ok=True)
    words = [*command, str(PROGRAMS / program), str(mountpoint), str(report), *arguments]
    outcome = Outcome()
    with started(words, mountpoint, background="--background" in arguments) as process:
        outcome.seen = use(mountpoint)
        end(process, mountpoint)
        _, errors = process.communicate(timeout=20)
        outcome.errors = errors.decode()
        wait_for(report.exists, what=f"the report of {program}; it said: {outcome.errors}")
        outcome.report = wait_for(lambda: _read(report), what="the whole report")
        if "--keep" not in arguments:
            wait_for(lambda: not is_mounted(mountpoint), what="the end of the mount")
    return outcome


@contextmanager
def started(
    words: list[str], mountpoint: Path, *, background: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """Within, the program that *words* start has mounted at *mountpoint*; afterwards neither is there.

    :param background: the process that is started ends at once, and another goes on.
    """
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    # Signals that a shell had ignored are not ignored here: see tests/conftest.py.
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    try:
        until_mounted(mountpoint, None if background else process)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=20)
        clear(mountpoint)


def _read(report: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(report.read_text())
    except ValueError:  # not written to its end yet
        return {}
    return found


TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
