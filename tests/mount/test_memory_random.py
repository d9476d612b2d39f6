"""Random operations on a `MemoryDir` and on a host directory: the same answers, the same files; and by many
processes at once: nothing is lost or left behind.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from fusetree import MemoryDir
from tests.examples.player import Player
from tests.mount.conftest import Mounting
from tests.support import ROOT, below, empty, wait_for

pytestmark = [pytest.mark.mount, pytest.mark.slow]


@pytest.mark.parametrize("seed", range(2))
def test_the_same_as_a_host_directory(mountpoint: Path, mounted: Mounting, tmp_path: Path, seed: int) -> None:
    mounted(MemoryDir())
    pairs = []
    for folder in (mountpoint, tmp_path):
        (folder / "here").mkdir()
        pairs.append(Player(folder / "here", seed))
    ours, host = pairs
    for number in range(1500):
        got, wanted = ours.step(), host.step()
        assert got == wanted, f"step {number} on {ours.names}"
    assert ours.end() == host.end()


def _used(root: MemoryDir) -> tuple[int, int]:
    """Inodes and blocks."""
    size = root.statfs()
    return size.files - size.free_files, size.blocks - size.free_blocks


def test_many_processes_at_once(mountpoint: Path, mounted: Mounting) -> None:
    root = MemoryDir(max_bytes=1 << 30)
    mounted(root, strict=True)
    command = [sys.executable, "-m", "tests.examples.player", str(mountpoint)]
    with ExitStack() as stack:
        players = []
        for seed in range(4):
            player = subprocess.Popen([*command, str(seed), "400"], cwd=ROOT, stderr=subprocess.PIPE)
            players.append(stack.enter_context(player))
            stack.callback(player.kill)
        for player in players:
            _, error = player.communicate(timeout=50)
            assert player.returncode == 0, error.decode()
    found = {path: path.lstat() for path in [mountpoint, *below(mountpoint)]}
    names = Counter(seen.st_ino for seen in found.values())
    for path, seen in found.items():
        if stat.S_ISDIR(seen.st_mode):
            inner = [stat.S_ISDIR(os.lstat(path / name).st_mode) for name in os.listdir(path)]
            assert seen.st_nlink == 2 + sum(inner)
        else:
            assert seen.st_nlink == names[seen.st_ino]
    wait_for(lambda: _used(root)[0] == len(names), what="what has no name any more to go")
    empty(mountpoint)
    wait_for(lambda: _used(root) == (1, 0), what="everything to be given back")
