"""Checks of rename(2) and renameat2(2)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from errno import EACCES, EBUSY, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EXDEV

from fusetree.testing.posix.expect import equal, fails, true
from fusetree.testing.posix.features import elsewhere
from fusetree.testing.posix.place import OTHER, USER, Place
from fusetree.testing.posix.registry import Group
from fusetree.testing.posix.syscalls import RENAME_EXCHANGE, RENAME_NOREPLACE, renameat2

group = Group("rename", "rename(2)")


def _listed(place: Place) -> dict[str, int]:
    """Names and inode numbers as the directory lists them, past what the kernel remembers of names."""
    with os.scandir(place.path) as entries:
        return {entry.name: entry.inode() for entry in entries}


@group.check()
def a_file(place: Place) -> None:
    place.file("a", b"abc")
    before = place.stat("a")
    os.rename(place / "a", place / "b")
    equal(place.names(), ["b"], "names")
    equal(place.content("b"), b"abc", "content")
    equal(place.stat("b").st_ino, before.st_ino, "st_ino")
    equal(place.stat("b").st_mtime_ns, before.st_mtime_ns, "st_mtime_ns")


@group.check()
def a_directory_with_all_that_is_in_it(place: Place) -> None:
    place.dir("a")
    place.dir("a/b")
    place.file("a/b/f", b"abc")
    os.rename(place / "a", place / "z")
    equal(place.content("z/b/f"), b"abc", "content")
    with fails(ENOENT):
        place.stat("a/b/f")


@group.check()
def into_another_directory(place: Place) -> None:
    place.dir()
    place.file(data=b"abc")
    os.rename(place / "f", place / "d/g")
    equal((place.names(), place.names("d")), (["d"], ["g"]), "names")


@group.check("rename(2): newpath is atomically replaced")
def over_a_file(place: Place) -> None:
    place.file("a", b"new")
    place.file("b", b"old")
    os.rename(place / "a", place / "b")
    equal(place.names(), ["b"], "names")
    equal(place.content("b"), b"new", "content")
    equal(_listed(place), {"b": place.stat("b").st_ino}, "names and d_ino")


@group.check("rename(2)")
def over_a_file_that_is_open(place: Place) -> None:
    place.file("a", b"new")
    place.file("b", b"old")
    fd = place.open("b")
    os.rename(place / "a", place / "b")
    equal(os.pread(fd, 9, 0), b"old", "content of the open file")
    equal(os.fstat(fd).st_nlink, 0, "st_nlink of the open file")


@group.check("rename(2): no moment without the new name")
def over_a_file_is_atomic_for_others(place: Place) -> None:
    place.file("b", b"0")

    def replace(_: int) -> None:
        for number in range(100):
            with open(place / "a", "wb") as file:
                file.write(b"%d" % number)
            os.rename(place / "a", place / "b")

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(replace, 0)
        while not done.done():
            true(place.content("b"), "the old content or the new", "none")
        done.result()
    equal(place.content("b"), b"99", "content")


@group.check("rename(2): two names of one file; it does nothing", needs=["hard links"])
def over_another_name_of_the_same_file(place: Place) -> None:
    place.file("a")
    os.link(place / "a", place / "b")
    os.rename(place / "a", place / "b")
    equal(place.names(), ["a", "b"], "names")
    equal(place.stat("a").st_nlink, 2, "st_nlink")


@group.check()
def onto_itself(place: Place) -> None:
    place.file(data=b"abc")
    os.rename(place / "f", place / "f")
    equal(place.content(), b"abc", "content")


@group.check(needs=["hard links"])
def one_of_two_names(place: Place) -> None:
    place.file("a", b"abc")
    os.link(place / "a", place / "b")
    os.rename(place / "a", place / "c")
    equal(place.names(), ["b", "c"], "names")
    equal(place.stat("b").st_ino, place.stat("c").st_ino, "st_ino")
    equal(place.stat("b").st_nlink, 2, "st_nlink")


@group.check(needs=["hard links"])
def over_one_of_two_names_takes_a_link(place: Place) -> None:
    place.file("a")
    place.file("b")
    os.link(place / "b", place / "c")
    os.rename(place / "a", place / "b")
    equal(place.stat("c").st_nlink, 1, "st_nlink")


@group.check("rename(2): an empty directory is replaced")
def a_directory_over_an_empty_one(place: Place) -> None:
    place.dir("a")
    place.file("a/f")
    place.dir("b")
    os.rename(place / "a", place / "b")
    equal(place.names("b"), ["f"], "names")


@group.check("rename(2) ENOTEMPTY or EEXIST")
def a_directory_over_one_that_is_not_empty(place: Place) -> None:
    place.dir("a")
    place.dir("b")
    place.file("b/f")
    with fails(ENOTEMPTY, EEXIST):
        os.rename(place / "a", place / "b")
    equal(place.names(), ["a", "b"], "names")


@group.check("rename(2) EISDIR")
def a_file_over_a_directory(place: Place) -> None:
    place.file()
    place.dir()
    with fails(EISDIR):
        os.rename(place / "f", place / "d")


@group.check("rename(2) ENOTDIR")
def a_directory_over_a_file(place: Place) -> None:
    place.file()
    place.dir()
    with fails(ENOTDIR):
        os.rename(place / "d", place / "f")


@group.check("rename(2) EINVAL")
def a_directory_into_itself(place: Place) -> None:
    place.dir("a")
    place.dir("a/b")
    for target in ("a/c", "a/b/c"):
        with fails(EINVAL):
            os.rename(place / "a", place / target)


@group.check("POSIX rename: EEXIST, ENOTEMPTY or EINVAL")
def a_directory_over_its_ancestor(place: Place) -> None:
    place.dir("a")
    place.dir("a/b")
    with fails(ENOTEMPTY, EEXIST, EINVAL):
        os.rename(place / "a/b", place / "a")


@group.check("rename(2) ENOENT")
def what_is_not_there(place: Place) -> None:
    place.file("b", b"abc")
    with fails(ENOENT):
        os.rename(place / "a", place / "b")
    equal(place.content("b"), b"abc", "content")


@group.check("rename(2) ENOENT, ENOTDIR")
def to_where_nothing_can_be(place: Place) -> None:
    place.file("a")
    place.file("b")
    with fails(ENOENT):
        os.rename(place / "a", place / "nowhere/c")
    with fails(ENOTDIR):
        os.rename(place / "a", place / "b/c")


@group.check("rename(2) EXDEV", needs=["another file system"])
def to_another_file_system(place: Place) -> None:
    place.file()
    with fails(EXDEV):
        os.rename(place / "f", f"{elsewhere(place)}/posix-{os.getpid()}-rename")


@group.check("inode(7) st_nlink")
def a_moved_directory_takes_its_link_along(place: Place) -> None:
    place.dir("a")
    place.dir("b")
    place.dir("a/sub")
    if place.stat("a").st_nlink == 1:
        return  # links of directories are not counted here
    os.rename(place / "a/sub", place / "b/sub")
    equal((place.stat("a").st_nlink, place.stat("b").st_nlink), (2, 3), "st_nlink")


@group.check("inode(7) st_nlink")
def a_replaced_directory_leaves_the_right_link_count(place: Place) -> None:
    for name in ("a", "b", "a/sub", "b/sub"):
        place.dir(name)
    if place.stat("a").st_nlink == 1:
        return  # links of directories are not counted here
    os.rename(place / "a/sub", place / "b/sub")
    equal((place.stat("a").st_nlink, place.stat("b").st_nlink), (2, 3), "st_nlink")


@group.check("path_resolution(7): ..")
def a_moved_directory_has_its_new_parent(place: Place) -> None:
    place.dir("a")
    place.dir("b")
    place.dir("a/sub")
    os.rename(place / "a/sub", place / "b/sub")
    equal(place.stat("b/sub/..").st_ino, place.stat("b").st_ino, "st_ino of ..")


@group.check("rename(2): open descriptors are unaffected")
def a_directory_with_open_files_below(place: Place) -> None:
    place.dir("a")
    place.file("a/f", b"abc")
    fd = place.open("a/f")
    folder = place.open("a", os.O_RDONLY | os.O_DIRECTORY)
    os.rename(place / "a", place / "z")
    os.pwrite(fd, b"z", 0)
    equal(place.content("z/f"), b"zbc", "content")
    equal(os.listdir(folder), ["f"], "names")
    os.close(os.open("g", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    equal(place.names("z"), ["f", "g"], "names")


@group.check("rename(2): open descriptors are unaffected")
def a_file_that_is_open(place: Place) -> None:
    place.file("a", b"abc")
    fd = place.open("a")
    os.rename(place / "a", place / "b")
    os.pwrite(fd, b"def", 3)
    equal(place.content("b"), b"abcdef", "content")


@group.check()
def a_deep_tree_back_and_forth(place: Place) -> None:
    os.makedirs(place / "a/b/c/d/e")
    place.file("a/b/c/d/e/f", b"abc")
    os.rename(place / "a/b/c", place / "c")
    os.rename(place / "a", place / "c/d/a")
    equal(place.content("c/d/e/f"), b"abc", "content")
    equal(place.names("c/d/a"), ["b"], "names")


@group.check(needs=["symbolic links"])
def over_a_symbolic_link(place: Place) -> None:
    place.file("a", b"abc")
    place.file("t", b"target")
    place.symlink("t")
    os.rename(place / "a", place / "s")
    equal((place.content("s"), place.content("t")), (b"abc", b"target"), "contents")


@group.check("rename(2): a trailing slash")
def a_file_with_a_trailing_slash(place: Place) -> None:
    place.file()
    with fails(ENOTDIR):
        os.rename(place / "f/", place / "g")
    with fails(ENOTDIR):
        os.rename(place / "f", place / "g/")


@group.check("rename(2) EINVAL, EBUSY: . and ..")
def dot_and_dot_dot(place: Place) -> None:
    place.dir()
    for name in ("d/.", "d/.."):
        with fails(EBUSY, EINVAL):
            os.rename(place / name, place / "e")


@group.check("rename(2) EACCES", needs=["permission checks"])
def from_and_to_directories_of_another_user(place: Place) -> None:
    place.dir("private", 0o755)
    place.dir("public", 0o777)
    place.file("private/f")
    place.file("public/g")
    with fails(EACCES):
        place.as_user(lambda: os.rename(place / "private/f", place / "public/f"))
    with fails(EACCES):
        place.as_user(lambda: os.rename(place / "public/g", place / "private/g"))


@group.check("rename(2) EPERM or EACCES: sticky", needs=["permission checks", "changing owners"])
def of_another_users_file_in_a_sticky_directory(place: Place) -> None:
    place.dir("t", 0o1777)
    os.chown(place.file("t/f"), OTHER, OTHER)
    with fails(EPERM, EACCES):
        place.as_user(lambda: os.rename(place / "t/f", place / "t/g"))


@group.check("rename(2) EPERM or EACCES: sticky", needs=["permission checks", "changing owners"])
def over_another_users_file_in_a_sticky_directory(place: Place) -> None:
    place.dir("t", 0o1777)
    os.chown(place.file("t/mine"), USER, USER)
    os.chown(place.file("t/theirs"), OTHER, OTHER)
    with fails(EPERM, EACCES):
        place.as_user(lambda: os.rename(place / "t/mine", place / "t/theirs"))


@group.check("rename(2) EACCES: .. of a moved directory", needs=["permission checks", "changing owners"])
def a_directory_that_the_mover_may_not_write(place: Place) -> None:
    place.dir("a", 0o777)
    place.dir("b", 0o777)
    os.chown(place.dir("a/sub", 0o755), OTHER, OTHER)
    with fails(EACCES):
        place.as_user(lambda: os.rename(place / "a/sub", place / "b/sub"))


@group.check("renameat(2)")
def relative_to_descriptors(place: Place) -> None:
    place.dir("a")
    place.dir("b")
    place.file("a/f", b"abc")
    one, two = place.open("a", os.O_RDONLY), place.open("b", os.O_RDONLY)
    os.rename("f", "g", src_dir_fd=one, dst_dir_fd=two)
    equal(place.content("b/g"), b"abc", "content")


@group.check(needs=["named pipes"])
def a_pipe(place: Place) -> None:
    place.fifo()
    os.rename(place / "p", place / "q")
    equal(place.names(), ["q"], "names")


@group.check()
def many_files_through_each_other(place: Place) -> None:
    for number in range(20):
        place.file(f"f{number}", b"%d" % number)
    for _ in range(3):
        os.rename(place / "f0", place / "spare")
        for number in range(1, 20):
            os.rename(place / f"f{number}", place / f"f{number - 1}")
        os.rename(place / "spare", place / "f19")
    equal([place.content(f"f{number}") for number in range(20)],
          [b"%d" % ((number + 3) % 20) for number in range(20)], "contents")  # fmt: skip


@group.check("renameat2(2) RENAME_NOREPLACE", needs=["rename flags"])
def without_replacing_to_a_free_name(place: Place) -> None:
    place.file("a", b"abc")
    renameat2(place / "a", place / "b", RENAME_NOREPLACE)
    equal(place.names(), ["b"], "names")


@group.check("renameat2(2) RENAME_NOREPLACE EEXIST", needs=["rename flags"])
def without_replacing_to_a_taken_name(place: Place) -> None:
    place.file("a", b"new")
    place.file("b", b"old")
    with fails(EEXIST):
        renameat2(place / "a", place / "b", RENAME_NOREPLACE)
    equal((place.content("a"), place.content("b")), (b"new", b"old"), "contents")


@group.check("renameat2(2) RENAME_NOREPLACE EEXIST", needs=["rename flags"])
def without_replacing_an_empty_directory(place: Place) -> None:
    place.dir("a")
    place.dir("b")
    with fails(EEXIST):
        renameat2(place / "a", place / "b", RENAME_NOREPLACE)


@group.check("renameat2(2) RENAME_EXCHANGE", needs=["rename exchange"])
def exchange_of_files(place: Place) -> None:
    place.file("a", b"abc")
    place.file("b", b"def")
    inodes = place.stat("a").st_ino, place.stat("b").st_ino
    renameat2(place / "a", place / "b", RENAME_EXCHANGE)
    equal((place.content("a"), place.content("b")), (b"def", b"abc"), "contents")
    equal((place.stat("b").st_ino, place.stat("a").st_ino), inodes, "st_ino")
    equal(_listed(place), {"b": inodes[0], "a": inodes[1]}, "names and d_ino")


@group.check("renameat2(2) RENAME_EXCHANGE: any types", needs=["rename exchange"])
def exchange_of_a_file_and_a_directory(place: Place) -> None:
    place.dir("x")
    place.dir("y")
    place.file("x/a", b"abc")
    place.dir("y/b")
    place.file("y/b/f", b"def")
    renameat2(place / "x/a", place / "y/b", RENAME_EXCHANGE)
    equal((place.content("y/b"), place.content("x/a/f")), (b"abc", b"def"), "contents")
    if place.stat("x").st_nlink != 1:
        equal((place.stat("x").st_nlink, place.stat("y").st_nlink), (3, 2), "st_nlink")
    equal(place.stat("x/a/..").st_ino, place.stat("x").st_ino, "st_ino of ..")


@group.check("renameat2(2) RENAME_EXCHANGE ENOENT", needs=["rename exchange"])
def exchange_with_what_is_not_there(place: Place) -> None:
    place.file("a")
    with fails(ENOENT):
        renameat2(place / "a", place / "b", RENAME_EXCHANGE)


@group.check("renameat2(2) EINVAL", needs=["rename flags"])
def flags_that_contradict(place: Place) -> None:
    place.file("a")
    place.file("b")
    with fails(EINVAL):
        renameat2(place / "a", place / "b", RENAME_EXCHANGE | RENAME_NOREPLACE)
