"""Checks of mkdir(2) and rmdir(2)."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from errno import EACCES, EBUSY, EEXIST, EINVAL, ENOENT, ENOTDIR, ENOTEMPTY, EPERM

from fusetree.testing.posix.expect import equal, fails, same_mode, true
from fusetree.testing.posix.place import OTHER, USER, Place
from fusetree.testing.posix.registry import Group

making = Group("mkdir", "mkdir(2)")
removing = Group("rmdir", "rmdir(2)")


@making.check()
def makes_an_empty_directory(place: Place) -> None:
    os.mkdir(place / "d")
    true(stat.S_ISDIR(place.stat("d").st_mode), "a directory")
    equal(place.names("d"), [], "names")


@making.check("mkdir(2), umask(2)")
def mode_is_as_asked_and_masked(place: Place) -> None:
    os.umask(0)
    for mode in (0o700, 0o755, 0o777, 0o000, 0o1777):
        os.mkdir(place / f"d{mode:o}", mode)
        same_mode(place.stat(f"d{mode:o}").st_mode, mode)
    os.umask(0o027)
    os.mkdir(place / "masked", 0o777)
    same_mode(place.stat("masked").st_mode, 0o750)


@making.check()
def belongs_to_the_caller(place: Place) -> None:
    os.mkdir(place / "d")
    equal((place.stat("d").st_uid, place.stat("d").st_gid), (os.geteuid(), os.getegid()), "owner")


@making.check("mkdir(2) EEXIST")
def onto_a_taken_name(place: Place) -> None:
    place.file()
    place.dir()
    for name in "fd":
        with fails(EEXIST):
            os.mkdir(place / name)


@making.check("mkdir(2) EEXIST: also a dangling symbolic link", needs=["symbolic links"])
def onto_a_dangling_link(place: Place) -> None:
    place.symlink("nowhere")
    with fails(EEXIST):
        os.mkdir(place / "s")


@making.check("mkdir(2) ENOENT, ENOTDIR")
def where_nothing_can_be(place: Place) -> None:
    place.file()
    with fails(ENOENT):
        os.mkdir(place / "nowhere/d")
    with fails(ENOTDIR):
        os.mkdir(place / "f/d")


@making.check("POSIX path resolution: a trailing slash")
def with_a_trailing_slash(place: Place) -> None:
    os.mkdir(place / "d/")
    equal(place.names(), ["d"], "names")


@making.check("mkdir(2) EEXIST: . and ..")
def dot_and_dot_dot(place: Place) -> None:
    for name in (".", ".."):
        with fails(EEXIST):
            os.mkdir(place / name)


@making.check()
def deep_below_each_other(place: Place) -> None:
    path = "/".join("d" * 60)
    os.makedirs(place / path)
    place.file(f"{path}/f", b"abc")
    equal(place.content(f"{path}/f"), b"abc", "content")


@making.check("mkdir(2): set-group-ID is inherited", needs=["changing owners"])
def in_a_set_group_id_directory(place: Place) -> None:
    os.chown(place.dir(), -1, OTHER)
    os.chmod(place / "d", 0o2775)
    os.mkdir(place / "d/e", 0o755)
    equal(place.stat("d/e").st_gid, OTHER, "st_gid")
    same_mode(place.stat("d/e").st_mode, 0o2755)


@making.check("mkdir(2) EACCES", needs=["permission checks"])
def in_a_directory_of_another_user(place: Place) -> None:
    with fails(EACCES):
        place.as_user(lambda: os.mkdir(place / "d"))


@making.check("mkdir(2)", needs=["other users"])
def made_by_another_user(place: Place) -> None:
    os.chmod(place.path, 0o777)
    place.as_user(lambda: os.mkdir(place / "d"), USER, OTHER)
    equal((place.stat("d").st_uid, place.stat("d").st_gid), (USER, OTHER), "owner")


@making.check("mkdirat(2)")
def relative_to_a_descriptor(place: Place) -> None:
    place.dir()
    fd = place.open("d", os.O_RDONLY | os.O_DIRECTORY)
    os.mkdir("e", dir_fd=fd)
    equal(place.names("d"), ["e"], "names")


@making.check("POSIX mkdir: EEXIST, atomically")
def one_of_many_makers_wins(place: Place) -> None:
    def make(_: int) -> int:
        try:
            os.mkdir(place / "d")
        except FileExistsError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        equal(sum(pool.map(make, range(32))), 1, "winners")


@removing.check()
def removes_an_empty_directory(place: Place) -> None:
    place.dir()
    os.rmdir(place / "d")
    equal(place.names(), [], "names")
    with fails(ENOENT):
        place.stat("d")


@removing.check("rmdir(2) ENOTEMPTY or EEXIST")
def what_is_not_empty(place: Place) -> None:
    place.dir()
    place.file("d/f")
    with fails(ENOTEMPTY, EEXIST):
        os.rmdir(place / "d")
    os.unlink(place / "d/f")
    os.rmdir(place / "d")


@removing.check("rmdir(2) ENOTEMPTY or EEXIST", needs=["symbolic links"])
def what_holds_a_dangling_link(place: Place) -> None:
    place.dir()
    place.symlink("nowhere", "d/s")
    with fails(ENOTEMPTY, EEXIST):
        os.rmdir(place / "d")


@removing.check("rmdir(2) ENOTDIR")
def a_file(place: Place) -> None:
    place.file()
    with fails(ENOTDIR):
        os.rmdir(place / "f")
    equal(place.names(), ["f"], "names")


@removing.check("rmdir(2) ENOENT")
def what_is_not_there(place: Place) -> None:
    with fails(ENOENT):
        os.rmdir(place / "d")


@removing.check("rmdir(2) EINVAL: .")
def dot(place: Place) -> None:
    place.dir()
    with fails(EINVAL):
        os.rmdir(place / "d/.")


@removing.check("rmdir(2) ENOTEMPTY: ..")
def dot_dot(place: Place) -> None:
    place.dir()
    with fails(ENOTEMPTY, EBUSY, EINVAL):
        os.rmdir(place / "d/..")


@removing.check("rmdir(2)")
def the_name_can_be_taken_again(place: Place) -> None:
    for _ in range(5):
        place.dir()
        os.rmdir(place / "d")
    place.file("d", b"abc")
    equal(place.content("d"), b"abc", "content")


@removing.check("POSIX rmdir: no new entries in a removed directory")
def nothing_is_made_in_a_removed_directory(place: Place) -> None:
    place.dir()
    fd = place.open("d", os.O_RDONLY | os.O_DIRECTORY)
    os.rmdir(place / "d")
    with fails(ENOENT):
        os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    with fails(ENOENT):
        os.mkdir("e", dir_fd=fd)


@removing.check("POSIX rmdir: an open directory")
def an_open_directory_lists_nothing(place: Place) -> None:
    place.dir()
    fd = place.open("d", os.O_RDONLY | os.O_DIRECTORY)
    os.rmdir(place / "d")
    equal(os.listdir(fd), [], "names")
    equal(os.fstat(fd).st_nlink, 0, "st_nlink")


@removing.check("rmdir(2) EACCES", needs=["permission checks"])
def in_a_directory_of_another_user_(place: Place) -> None:
    place.dir()
    with fails(EACCES):
        place.as_user(lambda: os.rmdir(place / "d"))


@removing.check("rmdir(2) EPERM: sticky", needs=["permission checks", "changing owners"])
def of_another_user_in_a_sticky_directory(place: Place) -> None:
    place.dir("t", 0o1777)
    os.chown(place.dir("t/d", 0o777), OTHER, OTHER)
    with fails(EPERM, EACCES):
        place.as_user(lambda: os.rmdir(place / "t/d"))
