"""Every example runs, and does what it says."""

from __future__ import annotations

import re
import signal
import time
import zipfile
from pathlib import Path

import pytest

from tests.support import ROOT, is_mounted, python, server, shell

EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.mount


def test_every_example_is_tested_here_or_has_a_file_of_its_own() -> None:
    tested = {"demo.py", "hello.py", "live_app.py", "zip_archive.py", "lowlevel_zip.py"} | {
        "lowlevel_hello.py",
        "passthrough.py",
        "sqlite_fs.py",  # test_file_systems.py
        "app_proc.py",
        "encrypted_view.py",  # test_encrypted_view.py
        "event_stream.py",
        "http_directory.py",  # test_http_directory.py
        "json_tree.py",
        "live_settings.py",
        "object_factory.py",
        "sqlite_tables.py",  # test_live_objects.py
    }
    assert {path.name for path in EXAMPLES.glob("*.py")} == tested


def test_what_is_shown_first_is_short() -> None:
    whole_programs = {"demo", "live_app", "lowlevel_hello", "lowlevel_zip", "passthrough", "sqlite_fs"}
    for path in EXAMPLES.glob("*.py"):
        lines = len(path.read_text().splitlines())
        assert lines < 60 or path.stem in whole_programs, path.name


def test_the_documentation_lists_them() -> None:
    page = (ROOT / "docs/how-to/examples.md").read_text()
    listed = set(re.findall(r"^\| `(\w+\.py)` \|", page, re.MULTILINE))
    assert listed == {path.name for path in EXAMPLES.glob("*.py")} - {"demo.py"}


def test_hello(mountpoint: Path) -> None:
    with server(EXAMPLES / "hello.py", mountpoint, mountpoint=mountpoint) as process:
        assert shell("cat hello", cwd=mountpoint).ok().text == "Hello, world!\n"
        assert time.strptime(shell("cat now", cwd=mountpoint).ok().text.strip())
        assert shell("cat more/numbers.bin", cwd=mountpoint).ok().out == bytes(range(10))
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert not is_mounted(mountpoint)


def test_live_app(mountpoint: Path) -> None:
    """What the demo does not do: several workers, bad jobs, an end by Ctrl-C."""
    with server(EXAMPLES / "live_app.py", mountpoint, "--workers", "4", mountpoint=mountpoint) as process:
        for limit in (10, 100, 1000, 10_000):
            shell(f"echo primes {limit} > submit", cwd=mountpoint).ok()
        assert shell("cat jobs/*/wait", cwd=mountpoint).ok().lines == ["done"] * 4
        assert shell("cat jobs/{1,2,3,4}/result", cwd=mountpoint).ok().lines == ["4", "25", "168", "1229"]
        for bad in ("primes", "primes few", "dance now", ""):
            shell(f"echo {bad} > submit", cwd=mountpoint)
        shell("cat jobs/*/wait", cwd=mountpoint).ok()
        assert shell("cat counters/jobs_failed", cwd=mountpoint).ok().text == "1\n"
        assert shell("cat jobs/5/state", cwd=mountpoint).ok().text == "failed\n"
        assert "Invalid argument" in shell("echo 99 > forget", cwd=mountpoint).error
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert not is_mounted(mountpoint)


@pytest.mark.parametrize("example", ["zip_archive.py", "lowlevel_zip.py"])
class TestZipArchive:
    @pytest.fixture
    def archive(self, tmp_path: Path) -> Path:
        path = tmp_path / "archive.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("top.txt", "top\n")
            file.writestr("deep/er/data.bin", bytes(range(256)) * 4096)
            file.writestr("empty/", "")
            file.writestr(zipfile.ZipInfo("deep/old", (1999, 12, 31, 23, 59, 58)), "old\n")
            for number in range(500):
                file.writestr(f"many/{number:03}", str(number))
        return path

    def test_reads_as_unzipped(self, archive: Path, mountpoint: Path, tmp_path: Path, example: str) -> None:
        with zipfile.ZipFile(archive) as file:
            file.extractall(tmp_path / "plain")
        with server(EXAMPLES / example, archive, mountpoint, mountpoint=mountpoint) as process:
            shell(f"diff -r {tmp_path}/plain {mountpoint}").ok()
            assert len(shell("ls many", cwd=mountpoint).ok().lines) == 500
            assert shell("stat -c %Y deep/old", cwd=mountpoint, env={"TZ": "UTC"}).ok().text == "946684798\n"
            assert shell("stat -c '%s %A' deep/er/data.bin", cwd=mountpoint).text == "1048576 -r--r--r--\n"
            assert "No such file" in shell("cat none", cwd=mountpoint).error
            assert "Read-only" in shell("echo 1 > top.txt", cwd=mountpoint).error
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        assert not is_mounted(mountpoint)

    def test_what_is_no_archive(self, mountpoint: Path, example: str) -> None:
        refused = python(EXAMPLES / example, EXAMPLES / "hello.py", mountpoint)
        assert "File is not a zip file" in refused.error
