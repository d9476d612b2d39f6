"""The switches of all commands that mount: who keeps locks, and who reads files of the host."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from fusetree import cli, lowlevel
from tests.support import is_mounted, python, server, shell

MIRROR = ("-m", "fusetree", "mirror")

PASSES = lowlevel.features()["passthrough"].compiled and os.geteuid() == 0


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "f").write_text("hello\n")
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["mirror", "--passthrough", "perhaps", "a", "b"],
        ["mirror", "--locks", "nobody", "a", "b"],
        ["memory", "--passthrough", "auto", "b"],
    ],
)
def test_what_is_no_choice(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    assert words[1] in capfd.readouterr().err


def test_what_contradicts_itself_is_said_in_one_line(
    source: Path, mountpoint: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["mirror", "--passthrough", "always", "--no-kernel-cache", str(source), str(mountpoint)]
    assert cli.main(words) == 2
    said = capfd.readouterr().err
    assert "contradict" in said
    assert len(said.splitlines()) == 1


@pytest.mark.mount
@pytest.mark.skipif(PASSES, reason="passthrough is to be had here")
def test_passthrough_that_is_not_to_be_had_is_said_in_one_line(source: Path, mountpoint: Path) -> None:
    done = python(*MIRROR, "--passthrough", "always", source, mountpoint)
    assert done.status == 1
    assert "passthrough is not available: " in done.error
    assert len(done.error.splitlines()) == 1
    assert not is_mounted(mountpoint)


@pytest.mark.mount
@pytest.mark.parametrize("when", ["never", "auto", pytest.param("always", marks=pytest.mark.skipif(
    not PASSES, reason="passthrough takes root and libfuse 3.17"))])  # fmt: skip
def test_files_are_read_whoever_reads_them(when: str, source: Path, mountpoint: Path) -> None:
    with server(*MIRROR, "--passthrough", when, source, mountpoint, mountpoint=mountpoint):
        assert shell("cat f", cwd=mountpoint).ok().text == "hello\n"


@pytest.mark.mount
@pytest.mark.parametrize(("keeper", "status"), [("kernel", 0), ("program", 1)])
def test_locks_of_the_host_are_heard_of_if_asked(
    keeper: str, status: int, source: Path, mountpoint: Path
) -> None:
    with (
        server(*MIRROR, "--writable", "--locks", keeper, source, mountpoint, mountpoint=mountpoint),
        open(source / "f") as file,
    ):
        fcntl.flock(file, fcntl.LOCK_EX)
        assert shell("flock -n f true", cwd=mountpoint).status == status
        fcntl.flock(file, fcntl.LOCK_UN)
        shell("flock -n f true", cwd=mountpoint).ok()
