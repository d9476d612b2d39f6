"""Mounts whose server died are recognised, named, and cleared on request; all others are left alone."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from fusetree.errors import MountError, StaleMountError
from fusetree.mounting import clear_stale_mounts, is_stale, mount, stale, unmount
from tests.support import is_mounted, server, shell

SERVER = "import sys, fusetree; fusetree.run({'a': '1'}, sys.argv[1])"


def test_ordinary_directory_is_not_stale(tmp_path: Path) -> None:
    assert not is_stale(tmp_path)
    assert not is_stale(tmp_path / "gone")
    assert clear_stale_mounts(tmp_path) == 0


def test_probe_tells_the_error(tmp_path: Path) -> None:
    error = stale.probe(str(tmp_path / "gone"))
    assert error is not None
    assert error.errno == errno.ENOENT
    assert stale.probe(str(tmp_path)) is None


def test_unmounting_what_is_not_mounted(tmp_path: Path) -> None:
    with pytest.raises(MountError, match="cannot unmount") as caught:
        unmount(str(tmp_path))
    assert caught.value.filename == str(tmp_path)


@pytest.mark.mount
class TestKilledServer:
    def test_mount_says_how_to_clear_it(self, mountpoint: Path) -> None:
        with server("-c", SERVER, str(mountpoint), mountpoint=mountpoint) as process:
            process.kill()
            process.wait(20)
            assert is_stale(mountpoint)
            with pytest.raises(StaleMountError, match=f"fusermount3 -u {mountpoint}") as caught:
                mount({"b": "2"}, mountpoint)
            assert caught.value.errno == errno.ENOTCONN
            # The command that it names does clear it.
            shell(f"fusermount3 -u {mountpoint}").ok()
            with mount({"b": "2"}, mountpoint):
                assert shell(f"cat {mountpoint}/b").text == "2"

    def test_clear_stale_clears_it(self, mountpoint: Path) -> None:
        with server("-c", SERVER, str(mountpoint), mountpoint=mountpoint) as process:
            process.kill()
            process.wait(20)
            with mount({"b": "2"}, mountpoint, clear_stale=True):
                assert shell(f"cat {mountpoint}/b").text == "2"
            assert not is_mounted(mountpoint)

    def test_recognised_although_the_kernel_has_its_root_cached(self, mountpoint: Path) -> None:
        with server("-c", SERVER, str(mountpoint), mountpoint=mountpoint) as process:
            shell(f"stat {mountpoint}; ls -la {mountpoint}").ok()  # cached without end from here on
            process.kill()
            process.wait(20)
            assert is_stale(mountpoint)

    def test_recognised_through_a_symbolic_link(self, mountpoint: Path, tmp_path: Path) -> None:
        link = tmp_path / "link"
        link.symlink_to(mountpoint.parent)
        with server("-c", SERVER, str(mountpoint), mountpoint=mountpoint) as process:
            process.kill()
            process.wait(20)
            assert is_stale(link / mountpoint.name)
            assert clear_stale_mounts(link / mountpoint.name) == 1
        assert not is_mounted(mountpoint)

    def test_cleared_although_a_shell_stands_in_it(self, mountpoint: Path) -> None:
        with server("-c", SERVER, str(mountpoint), mountpoint=mountpoint) as process:
            sleeper = "import os, sys; os.chdir(sys.argv[1]); print('in', flush=True); sys.stdin.read()"
            with subprocess.Popen(
                [sys.executable, "-c", sleeper, mountpoint], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as inside:
                assert inside.stdout is not None
                inside.stdout.readline()
                process.kill()
                process.wait(20)
                assert clear_stale_mounts(mountpoint) == 1
                assert inside.stdin is not None
                inside.stdin.close()
                inside.wait(20)


@pytest.mark.mount
def test_living_mount_is_neither_cleared_nor_covered(mountpoint: Path) -> None:
    with mount({"a": "1"}, mountpoint, fsname="mine"):
        assert not is_stale(mountpoint)
        assert clear_stale_mounts(mountpoint) == 0
        with pytest.raises(MountError, match=r"mine \(fuse.fusetree\) is mounted there already") as caught:
            mount({"b": "2"}, mountpoint, clear_stale=True)
        assert caught.value.errno == errno.EBUSY
        assert shell(f"cat {mountpoint}/a").text == "1"
