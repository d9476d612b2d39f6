"""A bound to the number of nodes that the kernel knows, with walkers of a huge tree."""

from __future__ import annotations

import gc
import os
import subprocess
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from fusetree import Dir, FileNode, Mount
from fusetree.nodes import Node
from tests.mount.conftest import Mounting
from tests.support import shell, wait_for

pytestmark = pytest.mark.mount

FOLDERS, FILES, BOUND = 50, 1000, 1000


class Number(FileNode):
    """A file that tells its name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def read(self, size: int, offset: int) -> bytes:
        return self.name.encode()[offset : offset + size]

    @property
    def ttl(self) -> float:
        return 1000.0


class Numbers(Dir):
    """A directory of files, or of directories of files, which are made when they are looked up."""

    alive: weakref.WeakSet[Node] = weakref.WeakSet()

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.depth = depth
        self.known: weakref.WeakValueDictionary[str, Node] = weakref.WeakValueDictionary()

    def list(self) -> Iterator[str]:
        return (f"n{number}" for number in range(FOLDERS if self.depth else FILES))

    def lookup(self, name: str) -> Node | None:
        if not name.startswith("n"):
            return None
        made = self.known.get(name)
        if made is None:
            made = self.known[name] = Numbers(0) if self.depth else Number(name)
            Numbers.alive.add(made)
        return made

    @property
    def ttl(self) -> float:
        return 1000.0


def known(mount: Mount) -> int:
    table = mount.session.operations.inode_table
    assert table is not None
    table.check()
    return table.statistics().entries


def walk(mountpoint: Path) -> subprocess.Popen[str]:
    command = ["find", str(mountpoint), "-type", "f", "-size", "0", "-printf", "x"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("walkers", [1, 3])
def test_walkers_of_a_huge_tree_take_bounded_memory(
    mountpoint: Path, mounted: Mounting, walkers: int
) -> None:
    mount = mounted(Numbers(1), max_cached_nodes=BOUND)
    most_known = most_alive = 0
    processes = [walk(mountpoint) for _ in range(walkers)]
    try:
        while any(process.poll() is None for process in processes):
            most_known = max(most_known, known(mount))
            most_alive = max(most_alive, len(Numbers.alive))
        outputs = [process.communicate()[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [len(output) for output in outputs] == [FOLDERS * FILES] * walkers
    table = mount.session.operations.inode_table
    assert table is not None
    statistics = table.statistics()
    assert statistics.given_back > 40_000
    assert statistics.notices_failed == 0
    # More than the bound are known while the kernel is being told, which takes its time on a busy machine.
    assert most_known < 10 * BOUND
    assert most_alive < 12 * BOUND
    wait_for(lambda: known(mount) <= BOUND + FOLDERS + 10)
    table.reap()
    gc.collect()
    assert len(Numbers.alive) <= BOUND + 2 * FOLDERS + 10
    # What was given back is found again.
    assert (mountpoint / "n7/n7").read_text() == "n7"


def test_what_is_open_and_where_somebody_is_stays(mountpoint: Path, mounted: Mounting) -> None:
    mount = mounted(Numbers(1), max_cached_nodes=20)
    descriptor = os.open(mountpoint / "n1/n1", os.O_RDONLY)
    inside = subprocess.Popen(
        ["sh", "-c", "cd n2 && echo in && read go && /bin/pwd && cat n3"],
        cwd=mountpoint,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert inside.stdout is not None
        assert inside.stdout.readline() == "in\n"
        shell(f"find {mountpoint}/n3 {mountpoint}/n4 -size 0 > /dev/null")
        wait_for(lambda: known(mount) < 40)
        assert os.pread(descriptor, 10, 0) == b"n1"
        assert inside.communicate("go\n", timeout=10)[0] == f"{mountpoint}/n2\nn3"
    finally:
        inside.kill()
        inside.wait()
        os.close(descriptor)


def test_declared_nodes_are_given_back_too(mountpoint: Path, mounted: Mounting) -> None:
    root = Dir({"d": {f"f{number}": "text" for number in range(3000)}})
    mount = mounted(root, max_cached_nodes=100)
    for _ in range(2):
        assert len(shell(f"ls -l {mountpoint}/d").lines) == 3001
        assert shell(f"cat {mountpoint}/d/*").text == "text" * 3000
    wait_for(lambda: known(mount) < 130)
    root["d/f7"].store("new")  # type: ignore[attr-defined]
    assert (mountpoint / "d/f7").read_text() == "new"
