"""The rules of tests/conftest.py, seen from outside: a run of pytest over tests that break them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support import PYTHON, ROOT, Completed, needs_aborting, python, shell

HEAD = """
import os, threading
import pytest
from tests.tools.hanging import mount_unserved
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with our conftest and nothing else to test."""
    for name in ("tools", "tests/tools", "tests/conftest.py", "tests/support.py", "pyproject.toml"):
        source, target = ROOT / name, tmp_path / "checkout" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("test_*", "__pycache__"))
        else:
            shutil.copy(source, target)
    return tmp_path / "checkout"


def run(checkout: Path, body: str, *options: str, **env: str) -> Completed:
    (checkout / "tests" / "test_body.py").write_text(HEAD + body)
    words = ["-m", "pytest", "-p", "no:cacheprovider", *options]
    return python(*words, cwd=checkout, env={"CI": "", **env})


@needs_aborting
@pytest.mark.mount
def test_a_test_that_hangs_in_its_own_mount_fails_and_the_next_one_runs(checkout: Path) -> None:
    body = """
@pytest.mark.mount
@pytest.mark.timeout(1)
def test_hangs(mountpoint):
    device = mount_unserved(mountpoint)
    os.listdir(mountpoint)

def test_next():
    pass
"""
    answer = run(checkout, body)
    assert answer.status == 1
    assert "1 failed, 1 passed" in answer.text
    assert "Timeout (>1.0s)" in answer.text
    assert "test_hangs hangs; aborting its mounts" in answer.error
    assert " in test_hangs\n" in answer.error  # the stacks


@pytest.mark.mount
def test_a_mount_left_behind_is_an_error(checkout: Path) -> None:
    body = """
@pytest.mark.mount
def test_leaves_it(mountpoint):
    os.close(mount_unserved(mountpoint))
"""
    answer = run(checkout, body)
    assert answer.status == 1
    assert "1 passed, 1 error" in answer.text
    assert "test_leaves_it left mounted: " in answer.text


def test_signals_that_the_run_got_ignored_are_heeded_by_the_programs_under_test(checkout: Path) -> None:
    body = """
import signal, subprocess, sys

@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_ends(name):
    program = f"import signal; signal.raise_signal(signal.{name})"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode != 0
"""
    (checkout / "tests" / "test_body.py").write_text(HEAD + body)
    command = f"trap '' INT HUP; {PYTHON} -m pytest -p no:cacheprovider"
    assert "2 passed" in shell(command, cwd=checkout).ok().text


BODY_FOR_MISSING = """
import tests.conftest

@pytest.mark.mount
def test_mounts(mountpoint):
    pass
"""

NO_DEVICE = """
import os, tests.conftest as ours
real = os.open
def no_device(path, *arguments, **named):
    if path == "/dev/fuse":
        raise FileNotFoundError(2, "No such file or directory")
    return real(path, *arguments, **named)
os.open = no_device
"""


def test_without_a_device_mounts_are_skipped_loudly(checkout: Path) -> None:
    (checkout / "nodevice.py").write_text(NO_DEVICE)
    answer = run(checkout, BODY_FOR_MISSING, "-p", "nodevice")
    assert answer.status == 0
    assert "1 tests of real mounts were SKIPPED: /dev/fuse: No such file or directory" in answer.text


def test_without_a_device_mounts_fail_in_ci(checkout: Path) -> None:
    (checkout / "nodevice.py").write_text(NO_DEVICE)
    answer = run(checkout, BODY_FOR_MISSING, "-p", "nodevice", CI="true")
    assert answer.status == 1
    assert "1 tests of real mounts FAILED: /dev/fuse: No such file or directory" in answer.text


WITHOUT_DESCRIPTORS = """
from fusetree.errors import UnsupportedFeatureError

@pytest.fixture
def client():
    raise UnsupportedFeatureError("custom_io", reason="built without sessions on a descriptor")

def test_fixture(client): pass

def test_own():
    raise UnsupportedFeatureError("custom_io", reason="built without sessions on a descriptor")

def test_other():
    raise UnsupportedFeatureError("something else")
"""


def test_a_libfuse_without_sessions_on_a_descriptor_is_skipped_loudly_and_fails_ci(checkout: Path) -> None:
    answer = run(checkout, WITHOUT_DESCRIPTORS)
    assert "1 failed, 2 skipped" in answer.text
    assert "tests without a mount were SKIPPED: custom_io is not available: built without" in answer.text
    answer = run(checkout, WITHOUT_DESCRIPTORS, CI="true")
    assert "2 failed, 1 error" in answer.text
