"""The demo: no surprise, and nothing left behind, whichever way it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import PYTHON, ROOT, fuse_mounts, python, wait_for

DEMO = ROOT / "examples" / "demo.py"

pytestmark = pytest.mark.mount


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No folder, mount or process of the demo is there that was not there before."""
    before = traces()
    yield
    assert traces() == before


def traces() -> tuple[list[str], list[str], list[str]]:
    """The demo's folders, mounts and applications on this machine."""
    folder = Path(tempfile.gettempdir())
    folders = sorted(path.name for path in folder.glob("fusetree-demo-*"))
    mounts = [mount.mountpoint for mount in fuse_mounts(folder)]
    return folders, mounts, applications(folder)


def applications(folder: Path) -> list[str]:
    """Processes that run the demo's application below *folder*."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                command = (process / "cmdline").read_bytes()
                where = os.readlink(process / "cwd")
            except OSError:  # it ended meanwhile, or is not ours
                continue
            if b"live_app.py" in command and where.startswith(str(folder)):
                found.append(process.name)
    return found


def test_no_surprise() -> None:
    done = python(DEMO, timeout=55).ok()
    assert "$ echo rot13 > app/settings/algorithm" in done.text
    assert "Invalid argument" in done.text
    assert "no surprise" in done.text
    assert done.error == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "after", ["live_app.py", "$ ls -l app", "$ cat app/jobs/1/wait", "$ cat app/jobs/3/result"]
)
def test_interrupted(number: signal.Signals, after: str) -> None:
    with subprocess.Popen(
        [PYTHON, DEMO], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if after in line:
                break
        demo.send_signal(number)
        _, err = demo.communicate(timeout=40)
        assert demo.returncode == 128 + number, err
        assert err == ""


def test_a_surprise_is_status_1(tmp_path: Path) -> None:
    """With an application that keeps bad values, the demo says where it was surprised."""
    (tmp_path / "demo.py").write_text(DEMO.read_text())
    source = (ROOT / "examples" / "live_app.py").read_text()
    wrong = source.replace(
        'entry("sha256", validator=attrs.validators.in_(sorted(hashlib.algorithms_available)))',
        'entry("sha256")',
    )
    assert wrong != source
    (tmp_path / "live_app.py").write_text(wrong)
    done = python(tmp_path / "demo.py", timeout=55)
    assert done.status == 1
    assert "SURPRISE" in done.error
    assert done.text.rstrip().endswith("$ echo rot13 > app/settings/algorithm")


def test_an_application_that_does_not_start_is_status_1(tmp_path: Path) -> None:
    (tmp_path / "demo.py").write_text(DEMO.read_text())
    (tmp_path / "live_app.py").write_text("raise SystemExit(3)\n")
    done = python(tmp_path / "demo.py", timeout=55)
    assert done.status == 1
    assert "did not mount" in done.error


def test_the_application_is_killed_in_the_middle() -> None:
    """Then the demo is surprised, and clears the dead mount."""
    with subprocess.Popen(
        [PYTHON, DEMO], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "$ cat app/jobs/1/wait" in line:
                break
        (application,) = wait_for(lambda: applications(Path(tempfile.gettempdir())), what="the application")
        os.kill(int(application), signal.SIGKILL)
        _, err = demo.communicate(timeout=40)
        assert demo.returncode == 1
        assert "SURPRISE" in err
