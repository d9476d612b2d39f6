"""Checks of fsync(2), fdatasync(2), syncfs(2), sync_file_range(2) and close(2)."""

from __future__ import annotations

import ctypes
import os
from errno import EBADF

from fusetree.testing.posix.expect import equal, fails
from fusetree.testing.posix.place import Place
from fusetree.testing.posix.registry import Group

group = Group("fsync", "fsync(2)")


@group.check()
def of_a_file_that_was_written(place: Place) -> None:
    place.file()
    fd = place.open("f")
    os.write(fd, b"abc")
    os.fsync(fd)
    equal(place.content(), b"abc", "content")


@group.check("fdatasync(2)")
def of_its_data_alone(place: Place) -> None:
    place.file()
    fd = place.open("f")
    os.write(fd, b"abc")
    os.fdatasync(fd)
    equal(place.stat("f").st_size, 3, "st_size")


@group.check()
def through_a_read_only_descriptor(place: Place) -> None:
    place.file(data=b"abc")
    os.fsync(place.open("f", os.O_RDONLY))


@group.check()
def of_a_directory(place: Place) -> None:
    place.file()
    os.fsync(place.open(".", os.O_RDONLY | os.O_DIRECTORY))


@group.check("fdatasync(2)")
def of_a_directorys_data_alone(place: Place) -> None:
    os.fdatasync(place.open(".", os.O_RDONLY | os.O_DIRECTORY))


@group.check()
def of_an_open_file_that_is_unlinked(place: Place) -> None:
    place.file()
    fd = place.open("f")
    os.unlink(place / "f")
    os.write(fd, b"abc")
    os.fsync(fd)
    equal(os.pread(fd, 10, 0), b"abc", "content")


@group.check("fsync(2) EBADF")
def of_no_descriptor(place: Place) -> None:
    place.file()
    with fails(EBADF):
        os.fsync(place.open("f", os.O_PATH))


@group.check("syncfs(2)")
def of_the_whole_file_system(place: Place) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    place.file(data=b"abc")
    equal(libc.syncfs(place.open("f")), 0, "result")


@group.check("close(2): every descriptor of a process that ends")
def a_process_that_ends_leaves_what_it_wrote(place: Place) -> None:
    path = place.file()
    program = (
        "import os, sys\nfd = os.open(sys.argv[1], os.O_WRONLY)\nos.write(fd, b'abc')\n"
        "print('written', flush=True)\nos._exit(0)"
    )
    other = place.process(program, path)
    equal(other.line(), "written", "the other's word")
    other.end()
    equal(place.content(), b"abc", "content")


@group.check("posix_fadvise(2)")
def advice_changes_nothing(place: Place) -> None:
    place.file(data=b"x" * 100_000)
    fd = place.open("f")
    for advice in (os.POSIX_FADV_SEQUENTIAL, os.POSIX_FADV_WILLNEED, os.POSIX_FADV_DONTNEED):
        os.posix_fadvise(fd, 0, 0, advice)
    equal(os.pread(fd, 200_000, 0) == b"x" * 100_000, True, "the same content")
