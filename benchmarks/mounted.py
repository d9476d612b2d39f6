"""A server under test, from its start to the end of its mount, whatever happens between.

Started on the cores that it may use, waited for until the mount is there, checked for right answers before
anybody measures it, ended by unmounting it and, if it does not end by itself, by its process id.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from benchmarks import building
from benchmarks.content import Tree
from benchmarks.contestants import Contestant

START_SECONDS = 120.0  # a million nodes take their time
END_SECONDS = 20.0


class ServerError(Exception):
    """A server did not start, or answered wrongly."""


@contextlib.contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Within: what this process starts runs on *cores* only, all its threads included."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def is_mounted(mountpoint: str) -> bool:
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        return any(line.split()[4] == mountpoint for line in mounts)


class Server:
    """One running server; a context manager that leaves neither process nor mount nor folder behind."""

    def __init__(
        self,
        contestant: Contestant,
        source: str,
        cores: set[int],
        *,
        threads: bool = False,
        burn: bool = False,
    ) -> None:
        self.contestant = contestant
        self.burn = burn
        self._source = source
        self._cores = cores
        self._threads = threads
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None
        self.mountpoint = ""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Server:
        self._folder = tempfile.TemporaryDirectory(prefix="fusetree-bench-")
        self.mountpoint = os.path.realpath(os.path.join(self._folder.name, "mnt"))
        os.mkdir(self.mountpoint)
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _start(self) -> None:
        command = self.contestant.command(self._source, self.mountpoint, self._threads, self.burn)
        if shutil.which("setpriv"):
            # Killed, we could not end it: then the kernel asks it to end.
            command = ["setpriv", "--pdeathsig", "TERM", *command]
        # The server's words are kept in a file: a pipe that nobody reads would stop it.
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  # until the end
        with on_cores(self._cores), open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            self._process = subprocess.Popen(
                command,
                cwd=building.PROJECT,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                start_new_session=True,  # Ctrl-C is ours to handle: first the unmount, then the end
            )
            changes = select.poll()
            changes.register(mounts, select.POLLERR | select.POLLPRI)
            deadline = time.monotonic() + START_SECONDS
            while not is_mounted(self.mountpoint):
                if self._process.poll() is not None:
                    raise ServerError(
                        f"{self.contestant.key} ended with status {self._process.returncode}: {self.words()}"
                    )
                if time.monotonic() > deadline:
                    raise ServerError(
                        f"{self.contestant.key} did not mount within {START_SECONDS:.0f} s: {self.words()}"
                    )
                changes.poll(100)  # ms; a process that dies changes no mount
        os.stat(self.mountpoint)  # answered once the handshake is done

    def words(self) -> str:
        """The last lines that the server wrote to standard error."""
        if self._errors is None:
            return ""
        self._errors.seek(0)
        return " | ".join(self._errors.read().strip().splitlines()[-4:])

    def ask(self, question: str) -> Any:
        """What our own server answers to *question*; see servers/ours.py."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(question + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise ServerError(f"{self.contestant.key} does not answer: {self.words()}")
        return json.loads(line)

    def pause(self) -> None:
        """Stop the process where it is: an application that computes must not disturb the others."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause()`."""
        os.kill(self.pid, signal.SIGCONT)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            self.resume()
        if self.mountpoint and is_mounted(self.mountpoint):
            self._unmount()
        if process is not None:
            self._end(process)
        if self.mountpoint and is_mounted(self.mountpoint):
            self._unmount()
        if self._errors is not None:
            self._errors.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _unmount(self) -> None:
        command = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount3", "-uz"]
        subprocess.run([*command, self.mountpoint], check=False, capture_output=True)

    def _end(self, process: subprocess.Popen[str]) -> None:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        for sign in (None, signal.SIGTERM, signal.SIGKILL):
            if sign is not None:
                process.send_signal(sign)
            try:
                process.wait(END_SECONDS if sign is None else 5)
            except subprocess.TimeoutExpired:
                continue
            return

    def verify(self, tree: Tree) -> None:
        """Compare what the mount has with *tree*, and try what the server says it can.

        Raises:
            ServerError: an answer is wrong.
        """
        top = Path(self.mountpoint)
        try:
            if self.contestant.whole_tree:
                _compare(tree, top)
            elif (top / "small").stat().st_size == 0 or not (top / "small").read_bytes():
                raise ServerError("small is empty")
            _expect(errno.ENOENT, top / "missing")
            if "write" in self.contestant.operations:
                _try_writing(tree, top / "sink")
            if "create-unlink" in self.contestant.operations:
                _try_creating(top / "new")
        except (OSError, ServerError) as failure:
            raise ServerError(f"{self.contestant.key} answers wrongly: {failure} {self.words()}") from failure


def _compare(tree: Tree, directory: Path) -> None:
    names = sorted(os.listdir(directory))
    if names != sorted(tree):
        raise ServerError(f"{directory} has {len(names)} entries, not the {len(tree)} that it should have")
    for name, content in tree.items():
        path = directory / name
        if isinstance(content, dict):
            _compare(content, path)
        else:
            size = path.stat().st_size
            # a computed file does not know its size before it is opened
            if size not in (len(content), 0):
                raise ServerError(f"{name} has {size} bytes by stat, not {len(content)}")
            if path.read_bytes() != content:
                raise ServerError(f"{name} has other bytes than it should")


def _expect(number: int, path: Path) -> None:
    try:
        path.stat()
    except OSError as error:
        if error.errno == number:
            return
        raise
    raise ServerError(f"{path.name} is there")


def _try_writing(tree: Tree, path: Path) -> None:
    before = tree["sink"]
    assert isinstance(before, bytes)
    with open(path, "r+b", buffering=0) as file:
        os.pwrite(file.fileno(), b"written", 8192)
        got = os.pread(file.fileno(), 16, 8190)
        os.pwrite(file.fileno(), before[8192:8199], 8192)
    if got != before[8190:8192] + b"written" + before[8199:8206]:
        raise ServerError("what was written is not what is read")
    if path.stat().st_size != len(before):
        raise ServerError("a write inside a file changed its size")


def _try_creating(path: Path) -> None:
    with open(path, "xb"):
        pass
    if path.stat().st_size != 0:
        raise ServerError("a new file is not empty")
    path.unlink()
    _expect(errno.ENOENT, path)
