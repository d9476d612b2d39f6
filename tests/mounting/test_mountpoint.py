"""What is wrong with a mountpoint or a machine is said before libfuse is asked."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from fusetree.errors import MountError
from fusetree.mounting import mountpoint as place
from fusetree.mounting.options import MountOptions


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place.absolute("mnt") == str(tmp_path / "mnt")
    assert place.absolute(Path("mnt")) == str(tmp_path / "mnt")


@pytest.mark.parametrize(
    ("path", "error"), [("", ValueError), ("a\0b", ValueError), (b"mnt", TypeError), (3, TypeError)]
)
def test_what_is_no_path(path: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        place.absolute(path)  # type: ignore[arg-type]


def test_missing_mountpoint(tmp_path: Path) -> None:
    with pytest.raises(MountError, match="mkdir -p") as caught:
        place.check_directory(str(tmp_path / "gone"))
    assert caught.value.errno == errno.ENOENT
    assert caught.value.filename == str(tmp_path / "gone")


def test_mountpoint_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(MountError, match="not a directory") as caught:
        place.check_directory(str(file))
    assert caught.value.errno == errno.ENOTDIR


def test_missing_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "DEVICE", str(tmp_path / "fuse"))
    with pytest.raises(MountError, match="modprobe fuse") as caught:
        place.check_device()
    assert caught.value.errno == errno.ENODEV


def test_closed_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "fuse"
    device.touch()
    monkeypatch.setattr(place, "DEVICE", str(device))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(MountError, match="chmod 666") as caught:
        place.check_device()
    assert caught.value.errno == errno.EACCES


def test_unprivileged_user_without_fusermount3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "helper", lambda: None)
    with pytest.raises(MountError, match="install the package fuse3") as caught:
        place.check_unprivileged(str(tmp_path), MountOptions())
    assert caught.value.errno == errno.ENOENT


def test_unprivileged_user_on_somebodys_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "helper", lambda: "/usr/bin/fusermount3")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(MountError, match="who may write") as caught:
        place.check_unprivileged(str(tmp_path), MountOptions())
    assert caught.value.errno == errno.EACCES


def test_unprivileged_user_on_a_sticky_directory_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "helper", lambda: "/usr/bin/fusermount3")
    tmp_path.chmod(0o1777)
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    assert tmp_path.stat().st_mode & stat.S_ISVTX
    with pytest.raises(MountError, match="sticky") as caught:
        place.check_unprivileged(str(tmp_path), MountOptions())
    assert caught.value.errno == errno.EPERM


def test_unprivileged_allow_other_needs_the_owners_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "helper", lambda: "/usr/bin/fusermount3")
    monkeypatch.setattr(place, "user_allow_other", lambda: False)
    with pytest.raises(MountError, match="user_allow_other") as caught:
        place.check_unprivileged(str(tmp_path), MountOptions(allow_other=True))
    assert caught.value.errno == errno.EPERM
    monkeypatch.setattr(place, "user_allow_other", lambda: True)
    place.check_unprivileged(str(tmp_path), MountOptions(allow_other=True))


@pytest.mark.parametrize(
    ("text", "allowed"),
    [("", False), ("#user_allow_other\n", False), ("mount_max = 3\nuser_allow_other # yes\n", True)],
)
def test_fuse_conf(tmp_path: Path, text: str, allowed: bool) -> None:
    conf = tmp_path / "fuse.conf"
    conf.write_text(text)
    assert place.user_allow_other(str(conf)) is allowed
    assert not place.user_allow_other(str(tmp_path / "gone"))
