"""Streams on a real mount, followed by the programs that people follow files with."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fusetree import Stream
from tests.mount.conftest import Mounting
from tests.support import PYTHON, is_mounted, python, shell, wait_for

pytestmark = [pytest.mark.mount, pytest.mark.no_rings]  # readers that wait are interrupted, and many


class Follower:
    """A process whose lines are collected as they come."""

    def __init__(self, *command: str | Path) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def has(self, *lines: str) -> None:
        wait_for(lambda: self.lines[-len(lines) :] == [*lines], what=f"{lines} behind {self.lines[-9:]}")

    def end(self) -> int:
        self.process.terminate()
        status = self.process.wait(20)
        self._thread.join(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@contextmanager
def following(*command: str | Path) -> Iterator[Follower]:
    follower = Follower(*command)
    try:
        yield follower
    finally:
        follower.end()


@pytest.mark.parametrize("how", ["-f", "-F", "--follow=name"])
def test_tail_follows(mountpoint: Path, mounted: Mounting, how: str) -> None:
    stream = Stream()
    stream.writelines(f"old {number}\n" for number in range(5000))
    mounted({"log": stream})
    with following("tail", "-n", "2", "-s", "0.05", how, mountpoint / "log") as tail:
        tail.has("old 4998", "old 4999")
        for number in range(3):
            stream.write(f"new {number}\n")
            tail.has(f"new {number}")
        assert len(tail.lines) == 5, "nothing twice, and it never took it for truncated"


def test_tail_follows_a_stream_that_has_lost_its_beginning(mountpoint: Path, mounted: Mounting) -> None:
    stream = Stream(history=1000)
    stream.writelines(f"old {number}\n" for number in range(5000))
    mounted({"log": stream})
    with following("tail", "-n", "2", "-s", "0.05", "-f", mountpoint / "log") as tail:
        tail.has("old 4998", "old 4999")
        for number in range(500):
            stream.write(f"new {number}\n")
        tail.has("new 498", "new 499")
        assert "truncated" not in "".join(tail.lines)


def test_several_tails_cats_and_greps_at_once(mountpoint: Path, mounted: Mounting) -> None:
    stream = Stream()
    stream.write("first\n")
    mounted({"log": stream, "follow": stream.follower()})
    commands = [
        *[("tail", "-n", "+1", "-s", "0.05", "-f", mountpoint / "log")] * 3,
        *[("cat", mountpoint / "follow")] * 12,
        *[("grep", "--line-buffered", "", mountpoint / "follow")] * 3,
    ]
    followers = [Follower(*command) for command in commands]
    try:
        for number in range(5):
            stream.write(f"line {number}\n")
            for follower in followers:
                follower.has(f"line {number}")
            assert shell("cat log | tail -n 1", cwd=mountpoint).ok().text == f"line {number}\n"
        for follower in followers:
            assert follower.lines == ["first", *(f"line {number}" for number in range(5))]
        stream.close()
        for follower in followers[3:]:
            assert follower.process.wait(20) == 0, "the end of the stream is the end of the file"
    finally:
        for follower in followers:
            follower.end()


def test_less_shows_what_comes(mountpoint: Path, mounted: Mounting) -> None:
    stream = Stream()
    stream.writelines(f"old {number}\n" for number in range(100))
    mounted({"log": stream})
    pid, terminal = os.forkpty()
    if pid == 0:
        try:
            os.execvpe("less", ["less", "+F", f"{mountpoint}/log"], {**os.environ, "TERM": "vt100"})
        finally:
            os._exit(127)
    shown = bytearray()

    def shows(text: bytes) -> bool:
        while select.select([terminal], [], [], 0)[0]:
            shown.extend(os.read(terminal, 65536))
        return text in shown

    try:
        wait_for(lambda: shows(b"old 99"), what="the end of the file")
        stream.write("something new\n")
        wait_for(lambda: shows(b"something new"), what="what came")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def test_the_shell_reads_line_by_line(mountpoint: Path, mounted: Mounting) -> None:
    """It takes more than a line and steps back with lseek(2)."""
    stream = Stream(history=100)
    stream.writelines(f"line {number}\n" for number in range(100))
    mounted({"follow": stream.follower()})
    kept = stream.content().decode().splitlines()
    script = 'while read -r line; do echo "$line"; [ "$line" = \'line 99\' ] && break; done < follow'
    assert shell(script, cwd=mountpoint).ok().lines == kept


def test_a_reader_that_waits_is_killed_and_interrupted(mountpoint: Path, mounted: Mounting) -> None:
    stream = Stream(follow=True)
    mounted({"follow": stream})
    for number in (signal.SIGINT, signal.SIGKILL):
        with subprocess.Popen(["cat", mountpoint / "follow"]) as process:
            wait_for(lambda: stream._history_._waiting, what="cat to wait")
            process.send_signal(number)
            assert process.wait(20) == -number
        wait_for(lambda: not stream._history_._waiting, what="nobody to wait")


def test_unmounting_ends_who_waits(mountpoint: Path, mounted: Mounting) -> None:
    stream = Stream(follow=True)
    m = mounted({"follow": stream})
    with subprocess.Popen(["cat", mountpoint / "follow"], stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: stream._history_._waiting, what="cat to wait")
        m.close()
        assert process.wait(20) != 0
    assert not is_mounted(mountpoint)


NONBLOCK = """
import errno, os, select, sys
path, how = sys.argv[1:]
fd = os.open(path, os.O_RDONLY | (os.O_NONBLOCK if how == "open" else 0))
if how == "fcntl":
    os.set_blocking(fd, False)
print(os.read(fd, 100), flush=True)
try:
    os.read(fd, 100)
except BlockingIOError:
    print("EAGAIN", flush=True)
waiter = select.epoll()
waiter.register(fd, select.EPOLLIN)
assert waiter.poll(0) == []
print("polls", flush=True)
assert waiter.poll(20) == [(fd, select.EPOLLIN)], "news"
print(os.read(fd, 100), flush=True)
assert select.select([fd], [], [], 0)[0] == []
print("polls", flush=True)
assert [fd] == select.select([fd], [], [], 20)[0]
print(os.read(fd, 100), flush=True)
"""


@pytest.mark.parametrize("how", ["open", "fcntl"])
def test_nonblocking_readers_poll(mountpoint: Path, mounted: Mounting, how: str) -> None:
    stream = Stream(follow=True)
    stream.write("a")
    mounted({"follow": stream})
    with following(PYTHON, "-c", NONBLOCK, mountpoint / "follow", how) as reader:
        reader.has("b'a'", "EAGAIN", "polls")
        stream.write("b")
        reader.has("b'b'", "polls")
        stream.close()
        reader.has("b''")
        assert reader.process.wait(20) == 0


EDGES = """
import os, select, sys
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
waiter = select.epoll()
waiter.register(fd, select.EPOLLIN | select.EPOLLET)
while True:
    assert waiter.poll(20), "nothing came"
    while True:
        try:
            data = os.read(fd, 3)
        except BlockingIOError:
            break
        if not data:
            sys.exit()
        print(data.decode().strip(), flush=True)
"""


def test_readers_of_edges_miss_nothing(mountpoint: Path, mounted: Mounting) -> None:
    stream = Stream(follow=True)
    stream.write("0\n")
    mounted({"follow": stream})
    with following(PYTHON, "-c", EDGES, mountpoint / "follow") as reader:
        for number in range(5):
            reader.has(str(number))
            stream.write(f"{number + 1}\n")
        stream.close()
        assert reader.process.wait(20) == 0


def test_a_long_read_gets_what_is_there_at_once(mountpoint: Path, mounted: Mounting) -> None:
    """The kernel cuts long reads into pieces; the last full one must not make it wait for another."""
    stream = Stream(follow=True, history=8 << 20)
    mounted({"follow": stream})
    program = """if True:
        import os, sys
        fd, left = os.open(sys.argv[1], os.O_RDONLY), int(sys.argv[2])
        while left:
            left -= len(os.read(fd, 4 << 20))
        """
    for pieces in (1, 2, 3):
        stream.write(b"x" * (pieces * (1 << 20)))
        python("-c", program, mountpoint / "follow", str(stream.size())).ok()


def test_programs_append(mountpoint: Path, mounted: Mounting) -> None:
    stream = Stream(mode=0o644)
    mounted({"log": stream})
    shell(
        "for i in 1 2 3; do echo $i > log; done; echo 4 >> log; date +five | tee -a log", cwd=mountpoint
    ).ok()
    assert stream.content() == b"1\n2\n3\n4\nfive\n"


def test_two_mounts_follow_one_stream(mountpoint: Path, mounted: Mounting, tmp_path: Path) -> None:
    stream = Stream(follow=True)
    other = tmp_path / "other"
    other.mkdir()
    mounted({"follow": stream})
    mounted({"follow": stream}, at=other)
    with following("cat", mountpoint / "follow") as one, following("cat", other / "follow") as two:
        stream.write("hello\n")
        one.has("hello")
        two.has("hello")
