"""Checks of utimensat(2), and of which operations set which times."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from errno import EACCES, EEXIST, EINVAL, ENOENT, ENOTDIR, EPERM

from fusetree.testing.posix import syscalls
from fusetree.testing.posix.expect import equal, fails, true
from fusetree.testing.posix.place import LATER, LONG_AGO, USER, Place
from fusetree.testing.posix.registry import Group
from fusetree.testing.posix.syscalls import UTIME_NOW, UTIME_OMIT

group = Group("utimensat", "utimensat(2)")
updates = Group("times", "POSIX 4.9 File Times Update")

NOW, OMIT = (0, UTIME_NOW), (0, UTIME_OMIT)


def _seconds(nanoseconds: int) -> tuple[int, int]:
    return divmod(nanoseconds, 1_000_000_000)


@group.check()
def nanoseconds_are_kept(place: Place) -> None:
    place.file()
    os.utime(place / "f", ns=(LONG_AGO, LATER))
    found = place.stat("f")
    if place.features.granularity:
        equal(found.st_mtime_ns // 10**9, LATER // 10**9, "seconds of st_mtime")
        return
    equal(found.st_atime_ns, LONG_AGO, "st_atime_ns")
    equal(found.st_mtime_ns, LATER, "st_mtime_ns")


@group.check()
def by_descriptor(place: Place) -> None:
    place.file()
    os.utime(place.open("f"), ns=(LONG_AGO, LATER))
    equal(place.stat("f").st_mtime_ns // 10**9, LATER // 10**9, "seconds of st_mtime")


@group.check()
def of_a_directory(place: Place) -> None:
    place.dir()
    os.utime(place / "d", ns=(LONG_AGO, LATER))
    equal(place.stat("d").st_mtime_ns // 10**9, LATER // 10**9, "seconds of st_mtime")


@group.check("utimensat(2) AT_SYMLINK_NOFOLLOW", needs=["symbolic links"])
def of_a_symbolic_link_itself(place: Place) -> None:
    place.file()
    place.symlink("f")
    before = place.stat("f").st_mtime_ns
    os.utime(place / "s", ns=(LONG_AGO, LATER), follow_symlinks=False)
    equal(place.stat("s").st_mtime_ns // 10**9, LATER // 10**9, "seconds of the link's st_mtime")
    equal(place.stat("f").st_mtime_ns, before, "the target's st_mtime_ns")


@group.check(needs=["symbolic links"])
def through_a_symbolic_link(place: Place) -> None:
    place.file()
    place.symlink("f")
    os.utime(place / "s", ns=(LONG_AGO, LATER))
    equal(place.stat("f").st_mtime_ns // 10**9, LATER // 10**9, "seconds of the target's st_mtime")


@group.check("utimensat(2): ctime is set to the current time")
def sets_ctime(place: Place) -> None:
    place.file()
    before = place.stat("f").st_ctime_ns
    place.tick()
    os.utime(place / "f", ns=(LONG_AGO, LATER))
    true(place.stat("f").st_ctime_ns > before, "a later st_ctime")


@group.check("utimensat(2) UTIME_NOW")
def now(place: Place) -> None:
    place.file()
    place.long_ago("f")
    before = time.time()
    syscalls.utimensat(place / "f", NOW, NOW)
    found = place.stat("f")
    for stamp in (found.st_atime, found.st_mtime):
        true(abs(stamp - before) < 60, "the current time", stamp)


@group.check("utimensat(2) UTIME_OMIT")
def atime_alone(place: Place) -> None:
    place.file()
    place.long_ago("f")
    syscalls.utimensat(place / "f", _seconds(LATER), OMIT)
    found = place.stat("f")
    equal(found.st_atime_ns // 10**9, LATER // 10**9, "seconds of st_atime")
    equal(found.st_mtime_ns // 10**9, LONG_AGO // 10**9, "seconds of st_mtime")


@group.check("utimensat(2) UTIME_OMIT")
def mtime_alone(place: Place) -> None:
    place.file()
    place.long_ago("f")
    syscalls.utimensat(place / "f", OMIT, _seconds(LATER))
    found = place.stat("f")
    equal(found.st_atime_ns // 10**9, LONG_AGO // 10**9, "seconds of st_atime")
    equal(found.st_mtime_ns // 10**9, LATER // 10**9, "seconds of st_mtime")


@group.check("utimensat(2) UTIME_OMIT for both: nothing is changed")
def neither(place: Place) -> None:
    place.file()
    place.long_ago("f")
    before = place.stat("f")
    place.tick()
    syscalls.utimensat(place / "f", OMIT, OMIT)
    after = place.stat("f")
    equal(after.st_mtime_ns, before.st_mtime_ns, "st_mtime_ns")
    equal(after.st_ctime_ns, before.st_ctime_ns, "st_ctime_ns")


@group.check()
def now_and_given_mixed(place: Place) -> None:
    place.file()
    syscalls.utimensat(place / "f", NOW, _seconds(LONG_AGO))
    found = place.stat("f")
    true(abs(found.st_atime - time.time()) < 60, "the current time as st_atime", found.st_atime)
    equal(found.st_mtime_ns // 10**9, LONG_AGO // 10**9, "seconds of st_mtime")


@group.check("utimensat(2) EINVAL: nanoseconds out of range")
def nanoseconds_out_of_range(place: Place) -> None:
    place.file()
    with fails(EINVAL):
        syscalls.utimensat(place / "f", (1, 1_000_000_000), (1, 0))


@group.check("utimensat(2) ENOENT, ENOTDIR")
def what_is_not_there(place: Place) -> None:
    place.file()
    with fails(ENOENT):
        os.utime(place / "g", ns=(1, 1))
    with fails(ENOTDIR):
        os.utime(place / "f/g", ns=(1, 1))


@group.check("POSIX <time.h>: times before and long after 1970")
def times_far_away(place: Place) -> None:
    place.file()
    for second in (1, 0x7FFFFFFF, 0x80000000, 0x90000000):
        os.utime(place / "f", ns=(second * 10**9, second * 10**9))
        equal(place.stat("f").st_mtime_ns // 10**9, second, "seconds of st_mtime")


@group.check("POSIX <time.h>: times before 1970")
def times_before_the_epoch(place: Place) -> None:
    place.file()
    os.utime(place / "f", ns=(-86_400 * 10**9, -86_400 * 10**9))
    equal(place.stat("f").st_mtime_ns // 10**9, -86_400, "seconds of st_mtime")


@group.check("utimensat(2) EPERM", needs=["permission checks"])
def given_times_only_by_the_owner(place: Place) -> None:
    path = place.file(mode=0o666)
    with fails(EPERM):
        place.as_user(lambda: os.utime(path, ns=(1, 1)))


@group.check("utimensat(2): write access is enough for the current time", needs=["permission checks"])
def now_by_who_may_write(place: Place) -> None:
    path = place.file(mode=0o666)
    place.long_ago("f")
    place.as_user(lambda: os.utime(path))
    true(abs(place.stat("f").st_mtime - time.time()) < 60, "the current time")


@group.check("utimensat(2) EACCES", needs=["permission checks"])
def now_by_who_may_not_write(place: Place) -> None:
    path = place.file(mode=0o644)
    with fails(EACCES):
        place.as_user(lambda: os.utime(path))


@group.check("utimensat(2): the owner needs no write access", needs=["permission checks", "changing owners"])
def by_the_owner_of_a_read_only_file(place: Place) -> None:
    path = place.file(mode=0o444)
    os.chown(path, USER, USER)
    place.as_user(lambda: os.utime(path, ns=(LONG_AGO, LATER)))
    place.as_user(lambda: os.utime(path))


@group.check()
def of_an_open_file_that_is_unlinked(place: Place) -> None:
    place.file()
    fd = place.open("f")
    os.unlink(place / "f")
    os.utime(fd, ns=(LONG_AGO, LATER))
    equal(os.fstat(fd).st_mtime_ns // 10**9, LATER // 10**9, "seconds of st_mtime")


@group.check("inode(7) mtime")
def given_times_outlast_a_close_after_writing(place: Place) -> None:
    place.file()
    fd = place.open("f")
    os.write(fd, b"abc")
    os.utime(fd, ns=(LONG_AGO, LATER))
    place.close(fd)
    equal(place.stat("f").st_mtime_ns // 10**9, LATER // 10**9, "seconds of st_mtime")


# Which operations mark which times for update.

Operation = Callable[[Place], object]


def _updates(
    name: str, source: str, subject: str, fields: str, operation: Operation, needs: str = ""
) -> None:
    """*operation* makes *fields* of *subject* later; made before it are a file f and a directory d with e."""

    def body(place: Place) -> None:
        place.file("f", b"abc")
        place.dir("d")
        place.file("d/e")
        place.long_ago("f")
        place.long_ago("d")
        place.long_ago(".")
        before = place.stat(subject)
        place.tick()
        operation(place)
        after = place.stat(subject)
        for field in ("atime", "mtime", "ctime"):
            later = getattr(after, f"st_{field}_ns") > getattr(before, f"st_{field}_ns")
            if field in fields:
                true(later, f"a later st_{field} of {subject}", "the same")
            elif field != "atime":
                true(not later, f"the same st_{field} of {subject}", "a later one")

    updates.add(name, body, source=source, needs=[needs] if needs else [])


def _create(place: Place) -> None:
    place.file("d/new")


_updates("chmod-sets-ctime", "POSIX chmod", "f", "ctime", lambda p: os.chmod(p / "f", 0o600))
_updates(
    "chown-sets-ctime", "POSIX chown", "f", "ctime", lambda p: os.chown(p / "f", os.geteuid(), os.getegid())
)
_updates("link-sets-ctime", "POSIX link", "f", "ctime", lambda p: os.link(p / "f", p / "l"), "hard links")
_updates(
    "link-sets-times-of-the-directory",
    "POSIX link", "d", "mtime ctime", lambda p: os.link(p / "f", p / "d/l"), "hard links",
)  # fmt: skip
_updates("create-sets-times-of-the-directory", "POSIX open", "d", "mtime ctime", _create)
_updates(
    "mkdir-sets-times-of-the-directory", "POSIX mkdir", "d", "mtime ctime", lambda p: os.mkdir(p / "d/new")
)
_updates(
    "symlink-sets-times-of-the-directory",
    "POSIX symlink", "d", "mtime ctime", lambda p: os.symlink("t", p / "d/new"), "symbolic links",
)  # fmt: skip
_updates(
    "mkfifo-sets-times-of-the-directory",
    "POSIX mkfifo", "d", "mtime ctime", lambda p: os.mkfifo(p / "d/new"), "named pipes",
)  # fmt: skip
_updates(
    "unlink-sets-times-of-the-directory",
    "POSIX unlink", "d", "mtime ctime", lambda p: os.unlink(p / "d/e"),
)  # fmt: skip
_updates("rename-sets-times-of-the-source", "POSIX rename", "d", "mtime ctime",
         lambda p: os.rename(p / "d/e", p / "e"))  # fmt: skip
_updates("rename-sets-times-of-the-target", "POSIX rename", "d", "mtime ctime",
         lambda p: os.rename(p / "f", p / "d/f"))  # fmt: skip
_updates("rename-within-sets-times-of-the-directory", "POSIX rename", "d", "mtime ctime",
         lambda p: os.rename(p / "d/e", p / "d/g"))  # fmt: skip
_updates("setxattr-sets-ctime", "xattr(7); Linux sets ctime", "f", "ctime",
         lambda p: os.setxattr(p / "f", "user.a", b"1"), "user xattrs")  # fmt: skip
_updates("stat-sets-nothing", "POSIX stat", "f", "", lambda p: os.stat(p / "f"))
_updates("listing-sets-neither-mtime-nor-ctime", "POSIX readdir", "d", "",
         lambda p: os.listdir(p / "d"))  # fmt: skip
_updates("reading-sets-neither-mtime-nor-ctime", "POSIX read", "f", "",
         lambda p: p.content("f"))  # fmt: skip
_updates("opening-for-writing-sets-nothing", "POSIX open", "f", "",
         lambda p: p.close(p.open("f")))  # fmt: skip
_updates("access-sets-nothing", "POSIX access", "f", "", lambda p: os.access(p / "f", os.R_OK))
_updates("writing-a-file-sets-no-times-of-the-directory", "POSIX write", ".", "",
         lambda p: os.close(os.open(p / "f", os.O_WRONLY | os.O_TRUNC)))  # fmt: skip


@updates.check("POSIX unlink: st_ctim of the file", needs=["hard links"])
def unlink_sets_ctime_of_what_has_more_names(place: Place) -> None:
    place.file()
    os.link(place / "f", place / "l")
    before = place.stat("f").st_ctime_ns
    place.tick()
    os.unlink(place / "l")
    true(place.stat("f").st_ctime_ns > before, "a later st_ctime", "the same")


@updates.check("POSIX rmdir")
def rmdir_sets_times_of_the_directory(place: Place) -> None:
    place.dir()
    place.dir("d/e")
    place.long_ago("d")
    before = place.stat("d")
    place.tick()
    os.rmdir(place / "d/e")
    true(place.stat("d").st_mtime_ns > before.st_mtime_ns, "a later st_mtime", "the same")
    true(place.stat("d").st_ctime_ns > before.st_ctime_ns, "a later st_ctime", "the same")


@updates.check("POSIX 4.9")
def times_of_a_new_file_are_now(place: Place) -> None:
    before = time.time()
    place.file()
    found = place.stat("f")
    for field in ("st_atime", "st_mtime", "st_ctime"):
        stamp = getattr(found, field)
        true(before - 2 < stamp < before + 60, f"the current time as {field}", stamp - before)


@updates.check("POSIX 4.9")
def times_of_a_new_directory_are_now(place: Place) -> None:
    before = time.time()
    place.dir()
    found = place.stat("d")
    for field in ("st_atime", "st_mtime", "st_ctime"):
        stamp = getattr(found, field)
        true(before - 2 < stamp < before + 60, f"the current time as {field}", stamp - before)


@updates.check("POSIX 4.9: a failed operation marks nothing")
def a_failed_creation_sets_nothing(place: Place) -> None:
    place.dir()
    place.dir("d/e")
    place.long_ago("d")
    before = place.stat("d")
    place.tick()
    with fails(EEXIST):
        os.mkdir(place / "d/e")
    equal(place.stat("d").st_mtime_ns, before.st_mtime_ns, "st_mtime_ns")
    equal(place.stat("d").st_ctime_ns, before.st_ctime_ns, "st_ctime_ns")
