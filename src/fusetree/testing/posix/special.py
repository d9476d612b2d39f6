"""Checks of mknod(2): named pipes, sockets and devices."""

from __future__ import annotations

import os
import socket
import stat
from errno import EACCES, EADDRINUSE, EEXIST, ENOENT, ENOTDIR, EPERM

from fusetree.testing.posix.expect import equal, fails, same_mode, true
from fusetree.testing.posix.place import Place
from fusetree.testing.posix.registry import Group

group = Group("mknod", "mknod(2)")


@group.check("mknod(2) S_IFREG")
def a_regular_file(place: Place) -> None:
    os.mknod(place / "f", stat.S_IFREG | 0o640)
    true(stat.S_ISREG(place.stat("f").st_mode), "a regular file")
    same_mode(place.stat("f").st_mode, 0o640)
    equal(place.content(), b"", "content")


@group.check("mkfifo(3)", needs=["named pipes"])
def a_named_pipe(place: Place) -> None:
    os.mkfifo(place / "p", 0o640)
    true(stat.S_ISFIFO(place.stat("p").st_mode), "a named pipe")
    same_mode(place.stat("p").st_mode, 0o640)
    equal(place.stat("p").st_nlink, 1, "st_nlink")


@group.check("umask(2)", needs=["named pipes"])
def a_named_pipe_with_a_mask(place: Place) -> None:
    os.umask(0o077)
    os.mkfifo(place / "p", 0o666)
    same_mode(place.stat("p").st_mode, 0o600)


@group.check("fifo(7)", needs=["named pipes"])
def bytes_go_through_a_named_pipe(place: Place) -> None:
    place.fifo()
    reader = place.open("p", os.O_RDONLY | os.O_NONBLOCK)
    writer = place.open("p", os.O_WRONLY)
    os.write(writer, b"abc")
    equal(os.read(reader, 10), b"abc", "bytes")
    place.close(writer)
    equal(os.read(reader, 10), b"", "bytes after the writer is gone")


@group.check("fifo(7): between processes", needs=["named pipes"])
def a_named_pipe_between_processes(place: Place) -> None:
    path = place.fifo()
    other = place.process("import sys; open(sys.argv[1], 'w').write('from afar'); print('done')", path)
    with open(path, encoding="ascii") as pipe:
        equal(pipe.read(), "from afar", "text")
    equal(other.line(), "done", "the other's end")


@group.check("unix(7)", needs=["sockets"])
def a_socket_is_bound_and_found(place: Place) -> None:
    path = place.socket()
    true(stat.S_ISSOCK(place.stat("x").st_mode), "a socket")
    os.rename(path, place / "y")
    true(stat.S_ISSOCK(place.stat("y").st_mode), "a socket")


@group.check("unix(7)", needs=["sockets"])
def a_connection_through_a_socket(place: Place) -> None:
    folder = place.open(".", os.O_PATH | os.O_DIRECTORY)
    address = f"/proc/self/fd/{folder}/x"
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client,
    ):
        server.bind(address)
        server.listen()
        client.connect(address)
        accepted, _ = server.accept()
        with accepted:
            client.sendall(b"abc")
            equal(accepted.recv(10), b"abc", "bytes")


@group.check("unix(7) EADDRINUSE", needs=["sockets"])
def a_socket_onto_a_taken_name(place: Place) -> None:
    place.file("x")
    with fails(EADDRINUSE):
        place.socket("x")


@group.check(needs=["devices"])
def a_character_device(place: Place) -> None:
    os.mknod(place / "n", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    true(stat.S_ISCHR(place.stat("n").st_mode), "a character device")
    equal(place.stat("n").st_rdev, os.makedev(1, 3), "st_rdev")


@group.check(needs=["devices"])
def a_block_device(place: Place) -> None:
    os.mknod(place / "n", stat.S_IFBLK | 0o600, os.makedev(7, 77))
    true(stat.S_ISBLK(place.stat("n").st_mode), "a block device")
    equal(place.stat("n").st_rdev, os.makedev(7, 77), "st_rdev")


@group.check("mknod(2), null(4)", needs=["opening devices"])
def a_device_works(place: Place) -> None:
    os.mknod(place / "zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    equal(os.read(place.open("zero", os.O_RDONLY), 5), bytes(5), "bytes")


@group.check("mknod(2) EEXIST", needs=["named pipes"])
def onto_a_taken_name(place: Place) -> None:
    place.file()
    for kind in (stat.S_IFIFO, stat.S_IFREG):
        with fails(EEXIST):
            os.mknod(place / "f", kind | 0o644)


@group.check("mknod(2) ENOENT, ENOTDIR", needs=["named pipes"])
def where_nothing_can_be(place: Place) -> None:
    place.file()
    with fails(ENOENT):
        os.mkfifo(place / "nowhere/p")
    with fails(ENOTDIR):
        os.mkfifo(place / "f/p")


@group.check("mknod(2) EPERM", needs=["other users"])
def a_device_by_an_ordinary_user(place: Place) -> None:
    os.chmod(place.path, 0o777)
    with fails(EPERM):
        place.as_user(lambda: os.mknod(place / "n", stat.S_IFCHR | 0o600, os.makedev(1, 3)))


@group.check("mknod(2) EACCES", needs=["permission checks", "named pipes"])
def in_a_directory_of_another_user(place: Place) -> None:
    with fails(EACCES):
        place.as_user(lambda: os.mkfifo(place / "p"))


@group.check("mknod(2)", needs=["other users", "named pipes"])
def a_pipe_made_by_another_user(place: Place) -> None:
    os.chmod(place.path, 0o777)
    place.as_user(lambda: os.mkfifo(place / "p"), 54321, 54322)
    equal((place.stat("p").st_uid, place.stat("p").st_gid), (54321, 54322), "owner")
