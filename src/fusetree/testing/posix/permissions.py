"""Checks of who may do what: access(2), the bits of owner, group and others, sticky directories."""

from __future__ import annotations

import os
from collections.abc import Callable
from errno import EACCES, ENOENT, EPERM

from fusetree.testing.posix.expect import equal, fails, true
from fusetree.testing.posix.place import OTHER, USER, Place
from fusetree.testing.posix.registry import Group

accessing = Group("access", "access(2)")
group = Group("permissions", "path_resolution(7), Permissions", ("permission checks", "changing owners"))

READ, WRITE, RUN = os.R_OK, os.W_OK, os.X_OK


@accessing.check()
def of_what_is_there(place: Place) -> None:
    place.file()
    true(os.access(place / "f", os.F_OK), "F_OK")
    true(os.access(place / "f", READ | WRITE), "R_OK | W_OK")
    true(not os.access(place / "g", os.F_OK), "no F_OK for what is not there")


@accessing.check("access(2): X_OK for root takes one execute bit", needs=["root"])
def root_may_run_what_somebody_may_run(place: Place) -> None:
    place.file(mode=0o644)
    true(not os.access(place / "f", RUN), "no X_OK without any bit")
    os.chmod(place / "f", 0o645)
    true(os.access(place / "f", RUN), "X_OK with a bit for others")


@accessing.check("capabilities(7) CAP_DAC_OVERRIDE", needs=["root"])
def root_may_read_and_write_anything(place: Place) -> None:
    place.file(data=b"abc", mode=0)
    true(os.access(place / "f", READ | WRITE), "R_OK | W_OK")
    equal(place.content(), b"abc", "content")
    equal(os.write(place.open("f", os.O_WRONLY), b"x"), 1, "bytes written")


@accessing.check("access(2)", needs=["permission checks", "changing owners"])
def by_class_of_user(place: Place) -> None:
    path = place.file(mode=0o640)
    os.chown(path, USER, OTHER)

    def allowed() -> tuple[bool, bool, bool]:
        return os.access(path, READ), os.access(path, WRITE), os.access(path, RUN)

    equal(place.as_user(allowed), (True, True, False), "R_OK, W_OK, X_OK of the owner")
    equal(place.as_user(allowed, OTHER), (True, False, False), "R_OK, W_OK, X_OK of the group")
    equal(place.as_user(allowed, 54399), (False, False, False), "R_OK, W_OK, X_OK of others")


@accessing.check("access(2)", needs=["permission checks"])
def of_a_directory(place: Place) -> None:
    path = place.dir(mode=0o755)
    true(place.as_user(lambda: os.access(path, READ | RUN)), "R_OK | X_OK")
    true(not place.as_user(lambda: os.access(path, WRITE)), "no W_OK")


@accessing.check("execve(2)")
def a_program_is_run(place: Place) -> None:
    place.file("f", b"#!/bin/sh\nexit 7\n", 0o755)
    other = place.process("import subprocess, sys; print(subprocess.call([sys.argv[1]]))", place / "f")
    equal(other.line(), "7", "exit status")


@accessing.check("execve(2) EACCES")
def a_file_without_execute_bits_is_not_run(place: Place) -> None:
    place.file("f", b"#!/bin/sh\nexit 7\n", 0o644)
    program = (
        "import subprocess, sys\ntry: subprocess.call([sys.argv[1]])\nexcept OSError as e: print(e.errno)"
    )
    equal(place.process(program, place / "f").line(), str(EACCES), "errno")


@accessing.check("execve(2) ETXTBSY or the change is seen")
def a_program_is_changed_and_run_again(place: Place) -> None:
    place.file("f", b"#!/bin/sh\nexit 7\n", 0o755)
    program = "import subprocess, sys\nwhile True: print(subprocess.call([sys.argv[1]]), flush=True); input()"
    other = place.process(program, place / "f")
    equal(other.line(), "7", "exit status")
    fd = place.open("f")
    os.pwrite(fd, b"#!/bin/sh\nexit 8\n", 0)
    place.close(fd)
    other.say()
    equal(other.line(), "8", "exit status")


def _opens(path: str, flags: int) -> Callable[[], None]:
    return lambda: os.close(os.open(path, flags))


def _class_of_user(name: str, shift: int, uid: int, gid: int, groups: tuple[int, ...] = ()) -> None:
    """The bits at *shift* decide for a user of that class, and only they."""
    for bit, flags, what in ((4, os.O_RDONLY, "read"), (2, os.O_WRONLY, "write")):

        def body(place: Place, bit: int = bit, flags: int = flags) -> None:
            path = place.file()
            os.chown(path, USER, OTHER)
            os.chmod(path, bit << shift)
            place.as_user(_opens(path, flags), uid, gid, groups)
            os.chmod(path, 0o777 & ~(bit << shift))
            with fails(EACCES):
                place.as_user(_opens(path, flags), uid, gid, groups)

        group.add(f"{name}-may-{what}-as-the-mode-says", body)


_class_of_user("the-owner", 6, USER, 54390)
_class_of_user("the-group", 3, 54391, OTHER)
_class_of_user("a-member-of-the-group", 3, 54391, 54390, (OTHER,))
_class_of_user("anybody-else", 0, 54391, 54390)


@group.check()
def the_owners_bits_count_even_when_others_may_more(place: Place) -> None:
    path = place.file(mode=0o077)
    os.chown(path, USER, USER)
    with fails(EACCES):
        place.as_user(_opens(path, os.O_RDONLY))


@group.check()
def the_groups_bits_count_even_when_others_may_more(place: Place) -> None:
    path = place.file(mode=0o707)
    os.chown(path, OTHER, USER)
    with fails(EACCES):
        place.as_user(_opens(path, os.O_RDONLY), 54391, USER)


@group.check("open(2) O_TRUNC takes write permission")
def truncation_takes_write_permission(place: Place) -> None:
    path = place.file(data=b"abc", mode=0o444)
    with fails(EACCES):
        place.as_user(_opens(path, os.O_RDONLY | os.O_TRUNC))
    equal(place.content(), b"abc", "content")


@group.check("path_resolution(7): search permission of every directory on the way")
def every_directory_on_the_way_counts(place: Place) -> None:
    os.makedirs(place / "a/b/c")
    place.file("a/b/c/f", mode=0o644)
    place.as_user(lambda: os.stat(place / "a/b/c/f"))
    os.chmod(place / "a/b", 0o700)
    with fails(EACCES):
        place.as_user(lambda: os.stat(place / "a/b/c/f"))


@group.check("path_resolution(7): search permission")
def a_missing_name_is_hidden_without_search_permission(place: Place) -> None:
    place.dir(mode=0o700)
    with fails(EACCES):
        place.as_user(lambda: os.stat(place / "d/none"))
    os.chmod(place / "d", 0o711)
    with fails(ENOENT):
        place.as_user(lambda: os.stat(place / "d/none"))


@group.check("path_resolution(7): write without search permission")
def writing_a_directory_takes_search_permission(place: Place) -> None:
    place.dir(mode=0o766)
    for call in (lambda: os.mkdir(place / "d/e"), _opens(place / "d/f", os.O_CREAT | os.O_WRONLY)):
        with fails(EACCES):
            place.as_user(call)


@group.check("inode(7): sticky directories")
def in_a_sticky_directory_the_files_owner_may_remove(place: Place) -> None:
    place.dir("t", 0o1777)
    os.chown(place.file("t/f"), USER, USER)
    place.as_user(lambda: os.unlink(place / "t/f"))
    equal(place.names("t"), [], "names")


@group.check("inode(7): sticky directories")
def in_a_sticky_directory_others_may_not_remove(place: Place) -> None:
    place.dir("t", 0o1777)
    os.chown(place.file("t/f", mode=0o666), OTHER, OTHER)
    with fails(EPERM, EACCES):
        place.as_user(lambda: os.unlink(place / "t/f"))


@group.check("inode(7): sticky directories")
def in_a_sticky_directory_its_owner_may_remove(place: Place) -> None:
    os.chown(place.dir("t"), USER, USER)
    os.chmod(place / "t", 0o1777)
    os.chown(place.file("t/f"), OTHER, OTHER)
    place.as_user(lambda: os.unlink(place / "t/f"))
    equal(place.names("t"), [], "names")


@group.check("inode(7): sticky directories")
def in_a_sticky_directory_anybody_may_create(place: Place) -> None:
    place.dir("t", 0o1777)
    place.as_user(lambda: os.mkdir(place / "t/d"))
    place.as_user(lambda: os.close(os.open(place / "t/f", os.O_CREAT | os.O_WRONLY)), OTHER)
    equal(place.names("t"), ["d", "f"], "names")


@group.check("inode(7): the directory's mode decides over names, not the file's")
def in_an_open_directory_anybody_may_remove(place: Place) -> None:
    place.dir("t", 0o777)
    os.chown(place.file("t/f", mode=0o000), OTHER, OTHER)
    place.as_user(lambda: os.unlink(place / "t/f"))


@group.check("POSIX open: access is checked at open")
def a_descriptor_handed_over_may_be_used(place: Place) -> None:
    place.file(data=b"abc", mode=0o600)
    fd = place.open("f")
    equal(place.as_user(lambda: os.pread(fd, 10, 0)), b"abc", "content")


@group.check("POSIX 2.4 chmod: a file without any permission")
def a_file_of_mode_0_is_for_nobody(place: Place) -> None:
    path = place.file(mode=0)
    os.chown(path, USER, USER)
    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
        with fails(EACCES):
            place.as_user(_opens(path, flags))


@group.check("open(2): O_CREAT on an existing file takes permission to write the file only")
def creation_of_a_taken_name_asks_for_the_file(place: Place) -> None:
    path = place.file(mode=0o666)
    place.as_user(_opens(path, os.O_CREAT | os.O_WRONLY))
    os.chmod(path, 0o644)
    with fails(EACCES):
        place.as_user(_opens(path, os.O_CREAT | os.O_WRONLY))


@group.check("umask(2), open(2)")
def a_new_file_of_another_user_may_be_closed_to_its_owner(place: Place) -> None:
    os.chmod(place.path, 0o777)

    def create() -> None:
        fd = os.open(place / "f", os.O_CREAT | os.O_RDWR, 0o000)
        os.write(fd, b"abc")
        os.close(fd)
        with fails(EACCES):
            os.open(place / "f", os.O_RDONLY)

    place.as_user(create)
    equal(place.stat("f").st_size, 3, "st_size")
