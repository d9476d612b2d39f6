"""tools.ring: a ring of tests ends, and leaves nothing behind."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.support import PYTHON, ROOT, Completed, needs_aborting, python, shell

HANG = """
import os, pathlib, tempfile
from tests.tools.hanging import mount_unserved
folder = pathlib.Path(tempfile.mkdtemp())
device = mount_unserved(folder)
print("mounted", flush=True)
os.listdir(folder)
"""


# The thread that would answer is gone when the process ends; the first waits for it in the kernel.
HANG_AT_THE_END = """
import os, pathlib, tempfile, threading
from fusetree import DynamicDir, mount
folder = pathlib.Path(tempfile.mkdtemp())
def look(name):
    threading.Timer(0.1, os._exit, [3]).start()
    threading.Event().wait()
mount(DynamicDir(look, list), folder)
print("mounted", flush=True)
os.stat(folder / "x")
"""


def ring(*arguments: str) -> Completed:
    return python("-m", "tools.ring", *arguments, cwd=ROOT)


def test_the_status_is_the_commands() -> None:
    assert ring("--", "true").status == 0
    assert ring("--", "sh", "-c", "exit 7").status == 7
    assert ring("--", "sh", "-c", "kill -9 $$").status == 137


def test_a_command_that_takes_too_long_is_ended() -> None:
    answer = ring("--limit", "0.3", "--", "sleep", "60")
    assert answer.status == 124
    assert "not done after" in answer.error


@needs_aborting
@pytest.mark.mount
def test_a_command_that_hangs_in_its_own_mount_is_ended() -> None:
    answer = ring("--limit", "2", "--", PYTHON, "-c", HANG)
    assert answer.status == 124
    assert answer.lines == ["mounted"]
    assert "left mounted" in answer.error


@needs_aborting
@pytest.mark.mount
def test_a_command_that_hangs_in_its_own_mount_at_its_end_ends() -> None:
    answer = ring("--limit", "60", "--", PYTHON, "-c", HANG_AT_THE_END)
    assert answer.status == 3
    assert answer.lines == ["mounted"]
    assert "at its end" in answer.error


@pytest.mark.root
@pytest.mark.mount
def test_nobody_may_open_the_device_within_and_only_there() -> None:
    before = Path("/dev/fuse").stat()
    answer = ring("--unprivileged", "--", "sh", "-c", "id -u && exec 3<>/dev/fuse && echo opened").ok()
    assert answer.lines == ["65534", "opened"]
    after = Path("/dev/fuse").stat()
    assert (after.st_mode, after.st_ino) == (before.st_mode, before.st_ino)


@pytest.mark.root
@pytest.mark.mount
@pytest.mark.skipif(
    shell("unshare --mount true").status != 0, reason="no mount namespace is to be had here (a chroot?)"
)
def test_a_checkout_that_is_closed_to_others_is_readable_within(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    checkout = closed / "checkout"
    checkout.mkdir(parents=True)
    closed.chmod(0o700)
    secret = checkout / "file"
    secret.write_text("content")
    secret.chmod(0o600)
    words = ["-m", "tools.ring", "--unprivileged", "--", "cat", str(secret)]
    answer = python(*words, cwd=checkout, env={"PYTHONPATH": str(ROOT)}).ok()
    assert answer.text == "content"
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert secret.read_text() == "content"
