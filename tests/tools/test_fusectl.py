"""tools.fusectl: FUSE mounts are found, woken and taken away without asking them."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from tests.support import in_thread, is_mounted, needs_aborting, raises_errno, wait_for
from tests.tools.hanging import mount_unserved
from tools import fusectl

pytestmark = pytest.mark.mount


def test_a_mount_is_found_by_its_folder_and_by_those_above(mountpoint: Path) -> None:
    device = mount_unserved(mountpoint)
    try:
        (found,) = fusectl.fuse_mounts(mountpoint)
        assert found.mountpoint == str(mountpoint)
        assert found.source == "unserved"
        assert found in fusectl.fuse_mounts(mountpoint.parent)
        assert found in fusectl.fuse_mounts()
        assert fusectl.fuse_mounts(f"{mountpoint}x") == []
        assert fusectl.detach(mountpoint)
        assert not is_mounted(mountpoint)
    finally:
        os.close(device)


def test_a_folder_with_blanks_in_its_name(mountpoint: Path) -> None:
    folder = mountpoint / "a b\\c"
    folder.mkdir()
    device = mount_unserved(folder)
    try:
        assert [mount.mountpoint for mount in fusectl.clear(mountpoint)] == [str(folder)]
        assert fusectl.fuse_mounts(mountpoint) == []
    finally:
        os.close(device)


@needs_aborting
def test_who_hangs_in_a_mount_is_woken(mountpoint: Path) -> None:
    device = mount_unserved(mountpoint)
    try:
        outcome: list[OSError] = []

        def hang() -> None:
            try:
                os.listdir(mountpoint)
            except OSError as error:
                outcome.append(error)

        thread = threading.Thread(target=hang, daemon=True)
        thread.start()
        # It cannot be interrupted while it waits for the handshake that nobody answers: state D.
        status = Path(f"/proc/self/task/{thread.native_id}/stat")
        wait_for(lambda: status.read_text().rpartition(")")[2].split()[0] == "D", what="the thread to hang")
        fusectl.clear(mountpoint)
        thread.join(10)
        assert [error.errno for error in outcome] in ([errno.ECONNABORTED], [errno.ENOTCONN])
    finally:
        os.close(device)


def test_clearing_where_nothing_is_mounted_does_nothing(mountpoint: Path) -> None:
    assert fusectl.clear(mountpoint) == []


def test_detaching_what_is_not_mounted_says_no(mountpoint: Path) -> None:
    assert in_thread(lambda: fusectl.detach(mountpoint)) is False


def test_raises_errno_tells_one_errno_from_another() -> None:
    with pytest.raises(AssertionError, match="ENOENT was expected"), raises_errno(errno.ENOENT):
        raise PermissionError(errno.EACCES, "no")
