"""Content that is made when asked for comes out whole, whatever the size of the reads."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fusetree import Dir, File
from fusetree.testing import Client, Opcode, OpenedFlag
from tests.scenarios.trees import REPORT, Reports, Settings
from tests.support import raises_errno


@pytest.mark.parametrize("block", [1, 1000, 4096, 65536, 1 << 20])
def test_content_of_unknown_size_comes_out_whole(block: int) -> None:
    if block == 1:
        with Client(Dir({"n": Reports()})) as client:
            assert client.read_text("n/number", block=1) == "1\n"
        return
    with Client(Dir({"r": Reports()})) as client:
        assert client.stat("r/report").st_size == 0
        assert client.read_text("r/report", block=block) == REPORT


def test_exact_size_is_true() -> None:
    with Client(Dir({"r": Reports()})) as client:
        assert client.stat("r/exact").st_size == len(REPORT)
        assert client.read_text("r/exact") == REPORT


def test_computed_content_is_made_once_for_each_open() -> None:
    reports = Reports()
    with Client(Dir({"r": reports})) as client:
        with client.open("r/number") as file:
            assert file.pread(100, 0) == b"1\n"
            assert file.pread(100, 0) == b"1\n"
            assert client.read_text("r/number") == "2\n"
            assert file.pread(100, 1) == b"\n"
        assert reports.made == 2


def test_an_open_handle_keeps_the_value_that_it_was_opened_with() -> None:
    settings = Settings()
    with Client(Dir({"s": settings})) as client:
        with client.open("s/jobs") as file:
            assert file.opened & OpenedFlag.DIRECT_IO
            settings.jobs = 1234567
            assert file.pread(100, 0) == b"3\n"
            assert client.read_text("s/jobs") == "1234567\n"
            assert file.pread(100, 1) == b"\n"


def test_a_file_uses_the_page_cache_until_it_changes() -> None:
    file = File(b"x" * 10_000)
    with Client(Dir({"f": file})) as client:
        assert client.read_bytes("f") == b"x" * 10_000
        asked = client.connection.requests[Opcode.READ]
        assert client.read_bytes("f") == b"x" * 10_000
        assert client.connection.requests[Opcode.READ] == asked
        file.store(b"y" * 20)
        assert client.stat("f").st_size == 20
        assert client.read_bytes("f") == b"y" * 20


def test_a_file_that_may_be_written_takes_bytes_at_any_offset() -> None:
    file = File(b"0123456789", mode=0o644)
    with Client(Dir({"f": file})) as client:
        with client.open("f", "r+") as handle:
            handle.pwrite(b"abc", 3)
            assert handle.pread(20, 0) == b"012abc6789"
            handle.pwrite(b"!", 12)
        assert client.read_bytes("f") == b"012abc6789\0\0!"
        client.write("f", "end", append=True)
        assert client.read_bytes("f") == b"012abc6789\0\0!end"
        client.truncate("f", 4)
        assert client.read_bytes("f") == b"012a"
        client.write("f", "new")
        assert file.content() == b"new"


def test_a_large_file_is_read_and_written_whole() -> None:
    data = bytes(range(256)) * 12_000
    file = File(b"", mode=0o644)
    with Client(Dir({"f": file})) as client:
        client.write("f", data)
        assert file.content() == data
        assert client.read_bytes("f", block=1 << 20) == data


def test_errors_of_user_code_reach_the_reader() -> None:
    with Client(Dir({"r": Reports()})) as client:
        with raises_errno(errno.EACCES):
            client.read_text("r/refused")
        with raises_errno(errno.EIO):
            client.read_text("r/broken")
        assert client.read_text("r/report") == REPORT


def test_a_file_of_the_host_is_read_and_its_change_is_told(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789" * 1000)
    file = File.from_path(path, 0o644, offset=5)
    with Client(Dir({"f": file}), coherence_wait=10.0) as client:
        for _ in range(2):
            assert client.read_bytes("f") == path.read_bytes()[5:]
        with open(path, "r+b") as stream:
            stream.write(b"xxxxxxx")
        file.changed()
        assert client.read_bytes("f") == b"xx789" + b"0123456789" * 999
        with client.open("f", os.O_RDWR) as handle:
            assert handle.pread(3, 0) == b"xx7"
            handle.pwrite(b"mine", 0)
            assert handle.pread(6, 0) == b"mine9" + b"0"
        assert client.read_bytes("f")[:4] == b"mine"
    assert path.read_bytes()[:7] == b"xxxxxxx", "the file of the host is never written to"
