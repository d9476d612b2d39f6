"""Files of a host directory that the kernel reads and writes by itself, where libfuse (3.17) and the kernel
(6.9) can. What does not need them is about their absence.
"""

from __future__ import annotations

import logging
import mmap
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from fusetree import Dir, HostDir, HostFile, Mount, lowlevel
from fusetree.lowlevel import UnsupportedFeatureError
from fusetree.nodes import Node
from fusetree.nodes.host.opened import HostReader, HostWriter
from tests.mount.conftest import Mounting
from tests.support import in_thread, python, shell, wait_for

pytestmark = pytest.mark.mount

HAS_LIBRARY = lowlevel.features()["passthrough"].compiled
needs_it = pytest.mark.skipif(
    not HAS_LIBRARY or os.geteuid() != 0, reason="passthrough needs libfuse 3.17 and root"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.mkdir(mode=0o777)
    return source


def requests(mounted: Mount) -> dict[str, int]:
    """How many reads and writes came here, whoever answered, since this was first asked."""
    statistics = mounted.session.statistics(keep_timing=60.0)
    found = {}
    for name in ("read", "write"):
        handled = statistics.handled.get(name)
        found[name] = statistics.answered_in_c.get(name, 0) + (0 if handled is None else handled.count)
    return found


def backings(mounted: Mount) -> Any:
    return mounted._operations.backings


def nothing_open(mounted: Mount) -> None:
    """RELEASE comes after close(2) has returned."""
    wait_for(lambda: not backings(mounted)._files)
    assert backings(mounted).written == set()


@needs_it
def test_reads_writes_and_maps_never_come_here(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    (source / "f").write_text("from below\n")
    mount = mounted(HostDir(source, writable=True), passthrough=True)
    requests(mount)
    assert shell(f"cat {mountpoint}/f; echo more >> {mountpoint}/f; cat {mountpoint}/f").ok().text == (
        "from below\nfrom below\nmore\n"
    )
    assert shell(f"echo new > {mountpoint}/n; cat {mountpoint}/n").ok().text == "new\n"

    def mapped() -> None:
        with open(mountpoint / "f", "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
            assert view[:4] == b"from"
            view[:4] = b"FROM"

    in_thread(mapped)
    assert (source / "f").read_text() == "FROM below\nmore\n"
    assert (source / "n").read_text() == "new\n"
    assert requests(mount) == {"read": 0, "write": 0}
    nothing_open(mount)


@needs_it
def test_attributes_are_right_while_it_is_written_and_afterwards(
    mountpoint: Path, source: Path, mounted: Mounting
) -> None:
    (source / "f").write_text("1")
    mounted(HostDir(source, writable=True, ttl=3600), passthrough=True)
    os.chmod(mountpoint / "f", 0o640)  # the answer may be kept, here too
    assert os.stat(mountpoint / "f").st_size == 1

    def grown() -> None:
        with open(mountpoint / "f", "r+b", buffering=0) as file:
            for size in (10, 5000, 100_000):
                os.pwrite(file.fileno(), b"x", size - 1)
                assert os.stat(mountpoint / "f").st_size == size
                assert os.stat(mountpoint / "f").st_mtime_ns == os.stat(source / "f").st_mtime_ns
            os.truncate(source / "f", 7)
            assert os.stat(mountpoint / "f").st_size == 7

    in_thread(grown)
    assert os.stat(mountpoint / "f").st_size == 7
    assert (mountpoint / "f").read_bytes() == b"1" + bytes(6)


@needs_it
def test_what_is_stored_in_a_map_shows(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    """The kernel does not know of it by itself."""
    (source / "f").write_text("1")
    os.utime(source / "f", ns=(0, 0))
    mounted(HostDir(source, writable=True, ttl=3600), passthrough=True)
    os.chmod(mountpoint / "f", 0o640)
    assert os.stat(mountpoint / "f").st_mtime_ns == 0

    def store() -> None:
        with open(mountpoint / "f", "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
            view[0:1] = b"2"
            view.flush()
            assert os.stat(source / "f").st_mtime_ns > 0
            wait_for(lambda: os.stat(mountpoint / "f").st_mtime_ns == os.stat(source / "f").st_mtime_ns)

    in_thread(store)
    wait_for(lambda: os.stat(mountpoint / "f").st_mtime_ns == os.stat(source / "f").st_mtime_ns)
    assert (mountpoint / "f").read_text() == "2"


@needs_it
def test_other_mounts_hear_of_it_at_the_end(
    mountpoint: Path, source: Path, tmp_path: Path, mounted: Mounting
) -> None:
    (source / "f").write_text("1")
    other = tmp_path / "other"
    other.mkdir()
    root = HostDir(source, writable=True, ttl=3600)
    mounted(root, passthrough=True)
    mounted(root, at=other)
    assert (other / "f").read_text() == "1"

    def write() -> None:
        fd = os.open(mountpoint / "f", os.O_RDWR)
        assert os.stat(other / "f").st_size == 1
        assert os.pwrite(fd, b"longer\n", 0) == 7
        os.close(fd)

    in_thread(write)
    wait_for(lambda: os.stat(other / "f").st_size == 7)
    assert (other / "f").read_text() == "longer\n"


@needs_it
def test_many_open_it_at_once(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    """One backing id while it is open, whoever comes first; none is left at the end."""
    for number in range(4):
        (source / f"f{number}").write_text("x" * 100)
    mount = mounted(HostDir(source, writable=True), passthrough=True)
    requests(mount)
    script = (
        "import sys\n"
        "for turn in range(100):\n"
        f"    with open(f'{mountpoint}/f{{turn % 4}}', 'r+b' if turn % 3 else 'rb', buffering=0) as file:\n"
        "        assert file.read() == b'x' * 100\n"
        "        if turn % 3:\n"
        "            file.seek(0); file.write(b'x' * 100)\n"
    )
    threads = [threading.Thread(target=lambda: answers.append(python("-c", script))) for _ in range(4)]
    answers: list[Any] = []
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in answers:
        answer.ok()
    assert len(answers) == 4
    assert requests(mount) == {"read": 0, "write": 0}
    nothing_open(mount)


@needs_it
def test_what_is_open_with_the_page_cache_stays_so(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    (source / "f").write_text("x" * 8192)
    mount = mounted(HostDir(source, writable=True), passthrough=True)
    requests(mount)

    def both_ways() -> None:
        first = os.open(mountpoint / "f", os.O_RDONLY | os.O_DIRECT)
        second = os.open(mountpoint / "f", os.O_RDWR)
        assert os.pwrite(second, b"y", 0) == 1
        assert os.pread(second, 2, 0) == b"yx"
        os.close(first)
        os.close(second)

    in_thread(both_ways)
    assert requests(mount)["write"] == 1
    nothing_open(mount)
    assert shell(f"head -c 2 {mountpoint}/f").ok().text == "yx"
    assert requests(mount)["write"] == 1


class Loud(HostWriter):
    """Writes by itself."""

    __slots__ = ()

    def write(self, data: Any, offset: int) -> int:
        super().write(bytes(data).upper(), offset)
        return len(data)


class LoudFile(HostFile):
    __slots__ = ()

    def _handle_(self, descriptor: Any, flags: int) -> HostReader:
        return Loud(self, descriptor, False, False)


class LoudDir(HostDir):
    file_class = LoudFile


class Upper(HostDir):
    """Shows other nodes than the host's."""

    def wrap(self, name: str, node: Node) -> Node:
        from fusetree.nodes.wrapping import WrapFile

        return WrapFile(node) if isinstance(node, HostFile) else node


@needs_it
def test_what_reads_or_writes_by_itself_is_asked(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    for name in ("loud", "wrapped"):
        (source / name).mkdir()
        (source / name / "f").write_text("host\n")
    root = Dir({"loud": LoudDir(source / "loud", writable=True), "wrapped": Upper(source / "wrapped")})
    mount = mounted(root, passthrough=True)
    requests(mount)
    shell(f"printf quiet > {mountpoint}/loud/f").ok()
    assert (source / "loud" / "f").read_text() == "QUIET"
    assert shell(f"cat {mountpoint}/wrapped/f").ok().text == "host\n"
    assert requests(mount)["read"] > 0
    nothing_open(mount)


@needs_it
def test_where_the_kernel_refuses_a_file_all_is_as_without(
    mountpoint: Path, source: Path, tmp_path: Path, mounted: Mounting, caplog: pytest.LogCaptureFixture
) -> None:
    """A passed-through mount is itself stacked: what lies on it is not passed through again."""
    (source / "f").write_text("below\n")
    mounted(HostDir(source, writable=True), passthrough=True)
    upper = tmp_path / "upper"
    upper.mkdir()
    with caplog.at_level(logging.WARNING, "fusetree.adapter"):
        mount = mounted(HostDir(mountpoint, writable=True), at=upper, passthrough=True)
        requests(mount)
        assert shell(f"cat {upper}/f; cat {upper}/f; echo x >> {upper}/f").ok().text == "below\nbelow\n"
    assert (source / "f").read_text() == "below\nx\n"
    assert requests(mount)["write"] == 1
    assert [record.message for record in caplog.records if "without passthrough" in record.message] == [
        record.message for record in caplog.records
    ]
    assert len(caplog.records) == 1


def test_auto_says_nothing_where_it_is_not_to_be_had(
    mountpoint: Path, source: Path, mounted: Mounting, caplog: pytest.LogCaptureFixture
) -> None:
    (source / "f").write_text("below\n")
    with caplog.at_level(logging.WARNING):
        mounted(HostDir(source, writable=True), passthrough="auto")
        assert shell(f"cat {mountpoint}/f; echo x >> {mountpoint}/f").ok().text == "below\n"
    assert (source / "f").read_text() == "below\nx\n"
    assert caplog.records == []


def test_what_contradicts_it_is_refused(mountpoint: Path, source: Path) -> None:
    from fusetree import mount

    with pytest.raises(ValueError, match="contradict"):
        mount(HostDir(source), mountpoint, passthrough=True, kernel_cache=False)
    with pytest.raises(TypeError, match="passthrough is True, False"):
        mount(HostDir(source), mountpoint, passthrough="yes")  # type: ignore[arg-type]
    if not HAS_LIBRARY or os.geteuid() != 0:
        with pytest.raises(UnsupportedFeatureError, match="passthrough"):
            mount(HostDir(source), mountpoint, passthrough=True)
