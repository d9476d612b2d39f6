"""`fusetree.context()` on a real mount: real processes ask."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import fusetree
from fusetree import Dir, File, FileNode, computed, node
from tests.mount.served import served
from tests.scenarios.coroutines import BACKENDS, pause

pytestmark = [pytest.mark.mount, pytest.mark.parametrize("backend", BACKENDS)]


def described() -> str:
    """Who asks."""
    ctx = fusetree.context()
    return f"{ctx.uid} {ctx.gid} {ctx.pid} {sorted(ctx.groups)}"


@node
class Asked(Dir):
    @computed
    def now(self) -> str:
        return described()

    @computed
    async def later(self) -> str:
        await pause()
        return described()

    async def create(self, name: str, mode: int) -> FileNode:
        await pause()
        return File(f"{fusetree.context().umask:o}\n", mode)


def test_a_process_is_told_apart(backend: str, mountpoint: Path) -> None:
    with served(Asked(mode=0o755), mountpoint, backend):
        for name in ("now", "later"):
            with subprocess.Popen(["cat", str(mountpoint / name)], stdout=subprocess.PIPE) as cat:
                assert cat.stdout is not None
                told = cat.stdout.read().decode().strip()
                assert told == f"{os.geteuid()} {os.getegid()} {cat.pid} {sorted(os.getgroups())}"
        subprocess.run(f"umask 027; : >> {mountpoint}/new", shell=True, check=True, timeout=20)
        assert subprocess.check_output(["cat", mountpoint / "new"], timeout=20) == b"27\n"


@pytest.mark.root
def test_another_user_with_groups(backend: str, mountpoint: Path) -> None:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("there is no setpriv")
    with served(Asked(mode=0o755), mountpoint, backend, allow_other=True):
        words = [setpriv, "--reuid", "4321", "--regid", "4322", "--groups", "4323,4324"]
        for name in ("now", "later"):
            told = subprocess.check_output([*words, "cat", mountpoint / name], timeout=20).decode()
            uid, gid, _, groups = told.strip().split(" ", 3)
            assert (uid, gid, groups) == ("4321", "4322", "[4323, 4324]")
