"""Checks of link(2)."""

from __future__ import annotations

import os
import stat
from errno import EACCES, EEXIST, ENOENT, ENOTDIR, EPERM, EXDEV

from fusetree.testing.posix import syscalls
from fusetree.testing.posix.expect import equal, fails, true
from fusetree.testing.posix.features import elsewhere
from fusetree.testing.posix.place import Place
from fusetree.testing.posix.registry import Group

group = Group("link", "link(2)", ("hard links",))


@group.check()
def one_inode_under_two_names(place: Place) -> None:
    place.file(data=b"abc")
    os.link(place / "f", place / "l")
    equal(place.stat("l").st_ino, place.stat("f").st_ino, "st_ino")
    equal((place.stat("f").st_nlink, place.stat("l").st_nlink), (2, 2), "st_nlink")
    equal(place.names(), ["f", "l"], "names")


@group.check()
def what_is_written_under_one_name_is_read_under_the_other(place: Place) -> None:
    place.file(data=b"abc")
    os.link(place / "f", place / "l")
    equal(place.content("l"), b"abc", "content")
    os.pwrite(place.open("l"), b"XYZ and more", 0)
    equal(place.content("f"), b"XYZ and more", "content")
    equal(place.stat("f").st_size, 12, "st_size")


@group.check()
def attributes_are_those_of_one_file(place: Place) -> None:
    place.file()
    os.link(place / "f", place / "l")
    os.chmod(place / "l", 0o640)
    os.utime(place / "l", ns=(10**18, 10**18))
    one, two = place.stat("f"), place.stat("l")
    equal((one.st_mode, one.st_mtime_ns, one.st_ctime_ns), (two.st_mode, two.st_mtime_ns, two.st_ctime_ns),
          "mode and times")  # fmt: skip


@group.check()
def into_another_directory(place: Place) -> None:
    place.file(data=b"abc")
    place.dir()
    os.link(place / "f", place / "d/l")
    equal(place.content("d/l"), b"abc", "content")
    os.unlink(place / "f")
    equal(place.content("d/l"), b"abc", "content")
    equal(place.stat("d/l").st_nlink, 1, "st_nlink")


@group.check()
def many_names(place: Place) -> None:
    place.file()
    for number in range(100):
        os.link(place / "f", place / f"l{number}")
    equal(place.stat("f").st_nlink, 101, "st_nlink")
    for number in range(100):
        os.unlink(place / f"l{number}")
    equal(place.stat("f").st_nlink, 1, "st_nlink")


@group.check("link(2) EEXIST")
def onto_a_taken_name(place: Place) -> None:
    place.file("f", b"abc")
    place.file("g", b"def")
    with fails(EEXIST):
        os.link(place / "f", place / "g")
    with fails(EEXIST):
        os.link(place / "f", place / "f")
    equal(place.content("g"), b"def", "content")
    equal(place.stat("f").st_nlink, 1, "st_nlink")


@group.check("link(2) EPERM")
def of_a_directory(place: Place) -> None:
    place.dir()
    with fails(EPERM):
        os.link(place / "d", place / "l")


@group.check("link(2) ENOENT, ENOTDIR")
def of_what_is_not_there(place: Place) -> None:
    place.file()
    with fails(ENOENT):
        os.link(place / "g", place / "l")
    with fails(ENOTDIR):
        os.link(place / "f/g", place / "l")
    with fails(ENOENT):
        os.link(place / "f", place / "nowhere/l")
    with fails(ENOTDIR):
        os.link(place / "f", place / "f/l")


@group.check("link(2): a symbolic link is not followed", needs=["symbolic links"])
def of_a_symbolic_link_itself(place: Place) -> None:
    place.symlink("nowhere")
    os.link(place / "s", place / "l", follow_symlinks=False)
    true(stat.S_ISLNK(place.stat("l").st_mode), "a symbolic link")
    equal(os.readlink(place / "l"), "nowhere", "target")


@group.check("linkat(2) AT_SYMLINK_FOLLOW", needs=["symbolic links"])
def through_a_symbolic_link(place: Place) -> None:
    place.file()
    place.symlink("f")
    syscalls.link_following(place / "s", place / "l")
    equal(place.stat("l").st_ino, place.stat("f").st_ino, "st_ino")


@group.check("linkat(2) AT_EMPTY_PATH", needs=["root"])
def of_an_open_file(place: Place) -> None:
    place.file(data=b"abc")
    syscalls.linkat_empty(place.open("f"), place / "l")
    equal(place.stat("l").st_ino, place.stat("f").st_ino, "st_ino")


@group.check("linkat(2) ENOENT: the last link is gone", needs=["root"])
def of_an_open_file_without_a_name(place: Place) -> None:
    place.file()
    fd = place.open("f")
    os.unlink(place / "f")
    with fails(ENOENT):
        syscalls.linkat_empty(fd, place / "l")


@group.check("link(2) EXDEV", needs=["another file system"])
def to_another_file_system(place: Place) -> None:
    place.file()
    with fails(EXDEV):
        os.link(place / "f", f"{elsewhere(place)}/posix-{os.getpid()}-link")


@group.check(needs=["named pipes"])
def of_a_pipe(place: Place) -> None:
    place.fifo()
    os.link(place / "p", place / "l")
    true(stat.S_ISFIFO(place.stat("l").st_mode), "a named pipe")
    equal(place.stat("p").st_nlink, 2, "st_nlink")


@group.check("link(2) EACCES", needs=["permission checks"])
def into_a_directory_of_another_user(place: Place) -> None:
    place.dir(mode=0o755)
    path = place.file(mode=0o666)
    with fails(EACCES):
        place.as_user(lambda: os.link(path, place / "d/l"))


@group.check("open(2)")
def an_open_file_keeps_its_content_over_renames_of_its_names(place: Place) -> None:
    place.file(data=b"abc")
    os.link(place / "f", place / "l")
    fd = place.open("l")
    os.unlink(place / "l")
    os.rename(place / "f", place / "g")
    os.pwrite(fd, b"z", 0)
    equal(place.content("g"), b"zbc", "content")
    equal(os.fstat(fd).st_nlink, 1, "st_nlink")
