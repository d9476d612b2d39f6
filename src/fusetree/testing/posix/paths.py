"""Checks of names and paths, with every system call that takes one: what is too long, is missing, is no
directory, may not be searched.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from errno import EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR

from fusetree.testing.posix.expect import equal, fails
from fusetree.testing.posix.place import Place
from fusetree.testing.posix.registry import Group

group = Group("paths", "path_resolution(7)")

Call = Callable[[Place, str], object]

# Each takes a path that leads nowhere, and must not change anything else.
_CALLS: tuple[tuple[str, Call], ...] = (
    ("open", lambda place, path: os.close(os.open(path, os.O_RDONLY))),
    ("creat", lambda place, path: os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))),
    ("stat", lambda place, path: os.stat(path)),
    ("lstat", lambda place, path: os.lstat(path)),
    ("access", lambda place, path: _access(path)),
    ("chmod", lambda place, path: os.chmod(path, 0o644)),
    ("chown", lambda place, path: os.chown(path, os.geteuid(), -1)),
    ("truncate", lambda place, path: os.truncate(path, 0)),
    ("utimensat", lambda place, path: os.utime(path, ns=(1, 1))),
    ("mkdir", lambda place, path: os.mkdir(path)),
    ("rmdir", lambda place, path: os.rmdir(path)),
    ("unlink", lambda place, path: os.unlink(path)),
    ("mkfifo", lambda place, path: os.mkfifo(path)),
    ("symlink", lambda place, path: os.symlink("t", path)),
    ("readlink", lambda place, path: os.readlink(path)),
    ("link-from", lambda place, path: os.link(path, place / "new")),
    ("link-to", lambda place, path: os.link(place / "f", path)),
    ("rename-from", lambda place, path: os.rename(path, place / "new")),
    ("rename-to", lambda place, path: os.rename(place / "f", path)),
    ("opendir", lambda place, path: os.listdir(path)),
    ("getxattr", lambda place, path: os.getxattr(path, "user.a")),
    ("statfs", lambda place, path: os.statvfs(path)),
    ("chdir", lambda place, path: _enter(path)),
)

_NEEDS = {
    "mkfifo": ["named pipes"],
    "symlink": ["symbolic links"],
    "readlink": ["symbolic links"],
    "link-from": ["hard links"],
    "link-to": ["hard links"],
}


def _access(path: str) -> None:
    """access(2) with the error that Python keeps to itself."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.access(os.fsencode(path), os.F_OK) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def _enter(path: str) -> None:
    """What chdir(2) asks of a path, without moving the whole process."""
    os.close(os.open(path, os.O_PATH | os.O_DIRECTORY))


def _add(
    rule: str,
    source: str,
    number: int,
    path: Callable[[Place], str],
    but: tuple[str, ...] = (),
    needs: str = "",
) -> None:
    """A check for each call, but those in *but*: with *path* it fails with errno *number*."""
    for call_name, call in _CALLS:
        if call_name in but:
            continue

        def body(place: Place, call: Call = call) -> None:
            place.file()
            leads_nowhere = path(place)
            with fails(number):
                call(place, leads_nowhere)

        group.add(
            f"{call_name}-{rule}",
            body,
            source=source,
            needs=[*_NEEDS.get(call_name, []), *([needs] if needs else [])],
        )


_add("below-a-file", "path_resolution(7) ENOTDIR", ENOTDIR, lambda place: place / "f/g")
_add("below-what-is-missing", "path_resolution(7) ENOENT", ENOENT, lambda place: place / "nowhere/g")
_add("with-a-name-too-long", "path_resolution(7) ENAMETOOLONG: NAME_MAX", ENAMETOOLONG,
     lambda place: place / ("x" * 256))  # fmt: skip
_add("with-a-path-too-long", "path_resolution(7) ENAMETOOLONG: PATH_MAX", ENAMETOOLONG,
     lambda place: place / ("./" * 2100 + "x"))  # fmt: skip


def _circle(place: Place) -> str:
    place.symlink("circle", "circle")
    return place / "circle/g"


_add("through-a-circle-of-links", "path_resolution(7) ELOOP", ELOOP, _circle, needs="symbolic links")


def _unsearchable(place: Place) -> None:
    """As another user: no call reaches what is in a directory that may not be searched."""
    place.dir("shut", 0o666)
    place.file("shut/g", mode=0o666)


for _name, _call in _CALLS:
    if _name in {"link-to", "link-from", "rename-from", "rename-to", "chdir"}:
        continue  # they need a directory to write in besides (renaming and linking check that), or move us

    def _body(place: Place, call: Call = _call) -> None:
        _unsearchable(place)
        with fails(EACCES):
            place.as_user(lambda: call(place, place / "shut/g"))

    group.add(
        f"{_name}-without-search-permission",
        _body,
        source="path_resolution(7) EACCES",
        needs=[*_NEEDS.get(_name, []), "permission checks"],
    )


@group.check("POSIX <limits.h>: NAME_MAX")
def the_longest_name(place: Place) -> None:
    longest = os.pathconf(place.path, "PC_NAME_MAX")
    name = "x" * min(longest, 255)
    place.file(name, b"abc")
    equal(place.content(name), b"abc", "content")
    equal(place.names(), [name], "names")
    os.rename(place / name, place / ("y" * len(name)))
    os.unlink(place / ("y" * len(name)))


@group.check("POSIX <limits.h>: NAME_MAX counts bytes")
def the_longest_name_of_other_letters(place: Place) -> None:
    name = "ü" * 127
    place.file(name)
    equal(place.names(), [name], "names")


@group.check("POSIX 3.170 Filename: case matters")
def names_that_differ_in_case(place: Place) -> None:
    place.file("name", b"lower")
    place.file("NAME", b"upper")
    equal((place.content("name"), place.content("NAME")), (b"lower", b"upper"), "contents")


@group.check("POSIX 3.170 Filename: bytes are not normalised")
def names_that_look_the_same(place: Place) -> None:
    place.file("\u00e9", b"one")
    place.file("e\u0301", b"two")
    equal((place.content("\u00e9"), place.content("e\u0301")), (b"one", b"two"), "contents")


@group.check("POSIX 3.170 Filename")
def odd_names(place: Place) -> None:
    names = sorted((" ", "...", "..a", "-rf", "a\nb", "\x01", "a\\b", "*", "'", '"', "~", "%s", "a."))
    for name in names:
        place.file(name, name.encode())
    equal(place.names(), names, "names")
    for name in names:
        equal(place.content(name), name.encode(), f"content of {name!r}")


@group.check("POSIX 3.170 Filename: names that are no text")
def a_name_that_is_no_text(place: Place) -> None:
    name = b"\xff\xfe\x80"
    path = os.path.join(os.fsencode(place.path), name)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    equal(os.listdir(os.fsencode(place.path)), [name], "names")
    os.unlink(path)


@group.check("path_resolution(7): the empty pathname")
def an_empty_path(place: Place) -> None:
    fd = place.open(".", os.O_RDONLY | os.O_DIRECTORY)
    with fails(ENOENT):
        os.stat("", dir_fd=fd)


@group.check("path_resolution(7): slashes")
def slashes_in_a_row(place: Place) -> None:
    place.dir()
    place.file("d/f", b"abc")
    equal(place.content("d//./../d///f"), b"abc", "content")


@group.check("getcwd(2), chdir(2)")
def a_process_in_a_directory_that_is_moved(place: Place) -> None:
    place.dir("a")
    program = (
        "import os, sys\nos.chdir(sys.argv[1]); print('there', flush=True); input()\n"
        "open('f', 'w').close(); print(os.path.basename(os.getcwd()))"
    )
    other = place.process(program, place / "a")
    equal(other.line(), "there", "the other's word")
    os.rename(place / "a", place / "b")
    other.say()
    equal(other.line(), "b", "name of its directory")
    equal(place.names("b"), ["f"], "names")
