"""Checks of symlink(2) and readlink(2)."""

from __future__ import annotations

import os
from errno import EEXIST, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR

from fusetree.testing.posix.expect import equal, fails
from fusetree.testing.posix.place import Place
from fusetree.testing.posix.registry import Group

group = Group("symlink", "symlink(2)", ("symbolic links",))


@group.check()
def target_is_kept_as_it_is(place: Place) -> None:
    for number, target in enumerate(("t", "/", "../a//b/.", "with blank", "ümläut", "x" * 1000)):
        place.symlink(target, f"s{number}")
        equal(os.readlink(place / f"s{number}"), target, "target")


@group.check("readlink(2)")
def target_of_bytes_that_are_no_text(place: Place) -> None:
    os.symlink(b"\xff\xfe\x01", os.fsencode(place / "s"))
    equal(os.readlink(os.fsencode(place / "s")), b"\xff\xfe\x01", "target")


@group.check("symlink(2) ENAMETOOLONG")
def target_of_the_greatest_length(place: Place) -> None:
    longest = 4095
    try:
        place.symlink("x" * longest)
    except OSError as error:
        equal(error.errno, ENAMETOOLONG, "success, or errno")
    else:
        equal(len(os.readlink(place / "s")), longest, "length of the target")
    with fails(ENAMETOOLONG):
        place.symlink("x" * 4096, "t")


@group.check("symlink(2) ENOENT")
def target_that_is_empty(place: Place) -> None:
    with fails(ENOENT):
        place.symlink("")


@group.check("symlink(2) EEXIST")
def onto_a_taken_name_(place: Place) -> None:
    place.file()
    with fails(EEXIST):
        place.symlink("t", "f")
    place.symlink("t")
    with fails(EEXIST):
        place.symlink("u")
    equal(os.readlink(place / "s"), "t", "target")


@group.check("readlink(2) EINVAL")
def reading_what_is_no_link(place: Place) -> None:
    place.file()
    place.dir()
    for name in "fd":
        with fails(EINVAL):
            os.readlink(place / name)


@group.check("readlink(2) ENOENT")
def reading_what_is_not_there(place: Place) -> None:
    with fails(ENOENT):
        os.readlink(place / "s")


@group.check("path_resolution(7)")
def through_a_chain(place: Place) -> None:
    place.file("t", b"abc")
    place.symlink("t", "s0")
    for number in range(1, 9):
        place.symlink(f"s{number - 1}", f"s{number}")
    equal(place.content("s8"), b"abc", "content")


@group.check("path_resolution(7) ELOOP")
def in_a_circle(place: Place) -> None:
    place.symlink("b", "a")
    place.symlink("a", "b")
    for call in (os.stat, os.listdir, lambda path: os.open(path, os.O_RDONLY)):
        with fails(ELOOP):
            call(place / "a")
    equal(os.readlink(place / "a"), "b", "target")


@group.check("path_resolution(7) ELOOP: more than 40 links")
def through_a_chain_that_is_too_long(place: Place) -> None:
    place.file("t")
    place.symlink("t", "s0")
    for number in range(1, 45):
        place.symlink(f"s{number - 1}", f"s{number}")
    with fails(ELOOP):
        os.stat(place / "s44")


@group.check("path_resolution(7)")
def to_a_directory(place: Place) -> None:
    place.dir()
    place.file("d/f", b"abc")
    place.symlink("d")
    equal(place.content("s/f"), b"abc", "content")
    equal(os.listdir(place / "s"), ["f"], "names")
    place.file("s/g")
    equal(place.names("d"), ["f", "g"], "names")


@group.check("path_resolution(7): relative to the link's directory")
def relative_to_its_own_directory(place: Place) -> None:
    place.dir("a")
    place.dir("b")
    place.file("b/f", b"abc")
    place.symlink("../b/f", "a/s")
    equal(place.content("a/s"), b"abc", "content")


@group.check("unlink(2): the link itself is removed")
def removed_without_its_target(place: Place) -> None:
    place.file()
    place.symlink("f")
    os.unlink(place / "s")
    equal(place.names(), ["f"], "names")


@group.check("rename(2): the link itself is renamed")
def renamed_without_its_target(place: Place) -> None:
    place.file()
    place.symlink("f")
    os.rename(place / "s", place / "t")
    equal(os.readlink(place / "t"), "f", "target")


@group.check("rmdir(2) ENOTDIR")
def removed_as_a_directory(place: Place) -> None:
    place.dir()
    place.symlink("d")
    with fails(ENOTDIR):
        os.rmdir(place / "s")


@group.check("symlink(7): permissions of a link are 0777")
def mode_of_a_link(place: Place) -> None:
    place.symlink("t")
    equal(place.stat("s").st_mode & 0o777, 0o777, "mode")


@group.check("POSIX symlink: owner", needs=["other users"])
def made_by_another_user(place: Place) -> None:
    os.chmod(place.path, 0o777)
    place.as_user(lambda: os.symlink("t", place / "s"), 54321, 54322)
    equal((place.stat("s").st_uid, place.stat("s").st_gid), (54321, 54322), "owner")
