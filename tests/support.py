"""What tests of several rooms need: processes with a time limit, waiting with a deadline, errnos, mounts.

    from tests.support import python, raises_errno, server, shell, wait_for

Rule 1: nothing here waits without a deadline.
Rule 2: nothing here asks a mounted file system itself whether it is mounted: /proc tells.
"""

from __future__ import annotations

import errno
import gc
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tools.fusectl import FuseMount, abort, clear, control_files_are_mounted, detach, fuse_mounts

__all__ = [
    "PYTHON",
    "ROOT",
    "Completed",
    "FuseMount",
    "abort",
    "clear",
    "collected",
    "detach",
    "drop_caches",
    "fuse_mounts",
    "in_thread",
    "is_mounted",
    "needs_aborting",
    "python",
    "raises_errno",
    "server",
    "shell",
    "until_mounted",
    "wait_for",
]

ROOT = Path(__file__).resolve().parent.parent  # the checkout
PYTHON = sys.executable

# For tests in which somebody hangs in a mount on purpose: they must be able to end that.
needs_aborting = pytest.mark.skipif(
    os.geteuid() != 0 and not control_files_are_mounted(),
    reason="neither root nor a fusectl file system: nobody could end a hanging mount",
)

T = TypeVar("T")


@dataclass(frozen=True)
class Completed:
    """How a process ended, and what it wrote."""

    command: str
    status: int  # exit status; -N: ended by signal N
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """What was written to stdout, decoded as file names are."""
        return os.fsdecode(self.out)

    @property
    def lines(self) -> list[str]:
        """The lines of stdout."""
        return self.text.splitlines()

    @property
    def error(self) -> str:
        """What was written to stderr, decoded as file names are."""
        return os.fsdecode(self.err)

    def ok(self) -> Completed:
        """Return itself after status 0; AssertionError with all that the process said after another."""
        assert self.status == 0, f"{self.command!r} ended with {self.status}\n{self.text}\n{self.error}"
        return self


def _finished(
    arguments: Sequence[str], shown: str, stdin: bytes | None, timeout: float, env: Mapping[str, str] | None
) -> Completed:
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(env),
        start_new_session=True,
    )
    try:
        out, err = process.communicate(stdin, timeout)
    except BaseException as error:
        # The whole group: `sh -c "cat f | wc"` has grandchildren that hold the pipes.
        os.killpg(process.pid, signal.SIGKILL)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        pytest.fail(f"{shown!r} was not done after {timeout} s")
    return Completed(shown, process.returncode, out, err)


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """LC_ALL=C, so that messages are in English, and *more* on top of what this process has."""
    return {**os.environ, "LC_ALL": "C", **(more or {})}


def shell(
    command: str,
    *,
    cwd: str | os.PathLike[str] | None = None,
    stdin: bytes | None = None,
    timeout: float = 20.0,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run *command* in bash (with pipefail) for *timeout* seconds at most; the test fails if it takes longer.

    *cwd* is entered by the shell and not by this process's child before it becomes the shell: that child
    holds the GIL on some versions of Python, and a mount served by this very process could not answer.
    """
    script = 'set -o pipefail; [ -z "$1" ] || cd "$1" || exit 125; eval "$2"'
    arguments = ["/bin/bash", "-c", script, "bash", "" if cwd is None else os.fspath(cwd), command]
    return _finished(arguments, command, stdin, timeout, env)


def below(folder: Path) -> list[Path]:
    """All that is below a folder, in no order.

    Safe in a mount of this process: on Python 3.10 the entries of os.scandir, and so rglob and rmtree, ask
    for attributes with the GIL held (https://github.com/python/cpython/issues/89175).
    """
    found = shell(f"find {shlex.quote(str(folder))} -mindepth 1 -print0").ok().out
    return [Path(os.fsdecode(path)) for path in found.split(b"\0") if path]


def empty(folder: Path) -> None:
    """Remove all that is below a folder; safe as `below` is."""
    shell(f"find {shlex.quote(str(folder))} -mindepth 1 -delete", timeout=60).ok()


def python(
    *arguments: str | os.PathLike[str],
    cwd: str | os.PathLike[str] | None = None,
    stdin: bytes | None = None,
    timeout: float = 30.0,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run this Python with *arguments* (`"-c", program`, or a script and its own) for *timeout* seconds at
    most.

    *cwd* is entered as in shell().
    """
    words = [] if cwd is None else ["env", "-C", os.fspath(cwd)]
    words += [PYTHON, *(os.fspath(argument) for argument in arguments)]
    return _finished(words, " ".join(words), stdin, timeout, env)


def wait_for(condition: Callable[[], T], *, timeout: float = 10.0, what: str = "") -> T:
    """Return the first true value of *condition()*; the test fails when there is none within *timeout*
    seconds.

    For what tells of itself by no event, such as another process. It is asked often at first, then less
    often.
    """
    deadline = time.monotonic() + timeout
    pause = 0.0005
    never = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            pytest.fail(f"waited {timeout} s in vain for {what or getattr(condition, '__name__', condition)}")
        never.wait(pause)
        pause = min(pause * 1.5, 0.05)


@contextmanager
def raises_errno(*numbers: int) -> Iterator[None]:
    """Within, an OSError with one of the errnos *numbers* must be raised; all else fails the test."""
    wanted = " or ".join(errno.errorcode[number] for number in numbers)
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise AssertionError(f"{wanted} was expected, not {error!r}") from error
        return
    pytest.fail(f"{wanted} was expected, and nothing was raised")


def is_mounted(mountpoint: str | os.PathLike[str]) -> bool:
    """Whether a FUSE file system is mounted exactly there, alive or not."""
    return any(Path(mount.mountpoint) == Path(mountpoint).absolute() for mount in fuse_mounts(mountpoint))


def until_mounted(
    mountpoint: str | os.PathLike[str], process: subprocess.Popen[Any] | None = None, *, timeout: float = 20.0
) -> None:
    """Wait until something is mounted at *mountpoint*; the test fails if *process* ends before, or at the
    deadline.
    """

    def mounted() -> bool:
        if process is not None and process.poll() is not None and not is_mounted(mountpoint):
            pytest.fail(f"the server ended with {process.returncode} before it had mounted")
        return is_mounted(mountpoint)

    wait_for(mounted, timeout=timeout, what=f"a mount at {mountpoint}")


@contextmanager
def server(
    *arguments: str | os.PathLike[str],
    mountpoint: str | os.PathLike[str],
    timeout: float = 20.0,
    env: Mapping[str, str] | None = None,
    **popen: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """Within, this Python runs with *arguments* and has mounted at *mountpoint*; afterwards it has ended.

    It is asked with SIGTERM to end and killed after *timeout* seconds; a mount that it leaves is taken away.
    The block may end it itself.
    """
    words = [PYTHON, *(os.fspath(argument) for argument in arguments)]
    process: subprocess.Popen[bytes] = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, env=_environment(env), **popen
    )
    try:
        until_mounted(mountpoint, process, timeout=timeout)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout)
        clear(mountpoint)


def in_thread(function: Callable[[], T], *, timeout: float = 20.0) -> T:
    """Call *function* in a thread of its own and return its result; the test fails if it takes longer.

    An exception of the function is raised here. For calls that may hang, such as a look at one's own mount.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread, below
            errors.append(error)

    thread = threading.Thread(target=target, name="in_thread", daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        pytest.fail(f"{getattr(function, '__name__', function)} was not done after {timeout} s")
    if errors:
        raise errors[0]
    return results[0]


def collected(reference: Callable[[], object], *, timeout: float = 10.0) -> None:
    """Wait until the object of a weakref is gone, collecting garbage; the test fails if it stays."""

    def gone() -> bool:
        gc.collect()
        return reference() is None

    wait_for(gone, timeout=timeout, what=f"{reference()!r} to be collected")


def drop_caches() -> None:
    """Make the kernel let go of all inodes and names that it need not keep. Takes root."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("2\n")
