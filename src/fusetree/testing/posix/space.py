"""Checks of statfs(2), fallocate(2), and O_TMPFILE of open(2)."""

from __future__ import annotations

import os
from errno import EBADF, EINVAL, EISDIR, ENODEV, ENOENT, EOPNOTSUPP

from fusetree.testing.posix.expect import equal, fails, same_mode, true
from fusetree.testing.posix.place import Place
from fusetree.testing.posix.registry import Group
from fusetree.testing.posix.syscalls import (
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_ZERO_RANGE,
    fallocate,
    link_following,
)

statfs = Group("statfs", "statfs(2)")
allocation = Group("fallocate", "fallocate(2)", ("fallocate",))
temporary = Group("tmpfile", "open(2) O_TMPFILE", ("temporary files",))


@statfs.check()
def sizes_that_can_be(place: Place) -> None:
    found = os.statvfs(place.path)
    true(
        found.f_bsize > 0 and found.f_frsize > 0, "block sizes above 0", f"{found.f_bsize}, {found.f_frsize}"
    )
    true(found.f_bavail <= found.f_bfree <= found.f_blocks, "available <= free <= all blocks", str(found))
    true(found.f_ffree <= found.f_files, "free <= all inodes", str(found))


@statfs.check("statvfs(3) f_namemax")
def the_longest_name_is_told_rightly(place: Place) -> None:
    longest = os.statvfs(place.path).f_namemax
    true(0 < longest <= 255, "1 to 255", longest)
    place.file("x" * longest)
    equal(len(place.names()[0]), longest, "length of the name")


@statfs.check()
def the_same_for_every_file(place: Place) -> None:
    place.file()
    one, two = os.statvfs(place.path), os.statvfs(place / "f")
    equal((one.f_blocks, one.f_bsize, one.f_namemax), (two.f_blocks, two.f_bsize, two.f_namemax), "sizes")


@statfs.check("fstatfs(2)")
def by_descriptor(place: Place) -> None:
    place.file()
    equal(os.fstatvfs(place.open("f")).f_bsize, os.statvfs(place.path).f_bsize, "f_bsize")


@statfs.check("pathconf(3)")
def limits_of_paths(place: Place) -> None:
    true(os.pathconf(place.path, "PC_NAME_MAX") >= 14, "at least _POSIX_NAME_MAX")
    true(os.pathconf(place.path, "PC_LINK_MAX") >= 1, "at least 1")


@allocation.check()
def beyond_the_end_grows_with_zeros(place: Place) -> None:
    place.file(data=b"abc")
    fallocate(place.open("f"), 0, 0, 10_000)
    equal(place.stat("f").st_size, 10_000, "st_size")
    equal(place.content() == b"abc" + bytes(9997), True, "zeros behind the content")


@allocation.check()
def within_the_file_changes_nothing(place: Place) -> None:
    place.file(data=b"x" * 10_000)
    fallocate(place.open("f"), 0, 1000, 1000)
    equal(place.content() == b"x" * 10_000, True, "the same content")


@allocation.check("posix_fallocate(3)")
def through_the_c_library(place: Place) -> None:
    place.file(data=b"abc")
    os.posix_fallocate(place.open("f"), 100, 100)
    equal(place.stat("f").st_size, 200, "st_size")


@allocation.check("fallocate(2) FALLOC_FL_KEEP_SIZE", needs=["fallocate keep size"])
def keeping_the_size(place: Place) -> None:
    place.file(data=b"abc")
    fallocate(place.open("f"), FALLOC_FL_KEEP_SIZE, 0, 100_000)
    equal(place.stat("f").st_size, 3, "st_size")
    equal(place.content(), b"abc", "content")


@allocation.check("fallocate(2) FALLOC_FL_PUNCH_HOLE", needs=["punch hole"])
def punching_a_hole_leaves_zeros(place: Place) -> None:
    place.file(data=b"x" * 50_000)
    fallocate(place.open("f"), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000, 30_001)
    wanted = b"x" * 5000 + bytes(30_001) + b"x" * 14_999
    equal(place.content() == wanted, True, "zeros in the hole and the rest as it was")
    equal(place.stat("f").st_size, 50_000, "st_size")


@allocation.check("fallocate(2) FALLOC_FL_PUNCH_HOLE", needs=["punch hole"])
def a_hole_across_the_end_leaves_the_size(place: Place) -> None:
    place.file(data=b"x" * 10_000)
    fallocate(place.open("f"), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000, 100_000)
    equal(place.content() == b"x" * 5000 + bytes(5000), True, "zeros to the end")


@allocation.check("fallocate(2) FALLOC_FL_PUNCH_HOLE", needs=["punch hole"])
def a_hole_is_seen_by_who_has_read_before(place: Place) -> None:
    place.file(data=b"x" * 20_000)
    reader = place.open("f", os.O_RDONLY)
    os.pread(reader, 20_000, 0)
    fallocate(place.open("f"), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192)
    equal(os.pread(reader, 8192, 4096) == bytes(8192), True, "zeros")


@allocation.check("fallocate(2), lseek(2)", needs=["punch hole", "holes"])
def a_punched_hole_is_found(place: Place) -> None:
    place.file(data=b"x" * (1 << 20))
    fd = place.open("f")
    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 65536, 131072)
    equal(os.lseek(fd, 0, os.SEEK_HOLE), 65536, "offset of the hole")
    equal(os.lseek(fd, 65536, os.SEEK_DATA), 65536 + 131072, "offset of the data behind it")


@allocation.check("fallocate(2) EOPNOTSUPP: PUNCH_HOLE needs KEEP_SIZE", needs=["punch hole"])
def a_hole_without_keeping_the_size(place: Place) -> None:
    place.file(data=b"abc")
    with fails(EOPNOTSUPP, EINVAL):
        fallocate(place.open("f"), FALLOC_FL_PUNCH_HOLE, 0, 1)


@allocation.check("fallocate(2) FALLOC_FL_ZERO_RANGE", needs=["zero range"])
def zeroing_a_range(place: Place) -> None:
    place.file(data=b"x" * 20_000)
    fallocate(place.open("f"), FALLOC_FL_ZERO_RANGE, 3000, 10_000)
    equal(place.content() == b"x" * 3000 + bytes(10_000) + b"x" * 7000, True, "zeros in the range")


@allocation.check("fallocate(2) EINVAL")
def nothing_or_less(place: Place) -> None:
    place.file()
    fd = place.open("f")
    for offset, length in ((0, 0), (-1, 10), (0, -1)):
        with fails(EINVAL):
            fallocate(fd, 0, offset, length)


@allocation.check("fallocate(2) EBADF")
def through_a_read_only_descriptor(place: Place) -> None:
    place.file()
    with fails(EBADF):
        fallocate(place.open("f", os.O_RDONLY), 0, 0, 10)


@allocation.check("fallocate(2) EISDIR, ENODEV, EBADF")
def of_a_directory(place: Place) -> None:
    with fails(EBADF, EISDIR, ENODEV):
        fallocate(place.open(".", os.O_RDONLY | os.O_DIRECTORY), 0, 0, 10)


@allocation.check("fallocate(2)", needs=["changing owners", "other users"])
def by_another_user_clears_set_id_bits(place: Place) -> None:
    path = place.file(data=b"abc", mode=0o6777)

    def allocate() -> None:
        fd = os.open(path, os.O_RDWR)
        fallocate(fd, 0, 0, 10_000)
        os.close(fd)

    place.as_user(allocate)
    equal(place.stat("f").st_mode & 0o6000, 0, "set-id bits")


@allocation.check("fallocate(2), POSIX posix_fallocate: times")
def sets_times_when_the_file_grows(place: Place) -> None:
    place.file(data=b"abc")
    place.long_ago("f")
    before = place.stat("f")
    place.tick()
    fallocate(place.open("f"), 0, 0, 10_000)
    true(place.stat("f").st_ctime_ns > before.st_ctime_ns, "a later st_ctime", "the same")


@temporary.check()
def has_no_name(place: Place) -> None:
    fd = place.open(".", os.O_TMPFILE | os.O_RDWR)
    equal(place.names(), [], "names")
    equal(os.fstat(fd).st_nlink, 0, "st_nlink")


@temporary.check()
def is_written_and_read(place: Place) -> None:
    fd = place.open(".", os.O_TMPFILE | os.O_RDWR)
    os.write(fd, b"abc")
    equal(os.pread(fd, 10, 0), b"abc", "content")


@temporary.check("open(2) O_TMPFILE, linkat(2)")
def gets_a_name_later(place: Place) -> None:
    fd = place.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
    os.write(fd, b"abc")
    link_following(f"/proc/self/fd/{fd}", place / "f")
    equal(place.content(), b"abc", "content")
    same_mode(place.stat("f").st_mode, 0o640)
    equal(place.stat("f").st_nlink, 1, "st_nlink")


@temporary.check("open(2) O_TMPFILE with O_EXCL: it can get no name")
def that_is_exclusive_gets_no_name(place: Place) -> None:
    fd = place.open(".", os.O_TMPFILE | os.O_RDWR | os.O_EXCL)
    with fails(ENOENT):
        link_following(f"/proc/self/fd/{fd}", place / "f")


@temporary.check("open(2) O_TMPFILE EINVAL")
def must_be_writable(place: Place) -> None:
    with fails(EINVAL):
        place.open(".", os.O_TMPFILE | os.O_RDONLY)
