"""Checks of open(2) and creat(2)."""

from __future__ import annotations

import fcntl
import mmap
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from errno import EACCES, EBADF, EEXIST, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR, ENXIO, EPERM

from fusetree.testing.posix.expect import equal, fails, same_mode, true
from fusetree.testing.posix.place import Place
from fusetree.testing.posix.registry import Group

group = Group("open", "open(2)")

CREATE = os.O_CREAT | os.O_WRONLY


@group.check("POSIX open: O_CREAT")
def creates_an_empty_regular_file(place: Place) -> None:
    fd = place.open("f", CREATE)
    equal(os.fstat(fd).st_size, 0, "st_size")
    true(stat.S_ISREG(os.fstat(fd).st_mode), "a regular file")
    equal(place.names(), ["f"], "names")


@group.check("POSIX open: O_CREAT")
def mode_of_a_new_file_is_as_asked(place: Place) -> None:
    os.umask(0)
    for mode in (0o000, 0o600, 0o640, 0o755, 0o777):
        place.open(f"f{mode:o}", CREATE, mode)
        same_mode(place.stat(f"f{mode:o}").st_mode, mode)


@group.check("umask(2)")
def mode_of_a_new_file_is_masked(place: Place) -> None:
    os.umask(0o027)
    place.open("f", CREATE, 0o666)
    same_mode(place.stat("f").st_mode, 0o640)


@group.check("POSIX open: O_CREAT")
def a_new_file_has_one_link(place: Place) -> None:
    place.open("f", CREATE)
    equal(place.stat("f").st_nlink, 1, "st_nlink")


@group.check("POSIX open: O_CREAT")
def a_new_file_belongs_to_the_caller(place: Place) -> None:
    place.open("f", CREATE)
    equal(place.stat("f").st_uid, os.geteuid(), "st_uid")
    equal(place.stat("f").st_gid, os.getegid(), "st_gid")


@group.check("POSIX open: the new descriptor's access is not limited by the mode of the file it made")
def creates_a_read_only_file_writable(place: Place) -> None:
    fd = place.open("f", CREATE, 0o400)
    equal(os.write(fd, b"abc"), 3, "bytes written")
    equal(place.stat("f").st_size, 3, "st_size")


@group.check("POSIX open: O_CREAT on an existing file")
def create_of_a_taken_name_keeps_content_and_mode(place: Place) -> None:
    place.file("f", b"abc", 0o604)
    place.open("f", CREATE, 0o777)
    equal(place.content(), b"abc", "content")
    same_mode(place.stat("f").st_mode, 0o604)


@group.check("POSIX open: marks st_mtim and st_ctim of the parent for update")
def create_sets_times_of_the_directory(place: Place) -> None:
    place.long_ago(".")
    before = place.stat()
    place.tick()
    place.open("f", CREATE)
    after = place.stat()
    true(after.st_mtime_ns > before.st_mtime_ns, "a later st_mtime of the directory")
    true(after.st_ctime_ns > before.st_ctime_ns, "a later st_ctime of the directory")


@group.check("POSIX open: nothing is marked for update if the file existed")
def create_of_a_taken_name_leaves_times_of_the_directory(place: Place) -> None:
    place.file()
    before = place.stat()
    place.tick()
    place.open("f", CREATE)
    equal(place.stat().st_mtime_ns, before.st_mtime_ns, "st_mtime of the directory")


@group.check("open(2) O_EXCL")
def exclusive_creation_of_a_taken_name(place: Place) -> None:
    place.file()
    with fails(EEXIST):
        place.open("f", CREATE | os.O_EXCL)


@group.check("open(2) O_EXCL")
def exclusive_creation_of_a_directory(place: Place) -> None:
    place.dir()
    with fails(EEXIST):
        place.open("d", CREATE | os.O_EXCL)


@group.check("open(2) O_EXCL: symbolic links are not followed", needs=["symbolic links"])
def exclusive_creation_through_a_dangling_link(place: Place) -> None:
    place.symlink("nowhere")
    with fails(EEXIST):
        place.open("s", CREATE | os.O_EXCL)
    equal(place.names(), ["s"], "names")


@group.check("POSIX open: O_CREAT through a symbolic link", needs=["symbolic links"])
def creation_through_a_dangling_link_makes_its_target(place: Place) -> None:
    place.symlink("target")
    place.open("s", CREATE)
    equal(place.names(), ["s", "target"], "names")


@group.check("open(2) ENOENT")
def a_missing_name(place: Place) -> None:
    with fails(ENOENT):
        place.open("f", os.O_RDONLY)


@group.check("open(2) EISDIR")
def a_directory_for_writing(place: Place) -> None:
    place.dir()
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC):
        with fails(EISDIR):
            place.open("d", flags)


@group.check("open(2) EISDIR")
def creation_where_a_directory_is(place: Place) -> None:
    place.dir()
    with fails(EISDIR):
        place.open("d", os.O_RDONLY | os.O_CREAT)


@group.check("open(2) EISDIR: pathname refers to a directory")
def creation_with_a_trailing_slash(place: Place) -> None:
    with fails(EISDIR, ENOENT, ENOTDIR):
        place.open("f/", CREATE)
    equal(place.names(), [], "names")


@group.check("open(2) O_DIRECTORY")
def a_file_as_a_directory(place: Place) -> None:
    place.file()
    with fails(ENOTDIR):
        place.open("f", os.O_RDONLY | os.O_DIRECTORY)


@group.check("POSIX path resolution: a trailing slash")
def a_file_with_a_trailing_slash(place: Place) -> None:
    place.file()
    with fails(ENOTDIR):
        place.open("f/", os.O_RDONLY)


@group.check("open(2) O_NOFOLLOW", needs=["symbolic links"])
def a_symbolic_link_that_must_not_be_followed(place: Place) -> None:
    place.file()
    place.symlink("f")
    with fails(ELOOP):
        place.open("s", os.O_RDONLY | os.O_NOFOLLOW)


@group.check("open(2) O_NOFOLLOW: links in earlier parts are followed", needs=["symbolic links"])
def no_follow_speaks_of_the_last_part_only(place: Place) -> None:
    place.dir()
    place.file("d/f", b"abc")
    place.symlink("d")
    equal(os.read(place.open("s/f", os.O_RDONLY | os.O_NOFOLLOW), 10), b"abc", "content")


@group.check("open(2) O_TRUNC")
def truncates(place: Place) -> None:
    place.file(data=b"abc")
    place.open("f", os.O_WRONLY | os.O_TRUNC)
    equal(place.stat("f").st_size, 0, "st_size")
    equal(place.content(), b"", "content")


@group.check("open(2) O_TRUNC")
def truncates_with_create(place: Place) -> None:
    place.file(data=b"abc")
    fd = place.open("f", CREATE | os.O_TRUNC)
    os.write(fd, b"z")
    equal(place.content(), b"z", "content")


@group.check("POSIX open: O_TRUNC marks st_mtim and st_ctim for update")
def truncation_sets_times(place: Place) -> None:
    place.file(data=b"abc")
    place.long_ago("f")
    before = place.stat("f")
    place.tick()
    place.open("f", os.O_WRONLY | os.O_TRUNC)
    after = place.stat("f")
    true(after.st_mtime_ns > before.st_mtime_ns, "a later st_mtime")
    true(after.st_ctime_ns > before.st_ctime_ns, "a later st_ctime")


@group.check("POSIX open: O_TRUNC leaves the mode")
def truncation_keeps_mode_and_inode(place: Place) -> None:
    place.file(data=b"abc", mode=0o604)
    before = place.stat("f")
    place.open("f", CREATE | os.O_TRUNC, 0o777)
    after = place.stat("f")
    same_mode(after.st_mode, before.st_mode)
    equal(after.st_ino, before.st_ino, "st_ino")


@group.check("POSIX write: EBADF")
def a_read_only_descriptor_does_not_write(place: Place) -> None:
    place.file()
    with fails(EBADF):
        os.write(place.open("f", os.O_RDONLY), b"x")


@group.check("POSIX read: EBADF")
def a_write_only_descriptor_does_not_read(place: Place) -> None:
    place.file()
    with fails(EBADF):
        os.read(place.open("f", os.O_WRONLY), 1)


@group.check("POSIX read: EISDIR")
def a_directory_is_not_read(place: Place) -> None:
    place.dir()
    with fails(EISDIR):
        os.read(place.open("d", os.O_RDONLY), 1)


@group.check("open(2) O_PATH")
def a_path_descriptor_does_neither_read_nor_write(place: Place) -> None:
    place.file(data=b"abc")
    fd = place.open("f", os.O_PATH)
    equal(os.fstat(fd).st_size, 3, "st_size")
    with fails(EBADF):
        os.read(fd, 1)


@group.check("open(2) O_PATH", needs=["symbolic links"])
def a_path_descriptor_of_a_symbolic_link(place: Place) -> None:
    place.symlink("target")
    fd = place.open("s", os.O_PATH | os.O_NOFOLLOW)
    true(stat.S_ISLNK(os.fstat(fd).st_mode), "a symbolic link")
    equal(os.readlink("", dir_fd=fd), "target", "the target")


@group.check("proc(5) /proc/self/fd")
def a_descriptor_is_opened_again(place: Place) -> None:
    place.file(data=b"abc")
    fd = place.open("f", os.O_PATH)
    again = place.keep(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY))
    equal(os.read(again, 10), b"abc", "content")


@group.check("open(2) ENXIO", needs=["named pipes"])
def a_pipe_without_reader_for_writing(place: Place) -> None:
    place.fifo()
    with fails(ENXIO):
        place.open("p", os.O_WRONLY | os.O_NONBLOCK)


@group.check("open(2) ENXIO: a UNIX domain socket", needs=["sockets"])
def a_socket(place: Place) -> None:
    place.socket()
    with fails(ENXIO):
        place.open("x", os.O_RDONLY)


@group.check("open(2) O_APPEND, fcntl(2) F_GETFL")
def flags_are_told_back(place: Place) -> None:
    place.file()
    fd = place.open("f", os.O_RDWR | os.O_APPEND | os.O_NONBLOCK)
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    equal(flags & os.O_ACCMODE, os.O_RDWR, "access mode")
    equal(flags & os.O_APPEND, os.O_APPEND, "O_APPEND")
    equal(flags & os.O_NONBLOCK, os.O_NONBLOCK, "O_NONBLOCK")


@group.check("open(2): opening twice makes two open files")
def two_opens_have_offsets_of_their_own(place: Place) -> None:
    place.file(data=b"abcdef")
    one, two = place.open("f", os.O_RDONLY), place.open("f", os.O_RDONLY)
    equal(os.read(one, 3), b"abc", "the first's bytes")
    equal(os.read(two, 3), b"abc", "the second's bytes")


@group.check("dup(2)")
def duplicates_share_their_offset(place: Place) -> None:
    place.file(data=b"abcdef")
    one = place.open("f", os.O_RDONLY)
    two = place.keep(os.dup(one))
    os.read(one, 3)
    equal(os.read(two, 3), b"def", "the duplicate's bytes")


@group.check("open(2) O_DIRECT", needs=["direct I/O"])
def direct_reads_see_what_was_written(place: Place) -> None:
    place.file(data=b"x" * 8192)
    fd = place.open("f", os.O_RDONLY | os.O_DIRECT)
    with mmap.mmap(-1, 8192) as buffer:  # aligned to a page, as O_DIRECT wants it
        equal(os.preadv(fd, [buffer], 0), 8192, "bytes read")
        equal(buffer[:], b"x" * 8192, "content")


@group.check("open(2) O_NOATIME EPERM", needs=["other users", "permission checks"])
def without_atime_only_for_the_owner(place: Place) -> None:
    path = place.file()
    with fails(EPERM):
        place.as_user(lambda: os.open(path, os.O_RDONLY | os.O_NOATIME))


@group.check("open(2) EACCES", needs=["permission checks"])
def creation_in_a_directory_of_another_user(place: Place) -> None:
    with fails(EACCES):
        place.as_user(lambda: os.open(place / "f", CREATE))
    equal(place.names(), [], "names")


@group.check("POSIX open: O_CREAT; owner is the effective user", needs=["other users"])
def a_file_made_by_another_user_is_theirs(place: Place) -> None:
    os.chmod(place.path, 0o777)
    place.as_user(lambda: os.close(os.open(place / "f", CREATE)), 54321, 54322)
    equal((place.stat("f").st_uid, place.stat("f").st_gid), (54321, 54322), "owner")


@group.check("inode(7): set-group-ID directories", needs=["changing owners"])
def a_file_in_a_set_group_id_directory_has_its_group(place: Place) -> None:
    os.chown(place.dir(), -1, 54322)
    os.chmod(place / "d", 0o2775)
    place.open("d/f", CREATE)
    equal(place.stat("d/f").st_gid, 54322, "st_gid")


@group.check("POSIX 3.170 Filename: any bytes but slash and NUL")
def any_byte_but_slash_and_nul_in_a_name(place: Place) -> None:
    name = bytes(set(range(1, 256)) - {ord("/")})[:120]
    os.close(os.open(os.fsencode(place / "") + name, CREATE))
    equal(os.listdir(os.fsencode(place.path)), [name], "names")


@group.check("POSIX open: EEXIST, O_CREAT | O_EXCL is atomic")
def one_of_many_exclusive_creators_wins(place: Place) -> None:
    def create(_: int) -> int:
        try:
            os.close(os.open(place / "f", CREATE | os.O_EXCL))
        except FileExistsError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        equal(sum(pool.map(create, range(32))), 1, "winners")


@group.check("lseek(2) EINVAL")
def offsets_below_zero(place: Place) -> None:
    place.file()
    with fails(EINVAL):
        os.lseek(place.open("f"), -1, os.SEEK_SET)
