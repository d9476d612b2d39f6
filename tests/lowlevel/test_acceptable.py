"""Answers that the kernel would refuse without a word: the log says which handler, and why."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fusetree import lowlevel
from fusetree.lowlevel import FileInfo, readdir_name, readdir_reply
from fusetree.testing import Client
from tests.lowlevel.test_dispatch import Recorder, attributes
from tests.support import raises_errno, wait_for

DIRECTORY = stat.S_IFDIR | 0o755
LINK = stat.S_IFLNK | 0o777
FIFO = stat.S_IFIFO | 0o600


class Anything(Recorder):
    """Also the handlers without a result answer what they are told to."""

    def _void(self, name: str, *arguments: Any) -> Any:
        return self._did(name, None, *arguments)

    def __init__(self, **answers: Any) -> None:
        super().__init__(**answers)
        for name in ("unlink", "rmdir", "rename", "setxattr", "removexattr", "flush", "fsync", "fsyncdir"):
            setattr(self, name, lambda *arguments, name=name: self._void(name, *arguments))
        for name in ("release", "releasedir", "forget"):
            setattr(self, name, lambda argument, name=name: self._void(name, argument))


def sized(size: int, inode: int = 7) -> lowlevel.EntryAttributes:
    result = attributes(inode)
    result.st_size = size
    return result


REFUSED: list[tuple[str, Any, str, Callable[[Client], object]]] = [
    ("lookup", attributes(mode=0), "without a file type", lambda c: c.raw.lookup(1, b"a")),
    ("lookup", attributes(mode=0o644), "st_mode=0o644", lambda c: c.raw.lookup(1, b"a")),
    ("lookup", sized(-1), "st_size -1", lambda c: c.raw.lookup(1, b"a")),
    ("lookup", attributes(1, DIRECTORY), "st_ino 1, which is the root's", lambda c: c.raw.lookup(1, b"a")),
    ("getattr", attributes(8), "asked for inode 7 and returned", lambda c: c.raw.getattr(7)),
    ("getattr", attributes(0), "st_ino 0", lambda c: c.raw.getattr(7)),
    ("getattr", attributes(7, 0o644), "without a file type", lambda c: c.raw.getattr(7)),
    ("getattr", sized(-(2**63)), "must not be negative", lambda c: c.raw.getattr(7)),
    ("setattr", attributes(8), "returned attributes with st_ino 8", lambda c: c.raw.setattr(7, mode=0o600)),
    ("mkdir", attributes(9), "of a regular file", lambda c: c.raw.mkdir(1, b"d")),
    ("mkdir", attributes(0, DIRECTORY), "st_ino 0, which is no inode", lambda c: c.raw.mkdir(1, b"d")),
    ("mkdir", attributes(1, DIRECTORY), "which is the root's", lambda c: c.raw.mkdir(1, b"d")),
    ("mknod", attributes(9), "where a fifo was asked for", lambda c: c.raw.mknod(1, b"n", FIFO)),
    ("mknod", attributes(9, FIFO), "where a regular file", lambda c: c.raw.mknod(1, b"n", 0o600)),
    ("symlink", attributes(9), "where a symbolic link", lambda c: c.raw.symlink(1, b"s", b"to")),
    ("link", attributes(0), "st_ino 0", lambda c: c.raw.link(7, 1, b"l")),
    ("link", attributes(7, 0), "without a file type", lambda c: c.raw.link(7, 1, b"l")),
    ("create", (FileInfo(), attributes(9, DIRECTORY)), "of a directory", lambda c: c.raw.create(1, b"c", 2)),
    ("create", (FileInfo(), attributes(0)), "st_ino 0", lambda c: c.raw.create(1, b"c", 2)),
    ("create", (FileInfo(),), "not a tuple (FileInfo)", lambda c: c.raw.create(1, b"c", 2)),
    ("access", None, "must return True or False, not NoneType", lambda c: c.raw.access(7, os.R_OK)),
    ("readlink", b"a\0b", "with a NUL", lambda c: c.raw.readlink(7)),
    ("readlink", b"x" * 4096, "4095 is the most", lambda c: c.raw.readlink(7)),
    ("listxattr", b"user.a", "names of xattrs, each as bytes, not bytes", lambda c: c.raw.listxattr(7)),
    ("listxattr", [5], "5 is a int", lambda c: c.raw.listxattr(7)),
    ("listxattr", None, "names of xattrs", lambda c: c.raw.listxattr(7)),
    ("listxattr", [b"user.a", b""], "b'', which is no name", lambda c: c.raw.listxattr(7)),
    ("listxattr", [b"user.a\0b"], "no name of an xattr", lambda c: c.raw.listxattr(7)),
    ("open", 2**64, "a file handle is from 0", lambda c: c.raw.open(7)),
    ("unlink", -13, "must return None, not int; what went wrong is told by an OSError",
     lambda c: c.raw.unlink(1, b"a")),
    ("rmdir", False, "not bool", lambda c: c.raw.rmdir(1, b"a")),
    ("rename", 0, "not int", lambda c: c.raw.rename(1, b"a", 1, b"b")),
    ("setxattr", b"", "not bytes", lambda c: c.raw.setxattr(7, b"user.a", b"v")),
    ("removexattr", 1, "not int", lambda c: c.raw.removexattr(7, b"user.a")),
    ("flush", 1, "not int", lambda c: c.raw.flush(7, 1)),
    ("release", 1, "not int", lambda c: c.raw.release(7, 1)),
    ("fsync", -5, "not int", lambda c: c.raw.fsync(7, 1)),
    ("releasedir", 1, "not int", lambda c: c.raw.releasedir(1, 1)),
    ("fsyncdir", 1, "not int", lambda c: c.raw.fsyncdir(1, 1)),
    ("readdir", [b"a"], "by calls of readdir_reply(token, ...) and return None, not list",
     lambda c: c.raw.readdirplus(1, 1)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("handler", "result", "text", "call"), REFUSED, ids=[f"{c[0]}-{c[2]:.24}" for c in REFUSED]
)
def test_the_log_says_what_is_wrong_with_an_answer(
    handler: str,
    result: Any,
    text: str,
    call: Callable[[Client], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    operations = Anything(**{handler: result})
    if handler == "readdir":
        operations.readdir = lambda *arguments: result  # type: ignore[method-assign]  # what is tested
    with Client(operations) as client, caplog.at_level(logging.ERROR, "fusetree"):
        with raises_errno(errno.EIO):
            call(client)
        assert [text in str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [True]
        assert f"handler {handler!r} " in caplog.text
        operations.answers.clear()
        assert client.raw.getattr(7)


def test_a_missing_name_and_the_dots_may_say_what_others_may_not() -> None:
    missing = attributes(0, 0)
    with Client(Recorder(lookup=missing)) as client:
        assert client.raw.lookup(1, b"a").node_id == 0
    with Client(Recorder(lookup=attributes(1, DIRECTORY))) as client:
        assert client.raw.lookup(7, b"..").node_id == 1


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ((b"", attributes(), 1), "b'' is no name"),
        ((b"a/b", attributes(), 1), "is no name of a directory entry"),
        ((b"a\0b", attributes(), 1), "is no name of a directory entry"),
        ((b"a", attributes(), 0), "next_id=0 of b'a': it must be above 0"),
        ((b"a", attributes(), -1), "must be above 0"),
        ((b"a", attributes(0), 1), "st_ino of b'a' is 0"),
        ((b"a", attributes(7, 0o644), 1), "have no file type"),
    ],
)
def test_an_entry_that_would_spoil_the_listing_is_refused(
    entry: tuple[bytes, lowlevel.EntryAttributes, int], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Lists(Recorder):
        def readdir(self, fh: int, start_id: int, token: lowlevel.ReaddirToken) -> None:
            readdir_reply(token, *entry)

    class Names(Recorder):
        def readdir(self, fh: int, start_id: int, token: lowlevel.ReaddirToken) -> None:
            readdir_name(token, entry[0], 7, 8, entry[2])

    for kind in (Lists, Names):
        if kind is Names and ("st_ino" in text or "type" in text):
            continue  # there are no attributes
        caplog.clear()
        with Client(kind()) as client, caplog.at_level(logging.ERROR, "fusetree"):
            with raises_errno(errno.EIO):
                client.raw.readdirplus(1, 1)
            assert text in caplog.text
            assert "handler readdir failed on inode 1" in caplog.text


def test_the_dots_need_no_inode_numbers() -> None:
    class Dots(Recorder):
        def readdir(self, fh: int, start_id: int, token: lowlevel.ReaddirToken) -> None:
            for number, name in enumerate((b".", b".."), start=1):
                if number > start_id:
                    readdir_reply(token, name, attributes(0, DIRECTORY), number)

    with Client(Dots()) as client:
        assert [entry.name for entry in client.raw.readdirplus(1, 1)] == [b".", b".."]


@pytest.mark.parametrize("bad", [OSError(errno.EACCES, "no"), ValueError("bug"), [b"a result"]])
def test_a_listing_that_failed_in_the_middle_raised_no_lookup_counts(bad: Any) -> None:
    class Half(Recorder):
        def readdir(self, fh: int, start_id: int, token: lowlevel.ReaddirToken) -> Any:
            for number, name in enumerate((b".", b"a", b"b"), start=1):
                assert readdir_reply(token, name, attributes(10 * number), number)
            if isinstance(bad, BaseException):
                raise bad
            return bad

    operations = Half()
    with Client(operations) as client:
        with raises_errno(errno.EACCES if isinstance(bad, OSError) else errno.EIO):
            client.raw.readdirplus(1, 1)
        wait_for(lambda: sum(call[0] == "forget" for call in operations.calls) == 2)
    forgotten = [call[1] for call in operations.calls if call[0] == "forget"]
    assert sorted(forgotten) == [[(20, 1)], [(30, 1)]]


def test_what_a_refused_answer_counted_and_opened_is_taken_back() -> None:
    operations = Recorder(
        lookup=attributes(11, 0), mkdir=attributes(12), create=(FileInfo(fh=77), attributes(13, DIRECTORY))
    )
    with Client(operations) as client:
        for call in (
            lambda: client.raw.lookup(1, b"a"),
            lambda: client.raw.mkdir(1, b"d"),
            lambda: client.raw.create(1, b"c", os.O_RDWR),
        ):
            with raises_errno(errno.EIO):
                call()
        wait_for(lambda: sum(call[0] == "forget" for call in operations.calls) == 3)
    assert [c[1] for c in operations.calls if c[0] == "forget"] == [[(11, 1)], [(12, 1)], [(13, 1)]]
    assert [c[1] for c in operations.calls if c[0] == "release"] == [77]


def test_a_file_system_may_leave_it_to_the_kernel() -> None:
    class Free(Anything):
        checks_answers = False

        def readdir(self, fh: int, start_id: int, token: lowlevel.ReaddirToken) -> Any:
            readdir_reply(token, b"a/b", attributes(), 1)
            return "anything"

    with Client(Free(unlink=-13, getattr=attributes(8), access=None)) as client:
        client.raw.unlink(1, b"a")
        assert client.raw.getattr(7).attributes.st_ino == 8
        assert [entry.name for entry in client.raw.readdirplus(1, 1)] == [b"a/b"]
        with raises_errno(errno.EACCES):
            client.raw.access(7, os.R_OK)


@pytest.mark.mount
def test_a_mount_tells_what_the_kernel_would_keep_to_itself(
    mountpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The inode is not marked as bad for ever, either: it is right at the next look."""
    operations = Recorder(getattr=attributes(1, 0o755))
    with lowlevel.Session(operations, mountpoint) as session, caplog.at_level(logging.ERROR, "fusetree"):
        session.start()
        with raises_errno(errno.EIO):
            os.stat(mountpoint)
        assert "handler 'getattr' returned attributes without a file type (st_mode=0o755)" in caplog.text
        operations.answers["getattr"] = attributes(1, DIRECTORY)
        assert stat.S_ISDIR(os.stat(mountpoint).st_mode)
