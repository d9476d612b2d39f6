"""Checks of copy_file_range(2)."""

from __future__ import annotations

import os
import tempfile
from errno import EBADF, EINVAL, EXDEV

from fusetree.testing.posix.expect import equal, fails, true
from fusetree.testing.posix.features import elsewhere
from fusetree.testing.posix.place import Place
from fusetree.testing.posix.registry import Group
from fusetree.testing.posix.transfer import noise

group = Group("copy_file_range", "copy_file_range(2)", ("copy_file_range",))


def _copy(place: Place, data: bytes, **offsets: int) -> int:
    place.file("a", data)
    return os.copy_file_range(place.open("a"), place.open("b", os.O_RDWR | os.O_CREAT), len(data), **offsets)


@group.check()
def a_whole_file(place: Place) -> None:
    data = noise(200_000)
    done = _copy(place, data)
    true(0 < done <= len(data), "some bytes copied", done)
    equal(place.content("b") == data[:done], True, "the same content")


@group.check()
def offsets_of_the_descriptors_rise(place: Place) -> None:
    place.file("a", b"abcdef")
    source, target = place.open("a"), place.open("b", os.O_RDWR | os.O_CREAT)
    equal(os.copy_file_range(source, target, 4), 4, "bytes copied")
    equal(os.lseek(source, 0, os.SEEK_CUR), 4, "offset of the source")
    equal(os.lseek(target, 0, os.SEEK_CUR), 4, "offset of the target")


@group.check()
def given_offsets_leave_those_of_the_descriptors(place: Place) -> None:
    place.file("a", b"abcdef")
    place.file("b", b"........")
    source, target = place.open("a"), place.open("b")
    equal(os.copy_file_range(source, target, 3, 1, 2), 3, "bytes copied")
    equal(place.content("b"), b"..bcd...", "content")
    equal(os.lseek(source, 0, os.SEEK_CUR), 0, "offset of the source")


@group.check()
def at_the_end_of_the_source(place: Place) -> None:
    place.file("a", b"abc")
    source, target = place.open("a"), place.open("b", os.O_RDWR | os.O_CREAT)
    equal(os.copy_file_range(source, target, 10, 3), 0, "bytes copied")
    equal(os.copy_file_range(source, target, 10, 1), 2, "bytes copied")


@group.check()
def within_one_file(place: Place) -> None:
    place.file("f", b"abcdef")
    fd = place.open("f")
    equal(os.copy_file_range(fd, fd, 3, 0, 6), 3, "bytes copied")
    equal(place.content(), b"abcdefabc", "content")


@group.check("copy_file_range(2) EINVAL")
def ranges_of_one_file_that_overlap(place: Place) -> None:
    place.file("f", b"abcdef")
    fd = place.open("f")
    with fails(EINVAL):
        os.copy_file_range(fd, fd, 4, 0, 2)


@group.check("copy_file_range(2) EBADF")
def into_a_file_that_appends(place: Place) -> None:
    place.file("a", b"abc")
    target = place.open("b", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with fails(EBADF):
        os.copy_file_range(place.open("a"), target, 3)


@group.check("copy_file_range(2) EXDEV", needs=["another file system"])
def to_another_file_system(place: Place) -> None:
    place.file("a", b"abc")
    with tempfile.TemporaryFile(dir=elsewhere(place)) as other:
        try:
            done = os.copy_file_range(place.open("a"), other.fileno(), 3)
        except OSError as error:
            true(error.errno in (EXDEV, EINVAL), "EXDEV, EINVAL or success", str(error))
        else:
            equal(os.pread(other.fileno(), 10, 0), b"abc"[:done], "content")


@group.check("copy_file_range(2), POSIX write: times")
def sets_times_of_the_target(place: Place) -> None:
    place.file("a", b"abc")
    place.file("b", b"...")
    place.long_ago("b")
    before = place.stat("b").st_mtime_ns
    target = place.open("b")
    os.copy_file_range(place.open("a"), target, 3)
    place.close(target)
    true(place.stat("b").st_mtime_ns > before, "a later st_mtime of the target")
