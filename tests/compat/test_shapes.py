"""The shapes in which programs for llfuse and pyfuse3 are written, at real mounts: one file, a tree in
memory, a folder passed through; written for this, so that they need nothing that is not here.

`test_examples` does the same with the originals' own.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.compat.running import PROGRAMS, original, ours, started, unmounted, used, worked
from tests.support import python

pytestmark = pytest.mark.mount

NAMES = ["llfuse", "pyfuse3", "pyfuse3 --asyncio"]
#: What can not be had with the handlers that llfuse and pyfuse3 know; the list says so of each check.
LACKING = {"fallocate", "temporary files", "ACLs", "holes"}
LACKING_OF_LLFUSE = LACKING | {"rename flags", "rename exchange"}
#: Each program's tree and each way to serve one; all of them would take minutes.
LISTED = [
    ("llfuse", "memory"),
    ("llfuse", "passthrough"),
    ("pyfuse3", "passthrough"),
    ("pyfuse3 --asyncio", "memory"),
]
AS_ROOT = ["--option", "allow_other", "--option", "suid", "--option", "dev"]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """The original that the program is written for, and how it runs."""
    chosen: str = request.param
    if chosen == "pyfuse3":
        pytest.importorskip("trio")
    return chosen


@pytest.fixture(params=["memory", "passthrough"])
def shape(request: pytest.FixtureRequest) -> str:
    """What can be written."""
    chosen: str = request.param
    return chosen


def words(name: str, shape: str, mountpoint: Path, folder: Path) -> list[str]:
    """A program and its arguments."""
    module, *arguments = name.split()
    program = str(PROGRAMS / f"{module}_{shape}.py")
    if shape == "hello":
        return [program, str(mountpoint), *arguments]
    if shape == "memory":
        return [program, str(mountpoint), str(folder / "report"), "--clock", *arguments]
    (folder / "source").mkdir(exist_ok=True)
    return [program, str(folder / "source"), str(mountpoint), *arguments]


def command_of(name: str) -> list[str]:
    """What runs a program on the drop-in."""
    return ours(name.split(maxsplit=1)[0])


def test_one_file(name: str, mountpoint: Path, tmp_path: Path) -> None:
    seen, status, errors = worked(
        command_of(name), words(name, "hello", mountpoint, tmp_path), "look", mountpoint
    )
    assert seen.splitlines()[:3] == ["message", "hello world", "12"]
    assert "message: Operation not permitted" in seen  # written to
    assert "new: Function not implemented" in seen
    assert (status, errors) == (0, "")


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("script", ["work", "more"])
def test_ordinary_work(name: str, shape: str, script: str, mountpoint: Path, tmp_path: Path) -> None:
    """It is as in a folder of the host."""
    seen, status, errors = worked(
        command_of(name), words(name, shape, mountpoint, tmp_path), script, mountpoint
    )
    (tmp_path / "real").mkdir()
    assert seen == used(script, tmp_path / "real")
    assert (status, errors) == (0, "")
    if shape == "passthrough":
        assert list((tmp_path / "source").iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "shape"), LISTED, indirect=True)
def test_the_list_of_posix_checks_passes(name: str, shape: str, mountpoint: Path, tmp_path: Path) -> None:
    arguments = words(name, shape, mountpoint, tmp_path)
    if os.geteuid() == 0:
        arguments += AS_ROOT
    with started([*command_of(name), *arguments], mountpoint) as process:
        answer = python("-m", "fusetree.testing.posix", mountpoint, timeout=250).ok()
        unmounted(process, mountpoint)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, b"")
    lacking = {
        line.split("not supported: ")[1].split(" (")[0] for line in answer.lines if "not supported" in line
    }
    if os.geteuid() == 0:
        assert lacking == (LACKING_OF_LLFUSE if name == "llfuse" else LACKING)
        passed = next(line for line in answer.lines if line.startswith("all "))
        assert int(passed.split()[1]) >= 600, answer.text


@pytest.mark.parametrize("shape", ["hello", "passthrough"])
def test_the_originals_show_the_same(name: str, shape: str, mountpoint: Path, tmp_path: Path) -> None:
    script = "look" if shape == "hello" else "more"
    arguments = words(name, shape, mountpoint, tmp_path)
    theirs = worked(original(name.split(maxsplit=1)[0]), arguments, script, mountpoint)
    assert worked(command_of(name), arguments, script, mountpoint) == theirs
