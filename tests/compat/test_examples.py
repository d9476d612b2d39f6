"""The programs that come with llfuse and pyfuse3, unmodified, at real mounts: on the drop-ins, and on the
originals to compare.

They are no part of this project: ``make test-dropins`` fetches them.  What a person would do with one is a
script in `use`, which prints the same wherever the program runs as it should.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compat.running import (
    INT,
    SOURCES,
    TERM,
    original,
    ours,
    signalled,
    started,
    unmounted,
    used,
    worked,
)

pytestmark = pytest.mark.mount

LLFUSE = ["llfuse-1.3.8", "llfuse-1.5.2"]  # the first is the last whose programs ran on Python 2, too
PYFUSE3 = "pyfuse3-3.5.0"

ONE_FILE = [(release, "lltest.py") for release in LLFUSE]
ONE_FILE += [(PYFUSE3, "hello.py"), (PYFUSE3, "hello_asyncio.py")]
IN_MEMORY = [(release, "tmpfs.py") for release in (*LLFUSE, PYFUSE3)]
# Without --single its handlers may open a file anew before they were told that it was closed, and then
# read a descriptor that is for writing.
MIRRORS = [(release, "passthroughfs.py --single") for release in LLFUSE]
MIRRORS += [(PYFUSE3, "passthroughfs.py"), (PYFUSE3, "passthroughfs.py --enable-writeback-cache")]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What the passthrough programs show."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def module_of(release: str) -> str:
    """Which drop-in: "llfuse" or "pyfuse3"."""
    return release.partition("-")[0]


def program(release: str, name: str, mountpoint: Path, source: Path) -> list[str]:
    """A program and its arguments; skips the test where it was not fetched."""
    file, *arguments = name.split()
    path = SOURCES / release / "examples" / file
    if not path.exists():
        pytest.skip(f"the programs of {release} are not there: make test-dropins")
    return [str(path), *arguments, *([str(source)] if file == "passthroughfs.py" else []), str(mountpoint)]


@pytest.mark.parametrize(("release", "name"), ONE_FILE)
def test_a_file_system_of_one_file(release: str, name: str, mountpoint: Path, source: Path) -> None:
    words = program(release, name, mountpoint, source)
    seen, status, errors = worked(ours(module_of(release)), words, "look", mountpoint)
    assert seen.splitlines()[:3] == ["message", "hello world", "12"]
    assert "cat: missing: No such file or directory" in seen
    assert (status, errors) == (0, "")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("release", "name"), [*IN_MEMORY, *MIRRORS])
def test_ordinary_work(release: str, name: str, mountpoint: Path, source: Path, tmp_path: Path) -> None:
    """It is as in a folder of the host."""
    words = program(release, name, mountpoint, source)
    seen, status, errors = worked(ours(module_of(release)), words, "work", mountpoint)
    (tmp_path / "real").mkdir()
    assert seen == used("work", tmp_path / "real")
    assert (status, errors) == (0, "")
    assert list(source.iterdir()) == []  # and all is removed there, too


@pytest.mark.parametrize(("release", "name"), IN_MEMORY)
def test_what_is_found_by_no_path(
    release: str, name: str, mountpoint: Path, source: Path, tmp_path: Path
) -> None:
    words = program(release, name, mountpoint, source)
    seen, status, errors = worked(ours(module_of(release)), words, "more", mountpoint)
    (tmp_path / "real").mkdir()
    assert seen == used("more", tmp_path / "real")
    assert (status, errors) == (0, "")


@pytest.mark.parametrize(("release", "name"), MIRRORS)
def test_a_mirror_shows_and_changes_its_source(
    release: str, name: str, mountpoint: Path, source: Path
) -> None:
    (source / "folder").mkdir()
    (source / "folder" / "file").write_text("there before\n")
    (source / "link").symlink_to("folder/file")
    words = program(release, name, mountpoint, source)
    with started([*ours(module_of(release)), *words], mountpoint) as process:
        assert (mountpoint / "link").read_text() == "there before\n"
        assert (mountpoint / "folder" / "file").stat().st_ino == (source / "folder" / "file").stat().st_ino
        (mountpoint / "folder" / "new").write_text("new\n")
        (mountpoint / "folder" / "file").unlink()
        assert sorted(path.name for path in (source / "folder").iterdir()) == ["new"]
        assert (source / "folder" / "new").read_text() == "new\n"
        unmounted(process, mountpoint)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize("number", [TERM, INT], ids=["TERM", "INT"])
@pytest.mark.parametrize("release", LLFUSE)
def test_a_signal_ends_it(release: str, number: int, mountpoint: Path, source: Path) -> None:
    words = program(release, "lltest.py", mountpoint, source)
    seen, status, errors = worked(ours("llfuse"), words, "look", mountpoint, signalled(number))
    assert "hello world" in seen
    assert (status, errors) == (0, "")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("release", "name"), [*ONE_FILE, *IN_MEMORY, *MIRRORS])
def test_the_same_is_seen(release: str, name: str, mountpoint: Path, source: Path) -> None:
    module = module_of(release)
    words = program(release, name, mountpoint, source)
    script = "look" if (release, name) in ONE_FILE else "work"
    theirs = worked(original(module), words, script, mountpoint)
    own = worked(ours(module), words, script, mountpoint)
    assert own == theirs


@pytest.mark.parametrize("script", ["work", "more"])
def test_the_scripts_leave_a_real_folder_as_it_was(script: str, tmp_path: Path) -> None:
    """Without a mount: what they print here is what the programs are compared with."""
    assert used(script, tmp_path).endswith("-- the end\n")
    assert list(tmp_path.iterdir()) == []
