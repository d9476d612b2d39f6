"""The folder of one check, and short ways to put files into it.

Everything that is opened or started through a Place is closed and ended with it, and the folder is removed
whatever modes a check left.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fusetree.testing.posix import syscalls
from fusetree.testing.posix.expect import BrokenRuleError

if TYPE_CHECKING:
    from fusetree.testing.posix.features import Features

T = TypeVar("T")

#: Two users who own nothing, with groups of their own.
USER, OTHER = 54321, 54322
#: A time long ago, in nanoseconds, and one more: no clock of a file system is there.
LONG_AGO = 1_000_000_000_123_456_789
LATER = 1_100_000_000_987_654_321

_TICK = 0.012  # seconds: more than the clock of the kernel's files takes for a step (HZ 100)


class Place:
    """An empty folder; ``place / "name"`` is a path in it.

    :ivar path: absolute path of the folder.
    :ivar features: what is known of the file system.
    """

    def __init__(self, path: str, features: Features, stack: ExitStack) -> None:
        self.path = path
        self.features = features
        self._stack = stack
        self._open: set[int] = set()
        stack.callback(self._close_all)

    @classmethod
    @contextmanager
    def make(cls, directory: str | os.PathLike[str], features: Features) -> Iterator[Place]:
        """A new folder below *directory*; everybody may enter it."""
        path = tempfile.mkdtemp(prefix="posix-", dir=os.path.abspath(directory))
        old = os.umask(0o022)
        try:
            with ExitStack() as stack:
                os.chmod(path, 0o755)
                yield cls(path, features, stack)
        finally:
            os.umask(old)
            remove(path)

    def __truediv__(self, name: str) -> str:
        return f"{self.path}/{name}"

    # Making things

    def file(self, name: str = "f", data: bytes = b"", mode: int = 0o644) -> str:
        """A new regular file; returns its path."""
        path = self / name
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fchmod(fd, mode)
        finally:
            os.close(fd)
        return path

    def dir(self, name: str = "d", mode: int = 0o755) -> str:
        """A new directory; returns its path."""
        path = self / name
        os.mkdir(path, 0o700)
        os.chmod(path, mode)
        return path

    def symlink(self, target: str, name: str = "s") -> str:
        """A new symbolic link; returns its path."""
        path = self / name
        os.symlink(target, path)
        return path

    def fifo(self, name: str = "p") -> str:
        """A new named pipe; returns its path."""
        path = self / name
        os.mkfifo(path, 0o644)
        return path

    def socket(self, name: str = "x") -> str:
        """A new bound socket of the file system; returns its path."""
        path = self / name
        bound = self._stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        # The address may have 107 bytes, our path more.
        fd = os.open(self.path, os.O_PATH | os.O_DIRECTORY)
        try:
            bound.bind(f"/proc/self/fd/{fd}/{name}")
        finally:
            os.close(fd)
        return path

    def open(self, name: str, flags: int = os.O_RDWR, mode: int = 0o644) -> int:
        """open(2) of a name in this folder.  It is closed by :meth:`close`, or at the check's end."""
        return self.keep(os.open(self / name, flags, mode))

    def keep(self, fd: int) -> int:
        """Have a descriptor closed at the check's end, unless :meth:`close` does it before."""
        self._open.add(fd)
        return fd

    def close(self, fd: int) -> None:
        """close(2) of a descriptor that open() or keep() returned.  It is forgotten first: its number may be
        another's a moment later.
        """
        self._open.discard(fd)
        os.close(fd)

    def _close_all(self) -> None:
        while self._open:
            try:
                os.close(self._open.pop())
            except OSError:
                pass  # what close(2) must tell was looked at by the check

    # Looking at things

    def stat(self, name: str = ".") -> os.stat_result:
        """lstat(2) of a name."""
        return os.lstat(self / name)

    def content(self, name: str = "f") -> bytes:
        """All bytes of a file."""
        return Path(self / name).read_bytes()

    def names(self, name: str = ".") -> list[str]:
        """What is in a directory, sorted."""
        return sorted(os.listdir(self / name))

    # Time

    def long_ago(self, name: str) -> None:
        """Set atime and mtime of a name long ago, so that whatever sets them is seen."""
        os.utime(self / name, ns=(LONG_AGO, LONG_AGO), follow_symlinks=False)

    def tick(self) -> None:
        """Wait until a new timestamp of the file system differs from the one before."""
        mark = time.monotonic() + max(_TICK, self.features.granularity)
        while (left := mark - time.monotonic()) > 0:
            time.sleep(left)

    # Others

    def as_user(
        self,
        call: Callable[[], T],
        uid: int = USER,
        gid: int | None = None,
        groups: tuple[int, ...] = (),
    ) -> T:
        """The result of *call* made by another user; what it raises is raised here.

        *gid* is *uid* unless given.  It runs in a thread of its own, whose ids alone are changed, and which
        then ends: ids of threads are the kernel's own notion, and a process of its own would be started for
        each call otherwise.
        """
        results: list[T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                syscalls.become(uid, uid if gid is None else gid, groups)
                results.append(call())
            except BaseException as error:  # noqa: BLE001 - raised in the caller's thread, below
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    def process(self, program: str, *arguments: str) -> OtherProcess:
        """Another process that runs a Python *program*, which talks through its stdin and stdout."""
        return self._stack.enter_context(OtherProcess(program, arguments))

    def cleanup(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Have *call* called at the check's end."""
        self._stack.callback(call, *arguments)


class OtherProcess:
    """A Python program in a process of its own; ended with its block.

    :param program: its source; ``sys.argv`` has the *arguments* from 1 on.
    """

    def __init__(self, program: str, arguments: tuple[str, ...]) -> None:
        self._process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def __enter__(self) -> OtherProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()

    def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, error = self._process.communicate()
            raise BrokenRuleError("another process to go on", error.strip().rpartition("\n")[2] or "its end")
        return line.rstrip("\n")

    def say(self, line: str = "") -> None:
        """Write a line to its stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Close its stdin and wait for its end; returns its status."""
        self._process.communicate()
        return self._process.returncode


def remove(path: str) -> None:
    """Remove a tree whatever its modes are; what cannot be removed stays, for the check tells its own
    failure.
    """
    try:
        _open_up(path)
    except OSError:
        pass  # rmtree does what it can
    shutil.rmtree(path, ignore_errors=True)


def _open_up(path: str) -> None:
    os.chmod(path, 0o700)
    with os.scandir(path) as entries:
        inner = [entry.path for entry in entries if stat.S_ISDIR(os.lstat(entry.path).st_mode)]
    for folder in inner:
        _open_up(folder)
