"""Checks of mmap(2)."""

from __future__ import annotations

import mmap
import os
from errno import EACCES

from fusetree.testing.posix.expect import equal, fails, true
from fusetree.testing.posix.place import Place
from fusetree.testing.posix.registry import Group
from fusetree.testing.posix.transfer import noise

group = Group("mmap", "mmap(2)")

SHARED = ["shared mappings"]


def _read_only(fd: int, size: int) -> mmap.mmap:
    return mmap.mmap(fd, size, mmap.MAP_PRIVATE, mmap.PROT_READ)


@group.check()
def private_shows_the_content(place: Place) -> None:
    data = noise(100_000)
    place.file(data=data)
    with _read_only(place.open("f", os.O_RDONLY), 100_000) as view:
        equal(view[:] == data, True, "the same content")


@group.check("mmap(2) MAP_PRIVATE")
def private_changes_stay_private(place: Place) -> None:
    place.file(data=b"x" * 8192)
    with mmap.mmap(
        place.open("f", os.O_RDONLY), 8192, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE
    ) as view:
        view[:3] = b"abc"
        equal(view[:4], b"abcx", "bytes in the mapping")
    equal(place.content()[:4], b"xxxx", "bytes in the file")


@group.check("mmap(2): the rest of the last page is zeros")
def behind_the_end_of_the_file_are_zeros(place: Place) -> None:
    place.file(data=b"abc" + b"x" * 4093)
    fd = place.open("f")
    with _read_only(fd, 4096) as view:
        equal(view[:5], b"abcxx", "bytes in the mapping")
        os.ftruncate(fd, 3)
        equal(view[:] == b"abc" + bytes(4093), True, "zeros behind the new end")


@group.check("mmap(2) MAP_SHARED", needs=SHARED)
def shared_changes_reach_the_file(place: Place) -> None:
    place.file(data=b"x" * 10_000)
    with mmap.mmap(place.open("f"), 10_000) as view:
        view[5000:5003] = b"abc"
        view.flush()
    equal(place.content() == b"x" * 5000 + b"abc" + b"x" * 4997, True, "the changed content")


@group.check("mmap(2) MAP_SHARED", needs=SHARED)
def shared_changes_are_read_at_once(place: Place) -> None:
    place.file(data=b"x" * 4096)
    fd = place.open("f")
    with mmap.mmap(fd, 4096) as view:
        view[:3] = b"abc"
        equal(os.pread(fd, 4, 0), b"abcx", "bytes read")


@group.check("mmap(2) MAP_SHARED", needs=SHARED)
def what_is_written_is_seen_in_the_mapping(place: Place) -> None:
    place.file(data=b"x" * 4096)
    fd = place.open("f")
    with mmap.mmap(fd, 4096) as view:
        equal(view[:3], b"xxx", "bytes in the mapping")
        os.pwrite(fd, b"abc", 0)
        equal(view[:4], b"abcx", "bytes in the mapping")


@group.check("mmap(2) MAP_SHARED", needs=SHARED)
def two_mappings_of_one_file(place: Place) -> None:
    place.file(data=b"x" * 4096)
    with mmap.mmap(place.open("f"), 4096) as one, mmap.mmap(place.open("f"), 4096) as two:
        one[:3] = b"abc"
        equal(two[:4], b"abcx", "bytes in the other mapping")


@group.check("mmap(2) MAP_SHARED: between processes", needs=SHARED)
def a_mapping_in_another_process(place: Place) -> None:
    path = place.file(data=b"x" * 4096)
    program = (
        "import mmap, sys\nfile = open(sys.argv[1], 'r+b')\nview = mmap.mmap(file.fileno(), 4096)\n"
        "view[:3] = b'abc'\nprint('changed', flush=True)\ninput()"
    )
    with mmap.mmap(place.open("f"), 4096) as view:
        equal(place.process(program, path).line(), "changed", "the other's word")
        equal(view[:4], b"abcx", "bytes in the mapping")


@group.check("mmap(2): closing the descriptor does not unmap")
def a_mapping_outlasts_its_descriptor(place: Place) -> None:
    place.file(data=b"abc" + b"x" * 4093)
    fd = place.open("f", os.O_RDONLY)
    with _read_only(fd, 4096) as view:
        place.close(fd)
        equal(view[:3], b"abc", "bytes in the mapping")


@group.check("mmap(2), unlink(2)", needs=SHARED)
def a_mapping_outlasts_the_name(place: Place) -> None:
    place.file(data=b"x" * 8192)
    fd = place.open("f")
    with mmap.mmap(fd, 8192) as view:
        os.unlink(place / "f")
        view[:3] = b"abc"
        equal(view[:4], b"abcx", "bytes in the mapping")
        equal(os.pread(fd, 4, 0), b"abcx", "bytes read")


@group.check("mmap(2) EACCES", needs=SHARED)
def shared_and_writable_through_a_read_only_descriptor(place: Place) -> None:
    place.file(data=b"x" * 4096)
    with fails(EACCES):
        mmap.mmap(place.open("f", os.O_RDONLY), 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)


@group.check("mmap(2) EACCES")
def through_a_write_only_descriptor(place: Place) -> None:
    place.file(data=b"x" * 4096)
    with fails(EACCES):
        mmap.mmap(place.open("f", os.O_WRONLY), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ)


@group.check("mmap(2)", needs=SHARED)
def after_the_file_has_grown(place: Place) -> None:
    place.file(data=b"x" * 4096)
    fd = place.open("f")
    with mmap.mmap(fd, 4096):
        os.ftruncate(fd, 12_288)
    with mmap.mmap(fd, 12_288) as view:
        equal(view[4096:] == bytes(8192), True, "zeros in what was added")
        view[12_000:12_003] = b"abc"
        view.flush()
    equal(place.content()[12_000:12_003], b"abc", "bytes in the file")


@group.check("mmap(2), POSIX: st_mtim is marked after a write reference", needs=SHARED)
def shared_changes_set_mtime(place: Place) -> None:
    place.file(data=b"x" * 4096)
    place.long_ago("f")
    before = place.stat("f").st_mtime_ns
    with mmap.mmap(place.open("f"), 4096) as view:
        view[:3] = b"abc"
        view.flush()
    true(place.stat("f").st_mtime_ns > before, "a later st_mtime", "the same")


@group.check("mmap(2)", needs=SHARED)
def of_a_big_file(place: Place) -> None:
    size = 3 << 20
    place.file(data=bytes(size))
    with mmap.mmap(place.open("f"), size) as view:
        for offset in range(0, size, 4096):
            view[offset] = offset // 4096 % 251
        view.flush()
    content = place.content()
    equal([content[offset] for offset in range(0, size, 4096)],
          [number % 251 for number in range(size // 4096)], "a byte of each page")  # fmt: skip
