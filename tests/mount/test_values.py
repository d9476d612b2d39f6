"""The scenarios of tests/scenarios/test_values.py with a shell and a kernel."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from tests.mount.conftest import Mounting
from tests.scenarios.trees import Settings
from tests.support import raises_errno, shell

pytestmark = pytest.mark.mount


def test_a_value_is_read_and_written(mountpoint: Path, mounted: Mounting) -> None:
    settings = Settings()
    mounted(settings)
    assert shell(f"cat {mountpoint}/jobs").text == "3\n"
    shell(f"echo 12 > {mountpoint}/jobs").ok()
    assert settings.jobs == 12
    assert shell(f"cat {mountpoint}/jobs; stat -c %s {mountpoint}/jobs").text == "12\n3\n"
    settings.jobs += 1
    assert shell(f"cat {mountpoint}/jobs").text == "13\n"


@pytest.mark.parametrize(("name", "bad"), [("jobs", "bad"), ("ratio", "much"), ("level", "loud")])
def test_a_bad_value_is_refused_at_once_and_the_old_one_stays(
    mountpoint: Path, mounted: Mounting, name: str, bad: str
) -> None:
    settings = Settings()
    before = getattr(settings, name)
    mounted(settings)
    done = shell(f"echo {bad} > {mountpoint}/{name}")
    assert done.status != 0
    assert "write error: Invalid argument" in done.error  # the write itself, not the close
    assert getattr(settings, name) == before
    assert shell(f"cat {mountpoint}/{name}").text == f"{before}\n"


def test_every_write_is_a_value(mountpoint: Path, mounted: Mounting) -> None:
    settings = Settings()
    mounted(settings)
    shell(f"for n in 5 6 7; do echo $n; done > {mountpoint}/jobs")
    fd = os.open(mountpoint / "jobs", os.O_WRONLY)
    try:
        os.pwrite(fd, b"8\n", 0)
        assert settings.jobs == 8
        with raises_errno(errno.EINVAL):
            os.pwrite(fd, b"9\n", 1)
    finally:
        os.close(fd)
    assert settings.jobs == 8


def test_appending_stores(mountpoint: Path, mounted: Mounting) -> None:
    settings = Settings()
    mounted(settings)
    shell(f"echo 41 >> {mountpoint}/jobs").ok()
    shell(f"echo debug >> {mountpoint}/level").ok()
    assert (settings.jobs, settings.level) == (41, "debug")


def test_truncation_alone_changes_nothing(mountpoint: Path, mounted: Mounting) -> None:
    settings = Settings()
    settings.tags["a"] = "b"
    mounted(settings)
    shell(f": > {mountpoint}/jobs; : > {mountpoint}/tags.json; truncate -s 0 {mountpoint}/jobs").ok()
    assert settings.jobs == 3
    assert settings.tags == {"a": "b"}
    assert shell(f"cat {mountpoint}/jobs").text == "3\n"


def test_a_write_only_entry_is_not_read_even_by_root(mountpoint: Path, mounted: Mounting) -> None:
    settings = Settings()
    mounted(settings)
    done = shell(f"cat {mountpoint}/token")
    assert done.status != 0
    assert "Permission denied" in done.error
    shell(f"echo new > {mountpoint}/token").ok()
    assert settings.token == "new"


def test_what_is_not_writable_is_refused(mountpoint: Path, mounted: Mounting) -> None:
    settings = Settings()
    mounted(settings)
    done = shell(f"echo 2 > {mountpoint}/fixed")
    assert done.status != 0
    assert ("Read-only file system" if os.geteuid() == 0 else "Permission denied") in done.error
    assert settings.fixed == 1


def test_documents_are_parsed_at_close(mountpoint: Path, mounted: Mounting) -> None:
    settings = Settings()
    mounted(settings)
    document = json.dumps({"color": "red", "size": "x" * 20_000}, indent=1)
    shell(f"dd bs=1000 of={mountpoint}/tags.json", stdin=document.encode()).ok()
    assert settings.tags == json.loads(document)
    shell(f"cat > {mountpoint}/tags.json", stdin=b'{"c": "d"}').ok()
    assert settings.tags == {"c": "d"}
    assert json.loads(shell(f"cat {mountpoint}/tags.json").out) == {"c": "d"}


def test_a_bad_document_is_refused_at_close_and_changes_nothing(mountpoint: Path, mounted: Mounting) -> None:
    settings = Settings()
    settings.tags["a"] = "b"
    mounted(settings)
    fd = os.open(mountpoint / "tags.json", os.O_WRONLY | os.O_TRUNC)
    os.write(fd, b"{ nonsense")
    with raises_errno(errno.EINVAL):
        os.close(fd)
    assert shell(f"cp /proc/self/comm {mountpoint}/tags.json").status != 0
    assert settings.tags == {"a": "b"}


def test_an_action_is_called_for_each_line(mountpoint: Path, mounted: Mounting) -> None:
    settings = Settings()
    mounted(settings)
    shell(f"printf 'first\\nsecond\\nthird' > {mountpoint}/reset").ok()
    assert settings.stored == ["first", "second", "third"]
    assert shell(f"cat {mountpoint}/reset").status != 0


def test_a_handler_may_change_the_tree_that_it_serves(mountpoint: Path, mounted: Mounting) -> None:
    """Waiting inside the request for the kernel, which waits for the request, would be a deadlock."""
    settings = Settings()
    mounted(settings, coherence_wait=15.0)
    for round_ in range(20):
        settings.jobs = round_ + 10
        assert shell(f"cat {mountpoint}/jobs").text == f"{round_ + 10}\n"
        shell(f"echo now > {mountpoint}/reset", timeout=5).ok()
    settings.note = "after"  # waits until all before is told
    assert shell(f"cat {mountpoint}/jobs; stat -c %s {mountpoint}/jobs").text == "0\n2\n"
