"""Checks of chmod(2)."""

from __future__ import annotations

import os
import stat
from errno import EACCES, ENOENT, ENOTDIR, EPERM

from fusetree.testing.posix.expect import equal, fails, same_mode, true
from fusetree.testing.posix.place import OTHER, USER, Place
from fusetree.testing.posix.registry import Group

group = Group("chmod", "chmod(2)")


@group.check()
def every_permission_bit_of_a_file(place: Place) -> None:
    place.file()
    for bit in (0, *(1 << number for number in range(9)), 0o777, 0o1644, 0o2755, 0o4755):
        os.chmod(place / "f", bit)
        same_mode(place.stat("f").st_mode, bit)


@group.check()
def every_permission_bit_of_a_directory(place: Place) -> None:
    place.dir()
    for bit in (0, *(1 << number for number in range(9)), 0o777, 0o1777, 0o2755):
        os.chmod(place / "d", bit)
        same_mode(place.stat("d").st_mode, bit)
    os.chmod(place / "d", 0o755)


@group.check("chmod(2): the type stays")
def the_type_of_a_file_stays(place: Place) -> None:
    place.file()
    os.chmod(place / "f", 0o040700)
    true(stat.S_ISREG(place.stat("f").st_mode), "a regular file")


@group.check("fchmod(2)")
def by_descriptor(place: Place) -> None:
    place.file()
    os.fchmod(place.open("f", os.O_RDONLY), 0o604)
    same_mode(place.stat("f").st_mode, 0o604)


@group.check(needs=["symbolic links"])
def through_a_symbolic_link(place: Place) -> None:
    place.file()
    place.symlink("f")
    os.chmod(place / "s", 0o604)
    same_mode(place.stat("f").st_mode, 0o604)


@group.check()
def content_and_mtime_stay(place: Place) -> None:
    place.file(data=b"abc")
    place.long_ago("f")
    before = place.stat("f").st_mtime_ns
    os.chmod(place / "f", 0o600)
    equal(place.stat("f").st_mtime_ns, before, "st_mtime_ns")
    equal(place.content(), b"abc", "content")


@group.check("chmod(2) ENOENT, ENOTDIR")
def what_is_not_there(place: Place) -> None:
    place.file()
    with fails(ENOENT):
        os.chmod(place / "g", 0o644)
    with fails(ENOTDIR):
        os.chmod(place / "f/g", 0o644)


@group.check("chmod(2)", needs=["hard links"])
def seen_under_every_name(place: Place) -> None:
    place.file()
    os.link(place / "f", place / "l")
    os.chmod(place / "l", 0o604)
    same_mode(place.stat("f").st_mode, 0o604)


@group.check("chmod(2)", needs=["named pipes"])
def of_a_pipe(place: Place) -> None:
    place.fifo()
    os.chmod(place / "p", 0o604)
    same_mode(place.stat("p").st_mode, 0o604)
    true(stat.S_ISFIFO(place.stat("p").st_mode), "a named pipe")


@group.check("chmod(2) EPERM", needs=["permission checks"])
def by_another_user(place: Place) -> None:
    path = place.file(mode=0o666)
    with fails(EPERM):
        place.as_user(lambda: os.chmod(path, 0o777))
    same_mode(place.stat("f").st_mode, 0o666)


@group.check(needs=["changing owners", "other users"])
def by_the_owner(place: Place) -> None:
    path = place.file()
    os.chown(path, USER, USER)
    place.as_user(lambda: os.chmod(path, 0o604))
    same_mode(place.stat("f").st_mode, 0o604)


@group.check("chmod(2): S_ISGID is turned off", needs=["changing owners", "permission checks"])
def set_group_id_by_an_owner_outside_the_group(place: Place) -> None:
    path = place.file()
    os.chown(path, USER, OTHER)
    place.as_user(lambda: os.chmod(path, 0o2755))
    same_mode(place.stat("f").st_mode, 0o755)


@group.check("chmod(2)", needs=["changing owners", "permission checks"])
def set_group_id_by_an_owner_within_the_group(place: Place) -> None:
    path = place.file()
    os.chown(path, USER, OTHER)
    place.as_user(lambda: os.chmod(path, 0o2755), groups=(OTHER,))
    same_mode(place.stat("f").st_mode, 0o2755)


@group.check("chmod(2)", needs=["permission checks"])
def takes_effect_for_the_next_open(place: Place) -> None:
    path = place.file(mode=0o600)
    os.chmod(path, 0o644)
    place.as_user(lambda: os.close(os.open(path, os.O_RDONLY)))
    os.chmod(path, 0o600)
    with fails(EACCES):
        place.as_user(lambda: os.open(path, os.O_RDONLY))


@group.check("POSIX open: access is checked at open")
def an_open_descriptor_outlives_permissions(place: Place) -> None:
    place.file(data=b"abc")
    fd = place.open("f")
    os.chmod(place / "f", 0)
    equal(os.pread(fd, 3, 0), b"abc", "content")
    equal(os.pwrite(fd, b"z", 0), 1, "bytes written")
