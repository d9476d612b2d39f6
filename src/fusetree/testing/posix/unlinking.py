"""Checks of unlink(2)."""

from __future__ import annotations

import os
from errno import EACCES, EISDIR, ENOENT, ENOTDIR, EPERM

from fusetree.testing.posix.expect import equal, fails, true
from fusetree.testing.posix.place import Place
from fusetree.testing.posix.registry import Group

group = Group("unlink", "unlink(2)")


@group.check()
def removes_the_name(place: Place) -> None:
    place.file()
    os.unlink(place / "f")
    equal(place.names(), [], "names")
    with fails(ENOENT):
        place.stat("f")


@group.check("unlink(2): an open file lives on")
def an_open_file_stays_readable_and_writable(place: Place) -> None:
    place.file(data=b"abc")
    fd = place.open("f")
    os.unlink(place / "f")
    equal(os.pread(fd, 10, 0), b"abc", "content")
    equal(os.pwrite(fd, b"defg", 3), 4, "bytes written")
    equal(os.pread(fd, 10, 0), b"abcdefg", "content")
    os.ftruncate(fd, 2)
    equal(os.fstat(fd).st_size, 2, "st_size")


@group.check("unlink(2), inode(7) st_nlink")
def an_open_file_has_no_link(place: Place) -> None:
    place.file()
    fd = place.open("f")
    os.unlink(place / "f")
    equal(os.fstat(fd).st_nlink, 0, "st_nlink")


@group.check("unlink(2)")
def an_open_file_can_change_its_attributes(place: Place) -> None:
    place.file()
    fd = place.open("f")
    os.unlink(place / "f")
    os.fchmod(fd, 0o604)
    os.utime(fd, ns=(10**18, 10**18))
    equal(os.fstat(fd).st_mode & 0o777, 0o604, "mode")


@group.check("unlink(2)")
def the_name_can_be_taken_again_while_the_old_file_is_open(place: Place) -> None:
    place.file(data=b"old")
    fd = place.open("f")
    os.unlink(place / "f")
    place.file(data=b"new")
    equal(os.pread(fd, 10, 0), b"old", "content of the old file")
    equal(place.content(), b"new", "content of the new file")
    true(os.fstat(fd).st_ino != place.stat("f").st_ino, "different st_ino", "the same")


@group.check("unlink(2)")
def a_folder_is_empty_after_its_open_file_is_unlinked(place: Place) -> None:
    place.dir()
    place.file("d/f")
    place.open("d/f")
    os.unlink(place / "d/f")
    os.rmdir(place / "d")
    equal(place.names(), [], "names")


@group.check("unlink(2) EISDIR")
def a_directory(place: Place) -> None:
    place.dir()
    with fails(EISDIR, EPERM):
        os.unlink(place / "d")
    equal(place.names(), ["d"], "names")


@group.check("unlink(2) ENOENT")
def twice(place: Place) -> None:
    place.file()
    os.unlink(place / "f")
    with fails(ENOENT):
        os.unlink(place / "f")


@group.check("unlink(2) ENOTDIR")
def below_a_file(place: Place) -> None:
    place.file()
    with fails(ENOTDIR):
        os.unlink(place / "f/g")


@group.check("path_resolution(7): a trailing slash")
def with_a_trailing_slash(place: Place) -> None:
    place.file()
    with fails(ENOTDIR):
        os.unlink(place / "f/")


@group.check("unlink(2) EACCES", needs=["permission checks"])
def in_a_directory_of_another_user(place: Place) -> None:
    path = place.file(mode=0o666)
    with fails(EACCES):
        place.as_user(lambda: os.unlink(path))


@group.check("unlink(2): the file's own mode does not matter", needs=["permission checks"])
def what_belongs_to_others_in_ones_own_directory(place: Place) -> None:
    path = place.file(mode=0o000)
    os.chmod(place.path, 0o777)
    place.as_user(lambda: os.unlink(path))
    equal(place.names(), [], "names")


@group.check(needs=["named pipes", "sockets"])
def pipes_and_sockets(place: Place) -> None:
    os.unlink(place.fifo())
    os.unlink(place.socket())
    equal(place.names(), [], "names")


@group.check("close(2)")
def the_space_of_an_open_file_is_given_back_at_its_close(place: Place) -> None:
    fd = place.open("f", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"x" * (1 << 20))
    os.unlink(place / "f")
    place.close(fd)
    place.file(data=b"new")
    equal(place.content(), b"new", "content")


@group.check("unlinkat(2)")
def relative_to_a_descriptor(place: Place) -> None:
    place.dir()
    place.file("d/f")
    fd = place.open("d", os.O_RDONLY | os.O_DIRECTORY)
    os.unlink("f", dir_fd=fd)
    equal(place.names("d"), [], "names")
