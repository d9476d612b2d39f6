"""Checks of readdir(3), seekdir(3) and telldir(3)."""

from __future__ import annotations

import os
from errno import EACCES, ENOENT, ENOTDIR

from fusetree.testing.posix.expect import equal, fails, true
from fusetree.testing.posix.place import Place
from fusetree.testing.posix.registry import Group
from fusetree.testing.posix.syscalls import DirectoryStream

group = Group("readdir", "readdir(3)")

MANY = 2000


@group.check()
def every_name_once(place: Place) -> None:
    wanted = {f"name-{number}" for number in range(MANY)}
    for name in wanted:
        os.close(os.open(place / name, os.O_CREAT | os.O_WRONLY))
    found = os.listdir(place.path)
    equal(len(found), MANY, "number of names")
    equal(set(found) == wanted, True, "the same names")


@group.check("POSIX readdir: . and ..")
def dot_and_dot_dot_are_listed(place: Place) -> None:
    place.file()
    with DirectoryStream(place.path) as stream:
        equal(sorted(stream.rest()), [".", "..", "f"], "names")


@group.check("readdir(3) d_type, d_ino")
def types_and_inode_numbers(place: Place) -> None:
    place.file()
    place.dir()
    with os.scandir(place.path) as entries:
        for entry in entries:
            equal(entry.inode(), place.stat(entry.name).st_ino, f"d_ino of {entry.name}")
            equal(entry.is_dir(follow_symlinks=False), entry.name == "d", f"{entry.name} is a directory")


@group.check("readdir(3) d_type", needs=["symbolic links", "named pipes"])
def types_of_special_files(place: Place) -> None:
    place.symlink("nowhere")
    place.fifo()
    with os.scandir(place.path) as entries:
        for entry in entries:
            equal(entry.is_symlink(), entry.name == "s", f"{entry.name} is a symbolic link")
            true(not entry.is_file(follow_symlinks=False), f"{entry.name} is no regular file")


@group.check("POSIX readdir: names that stay are listed once while others come")
def while_files_are_made(place: Place) -> None:
    wanted = {f"stays-{number}" for number in range(300)}
    for name in wanted:
        place.file(name)
    with DirectoryStream(place.path) as stream:
        found = [stream.read() for _ in range(50)]
        for number in range(300):
            place.file(f"new-{number}")
        found += stream.rest()
    stayed = [name for name in found if name in wanted]
    equal(len(stayed), 300, "listings of names that stayed")
    equal(len(set(found)), len(found), "each name once")


@group.check("POSIX readdir: names that stay are listed once while others go")
def while_files_are_removed(place: Place) -> None:
    wanted = {f"stays-{number}" for number in range(300)}
    for number, name in enumerate(sorted(wanted)):
        place.file(name)
        place.file(f"goes-{number}")
    with DirectoryStream(place.path) as stream:
        found = [stream.read() for _ in range(50)]
        for number in range(300):
            os.unlink(place / f"goes-{number}")
        found += stream.rest()
    stayed = [name for name in found if name in wanted]
    equal(len(stayed), 300, "listings of names that stayed")
    equal(len(set(stayed)), 300, "names that stayed")


@group.check("POSIX readdir: removing while listing")
def removing_everything_while_listing(place: Place) -> None:
    for number in range(500):
        place.file(f"f{number}")
    with DirectoryStream(place.path) as stream:
        while (name := stream.read()) is not None:
            if name not in {".", ".."}:
                os.unlink(place / name)
    equal(place.names(), [], "names")


@group.check("POSIX readdir", needs=["hard links"])
def two_names_of_one_file(place: Place) -> None:
    place.file()
    for number in range(200):
        os.link(place / "f", place / f"l{number}")
    equal(len(place.names()), 201, "number of names")


@group.check("telldir(3), seekdir(3)")
def going_back_to_a_position(place: Place) -> None:
    for number in range(400):
        place.file(f"f{number}")
    with DirectoryStream(place.path) as stream:
        for _ in range(100):
            stream.read()
        position = stream.tell()
        first = stream.rest()
        stream.seek(position)
        equal(stream.rest() == first, True, "the same names behind the position")
        equal(len(first), 302, "number of names behind the position")


@group.check("telldir(3), seekdir(3)")
def going_to_every_position(place: Place) -> None:
    for number in range(40):
        place.file(f"f{number}")
    with DirectoryStream(place.path) as stream:
        behind = {}
        while True:
            position = stream.tell()
            name = stream.read()
            if name is None:
                break
            behind[position] = name
        for position in sorted(behind, key=lambda number: hash((number, 7))):
            stream.seek(position)
            equal(stream.read(), behind[position], "the name behind a position")


@group.check("POSIX seekdir: positions stay valid while files go")
def a_position_outlasts_removals(place: Place) -> None:
    for number in range(400):
        place.file(f"f{number}")
    with DirectoryStream(place.path) as stream:
        before = {stream.read() for _ in range(100)}
        position = stream.tell()
        rest = stream.rest()
        for name in before - {".", "..", None}:
            os.unlink(place / str(name))
        stream.seek(position)
        equal(stream.rest() == rest, True, "the same names behind the position")


@group.check("rewinddir(3)")
def rewinding_shows_what_is_new(place: Place) -> None:
    place.file("a")
    with DirectoryStream(place.path) as stream:
        equal(sorted(stream.rest()), [".", "..", "a"], "names")
        place.file("b")
        os.unlink(place / "a")
        stream.rewind()
        equal(sorted(stream.rest()), [".", "..", "b"], "names")


@group.check("POSIX readdir: at the end")
def at_the_end_again_and_again(place: Place) -> None:
    with DirectoryStream(place.path) as stream:
        stream.rest()
        for _ in range(3):
            equal(stream.read(), None, "a name at the end")


@group.check("POSIX opendir: two streams")
def two_streams_at_once(place: Place) -> None:
    for number in range(300):
        place.file(f"f{number}")
    with DirectoryStream(place.path) as one, DirectoryStream(place.path) as two:
        names: tuple[list[str], list[str]] = ([], [])
        for _ in range(302):
            names[0].append(str(one.read()))
            names[1].append(str(two.read()))
    equal(sorted(names[0]) == sorted(names[1]), True, "the same names in both")


@group.check()
def a_file_is_seen_at_once_when_made_and_not_when_removed(place: Place) -> None:
    for number in range(20):
        place.file(f"f{number}")
        true(f"f{number}" in os.listdir(place.path), "the new name in the listing")
    for number in range(20):
        os.unlink(place / f"f{number}")
        true(f"f{number}" not in os.listdir(place.path), "no removed name in the listing")


@group.check("opendir(3) ENOTDIR, ENOENT")
def what_is_no_directory(place: Place) -> None:
    place.file()
    with fails(ENOTDIR):
        os.listdir(place / "f")
    with fails(ENOENT):
        os.listdir(place / "d")


@group.check("POSIX opendir: EACCES", needs=["permission checks"])
def without_permission_to_read(place: Place) -> None:
    place.dir(mode=0o711)
    with fails(EACCES):
        place.as_user(lambda: os.listdir(place / "d"))


@group.check("path_resolution(7): search permission is enough for a known name", needs=["permission checks"])
def a_known_name_without_permission_to_list(place: Place) -> None:
    place.dir(mode=0o711)
    place.file("d/f", b"abc")
    equal(place.as_user(lambda: os.stat(place / "d/f").st_size), 3, "st_size")


@group.check("path_resolution(7): without search permission names can be listed, not used",
               needs=["permission checks"])  # fmt: skip
def names_without_permission_to_search(place: Place) -> None:
    place.dir(mode=0o744)
    place.file("d/f")
    equal(place.as_user(lambda: os.listdir(place / "d")), ["f"], "names")
    with fails(EACCES):
        place.as_user(lambda: os.stat(place / "d/f"))


@group.check("fdopendir(3)")
def through_a_descriptor(place: Place) -> None:
    place.dir()
    place.file("d/f")
    fd = place.open("d", os.O_RDONLY | os.O_DIRECTORY)
    equal(os.listdir(fd), ["f"], "names")


@group.check("readdir(3)")
def long_names(place: Place) -> None:
    names = sorted(chr(97 + number) * 255 for number in range(26))
    for name in names:
        place.file(name)
    equal(place.names() == names, True, "the same names")
