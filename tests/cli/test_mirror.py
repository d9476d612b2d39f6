"""`fusetree mirror`: a directory of the host at a second place."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from fusetree import cli
from fusetree.cli.mirror import shown
from tests.support import is_mounted, server, shell

MIRROR = ("-m", "fusetree", "mirror")


@pytest.mark.parametrize(
    ("patterns", "path", "seen"),
    [
        ([], "a", True),
        (["*.pyc"], "a.pyc", False),
        (["*.pyc"], "deep/er/a.pyc", False),
        (["*.pyc"], "a.py", True),
        (["build/*"], "build/a", False),
        (["/build"], "build", False),
        (["/build"], "deep/build", True),
        (["build"], "deep/build", False),
    ],
)
def test_what_is_shown(patterns: list[str], path: str, seen: bool) -> None:
    assert shown(patterns)(path) is seen


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    (folder / "f").write_text("hello\n")
    (folder / "deep/hidden.pyc").write_text("x")
    return folder


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["nowhere", "."], 1, "nowhere: No such file or directory"),
        (["source/f", "mnt"], 1, "Not a directory"),
        (["source", "source/deep"], 2, "the mirror would show itself"),
        (["source", "gone"], 1, "the mountpoint is not there"),
    ],
)
def test_what_cannot_be(
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    status: int,
    said: str,
) -> None:
    monkeypatch.chdir(source.parent)
    (source.parent / "mnt").mkdir()
    assert cli.main(["mirror", *words]) == status
    assert said in capfd.readouterr().err


@pytest.mark.mount
def test_it_is_read_only_unless_asked_otherwise(source: Path, mountpoint: Path) -> None:
    with server(*MIRROR, "--exclude", "*.pyc", source, mountpoint, mountpoint=mountpoint) as process:
        assert shell("cat f; ls deep", cwd=mountpoint).ok().text == "hello\n"
        assert "Read-only" in shell("echo 1 > f", cwd=mountpoint).error
        assert shell(f"grep {mountpoint} /proc/mounts").text.startswith(f"{source} ")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert not is_mounted(mountpoint)
    assert (source / "f").read_text() == "hello\n"


@pytest.mark.mount
def test_writable(source: Path, mountpoint: Path) -> None:
    with server(*MIRROR, "--writable", "--ttl", "0", source, mountpoint, mountpoint=mountpoint):
        shell("echo new > f; mkdir d; ln f d/g; mv d e", cwd=mountpoint).ok()
        assert (source / "e/g").read_text() == "new\n"
        (source / "f").unlink()
        assert "No such file" in shell("cat f", cwd=mountpoint).error


@pytest.mark.mount
def test_a_directory_over_itself(source: Path) -> None:
    with server(*MIRROR, source, source, mountpoint=source):
        assert shell("cat f", cwd=source).ok().text == "hello\n"
        assert "Read-only" in shell("rm f", cwd=source).error
