"""The scenarios of tests/scenarios/test_content.py with cat, cp, grep, wc, dd and tar."""

from __future__ import annotations

import hashlib
import mmap
import os
import tarfile
from pathlib import Path

import pytest

from fusetree import Dir, File
from tests.mount.conftest import Mounting
from tests.scenarios.trees import REPORT, REPORT_LINES, Reports, Settings
from tests.support import shell

pytestmark = pytest.mark.mount


def test_content_of_unknown_size_comes_out_whole(mountpoint: Path, mounted: Mounting, tmp_path: Path) -> None:
    mounted(Reports())
    report, whole = mountpoint / "report", REPORT.encode()
    assert os.stat(report).st_size == 0
    assert shell(f"cat {report}").ok().out == whole
    shell(f"cp {report} {tmp_path}/copy").ok()
    assert (tmp_path / "copy").read_bytes() == whole
    assert shell(f"grep -c report: {report}").ok().text == f"{REPORT_LINES}\n"
    assert shell(f"grep -n 'line {REPORT_LINES - 1} ' {report} | wc -l").ok().text == "1\n"
    assert shell(f"wc -c < {report}").ok().text.strip() == str(len(whole))
    assert shell(f"wc -c {report}").ok().text.split()[0] == str(len(whole))
    for size in (1000, 4096, 7, 1 << 20):
        limit = "count=500" if size == 7 else ""
        expected = whole[: 500 * 7] if size == 7 else whole
        assert shell(f"dd if={report} bs={size} {limit} status=none").ok().out == expected
    assert report.read_bytes() == whole


def test_exact_size_is_true(mountpoint: Path, mounted: Mounting, tmp_path: Path) -> None:
    mounted(Reports())
    assert os.stat(mountpoint / "exact").st_size == len(REPORT)
    shell(f"tar -C {mountpoint} -cf {tmp_path}/exact.tar exact").ok()
    with tarfile.open(tmp_path / "exact.tar") as archive:
        member = archive.extractfile("exact")
        assert member is not None
        assert member.read() == REPORT.encode()


def test_computed_content_is_made_once_for_each_open(mountpoint: Path, mounted: Mounting) -> None:
    mounted(Reports())
    with open(mountpoint / "number", "rb", buffering=0) as file:
        assert file.read(100) == b"1\n"
        file.seek(0)
        assert file.read(100) == b"1\n"
        assert shell(f"cat {mountpoint}/number").text == "2\n"


def test_an_open_handle_keeps_the_value_that_it_was_opened_with(mountpoint: Path, mounted: Mounting) -> None:
    settings = Settings()
    mounted(settings)
    with open(mountpoint / "jobs", "rb", buffering=0) as file:
        settings.jobs = 1234567
        assert file.read(100) == b"3\n"
        assert shell(f"cat {mountpoint}/jobs").text == "1234567\n"


def test_a_file_uses_the_page_cache_until_it_changes(mountpoint: Path, mounted: Mounting) -> None:
    file = File(b"x" * 100_000)
    mounted({"f": file}, coherence_wait=10.0)
    assert shell(f"cat {mountpoint}/f").out == b"x" * 100_000
    file.store(b"y" * 20)
    assert shell(f"cat {mountpoint}/f").out == b"y" * 20
    file.store(b"z" * 30)
    assert shell(f"stat -c %s {mountpoint}/f; cat {mountpoint}/f").out == b"30\n" + b"z" * 30


def test_a_file_that_may_be_written_takes_bytes_at_any_offset(mountpoint: Path, mounted: Mounting) -> None:
    file = File(b"0123456789", mode=0o644)
    mounted({"f": file})
    path = mountpoint / "f"
    shell(f"printf abc | dd of={path} bs=1 seek=3 conv=notrunc status=none").ok()
    assert shell(f"cat {path}").out == b"012abc6789"
    shell(f"printf end >> {path}").ok()
    assert shell(f"cat {path}").out == b"012abc6789end"
    shell(f"truncate -s 4 {path}").ok()
    assert path.read_bytes() == b"012a"
    shell(f"printf new > {path}").ok()
    assert file.content() == b"new"


def test_a_large_file_is_read_and_written_whole(mountpoint: Path, mounted: Mounting, tmp_path: Path) -> None:
    data = os.urandom(5_000_000)
    source = tmp_path / "data"
    source.write_bytes(data)
    file = File(b"", mode=0o644)
    mounted({"f": file})
    shell(f"cp {source} {mountpoint}/f").ok()
    assert hashlib.sha256(file.content()).digest() == hashlib.sha256(data).digest()
    shell(f"cmp {source} {mountpoint}/f").ok()


def test_errors_of_user_code_reach_the_reader(mountpoint: Path, mounted: Mounting) -> None:
    mounted(Dir({"r": Reports()}))
    assert "Permission denied" in shell(f"cat {mountpoint}/r/refused").error
    assert "Input/output error" in shell(f"cat {mountpoint}/r/broken").error
    assert shell(f"cat {mountpoint}/r/report").ok().out == REPORT.encode()


@pytest.mark.parametrize("kernel_cache", [True, False])
def test_files_of_the_host_and_mappings_are_read_in_c(
    mountpoint: Path, mounted: Mounting, tmp_path: Path, kernel_cache: bool
) -> None:
    data = os.urandom(3 << 20)
    (tmp_path / "f").write_bytes(data)
    with open(tmp_path / "f", "rb") as stream:
        mapping = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    tree = {
        "whole": File.from_path(tmp_path / "f"),
        "part": File.from_path(tmp_path / "f", offset=5000, size=1 << 20),
        "mapped": File(mapping),
    }
    table = mounted(tree, kernel_cache=kernel_cache).session.operations.inode_table
    assert table is not None
    for name, expected in (("whole", data), ("part", data[5000 : 5000 + (1 << 20)]), ("mapped", data)):
        path = mountpoint / name
        assert os.stat(path).st_size == len(expected)
        for size in (4096, 131072, 1 << 20):
            assert shell(f"dd if={path} bs={size} status=none").ok().out == expected
        shell(f"cp {path} {tmp_path}/copy-{name}").ok()
        assert (tmp_path / f"copy-{name}").read_bytes() == expected
        with open(path, "rb") as file:
            assert os.pread(file.fileno(), 1000, 12345) == expected[12345:13345]
            if kernel_cache:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as seen:
                    assert seen[:] == expected
