"""Random operations of several processes, compared with the same on a plain directory.

A few seconds of it here, five minutes for each tree with `make test-stress`.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from fusetree import Dir, HostDir, MemoryDir, mount
from tests.support import PYTHON, ROOT, below, empty, wait_for

SECONDS = float(os.environ.get("STRESS_SECONDS") or 2)
SECONDS = SECONDS * 2.5 if "STRESS_SECONDS" in os.environ else SECONDS
SEED = int(os.environ.get("STRESS_SEED") or 1)
PROCESSES = 4

pytestmark = [pytest.mark.mount, pytest.mark.slow, pytest.mark.timeout(SECONDS + 120)]


def memory(folder: Path) -> Dir:
    return MemoryDir(max_bytes=1 << 30)


def host(folder: Path) -> Dir:
    return HostDir(folder, writable=True)


def check_links(top: Path) -> set[int]:
    """Each link count is the number of names; the inodes that were found."""
    found = {path: path.lstat() for path in [top, *below(top)]}
    names = Counter(seen.st_ino for seen in found.values())
    for path, seen in found.items():
        if stat.S_ISDIR(seen.st_mode):
            inner = [stat.S_ISDIR(os.lstat(path / name).st_mode) for name in os.listdir(path)]
            assert seen.st_nlink == 2 + sum(inner), path
        else:
            assert seen.st_nlink == names[seen.st_ino], path
    return set(names)


@pytest.mark.parametrize("make", [memory, host], ids=lambda make: make.__name__)
def test_processes_play_as_on_a_plain_directory(
    mountpoint: Path, tmp_path: Path, make: Callable[[Path], Dir]
) -> None:
    plain, source = tmp_path / "plain", tmp_path / "source"
    plain.mkdir()
    source.mkdir()
    root = make(source)
    with mount(root, mountpoint, strict=True):
        (mountpoint / "shared").mkdir()
        command = [PYTHON, "-m", "tests.stress.mixing", str(mountpoint), str(plain)]
        with ExitStack() as stack:
            players = []
            for seed in range(SEED, SEED + PROCESSES):
                words = [*command, str(seed), str(SECONDS)]
                player = subprocess.Popen(
                    words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
                players.append(stack.enter_context(player))
                stack.callback(player.kill)
            for player in players:
                out, error = player.communicate(timeout=SECONDS + 90)
                assert player.returncode == 0, error
                assert int(out) >= 500
        inodes = check_links(mountpoint)
        if isinstance(root, MemoryDir):
            space = root.statfs
            wait_for(lambda: space().files - space().free_files == len(inodes), what="what has no name to go")
        empty(mountpoint)
        if isinstance(root, MemoryDir):
            wait_for(lambda: space().blocks == space().free_blocks, what="all blocks to be given back")
