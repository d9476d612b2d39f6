"""Transactions with a kernel that caches without end: readers never see a part of one, nor of before behind
what is of after.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fusetree import Dir, File, Symlink, computed, entry, node
from tests.mount import transaction_reader
from tests.mount.conftest import Mounting
from tests.support import PYTHON

pytestmark = pytest.mark.mount

READERS = 4


@node
class Versioned(Dir):
    version: int = entry(0)
    other: int = entry(0)
    names: Dir = entry(factory=lambda: Dir({"a0": "", "b0": ""}))

    @computed
    def both(self) -> str:
        version = self.version
        time.sleep(0)  # lets others in
        return f"{version} {self.other}"


def content_of(number: int) -> bytes:
    return f"{number}.".encode().ljust(100 + number % transaction_reader.MODULUS, b".")


def raise_number(root: Versioned, number: int) -> None:
    """Everything that a reader looks at tells the next number."""
    root.version = number
    names = root.names
    del names[f"a{number - 1}"]
    names[f"a{number}"] = ""
    names[f"b{number}"] = ""
    del names[f"b{number - 1}"]
    file = root["file"]
    assert isinstance(file, File)
    file.store(content_of(number))
    file.set_times(mtime_ns=number)
    link = root["link"]
    assert isinstance(link, Symlink)
    link.target = str(number)
    root.other = number


@contextmanager
def readers(folder: Path, stop: Path) -> Iterator[list[subprocess.Popen[str]]]:
    script = Path(transaction_reader.__file__)
    processes = [
        subprocess.Popen([PYTHON, "-S", "-E", script, folder, stop], stdout=subprocess.PIPE, text=True)
        for _ in range(READERS)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.no_rings  # who waits there for the transaction holds up notices
def test_readers_see_all_of_a_transaction_or_nothing(
    mountpoint: Path, mounted: Mounting, tmp_path: Path
) -> None:
    root = Versioned(children={"file": File(content_of(0), mode=0o644), "link": Symlink("0")})
    root["file"].set_times(mtime_ns=0)
    mount = mounted(root, coherence_wait=5.0)
    stop = tmp_path / "stop"
    with readers(mountpoint, stop) as processes:
        end = time.monotonic() + 6
        number = 0
        while time.monotonic() < end and all(process.poll() is None for process in processes):
            number += 1
            with root.transaction():
                raise_number(root, number)
            # What is told has been delivered: this process is a reader like any other.
            assert sorted(os.listdir(mountpoint / "names")) == [f"a{number}", f"b{number}"]
            # Linux fills stat(2) without the lock under which another's reply is entered: once more, then.
            times = [os.stat(mountpoint / "file").st_mtime_ns for _ in range(3)]
            assert number in times[:2]
            assert times[-1] == number
        stop.touch()
        outputs = [process.communicate(timeout=20)[0].splitlines() for process in processes]
    assert all(len(lines) == 1 for lines in outputs), outputs
    assert number >= 50
    assert sum(int(lines[0].split()[1]) for lines in outputs) >= 200
    table = mount.session.operations.inode_table
    assert table is not None
    table.check()
