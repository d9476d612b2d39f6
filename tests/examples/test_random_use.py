"""Random operations on an example's file system and on a host directory: the same answers, the same files.

And by many processes at once: nothing is lost or left behind.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.examples.player import Player
from tests.support import ROOT, server, wait_for

pytestmark = [pytest.mark.mount, pytest.mark.slow]

EXAMPLES = ROOT / "examples"


@pytest.fixture(params=["sqlite_fs", "passthrough"])
def files(request: pytest.FixtureRequest, mountpoint: Path, tmp_path: Path) -> Iterator[Path]:
    arguments: list[Path] = []
    if request.param == "passthrough":
        (tmp_path / "source").mkdir()
        arguments = [tmp_path / "source"]
    with server(ROOT / f"examples/{request.param}.py", *arguments, mountpoint, mountpoint=mountpoint):
        yield mountpoint


@pytest.mark.parametrize("seed", range(2))
def test_the_same_as_a_host_directory(files: Path, tmp_path: Path, seed: int) -> None:
    pairs = []
    for folder in (files, tmp_path):
        (folder / "here").mkdir()
        pairs.append(Player(folder / "here", seed))
    ours, host = pairs
    succeeded = 0
    for number in range(1500):
        got, wanted = ours.step(), host.step()
        assert got == wanted, f"step {number} on {ours.names}"
        succeeded += wanted[2] == 0
    assert succeeded > 250
    assert ours.end() == host.end()


def _play(folder: Path) -> None:
    """Six processes at once; every third is killed on its way."""
    command = [sys.executable, "-m", "tests.examples.player", str(folder)]
    with ExitStack() as stack:
        players = []
        for seed in range(6):
            player = subprocess.Popen([*command, str(seed), "300"], cwd=ROOT, stderr=subprocess.PIPE)
            players.append(stack.enter_context(player))
            stack.callback(player.kill)
        wait_for(lambda: len(os.listdir(folder)) > 2, what="the first files")
        for player in players[2::3]:
            player.kill()
        for number, player in enumerate(players):
            _, error = player.communicate(timeout=50)
            assert player.returncode == (-signal.SIGKILL if number % 3 == 2 else 0), error.decode()


def test_many_processes_on_a_database(mountpoint: Path, tmp_path: Path) -> None:
    database, log = tmp_path / "files.db", tmp_path / "log"
    with (
        open(log, "wb") as file,
        server(EXAMPLES / "sqlite_fs.py", mountpoint, database, mountpoint=mountpoint, stderr=file),
    ):
        _play(mountpoint)
    assert log.read_text() == ""
    db = sqlite3.connect(database)
    # What was open without a name when the server ended is deleted by the next one.
    rows = db.execute("SELECT inode, mode, nlink, allocated FROM inodes WHERE nlink > 0").fetchall()
    for inode, mode, nlink, allocated in rows:
        names = db.execute("SELECT COUNT(*) FROM names WHERE inode = ?", (inode,)).fetchone()[0]
        if stat.S_ISDIR(mode):
            inner = db.execute(
                "SELECT COUNT(*) FROM names JOIN inodes USING (inode) WHERE parent = ? AND mode & ? = ?",
                (inode, 0o170000, stat.S_IFDIR),
            )
            assert nlink == 2 + inner.fetchone()[0]
            assert names == (inode != 1)
        else:
            assert nlink == names
        stored = db.execute("SELECT TOTAL(LENGTH(data)) FROM blocks WHERE inode = ?", (inode,)).fetchone()[0]
        assert allocated == stored
    for table in ("blocks", "xattrs", "names"):
        lost = f"SELECT COUNT(*) FROM {table} WHERE inode NOT IN (SELECT inode FROM inodes)"
        assert db.execute(lost).fetchone() == (0,), table
    db.close()


def test_many_processes_passed_through(mountpoint: Path, tmp_path: Path) -> None:
    source, log = tmp_path / "source", tmp_path / "log"
    source.mkdir()
    with (
        open(log, "wb") as file,
        server(
            EXAMPLES / "passthrough.py", source, mountpoint, mountpoint=mountpoint, stderr=file
        ) as process,
    ):
        descriptors = Path(f"/proc/{process.pid}/fd")
        before = len(os.listdir(descriptors))
        _play(mountpoint)
        assert sorted(path.name for path in mountpoint.iterdir()) == sorted(
            path.name for path in source.iterdir()
        )
        for path in mountpoint.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        wait_for(lambda: len(os.listdir(descriptors)) <= before, what="descriptors to be closed")
    assert log.read_text() == ""
