"""The scenarios of tests/scenarios/test_directories.py with ls and find."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from fusetree import Dir, File
from tests.mount.conftest import Mounting
from tests.support import shell

pytestmark = pytest.mark.mount


def test_entries_are_listed_in_the_order_in_which_they_were_made(mountpoint: Path, mounted: Mounting) -> None:
    root = Dir()
    for name in ("z", "a", "m"):
        root[name] = File()
    mounted(root, coherence_wait=10.0)
    assert os.listdir(mountpoint) == ["z", "a", "m"]
    root["b"] = File()
    del root["a"]
    assert os.listdir(mountpoint) == ["z", "m", "b"]
    assert shell("ls -af", cwd=mountpoint).lines == [".", "..", "z", "m", "b"]


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_directory_of_100000_entries_lists_completely_while_entries_come_and_go(
    mountpoint: Path, mounted: Mounting
) -> None:
    count = 100_000
    big = Dir({f"stays-{number}": File() for number in range(count)})
    mounted({"big": big}, coherence_wait=0.0)
    stop = threading.Event()
    rounds = 0

    def churn() -> None:
        nonlocal rounds
        while not stop.is_set():
            big[f"comes-{rounds}"] = File()
            if rounds >= 10:
                del big[f"comes-{rounds - 10}"]
            rounds += 1

    writer = threading.Thread(target=churn)
    writer.start()
    try:
        for command in ("ls -f", "find . -mindepth 1 -printf '%f\\n'"):
            before = rounds
            names = shell(command, cwd=mountpoint / "big", timeout=60).ok().lines
            assert rounds > before
            assert len(names) == len(set(names)), command
            stay = [name for name in names if name.startswith("stays-")]
            assert stay == [f"stays-{number}" for number in range(count)], command
    finally:
        stop.set()
        writer.join()


def test_names_of_all_kinds(mountpoint: Path, mounted: Mounting) -> None:
    names = ["ä", "日本", " ", "a b", "-", "x" * 255, "\udcff"]
    mounted({name: name.encode("utf-8", "surrogateescape") for name in names})
    assert os.listdir(mountpoint) == names
    for name in names:
        assert (mountpoint / name).read_bytes() == os.fsencode(name)
    assert shell("find . -type f | wc -l", cwd=mountpoint).text == f"{len(names)}\n"
