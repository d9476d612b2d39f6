"""Wrapped trees with a kernel that caches."""

from __future__ import annotations

import math
import mmap
import os
import subprocess
from pathlib import Path

import pytest

from fusetree import Dir, File, HostDir, MemoryDir, WrapDir
from tests.mount.conftest import Mounting
from tests.support import python, shell

pytestmark = pytest.mark.mount


class Kept(WrapDir):
    ttl = math.inf


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_wrapped_tree_in_memory_passes_what_the_tree_passes(mountpoint: Path, mounted: Mounting) -> None:
    mounted(WrapDir(MemoryDir()), allow_other=True, suid=True, dev=True)
    answer = python("-m", "fusetree.testing.posix", mountpoint, timeout=170).ok()
    last = [line for line in answer.lines if line.startswith("all ")]
    assert int(last[0].split()[1]) >= 620, answer.text


def test_changes_inside_reach_readers_of_what_is_cached(mountpoint: Path, mounted: Mounting) -> None:
    inside = Dir({"f": File(b"0"), "d": Dir()})
    mounted(Kept(inside), coherence_wait=10.0)
    file = inside["f"]
    assert isinstance(file, File)
    with open(mountpoint / "f", "rb") as opened, mmap.mmap(opened.fileno(), 1, prot=mmap.PROT_READ) as mapped:
        for number in range(1, 200):
            assert not (mountpoint / f"d/{number}").exists()
            file.store(str(number))
            inside[f"d/{number}"] = ""
            assert (mountpoint / "f").read_text() == str(number)
            assert mapped[0] == ord(str(number)[0])
            assert len(os.listdir(mountpoint / "d")) == number
            assert (mountpoint / f"d/{number}").exists()


def test_a_directory_that_was_just_made_can_be_entered(mountpoint: Path, mounted: Mounting) -> None:
    mounted(Kept(MemoryDir()))
    done = shell(f"cd {mountpoint} && mkdir new && cd new && echo text > f && /bin/pwd && cat f")
    assert done.text.splitlines() == [f"{mountpoint}/new", "text"]


@pytest.mark.root
def test_a_user_writes_the_file_that_it_may_not_open_again(
    mountpoint: Path, mounted: Mounting, tmp_path: Path
) -> None:
    """As git makes its objects, and cp what is read-only: a directory of the host lets that once only."""
    source = tmp_path / "source"
    source.mkdir()
    for folder in (tmp_path.parent, tmp_path):
        os.chmod(folder, 0o755)
    os.chmod(source, 0o777)
    mounted(WrapDir(HostDir(source, writable=True)), allow_other=True)
    user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]
    script = f"umask 0222; {{ echo text; perl -e 'truncate STDOUT, 7 or die'; }} > {mountpoint}/f"
    done = subprocess.run(
        [*user, "sh", "-c", script], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.stderr == ""
    assert (source / "f").read_text() == "text\n\0\0"
    assert os.stat(source / "f").st_uid == 1000
