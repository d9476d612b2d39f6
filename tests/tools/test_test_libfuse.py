"""tools/test-libfuse and tools/unmount-below: what they refuse, and that nothing is removed while mounted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import ROOT, shell


def test_unknown_systems_are_refused() -> None:
    answer = shell(f"{ROOT}/tools/test-libfuse potato")
    assert answer.status == 2
    assert ("potato" if os.geteuid() == 0 else "root") in answer.error


def test_nothing_mounted_is_nothing_to_do(tmp_path: Path) -> None:
    shell(f"{ROOT}/tools/unmount-below {tmp_path}").ok()
    shell(f"{ROOT}/tools/unmount-below {tmp_path}/absent").ok()


@pytest.mark.root
def test_all_mounts_below_are_taken_away_and_none_beside(tmp_path: Path) -> None:
    inside, beside = tmp_path / "a b", tmp_path / "a bc"
    inside.mkdir()
    beside.mkdir()
    script = f"""
        mount --make-rprivate / 2>/dev/null
        mount -t tmpfs tmpfs '{beside}' || exit 77
        mkdir '{inside}/x'
        mount -t tmpfs tmpfs '{inside}/x' && mkdir '{inside}/x/y' && mount -t tmpfs tmpfs '{inside}/x/y'
        {ROOT}/tools/unmount-below '{inside}' || exit 1
        grep -c '{tmp_path}' /proc/self/mountinfo
    """
    answer = shell('unshare --mount -- bash -c "$SCRIPT"', env={"SCRIPT": script})
    if answer.status == 77 or "unshare failed" in answer.error:
        pytest.skip("no mount namespace of our own is to be had here")
    assert answer.ok().text == "1\n"
