"""`fusetree doctor`: each thing that can go wrong, played, is found and told with what mends it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fusetree
from fusetree import cli
from fusetree.cli import doctor
from fusetree.cli.doctor import Finding, Level
from fusetree.mounting import mountpoint as place, stale
from fusetree.server.mountinfo import MountInfo
from tests.support import ROOT, server

SERVE = ROOT / "tests/mount/serve.py"


def found(check: Callable[[], Iterator[Finding]], level: Level) -> Finding:
    """The one finding of that level."""
    (finding,) = [finding for finding in check() if finding.level is level]
    return finding


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks is not root."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


class TestDevice:
    def test_missing(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(doctor, "DEVICE", str(tmp_path / "fuse"))
        finding = found(doctor.device, Level.PROBLEM)
        assert finding.text == "is missing"
        assert "modprobe fuse" in finding.advice
        assert "--device /dev/fuse" in finding.advice

    def test_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(*arguments: Any) -> int:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "open", refused)
        finding = found(doctor.device, Level.PROBLEM)
        assert finding.text == "is closed to this user: Operation not permitted"
        assert "chmod 666 /dev/fuse" in finding.advice

    def test_a_kernel_without_fuse(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "filesystems").write_text("nodev\tsysfs\n\text4\nnodev\tfusectl\n")
        monkeypatch.setattr(doctor, "FILE_SYSTEMS", str(tmp_path / "filesystems"))
        assert any(finding.subject == "kernel module" for finding in doctor.device())
        (tmp_path / "filesystems").write_text("nodev\tsysfs\nnodev\tfuse\n")
        assert all(finding.subject != "kernel module" for finding in doctor.device())


class TestHelper:
    def test_missing(self, monkeypatch: pytest.MonkeyPatch, user: None) -> None:
        monkeypatch.setattr(place, "helper", lambda: None)
        finding = found(doctor.helper, Level.PROBLEM)
        assert "only root can mount" in finding.text
        assert "install fuse3" in finding.advice

    def test_without_its_bit(self, monkeypatch: pytest.MonkeyPatch, user: None, tmp_path: Path) -> None:
        program = tmp_path / "fusermount3"
        program.touch(0o755)
        monkeypatch.setattr(place, "helper", lambda: str(program))
        finding = found(doctor.helper, Level.PROBLEM)
        assert "not set-user-id root" in finding.text
        assert f"chmod u+s {program}" in finding.advice

    def test_root_needs_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(place, "helper", lambda: None)
        assert found(doctor.helper, Level.NOTE)


@pytest.mark.parametrize(
    ("line", "level"), [("user_allow_other", Level.GOOD), ("#user_allow_other", Level.NOTE)]
)
def test_sharing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, level: Level) -> None:
    (tmp_path / "fuse.conf").write_text(f"{line}\n")
    monkeypatch.setattr(doctor, "FUSE_CONF", str(tmp_path / "fuse.conf"))
    assert found(doctor.sharing, level).subject == "allow_other"


def test_too_many_mounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: None) -> None:
    (tmp_path / "fuse.conf").write_text("mount_max = 0  # none\n")
    monkeypatch.setattr(doctor, "FUSE_CONF", str(tmp_path / "fuse.conf"))
    assert "users may have 0" in found(doctor.limits, Level.PROBLEM).text


def test_a_core_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fusetree.lowlevel", None)
    monkeypatch.delitem(vars(fusetree), "lowlevel", raising=False)
    finding = found(doctor.versions, Level.PROBLEM)
    assert "cannot be loaded" in finding.text
    assert "install libfuse3" in finding.advice


def test_a_check_that_fails_is_told_and_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[Finding]:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(doctor, "CHECKS", (broken, doctor.sharing))
    first, second = doctor.examine()
    assert first.level is Level.PROBLEM
    assert "a bug" in first.text
    assert second.subject == "allow_other"


def test_a_hung_mount_is_told_how_to_be_ended(
    monkeypatch: pytest.MonkeyPatch, mountpoint: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    entry = MountInfo(1, str(mountpoint), "fuse.slow", "slow", "0:77")
    monkeypatch.setattr("fusetree.server.mountinfo.mounts", lambda: [entry])
    monkeypatch.setattr(stale, "ask", lambda path: (None, False))
    monkeypatch.setattr(doctor, "CHECKS", (doctor.stale_mounts,))
    assert cli.main(["doctor"]) == 1
    out = capfd.readouterr().out
    assert "does not answer" in out
    assert "echo 1 > /sys/fs/fuse/connections/77/abort" in out
    assert "1 problem\n" in out


def test_all_is_well(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (doctor.versions,))
    assert cli.main(["doctor"]) == 0
    out = capfd.readouterr().out
    assert out.endswith("all is well\n")
    assert "custom_io" in out  # the table of features


@pytest.mark.mount
def test_a_dead_mount_is_named_with_the_command_that_clears_it(
    mountpoint: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with server(SERVE, mountpoint, mountpoint=mountpoint) as process:
        assert not any(str(mountpoint) in finding.text for finding in doctor.stale_mounts())
        process.kill()
        process.wait(20)
        assert cli.main(["doctor"]) == 1
        out = capfd.readouterr().out
        assert f"{mountpoint} (fuse.fusetree): its server is gone" in out
        assert f"umount --lazy {mountpoint}" in out
        assert cli.main(["umount", "--lazy", str(mountpoint)]) == 0
        assert not any(str(mountpoint) in finding.text for finding in doctor.stale_mounts())
