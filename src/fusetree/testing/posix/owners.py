"""Checks of chown(2)."""

from __future__ import annotations

import os
from errno import EACCES, ENOENT, ENOTDIR, EPERM

from fusetree.testing.posix.expect import equal, fails, same_mode
from fusetree.testing.posix.place import OTHER, USER, Place
from fusetree.testing.posix.registry import Group

group = Group("chown", "chown(2)", ("changing owners",))


@group.check()
def user_and_group(place: Place) -> None:
    place.file()
    os.chown(place / "f", USER, OTHER)
    equal((place.stat("f").st_uid, place.stat("f").st_gid), (USER, OTHER), "owner")


@group.check("chown(2): -1 means no change")
def one_of_the_two(place: Place) -> None:
    place.file()
    os.chown(place / "f", USER, -1)
    equal((place.stat("f").st_uid, place.stat("f").st_gid), (USER, os.getegid()), "owner")
    os.chown(place / "f", -1, OTHER)
    equal((place.stat("f").st_uid, place.stat("f").st_gid), (USER, OTHER), "owner")


@group.check("chown(2): -1 means no change")
def neither(place: Place) -> None:
    place.file()
    os.chown(place / "f", -1, -1)
    equal(place.stat("f").st_uid, os.geteuid(), "st_uid")


@group.check("fchown(2)")
def by_descriptor(place: Place) -> None:
    place.file()
    os.fchown(place.open("f"), USER, OTHER)
    equal((place.stat("f").st_uid, place.stat("f").st_gid), (USER, OTHER), "owner")


@group.check("lchown(2)", needs=["symbolic links"])
def of_a_symbolic_link_itself(place: Place) -> None:
    place.file()
    place.symlink("f")
    os.lchown(place / "s", USER, OTHER)
    equal(place.stat("s").st_uid, USER, "st_uid of the link")
    equal(place.stat("f").st_uid, os.geteuid(), "st_uid of the target")


@group.check(needs=["symbolic links"])
def through_a_symbolic_link(place: Place) -> None:
    place.file()
    place.symlink("f")
    os.chown(place / "s", USER, OTHER)
    equal(place.stat("f").st_uid, USER, "st_uid of the target")


@group.check()
def of_a_directory(place: Place) -> None:
    place.dir()
    os.chown(place / "d", USER, OTHER)
    equal((place.stat("d").st_uid, place.stat("d").st_gid), (USER, OTHER), "owner")


@group.check()
def large_ids(place: Place) -> None:
    place.file()
    os.chown(place / "f", 0x7FFFFFF0, 0xFFFFFFF0)
    equal((place.stat("f").st_uid, place.stat("f").st_gid), (0x7FFFFFF0, 0xFFFFFFF0), "owner")


@group.check("chown(2) EPERM", needs=["permission checks"])
def giving_away_by_the_owner(place: Place) -> None:
    path = place.file()
    os.chown(path, USER, USER)
    with fails(EPERM):
        place.as_user(lambda: os.chown(path, OTHER, -1))


@group.check("chown(2)", needs=["permission checks"])
def to_a_group_of_ones_own(place: Place) -> None:
    path = place.file()
    os.chown(path, USER, USER)
    place.as_user(lambda: os.chown(path, -1, OTHER), groups=(OTHER,))
    equal(place.stat("f").st_gid, OTHER, "st_gid")


@group.check("chown(2) EPERM", needs=["permission checks"])
def to_a_group_of_others(place: Place) -> None:
    path = place.file()
    os.chown(path, USER, USER)
    with fails(EPERM):
        place.as_user(lambda: os.chown(path, -1, OTHER))


@group.check("chown(2) EPERM", needs=["permission checks"])
def of_what_belongs_to_others(place: Place) -> None:
    path = place.file(mode=0o666)
    with fails(EPERM):
        place.as_user(lambda: os.chown(path, USER, USER))


@group.check("chown(2): S_ISUID and S_ISGID are cleared", needs=["permission checks"])
def by_the_owner_clears_set_id_bits(place: Place) -> None:
    path = place.file()
    os.chown(path, USER, USER)
    os.chmod(path, 0o6755)
    place.as_user(lambda: os.chown(path, -1, OTHER), groups=(OTHER,))
    equal(place.stat("f").st_mode & 0o6000, 0, "set-id bits")


@group.check("chown(2): by the superuser it depends on the kernel version; Linux clears")
def by_root_clears_set_id_bits_of_a_program(place: Place) -> None:
    place.file(mode=0o6755)
    os.chown(place / "f", USER, OTHER)
    equal(place.stat("f").st_mode & 0o6000, 0, "set-id bits")


@group.check("chown(2): set-group-ID without group execution is not cleared")
def keeps_set_group_id_of_what_its_group_does_not_run(place: Place) -> None:
    place.file(mode=0o2744)
    os.chown(place / "f", os.geteuid(), os.getegid())
    same_mode(place.stat("f").st_mode, 0o2744)


@group.check("chown(2): directories keep their bits")
def keeps_set_group_id_of_a_directory(place: Place) -> None:
    place.dir(mode=0o2755)
    os.chown(place / "d", USER, OTHER)
    same_mode(place.stat("d").st_mode, 0o2755)


@group.check("chown(2) ENOENT, ENOTDIR")
def what_is_not_there(place: Place) -> None:
    place.file()
    with fails(ENOENT):
        os.chown(place / "g", 0, 0)
    with fails(ENOTDIR):
        os.chown(place / "f/g", 0, 0)


@group.check("POSIX open: access is checked at open", needs=["permission checks"])
def takes_effect_for_the_next_open(place: Place) -> None:
    path = place.file(mode=0o600)
    with fails(EACCES):
        place.as_user(lambda: os.open(path, os.O_RDONLY))
    os.chown(path, USER, USER)
    place.as_user(lambda: os.close(os.open(path, os.O_RDONLY)))
