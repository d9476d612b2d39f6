from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fusetree.nodes import FileRange


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    number = os.open(path, os.O_RDWR)
    yield number
    os.close(number)


def test_it_reads_its_part_and_no_more(descriptor: int) -> None:
    part = FileRange(descriptor, 2, 5)
    assert len(part) == 5
    assert part.read() == b"23456"
    assert [part.read(1, 3), part.read(4, 9), part.read(5), part.read(9, 1)] == [b"345", b"6", b"", b""]
    assert len(FileRange(descriptor)) == 10
    assert len(FileRange(descriptor, 99)) == 0
    assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0


def test_it_has_a_descriptor_of_its_own_and_closes_it(descriptor: int) -> None:
    part = FileRange(descriptor)
    own = part.fileno()
    assert own != descriptor
    assert os.fstat(own).st_ino == os.fstat(descriptor).st_ino
    del part
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(own)


def test_a_file_that_was_cut_off_gives_what_is_left(descriptor: int) -> None:
    part = FileRange(descriptor, 2)
    os.ftruncate(descriptor, 4)
    assert part.read() == b"23"


def test_what_is_no_part_is_refused(descriptor: int) -> None:
    for offset, size in ((-1, 5), (0, -1)):
        with pytest.raises(ValueError, match="part of a file"):
            FileRange(descriptor, offset, size)
    with pytest.raises(OSError, match="Bad file descriptor"):
        FileRange(1 << 20)
    with pytest.raises(TypeError, match="copied"):
        copy.copy(FileRange(descriptor))
