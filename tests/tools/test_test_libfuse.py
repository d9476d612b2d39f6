"""tools/test-libfuse and tools/unmount-below: what they refuse, and that nothing is removed while mounted."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT, shell, wait_for


def test_unknown_systems_are_refused() -> None:
    answer = shell(f"{ROOT}/tools/test-libfuse potato")
    assert answer.status == 2
    assert ("potato" if os.geteuid() == 0 else "root") in answer.error


@pytest.mark.parametrize("ending", ["by itself", "killed", "interrupted", "all killed"])
def test_the_switch_for_rings_is_put_back_whatever_happens(ending: str, tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    switch.write_text("N\n")
    process = subprocess.Popen(
        [ROOT / "tools/with-rings", "bash", "-c", f"cat {switch}; echo $$; read; exit 3"],
        env={**os.environ, "RINGS_SWITCH": str(switch)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        assert process.stdout.readline() == b"Y\n"
        command = int(process.stdout.readline())
        assert switch.read_text() == "Y\n"
        if ending == "by itself":
            process.stdin.close()
        elif ending == "interrupted":
            os.killpg(process.pid, signal.SIGINT)
        elif ending == "all killed":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            os.kill(process.pid, signal.SIGKILL)
            os.kill(command, signal.SIGKILL)
        status = process.wait(20)
    assert status == 3 if ending == "by itself" else status != 0
    wait_for(lambda: switch.read_text() == "N\n")


def test_a_kernel_without_rings_is_told(tmp_path: Path) -> None:
    answer = shell(f"{ROOT}/tools/with-rings true", env={"RINGS_SWITCH": str(tmp_path / "absent")})
    assert answer.status == 2
    assert "no FUSE over io_uring" in answer.error


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
