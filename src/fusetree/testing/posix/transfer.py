"""Checks of read(2), write(2), pread(2), pwrite(2) and lseek(2)."""

from __future__ import annotations

import fcntl
import os
import random
from concurrent.futures import ThreadPoolExecutor
from errno import EINVAL, ENXIO, ESPIPE

from fusetree.testing.posix.expect import equal, fails, true
from fusetree.testing.posix.place import Place
from fusetree.testing.posix.registry import Group

reading = Group("read", "read(2)")
writing = Group("write", "write(2)")
seeking = Group("lseek", "lseek(2)")

BIG = 3_000_001  # bytes: several requests, no multiple of anything


def noise(size: int, seed: int = 1) -> bytes:
    """*size* bytes that look alike nowhere."""
    return random.Random(seed).randbytes(size)


@reading.check("POSIX read: end of file")
def at_the_end(place: Place) -> None:
    place.file(data=b"abc")
    fd = place.open("f", os.O_RDONLY)
    equal(os.read(fd, 10), b"abc", "bytes")
    equal(os.read(fd, 10), b"", "bytes at the end")
    equal(os.pread(fd, 10, 100), b"", "bytes behind the end")


@reading.check("POSIX read: the offset rises by the bytes read")
def in_small_pieces(place: Place) -> None:
    data = noise(5000)
    place.file(data=data)
    fd = place.open("f", os.O_RDONLY)
    pieces = []
    while piece := os.read(fd, 77):
        pieces.append(piece)
    equal(b"".join(pieces) == data, True, "the same content")


@reading.check("POSIX pread: the offset is not changed")
def at_an_offset(place: Place) -> None:
    place.file(data=b"abcdef")
    fd = place.open("f", os.O_RDONLY)
    equal(os.pread(fd, 3, 2), b"cde", "bytes")
    equal(os.lseek(fd, 0, os.SEEK_CUR), 0, "offset")


@reading.check("POSIX read: a read of 0 bytes")
def nothing(place: Place) -> None:
    place.file(data=b"abc")
    equal(os.read(place.open("f", os.O_RDONLY), 0), b"", "bytes")


@reading.check("readv(2)")
def into_several_buffers(place: Place) -> None:
    place.file(data=b"abcdefgh")
    one, two = bytearray(3), bytearray(10)
    equal(os.readv(place.open("f", os.O_RDONLY), [one, two]), 8, "bytes")
    equal((bytes(one), bytes(two[:5])), (b"abc", b"defgh"), "buffers")


@reading.check("POSIX read: unwritten bytes before the end are zeros")
def a_gap_is_zeros(place: Place) -> None:
    place.file(data=b"abc")
    os.pwrite(place.open("f"), b"z", 10_000)
    content = place.content()
    equal(len(content), 10_001, "size")
    equal(content == b"abc" + bytes(9997) + b"z", True, "zeros in the gap")


@reading.check("POSIX lseek: a gap reads as zeros")
def a_gap_past_the_end_through_another_descriptor(place: Place) -> None:
    place.file()
    reader = place.open("f", os.O_RDONLY)
    os.pwrite(place.open("f", os.O_WRONLY), b"z", 5000)
    equal(os.pread(reader, 6000, 0) == bytes(5000) + b"z", True, "zeros, then the byte")


@reading.check("POSIX write: a read after a write sees it")
def sees_what_another_descriptor_wrote(place: Place) -> None:
    place.file(data=b"old")
    reader = place.open("f", os.O_RDONLY)
    equal(os.pread(reader, 10, 0), b"old", "bytes")
    os.pwrite(place.open("f", os.O_WRONLY), b"newer", 0)
    equal(os.pread(reader, 10, 0), b"newer", "bytes")


@reading.check("POSIX write: a read after a write sees it")
def another_process_sees_what_was_written(place: Place) -> None:
    place.file()
    fd = place.open("f")
    os.write(fd, b"abc")
    other = place.process("import sys; print(open(sys.argv[1]).read())", place / "f")
    equal(other.line(), "abc", "content in another process")


@reading.check("read(2): big files")
def a_big_file(place: Place) -> None:
    data = noise(BIG)
    place.file(data=data)
    equal(place.content() == data, True, "the same content")


@reading.check("pread(2)")
def anywhere_in_a_big_file(place: Place) -> None:
    data = noise(BIG)
    place.file(data=data)
    fd = place.open("f", os.O_RDONLY)
    chance = random.Random(2)
    for _ in range(200):
        offset, size = chance.randrange(BIG), chance.randrange(200_000)
        equal(os.pread(fd, size, offset) == data[offset : offset + size], True, f"{size} bytes at {offset}")


@reading.check("pread(2)")
def by_many_threads(place: Place) -> None:
    data = noise(BIG)
    place.file(data=data)
    fd = place.open("f", os.O_RDONLY)

    def right(number: int) -> bool:
        offset = number * 33_333
        return os.pread(fd, 40_000, offset) == data[offset : offset + 40_000]

    with ThreadPoolExecutor(8) as pool:
        equal(all(pool.map(right, range(90))), True, "the same content in each thread")


@reading.check("preadv2(2), pread(2) EINVAL")
def at_an_offset_below_zero(place: Place) -> None:
    place.file(data=b"abc")
    with fails(EINVAL):
        os.pread(place.open("f"), 1, -1)


@reading.check("sendfile(2)")
def through_sendfile(place: Place) -> None:
    data = noise(100_000)
    place.file("a", data)
    place.file("b")
    out, source = place.open("b"), place.open("a")
    sent = 0
    while count := os.sendfile(out, source, sent, 1 << 20):
        sent += count
    equal(place.content("b") == data, True, "the same content")


@writing.check("POSIX write: the size grows")
def grows_the_file(place: Place) -> None:
    place.file()
    fd = place.open("f")
    for number in range(1, 6):
        equal(os.write(fd, b"12345"), 5, "bytes written")
        equal(place.stat("f").st_size, number * 5, "st_size")


@writing.check("POSIX write")
def in_the_middle(place: Place) -> None:
    place.file(data=b"abcdefgh")
    equal(os.pwrite(place.open("f"), b"XYZ", 2), 3, "bytes written")
    equal(place.content(), b"abXYZfgh", "content")


@writing.check("POSIX write: a write of 0 bytes")
def nothing_at_all(place: Place) -> None:
    place.file(data=b"abc")
    fd = place.open("f")
    equal(os.pwrite(fd, b"", 100), 0, "bytes written")
    equal(place.stat("f").st_size, 3, "st_size")


@writing.check("open(2) O_APPEND")
def appends(place: Place) -> None:
    place.file(data=b"abc")
    fd = place.open("f", os.O_WRONLY | os.O_APPEND)
    os.lseek(fd, 0, os.SEEK_SET)
    os.write(fd, b"def")
    equal(place.content(), b"abcdef", "content")
    equal(os.lseek(fd, 0, os.SEEK_CUR), 6, "offset")


@writing.check("open(2) O_APPEND")
def two_that_append_take_turns(place: Place) -> None:
    place.file()
    one, two = (place.open("f", os.O_WRONLY | os.O_APPEND) for _ in range(2))
    for _ in range(3):
        os.write(one, b"1")
        os.write(two, b"22")
    equal(place.content(), b"122122122", "content")


@writing.check("POSIX write: O_APPEND; nothing comes between seek and write")
def many_that_append_lose_nothing(place: Place) -> None:
    place.file()

    def append(number: int) -> None:
        fd = os.open(place / "f", os.O_WRONLY | os.O_APPEND)
        for _ in range(25):
            os.write(fd, b"%07d\n" % number)
        os.close(fd)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(8)))
    lines = place.content().split()
    equal(len(lines), 200, "lines")
    equal({int(line) for line in lines}, set(range(8)), "writers")


@writing.check("pwrite(2) BUGS: Linux appends whatever the offset says")
def positioned_writes_append_with_o_append(place: Place) -> None:
    place.file(data=b"abc")
    os.pwrite(place.open("f", os.O_WRONLY | os.O_APPEND), b"def", 0)
    equal(place.content(), b"abcdef", "content")


@writing.check("fcntl(2) F_SETFL")
def appends_when_told_later(place: Place) -> None:
    place.file(data=b"abc")
    fd = place.open("f", os.O_WRONLY)
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    os.write(fd, b"def")
    equal(place.content(), b"abcdef", "content")


@writing.check("writev(2)")
def from_several_buffers(place: Place) -> None:
    place.file()
    equal(os.writev(place.open("f"), [b"abc", b"", b"defg"]), 7, "bytes written")
    equal(place.content(), b"abcdefg", "content")


@writing.check("POSIX write: marks st_mtim and st_ctim for update")
def sets_mtime_and_ctime(place: Place) -> None:
    place.file(data=b"abc")
    place.long_ago("f")
    before = place.stat("f")
    place.tick()
    fd = place.open("f")
    os.write(fd, b"x")
    place.close(fd)
    after = place.stat("f")
    true(after.st_mtime_ns > before.st_mtime_ns, "a later st_mtime")
    true(after.st_ctime_ns > before.st_ctime_ns, "a later st_ctime")


@writing.check("POSIX write: st_mtim may be seen at once")
def sets_mtime_while_still_open(place: Place) -> None:
    place.file(data=b"abc")
    place.long_ago("f")
    before = place.stat("f").st_mtime_ns
    fd = place.open("f")
    os.write(fd, b"x")
    os.fsync(fd)
    true(os.fstat(fd).st_mtime_ns > before, "a later st_mtime")


@writing.check("POSIX write: a write of a file that is read meanwhile")
def pieces_are_seen_whole(place: Place) -> None:
    place.file(data=b"a" * 4096)
    writer, reader = place.open("f"), place.open("f", os.O_RDONLY)

    def write(number: int) -> None:
        os.pwrite(writer, (b"a", b"b")[number % 2] * 4096, 0)

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(write, number) for number in range(200)]
        for _ in range(200):
            equal(len(os.pread(reader, 8192, 0)), 4096, "size")
        for future in done:
            future.result()
    true(place.content() in (b"a" * 4096, b"b" * 4096), "the last write's content")


@writing.check("pwrite(2)")
def anywhere_in_a_big_file_(place: Place) -> None:
    model = bytearray(BIG)
    place.file(data=bytes(BIG))
    fd = place.open("f")
    chance = random.Random(3)
    for number in range(100):
        offset, data = chance.randrange(BIG - 100_000), noise(chance.randrange(100_000), number)
        os.pwrite(fd, data, offset)
        model[offset : offset + len(data)] = data
    equal(place.content() == model, True, "the same content as the model")


@writing.check("pwrite(2)")
def far_behind_the_end(place: Place) -> None:
    place.file()
    fd = place.open("f")
    far = 5 << 30
    os.pwrite(fd, b"z", far)
    equal(place.stat("f").st_size, far + 1, "st_size")
    equal(os.pread(fd, 10, far), b"z", "bytes")
    equal(os.pread(fd, 4, far // 2), bytes(4), "bytes in the gap")


@writing.check("open(2) O_SYNC, O_DSYNC")
def synchronously(place: Place) -> None:
    for flag in (os.O_SYNC, os.O_DSYNC):
        fd = place.open("f", os.O_CREAT | os.O_WRONLY | flag)
        equal(os.write(fd, b"abc"), 3, "bytes written")
    equal(place.content(), b"abc", "content")


@writing.check("POSIX close")
def what_was_written_stays_after_close(place: Place) -> None:
    fd = place.open("f", os.O_CREAT | os.O_WRONLY)
    os.write(fd, b"abc")
    place.close(fd)
    equal(place.content(), b"abc", "content")
    equal(place.stat("f").st_size, 3, "st_size")


@writing.check("inode(7): set-user-ID and set-group-ID", needs=["changing owners", "other users"])
def by_another_user_clears_set_id_bits(place: Place) -> None:
    path = place.file(data=b"abc", mode=0o6777)

    def write() -> None:
        fd = os.open(path, os.O_WRONLY)
        os.write(fd, b"x")
        os.close(fd)

    place.as_user(write)
    equal(place.stat("f").st_mode & 0o6000, 0, "set-id bits")


@seeking.check("lseek(2) SEEK_SET, SEEK_CUR, SEEK_END")
def from_start_here_and_end(place: Place) -> None:
    place.file(data=b"abcdef")
    fd = place.open("f")
    equal(os.lseek(fd, 2, os.SEEK_SET), 2, "offset")
    equal(os.lseek(fd, 2, os.SEEK_CUR), 4, "offset")
    equal(os.lseek(fd, -1, os.SEEK_END), 5, "offset")
    equal(os.read(fd, 9), b"f", "bytes")


@seeking.check("lseek(2)")
def beyond_the_end_changes_no_size(place: Place) -> None:
    place.file(data=b"abc")
    fd = place.open("f")
    equal(os.lseek(fd, 100, os.SEEK_SET), 100, "offset")
    equal(place.stat("f").st_size, 3, "st_size")
    equal(os.read(fd, 1), b"", "bytes")


@seeking.check("lseek(2) SEEK_END")
def the_end_is_where_another_descriptor_put_it(place: Place) -> None:
    place.file(data=b"abc")
    fd = place.open("f", os.O_RDONLY)
    os.fstat(fd)
    os.pwrite(place.open("f"), b"defg", 3)
    equal(os.lseek(fd, 0, os.SEEK_END), 7, "offset of the end")


@seeking.check("lseek(2) EINVAL")
def unknown_origins(place: Place) -> None:
    place.file()
    with fails(EINVAL):
        os.lseek(place.open("f"), 0, 99)


@seeking.check("lseek(2) ESPIPE", needs=["named pipes"])
def a_pipe_has_no_offset(place: Place) -> None:
    place.fifo()
    with fails(ESPIPE):
        os.lseek(place.open("p", os.O_RDWR | os.O_NONBLOCK), 0, os.SEEK_SET)


@seeking.check("lseek(2) SEEK_DATA, SEEK_HOLE", needs=["seek data"])
def data_and_the_hole_at_the_end(place: Place) -> None:
    place.file(data=b"abc")
    fd = place.open("f")
    equal(os.lseek(fd, 0, os.SEEK_DATA), 0, "offset of data")
    equal(os.lseek(fd, 1, os.SEEK_DATA), 1, "offset of data")
    equal(os.lseek(fd, 0, os.SEEK_HOLE), 3, "offset of the hole at the end")
    for origin in (os.SEEK_DATA, os.SEEK_HOLE):
        with fails(ENXIO):
            os.lseek(fd, 3, origin)


@seeking.check("lseek(2) SEEK_DATA, SEEK_HOLE", needs=["holes"])
def a_hole_between_data(place: Place) -> None:
    place.file(data=b"x" * 65536)
    fd = place.open("f")
    os.pwrite(fd, b"y" * 65536, 1 << 21)
    equal(os.lseek(fd, 0, os.SEEK_HOLE), 65536, "offset of the hole")
    equal(os.lseek(fd, 65536, os.SEEK_DATA), 1 << 21, "offset of the data behind it")
    equal(os.lseek(fd, 1 << 21, os.SEEK_HOLE), (1 << 21) + 65536, "offset of the hole at the end")


@seeking.check("lseek(2) SEEK_DATA ENXIO", needs=["holes"])
def no_data_behind_a_last_hole(place: Place) -> None:
    place.file(data=b"x" * 4096)
    fd = place.open("f")
    os.ftruncate(fd, 1 << 22)
    with fails(ENXIO):
        os.lseek(fd, 1 << 21, os.SEEK_DATA)
