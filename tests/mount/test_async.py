"""The scenarios of tests/scenarios/test_async.py on a real mount; readers by the thousand, and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fusetree import Dir, FileNode, computed, mount, node
from tests.mount.served import served
from tests.scenarios.coroutines import BACKENDS, AsyncFile, AsyncNames, Gate, everything, pause
from tests.scenarios.test_async import Machine
from tests.support import PYTHON, shell, wait_for

pytestmark = pytest.mark.mount


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Who serves."""
    name: str = request.param
    return name


# Opens the file so many times, tells that it did, and reads from each descriptor in a thread of its own.
READERS = """
import os, sys, threading
threading.stack_size(256 * 1024)
path, count = sys.argv[1], int(sys.argv[2])
descriptors = [os.open(path, os.O_RDONLY) for _ in range(count)]
results = []
def read(fd):
    results.append(os.read(fd, 100))
threads = [threading.Thread(target=read, args=(fd,)) for fd in descriptors]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(results), set(results) == {b"at last\\n"})
"""

# Opens the file in so many threads, and stays there.
OPENERS = """
import os, sys, threading
threading.stack_size(256 * 1024)
path, count = sys.argv[1], int(sys.argv[2])
threads = [threading.Thread(target=os.open, args=(path, os.O_RDONLY)) for _ in range(count)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "fusetree-loop"]


def test_programs_use_a_tree_all_of_whose_methods_are_async(backend: str, mountpoint: Path) -> None:
    root = everything()
    with served(root, mountpoint, backend, kernel_cache=False):
        assert shell("cat file", cwd=mountpoint).ok().out == b"hello\n"
        shell("echo one > new && echo two >> new && mkdir -p a/b && mv new a/b/moved", cwd=mountpoint).ok()
        moved = root["a/b/moved"]
        assert isinstance(moved, AsyncFile)
        assert bytes(moved.data) == b"one\ntwo\n"
        assert shell("wc -c < a/b/moved; stat -c %s a/b/moved", cwd=mountpoint).ok().lines == ["8", "8"]
        shell("ln a/b/moved again && rm a/b/moved && rmdir a/b a && test -s again", cwd=mountpoint).ok()
        shell("truncate -s 3 again && chmod 600 again && mkfifo fifo && ln -s x soft", cwd=mountpoint).ok()
        assert shell("cat again; readlink soft; stat -f -c %b .", cwd=mountpoint).ok().lines == [
            "onex!",
            "7",
        ]
        names = root["names"]
        assert isinstance(names, AsyncNames)
        assert shell("ls -U names", cwd=mountpoint).ok().lines == [*names.made]
        assert shell("cat names/n17; cat names/none", cwd=mountpoint).text == "17"
        os.setxattr(mountpoint / "file", "user.a", b"1")
        assert os.listxattr(mountpoint / "file") == ["user.a"]
        fd = os.open(mountpoint / "file", os.O_RDWR)
        os.fsync(fd)
        assert os.lseek(fd, 3, os.SEEK_DATA) == 13
        os.close(fd)
        wait_for(lambda: moved.log[-1:] == ["release"])


def test_computed_files_and_actions(backend: str, mountpoint: Path) -> None:
    machine = Machine()
    with served(Dir({"m": machine}), mountpoint, backend):
        assert shell("cat m/slow; stat -c %s m/exact; cat m/exact", cwd=mountpoint).ok().lines == [
            *("speed 1", "6", "0", "1", "2"),
        ]
        assert shell("echo 7 > m/go && cat m/speed m/slow", cwd=mountpoint).ok().lines == ["7", "speed 7"]
        assert "Invalid argument" in shell("echo -1 > m/go", cwd=mountpoint).error
        assert "Permission denied" in shell("echo 13 > m/go", cwd=mountpoint).error
        assert "Input/output error" in shell("echo 99 > m/go", cwd=mountpoint).error


class Slow(FileNode):
    """Every read waits at a gate."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate

    async def read(self, size: int, offset: int) -> bytes:
        await self.gate.passing()
        return b"at last\n"[offset : offset + size]


@pytest.mark.no_rings  # a ring has room for eight
def test_a_thousand_slow_reads_complete_together(backend: str, mountpoint: Path) -> None:
    gate = Gate()
    with served(Dir({"slow": Slow(gate), "quick": lambda: "now"}), mountpoint, backend, workers=2):
        with subprocess.Popen(
            [PYTHON, "-c", READERS, str(mountpoint / "slow"), "1000"], stdout=subprocess.PIPE
        ) as readers:
            wait_for(lambda: gate.came == 1000, timeout=30)
            assert shell(f"cat {mountpoint}/quick").ok().text == "now\n"
            gate.open()
            assert readers.communicate(timeout=30)[0] == b"1000 True\n"
    assert gate.cancelled == 0


@pytest.mark.no_rings  # the kernel can not take back what waits there
def test_readers_that_are_killed_cancel_their_tasks(backend: str, mountpoint: Path) -> None:
    gate = Gate()

    @node
    class Root(Dir):
        @computed
        async def slow(self) -> str:
            await gate.passing()
            return "at last"

    with served(Root(), mountpoint, backend) as mounted:
        openers = [
            subprocess.Popen([PYTHON, "-c", OPENERS, str(mountpoint / "slow"), "50"]) for _ in range(4)
        ]
        wait_for(lambda: gate.came == 200, timeout=30)
        assert gate.cancelled == 0
        for process in openers:
            process.send_signal(signal.SIGKILL)
        for process in openers:
            assert process.wait(20) == -signal.SIGKILL
        wait_for(lambda: gate.cancelled == 200)
        gate.open()
        assert shell(f"cat {mountpoint}/slow").ok().text == "at last\n"
        assert mounted.session.failures == 0
    assert gate.came == 201


@pytest.mark.no_rings  # the kernel can not take back what waits there
def test_an_open_whose_reader_is_killed_is_taken_back(backend: str, mountpoint: Path) -> None:
    """What the program's `open` made for nobody is released."""
    gate = Gate()
    log: list[str] = []

    class Handle:
        async def read(self, size: int, offset: int) -> bytes:
            return b""

        async def release(self) -> None:
            await pause()
            log.append("release")

    class Stubborn(FileNode):
        async def open(self, flags: int) -> Handle:
            try:
                await gate.passing()
            except BaseException:  # noqa: BLE001 - it goes on to its end, as a program may
                log.append("cancelled")
            return Handle()

    with served(Dir({"f": Stubborn()}), mountpoint, backend):
        with subprocess.Popen(["cat", str(mountpoint / "f")]) as reader:
            wait_for(lambda: gate.came == 1)
            reader.kill()
        wait_for(lambda: log == ["cancelled", "release"])


def test_unmounting_cancels_what_waits(backend: str, mountpoint: Path) -> None:
    gate = Gate()
    with served(Dir({"slow": Slow(gate)}), mountpoint, backend):
        reader = subprocess.Popen(["cat", str(mountpoint / "slow")], stderr=subprocess.PIPE)
        wait_for(lambda: gate.came == 1)
    assert gate.cancelled == 1
    assert b"cat: " in reader.communicate(timeout=20)[1]
    assert reader.returncode == 1


def test_an_endless_asynchronous_generator_is_read_as_far_as_wanted(backend: str, mountpoint: Path) -> None:
    ended: list[int] = []

    async def numbers() -> AsyncIterator[str]:
        number = 0
        try:
            while True:
                await pause()
                yield f"{number}\n"
                number += 1
        finally:
            ended.append(number)

    with served(Dir({"numbers": numbers}), mountpoint, backend):
        assert shell(f"head -n 5 {mountpoint}/numbers").ok().lines == ["0", "1", "2", "3", "4"]
        wait_for(lambda: ended)


def test_threads_hand_over_to_the_loop(backend: str, mountpoint: Path) -> None:
    """`async with` takes over what `mount` had begun: coroutines run in the loop from then on."""
    where: list[str] = []

    async def name() -> str:
        where.append(threading.current_thread().name)
        await pause()
        return "x"

    with served(Dir({"name": name}), mountpoint, backend):
        shell(f"cat {mountpoint}/name").ok()
    assert where == ["fusetree-loop" if backend == "threads" else f"served-{backend}"]


def test_nothing_of_a_loop_is_there_before_it_is_needed(mountpoint: Path) -> None:
    with mount({"sync": lambda: "x"}, mountpoint):
        shell(f"cat {mountpoint}/sync").ok()
        assert not [thread for thread in threading.enumerate() if thread.name == "fusetree-loop"]
