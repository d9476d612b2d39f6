"""Checks of stat(2) and truncate(2): what attributes say, and what sizes do."""

from __future__ import annotations

import os
import stat
from errno import EACCES, EBADF, EFBIG, EINVAL, EISDIR, ENOENT, ENOTDIR

from fusetree.testing.posix.expect import equal, fails, true
from fusetree.testing.posix.place import Place
from fusetree.testing.posix.registry import Group
from fusetree.testing.posix.transfer import noise

stats = Group("stat", "stat(2)")
truncation = Group("truncate", "truncate(2)")


@stats.check("inode(7): the file type")
def types(place: Place) -> None:
    place.file()
    place.dir()
    true(stat.S_ISREG(place.stat("f").st_mode), "a regular file")
    true(stat.S_ISDIR(place.stat("d").st_mode), "a directory")


@stats.check("stat(2)", needs=["symbolic links"])
def follows_links_and_lstat_does_not(place: Place) -> None:
    place.file(data=b"abc")
    place.symlink("f")
    equal(os.stat(place / "s").st_size, 3, "st_size of the target")
    true(stat.S_ISLNK(place.stat("s").st_mode), "a symbolic link")


@stats.check("stat(2) ENOENT", needs=["symbolic links"])
def a_dangling_link(place: Place) -> None:
    place.symlink("nowhere")
    with fails(ENOENT):
        os.stat(place / "s")


@stats.check("fstat(2)")
def the_same_by_name_and_by_descriptor(place: Place) -> None:
    place.file(data=b"abc")
    named, opened = place.stat("f"), os.fstat(place.open("f"))
    for field in ("st_ino", "st_dev", "st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_mtime_ns"):
        equal(getattr(opened, field), getattr(named, field), field)


@stats.check("POSIX <sys/stat.h>: st_ino and st_dev name a file")
def inode_numbers_are_unique(place: Place) -> None:
    for number in range(100):
        place.file(f"f{number}")
    equal(len({place.stat(f"f{number}").st_ino for number in range(100)}), 100, "different numbers")


@stats.check("POSIX <sys/stat.h>: st_ino is stable")
def an_inode_number_stays(place: Place) -> None:
    place.file()
    before = place.stat("f").st_ino
    for number in range(50):
        place.file(f"other{number}")
    os.rename(place / "f", place / "g")
    equal(place.stat("g").st_ino, before, "st_ino")


@stats.check("POSIX <sys/stat.h>: st_dev")
def all_are_on_one_device(place: Place) -> None:
    place.file()
    place.dir()
    equal({place.stat(name).st_dev for name in ("f", "d")}, {place.stat().st_dev}, "st_dev")


@stats.check("inode(7) st_blocks: units of 512 bytes")
def blocks_of_a_file_with_content(place: Place) -> None:
    place.file(data=noise(100_000))
    os.fsync(place.open("f"))
    true(place.stat("f").st_blocks * 512 >= 100_000, "blocks for its content", place.stat("f").st_blocks)


@stats.check("inode(7) st_blocks: fewer than the size where there are holes", needs=["holes"])
def blocks_of_a_file_with_a_hole(place: Place) -> None:
    place.file()
    os.ftruncate(place.open("f"), 1 << 30)
    true(place.stat("f").st_blocks * 512 < 1 << 20, "few blocks", place.stat("f").st_blocks)


@stats.check("inode(7) st_blksize")
def a_block_size(place: Place) -> None:
    place.file()
    true(place.stat("f").st_blksize > 0, "a block size above 0", place.stat("f").st_blksize)


@stats.check("inode(7) st_size: the length of a symbolic link's target", needs=["symbolic links"])
def size_of_a_symbolic_link(place: Place) -> None:
    place.symlink("x" * 77)
    equal(place.stat("s").st_size, 77, "st_size")


@stats.check("inode(7) st_nlink: 2 and one for each directory within")
def links_of_a_directory(place: Place) -> None:
    place.dir()
    first = place.stat("d").st_nlink
    true(first in (1, 2), "2 links (or 1 where links are not counted)", first)
    if first == 1:
        return  # btrfs and overlayfs say 1 for every directory
    for number in range(3):
        place.dir(f"d/{number}")
    place.file("d/f")
    equal(place.stat("d").st_nlink, 5, "st_nlink")
    os.rmdir(place / "d/0")
    equal(place.stat("d").st_nlink, 4, "st_nlink")


@stats.check("path_resolution(7): . and ..")
def dot_and_dot_dot(place: Place) -> None:
    place.dir()
    equal(place.stat("d/.").st_ino, place.stat("d").st_ino, "st_ino of .")
    equal(place.stat("d/..").st_ino, place.stat().st_ino, "st_ino of ..")


@stats.check("inode(7) st_rdev", needs=["devices"])
def a_device_number(place: Place) -> None:
    os.mknod(place / "n", stat.S_IFCHR | 0o600, os.makedev(7, 259))
    found = place.stat("n")
    true(stat.S_ISCHR(found.st_mode), "a character device")
    equal((os.major(found.st_rdev), os.minor(found.st_rdev)), (7, 259), "device")


@stats.check("fstatat(2) AT_EMPTY_PATH, dir_fd")
def relative_to_a_descriptor(place: Place) -> None:
    place.dir()
    place.file("d/f", b"abc")
    fd = place.open("d", os.O_PATH | os.O_DIRECTORY)
    equal(os.stat("f", dir_fd=fd).st_size, 3, "st_size")


@stats.check("POSIX stat: st_size while written")
def a_size_is_seen_at_once_by_another_process(place: Place) -> None:
    place.file()
    fd = place.open("f")
    program = "import os, sys\nfor line in sys.stdin: print(os.stat(sys.argv[1]).st_size, flush=True)"
    other = place.process(program, place / "f")
    for size in (1, 5000, 100_000):
        os.pwrite(fd, b"x" * size, 0)
        other.say()
        equal(other.line(), str(size), "st_size in another process")


@truncation.check()
def shorter(place: Place) -> None:
    place.file(data=b"abcdef")
    os.truncate(place / "f", 3)
    equal(place.content(), b"abc", "content")
    equal(place.stat("f").st_size, 3, "st_size")


@truncation.check("truncate(2): the extended part reads as null bytes")
def longer(place: Place) -> None:
    place.file(data=b"abc")
    os.truncate(place / "f", 10_000)
    equal(place.content() == b"abc" + bytes(9997), True, "zeros behind the content")


@truncation.check("truncate(2): the extended part reads as null bytes")
def what_was_cut_off_does_not_come_back(place: Place) -> None:
    place.file(data=b"x" * 10_000)
    fd = place.open("f")
    os.pread(fd, 10_000, 0)
    os.ftruncate(fd, 5001)
    os.ftruncate(fd, 10_000)
    equal(os.pread(fd, 10_000, 0) == b"x" * 5001 + bytes(4999), True, "zeros where it was cut off")


@truncation.check("ftruncate(2)")
def by_descriptor_leaves_the_offset(place: Place) -> None:
    place.file(data=b"abcdef")
    fd = place.open("f")
    os.lseek(fd, 5, os.SEEK_SET)
    os.ftruncate(fd, 2)
    equal(os.lseek(fd, 0, os.SEEK_CUR), 5, "offset")
    os.write(fd, b"z")
    equal(place.content(), b"ab\0\0\0z", "content")


@truncation.check("POSIX truncate: marks st_mtim and st_ctim for update")
def sets_times_when_the_size_changes(place: Place) -> None:
    for size in (1, 5):
        path = place.file(f"f{size}", b"abc")
        place.long_ago(f"f{size}")
        before = place.stat(f"f{size}")
        place.tick()
        os.truncate(path, size)
        after = place.stat(f"f{size}")
        true(after.st_mtime_ns > before.st_mtime_ns, f"a later st_mtime at size {size}")
        true(after.st_ctime_ns > before.st_ctime_ns, f"a later st_ctime at size {size}")


@truncation.check("POSIX ftruncate: marks st_mtim and st_ctim for update")
def by_descriptor_sets_times(place: Place) -> None:
    place.file(data=b"abc")
    place.long_ago("f")
    before = place.stat("f")
    place.tick()
    os.ftruncate(place.open("f"), 1)
    true(place.stat("f").st_mtime_ns > before.st_mtime_ns, "a later st_mtime")
    true(place.stat("f").st_ctime_ns > before.st_ctime_ns, "a later st_ctime")


@truncation.check("truncate(2) EISDIR")
def a_directory(place: Place) -> None:
    place.dir()
    with fails(EISDIR):
        os.truncate(place / "d", 0)


@truncation.check("truncate(2) ENOENT, ENOTDIR")
def what_is_not_there(place: Place) -> None:
    place.file()
    with fails(ENOENT):
        os.truncate(place / "g", 0)
    with fails(ENOTDIR):
        os.truncate(place / "f/g", 0)


@truncation.check("truncate(2) EINVAL")
def below_zero(place: Place) -> None:
    place.file()
    with fails(EINVAL):
        os.truncate(place / "f", -1)


@truncation.check("ftruncate(2) EBADF or EINVAL")
def through_a_read_only_descriptor(place: Place) -> None:
    place.file(data=b"abc")
    with fails(EBADF, EINVAL):
        os.ftruncate(place.open("f", os.O_RDONLY), 0)
    equal(place.content(), b"abc", "content")


@truncation.check("truncate(2) EFBIG")
def to_a_size_that_no_file_has(place: Place) -> None:
    place.file(data=b"abc")
    try:
        os.truncate(place / "f", (1 << 63) - 1)
    except OSError as error:
        true(error.errno in (EFBIG, EINVAL), "EFBIG, EINVAL or success", str(error))
        equal(place.stat("f").st_size, 3, "st_size")
    else:
        equal(place.stat("f").st_size, (1 << 63) - 1, "st_size")


@truncation.check("truncate(2)", needs=["symbolic links"])
def through_a_symbolic_link(place: Place) -> None:
    place.file(data=b"abc")
    place.symlink("f")
    os.truncate(place / "s", 1)
    equal(place.content(), b"a", "content")


@truncation.check("truncate(2) EACCES", needs=["permission checks"])
def without_permission_to_write(place: Place) -> None:
    path = place.file(data=b"abc", mode=0o644)
    with fails(EACCES):
        place.as_user(lambda: os.truncate(path, 0))
    equal(place.content(), b"abc", "content")


@truncation.check("ftruncate(2): permission counts when the file is opened", needs=["permission checks"])
def through_a_descriptor_after_permission_is_gone(place: Place) -> None:
    os.chmod(place.path, 0o777)

    def cut() -> None:
        fd = os.open(place / "f", os.O_CREAT | os.O_RDWR, 0o644)
        os.write(fd, b"abc")
        os.chmod(place / "f", 0o444)
        os.ftruncate(fd, 1)
        os.close(fd)

    place.as_user(cut)
    equal(place.stat("f").st_size, 1, "st_size")


@truncation.check("inode(7): set-user-ID and set-group-ID", needs=["changing owners", "other users"])
def by_another_user_clears_set_id_bits(place: Place) -> None:
    path = place.file(data=b"abc", mode=0o6777)
    place.as_user(lambda: os.truncate(path, 1))
    equal(place.stat("f").st_mode & 0o6000, 0, "set-id bits")


@truncation.check()
def while_another_descriptor_reads(place: Place) -> None:
    place.file(data=b"x" * 20_000)
    reader = place.open("f", os.O_RDONLY)
    equal(len(os.read(reader, 10_000)), 10_000, "bytes read")
    os.truncate(place / "f", 5000)
    equal(os.read(reader, 10_000), b"", "bytes behind the new end")
    equal(os.pread(reader, 10_000, 0) == b"x" * 5000, True, "what is left")


@truncation.check("truncate(2)")
def of_a_file_of_many_blocks(place: Place) -> None:
    data = noise(1_000_000)
    place.file(data=data)
    for size in (777_777, 300_000, 4097, 4096, 4095, 1, 0):
        os.truncate(place / "f", size)
        equal(place.content() == data[:size], True, f"the first {size} bytes")
