"""Checks of record locks (fcntl(2)), locks of open file descriptions, and flock(2)."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from errno import EACCES, EAGAIN, EBADF, EINVAL, EWOULDBLOCK

from fusetree.testing.posix.expect import equal, fails, true
from fusetree.testing.posix.place import OtherProcess, Place
from fusetree.testing.posix.registry import Group
from fusetree.testing.posix.syscalls import F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, lock_answer, lock_request

records = Group("fcntl-locks", "fcntl(2), Advisory record locking", ("record locks",))
descriptions = Group("ofd-locks", "fcntl(2), Open file description locks", ("open file description locks",))
whole = Group("flock", "flock(2)", ("flock",))

# Another process that does with a file what it is told, line by line, and answers "ok" or the error's number.
_LOCKER = """
import fcntl, os, signal, struct, sys
signal.signal(signal.SIGUSR1, lambda *_: (_ for _ in ()).throw(InterruptedError(4, "interrupted")))
fd = os.open(sys.argv[1], os.O_RDWR)
for line in sys.stdin:
    command, kind, start, length = line.split()
    try:
        if command == "flock":
            fcntl.flock(fd, int(kind))
        elif command == "close":
            os.close(os.open(sys.argv[1], os.O_RDWR))
        else:
            if command == "wait":
                print("waiting", flush=True)
            request = struct.pack("hhqqi4x", int(kind), 0, int(start), int(length), 0)
            fcntl.fcntl(fd, fcntl.F_SETLKW if command == "wait" else fcntl.F_SETLK, request)
    except OSError as error:
        print(error.errno, flush=True)
    else:
        print("ok", flush=True)
"""


class _Locker:
    """Another process with the file open."""

    def __init__(self, place: Place, path: str) -> None:
        self.process: OtherProcess = place.process(_LOCKER, path)

    def ask(self, kind: int, start: int = 0, length: int = 0, command: str = "lock") -> str:
        """Have it set a lock (or unlock); returns "ok" or the errno."""
        self.process.say(f"{command} {kind} {start} {length}")
        return self.process.line()


def _set(fd: int, kind: int, start: int = 0, length: int = 0, whence: int = os.SEEK_SET) -> None:
    fcntl.fcntl(fd, fcntl.F_SETLK, lock_request(kind, start, length, whence))


def _get(fd: int, kind: int, start: int = 0, length: int = 0) -> tuple[int, int, int, int]:
    return lock_answer(fcntl.fcntl(fd, fcntl.F_GETLK, lock_request(kind, start, length)))


BUSY = (str(EAGAIN), str(EACCES))


@records.check("fcntl(2) F_SETLK EAGAIN or EACCES")
def a_write_lock_keeps_others_out(place: Place) -> None:
    path = place.file(data=b"abc")
    fd = place.open("f")
    _set(fd, fcntl.F_WRLCK)
    other = _Locker(place, path)
    for kind in (fcntl.F_WRLCK, fcntl.F_RDLCK):
        true(other.ask(kind) in BUSY, "EAGAIN or EACCES for another process")
    _set(fd, fcntl.F_UNLCK)
    equal(other.ask(fcntl.F_WRLCK), "ok", "answer to another process")


@records.check()
def read_locks_are_shared(place: Place) -> None:
    path = place.file(data=b"abc")
    fd = place.open("f")
    _set(fd, fcntl.F_RDLCK)
    other = _Locker(place, path)
    equal(other.ask(fcntl.F_RDLCK), "ok", "answer to another reader")
    true(other.ask(fcntl.F_WRLCK) in BUSY, "EAGAIN or EACCES for a writer")


@records.check()
def ranges_that_do_not_overlap(place: Place) -> None:
    path = place.file(data=b"abc")
    _set(place.open("f"), fcntl.F_WRLCK, 0, 10)
    other = _Locker(place, path)
    equal(other.ask(fcntl.F_WRLCK, 10, 10), "ok", "answer for the range behind")
    true(other.ask(fcntl.F_WRLCK, 9, 1) in BUSY, "EAGAIN or EACCES for the last byte")


@records.check("fcntl(2) l_len 0: to the end, however far the file grows")
def a_range_without_end(place: Place) -> None:
    path = place.file(data=b"abc")
    _set(place.open("f"), fcntl.F_WRLCK, 100, 0)
    other = _Locker(place, path)
    equal(other.ask(fcntl.F_WRLCK, 0, 100), "ok", "answer for the range before")
    true(other.ask(fcntl.F_WRLCK, 1 << 40, 1) in BUSY, "EAGAIN or EACCES far behind")


@records.check("fcntl(2) l_len below 0: the bytes before l_start")
def a_range_backwards(place: Place) -> None:
    path = place.file(data=b"abc")
    _set(place.open("f"), fcntl.F_WRLCK, 10, -4)
    other = _Locker(place, path)
    equal(other.ask(fcntl.F_WRLCK, 10, 1), "ok", "answer for the byte at the start")
    true(other.ask(fcntl.F_WRLCK, 6, 1) in BUSY, "EAGAIN or EACCES for the first byte")


@records.check("fcntl(2) SEEK_CUR, SEEK_END")
def a_range_from_the_offset_or_the_end(place: Place) -> None:
    path = place.file(data=b"x" * 100)
    fd = place.open("f")
    os.lseek(fd, 50, os.SEEK_SET)
    _set(fd, fcntl.F_WRLCK, 0, 10, os.SEEK_CUR)
    _set(fd, fcntl.F_WRLCK, -10, 10, os.SEEK_END)
    other = _Locker(place, path)
    true(other.ask(fcntl.F_WRLCK, 50, 1) in BUSY, "EAGAIN or EACCES at the offset")
    true(other.ask(fcntl.F_WRLCK, 95, 1) in BUSY, "EAGAIN or EACCES at the end")
    equal(other.ask(fcntl.F_WRLCK, 60, 30), "ok", "answer for the range between")


@records.check("fcntl(2) F_GETLK")
def who_holds_a_lock_is_told(place: Place) -> None:
    path = place.file(data=b"abc")
    other = _Locker(place, path)
    equal(other.ask(fcntl.F_WRLCK, 5, 7), "ok", "answer to another process")
    kind, start, length, pid = _get(place.open("f"), fcntl.F_RDLCK)
    equal((kind, start, length), (fcntl.F_WRLCK, 5, 7), "type, start and length")
    equal(pid, other.process.pid, "process id")


@records.check("fcntl(2) F_GETLK: F_UNLCK when it could be set")
def a_lock_that_could_be_set(place: Place) -> None:
    place.file(data=b"abc")
    fd = place.open("f")
    equal(_get(fd, fcntl.F_WRLCK)[0], fcntl.F_UNLCK, "type")
    _set(fd, fcntl.F_WRLCK)
    equal(_get(fd, fcntl.F_WRLCK)[0], fcntl.F_UNLCK, "type, with a lock of one's own")


@records.check("fcntl(2): locks of one process do not exclude each other")
def locks_of_one_process_are_converted(place: Place) -> None:
    path = place.file(data=b"abc")
    fd = place.open("f")
    _set(fd, fcntl.F_WRLCK, 0, 10)
    _set(place.open("f"), fcntl.F_RDLCK, 0, 10)
    equal(_Locker(place, path).ask(fcntl.F_RDLCK, 0, 10), "ok", "answer to another reader")


@records.check("fcntl(2): unlocking a part splits")
def a_part_is_unlocked(place: Place) -> None:
    path = place.file(data=b"abc")
    fd = place.open("f")
    _set(fd, fcntl.F_WRLCK, 0, 30)
    _set(fd, fcntl.F_UNLCK, 10, 10)
    other = _Locker(place, path)
    equal(other.ask(fcntl.F_WRLCK, 10, 10), "ok", "answer for the unlocked part")
    for start in (9, 20):
        true(other.ask(fcntl.F_WRLCK, start, 1) in BUSY, f"EAGAIN or EACCES at {start}")


@records.check("fcntl(2): closing any descriptor of the file releases the process's locks")
def closing_another_descriptor_releases(place: Place) -> None:
    path = place.file(data=b"abc")
    other = _Locker(place, path)
    fd = place.open("f")
    equal(other.ask(fcntl.F_WRLCK), "ok", "answer to another process")
    equal(other.ask(0, command="close"), "ok", "answer to its close")
    equal(_get(fd, fcntl.F_WRLCK)[0], fcntl.F_UNLCK, "type")


@records.check("fcntl(2): locks are released when the process ends")
def the_end_of_a_process_releases(place: Place) -> None:
    path = place.file(data=b"abc")
    other = _Locker(place, path)
    fd = place.open("f")
    equal(other.ask(fcntl.F_WRLCK), "ok", "answer to another process")
    with fails(EAGAIN, EACCES):
        _set(fd, fcntl.F_WRLCK)
    other.process.end()
    fcntl.fcntl(fd, fcntl.F_SETLKW, lock_request(fcntl.F_WRLCK))


@records.check("fcntl(2) F_SETLKW")
def waiting_ends_when_the_lock_is_released(place: Place) -> None:
    path = place.file(data=b"abc")
    fd = place.open("f")
    _set(fd, fcntl.F_WRLCK)
    other = _Locker(place, path)
    equal(other.ask(fcntl.F_WRLCK, command="wait"), "waiting", "the other's word")
    _set(fd, fcntl.F_UNLCK)
    equal(other.process.line(), "ok", "answer to the one that waited")


@records.check("fcntl(2) F_SETLKW EINTR")
def waiting_is_interrupted(place: Place) -> None:
    path = place.file(data=b"abc")
    _set(place.open("f"), fcntl.F_WRLCK)
    other = _Locker(place, path)
    equal(other.ask(fcntl.F_WRLCK, command="wait"), "waiting", "the other's word")
    _until_asleep(other.process.pid)
    other.process.signal(signal.SIGUSR1)
    equal(other.process.line(), "4", "errno of the one that waited")


def _until_asleep(pid: int) -> None:
    """Wait until a process waits in the kernel: nothing else tells that its lock request is on its way."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            if file.read().rpartition(")")[2].split()[0] in "SD":
                return
        time.sleep(0.001)


@records.check("fcntl(2) EBADF")
def the_descriptors_access_must_fit(place: Place) -> None:
    place.file(data=b"abc")
    with fails(EBADF):
        _set(place.open("f", os.O_RDONLY), fcntl.F_WRLCK)
    with fails(EBADF):
        _set(place.open("f", os.O_WRONLY), fcntl.F_RDLCK)


@records.check("fcntl(2) EINVAL")
def a_range_that_begins_before_the_file(place: Place) -> None:
    place.file(data=b"abc")
    with fails(EINVAL):
        _set(place.open("f"), fcntl.F_WRLCK, -1, 1)


@records.check("lockf(3)")
def through_the_c_library(place: Place) -> None:
    path = place.file(data=b"abc")
    fd = place.open("f")
    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 2, 1)
    other = _Locker(place, path)
    true(other.ask(fcntl.F_WRLCK, 2, 1) in BUSY, "EAGAIN or EACCES within")
    equal(other.ask(fcntl.F_WRLCK, 3, 1), "ok", "answer behind")


@records.check("fcntl(2)", needs=["hard links"])
def under_every_name_of_the_file(place: Place) -> None:
    path = place.file(data=b"abc")
    os.link(path, place / "l")
    _set(place.open("f"), fcntl.F_WRLCK)
    true(_Locker(place, place / "l").ask(fcntl.F_WRLCK) in BUSY, "EAGAIN or EACCES under the other name")


def _ofd(fd: int, kind: int, start: int = 0, length: int = 0) -> None:
    fcntl.fcntl(fd, F_OFD_SETLK, lock_request(kind, start, length))


@descriptions.check()
def two_open_files_of_one_process_exclude_each_other(place: Place) -> None:
    place.file(data=b"abc")
    one, two = place.open("f"), place.open("f")
    _ofd(one, fcntl.F_WRLCK)
    with fails(EAGAIN, EACCES):
        _ofd(two, fcntl.F_RDLCK)
    _ofd(one, fcntl.F_UNLCK)
    _ofd(two, fcntl.F_RDLCK)


@descriptions.check()
def read_locks_are_shared_(place: Place) -> None:
    place.file(data=b"abc")
    one, two = place.open("f"), place.open("f")
    _ofd(one, fcntl.F_RDLCK)
    _ofd(two, fcntl.F_RDLCK)
    with fails(EAGAIN, EACCES):
        _ofd(one, fcntl.F_WRLCK)


@descriptions.check("fcntl(2): released with the last descriptor of the open file")
def released_by_the_last_close_only(place: Place) -> None:
    place.file(data=b"abc")
    one, two = place.open("f"), place.open("f")
    copy = place.keep(os.dup(one))
    _ofd(one, fcntl.F_WRLCK)
    place.close(one)
    with fails(EAGAIN, EACCES):
        _ofd(two, fcntl.F_WRLCK)
    place.close(copy)
    fcntl.fcntl(two, F_OFD_SETLKW, lock_request(fcntl.F_WRLCK))  # the release may come a moment later


@descriptions.check("fcntl(2): closing another open file releases nothing")
def kept_when_another_open_file_is_closed(place: Place) -> None:
    place.file(data=b"abc")
    one, two, third = (place.open("f") for _ in range(3))
    _ofd(one, fcntl.F_WRLCK)
    place.close(third)
    with fails(EAGAIN, EACCES):
        _ofd(two, fcntl.F_WRLCK)


@descriptions.check("fcntl(2): they conflict with record locks of the process")
def against_a_record_lock_of_the_same_process(place: Place) -> None:
    place.file(data=b"abc")
    _set(place.open("f"), fcntl.F_WRLCK)
    with fails(EAGAIN, EACCES):
        _ofd(place.open("f"), fcntl.F_WRLCK)


@descriptions.check("fcntl(2) F_OFD_GETLK: the process id is -1")
def who_holds_one_is_not_told(place: Place) -> None:
    place.file(data=b"abc")
    _ofd(place.open("f"), fcntl.F_WRLCK, 3, 4)
    found = lock_answer(fcntl.fcntl(place.open("f"), F_OFD_GETLK, lock_request(fcntl.F_WRLCK)))
    equal(found[:3], (fcntl.F_WRLCK, 3, 4), "type, start and length")


@whole.check("flock(2) EWOULDBLOCK")
def an_exclusive_lock_keeps_others_out(place: Place) -> None:
    place.file()
    one, two = place.open("f"), place.open("f")
    fcntl.flock(one, fcntl.LOCK_EX)
    for kind in (fcntl.LOCK_EX, fcntl.LOCK_SH):
        with fails(EWOULDBLOCK):
            fcntl.flock(two, kind | fcntl.LOCK_NB)
    fcntl.flock(one, fcntl.LOCK_UN)
    fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)


@whole.check()
def shared_locks_are_shared(place: Place) -> None:
    place.file()
    one, two = place.open("f"), place.open("f")
    fcntl.flock(one, fcntl.LOCK_SH | fcntl.LOCK_NB)
    fcntl.flock(two, fcntl.LOCK_SH | fcntl.LOCK_NB)
    with fails(EWOULDBLOCK):
        fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)


@whole.check("flock(2): duplicates refer to the same lock")
def duplicates_have_one_lock(place: Place) -> None:
    place.file()
    one = place.open("f")
    copy = place.keep(os.dup(one))
    fcntl.flock(one, fcntl.LOCK_EX)
    fcntl.flock(copy, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(copy, fcntl.LOCK_UN)
    fcntl.flock(place.open("f"), fcntl.LOCK_EX | fcntl.LOCK_NB)


@whole.check("flock(2): released when all duplicates are closed")
def released_by_the_last_close(place: Place) -> None:
    place.file()
    one, two = place.open("f"), place.open("f")
    copy = place.keep(os.dup(one))
    fcntl.flock(one, fcntl.LOCK_EX)
    place.close(one)
    with fails(EWOULDBLOCK):
        fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
    place.close(copy)
    fcntl.flock(two, fcntl.LOCK_EX)


@whole.check()
def converted_from_exclusive_to_shared(place: Place) -> None:
    place.file()
    one, two = place.open("f"), place.open("f")
    fcntl.flock(one, fcntl.LOCK_EX)
    fcntl.flock(one, fcntl.LOCK_SH)
    fcntl.flock(two, fcntl.LOCK_SH | fcntl.LOCK_NB)


@whole.check("flock(2): a read-only descriptor may lock exclusively")
def through_a_read_only_descriptor(place: Place) -> None:
    place.file()
    fcntl.flock(place.open("f", os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    with fails(EWOULDBLOCK):
        fcntl.flock(place.open("f", os.O_RDONLY), fcntl.LOCK_SH | fcntl.LOCK_NB)


@whole.check("flock(2): between processes")
def between_processes(place: Place) -> None:
    path = place.file()
    fd = place.open("f")
    other = _Locker(place, path)
    equal(other.ask(fcntl.LOCK_EX, command="flock"), "ok", "answer to another process")
    with fails(EWOULDBLOCK):
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    other.process.end()
    fcntl.flock(fd, fcntl.LOCK_EX)


@whole.check("flock(2): waiting")
def waiting_ends_when_the_lock_is_released_(place: Place) -> None:
    path = place.file()
    fd = place.open("f")
    fcntl.flock(fd, fcntl.LOCK_EX)
    other = _Locker(place, path)
    other.process.say(f"flock {fcntl.LOCK_EX} 0 0")
    fcntl.flock(fd, fcntl.LOCK_UN)
    equal(other.process.line(), "ok", "answer to the one that waited")


@whole.check("flock(2)")
def of_a_directory(place: Place) -> None:
    place.dir()
    one, two = (place.open("d", os.O_RDONLY | os.O_DIRECTORY) for _ in range(2))
    fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with fails(EWOULDBLOCK):
        fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
