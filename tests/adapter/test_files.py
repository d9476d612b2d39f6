"""Open files: what is pinned, what is refused, and how each style of writing takes its bytes."""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING, cast

import attrs
import pytest

from fusetree import Dir, File, Symlink, action, computed, entry, node
from fusetree.adapter.handles import MAX_SINGLE_WRITE
from fusetree.nodes import MAX_VALUE_SIZE
from fusetree.testing import Client
from fusetree.testing.protocol import OpenedFlag
from tests.adapter.conftest import ROOT
from tests.support import raises_errno

if TYPE_CHECKING:
    from fusetree.nodes import FileNode
    from tests.adapter.conftest import Serve

APPEND = os.O_WRONLY | os.O_APPEND
TRUNCATE = os.O_WRONLY | os.O_TRUNC


@node
class Settings(Dir):
    number: int = entry(3, validator=attrs.validators.ge(0))
    document: dict[str, int] = entry(factory=lambda: {"a": 1})
    secret: str = entry("s", mode=0o200)
    fixed: int = entry(1, writable=False)
    hidden: dict[str, int] = entry(factory=dict, mode=0o200)

    calls: list[int] = attrs.field(factory=list)
    pings: int = attrs.field(default=0)
    made: int = attrs.field(default=0)

    @computed
    def report(self) -> str:
        self.made += 1
        return "repor"

    @action
    def call(self, number: int) -> None:
        if number == 13:
            raise RuntimeError("a bug")
        if number == 99:
            raise BlockingIOError(errno.EAGAIN, "not now")
        self.calls.append(number)

    @action
    def ping(self) -> None:
        self.pings += 1


# ---- opening


def test_what_can_be_opened_how(serve: Serve) -> None:
    requests = serve(Dir({"s": Settings(), "l": Symlink("s"), "f": "x", "w": File("x", mode=0o644)}))
    for path, flags, number in (
        ("s", os.O_RDONLY, errno.EISDIR),
        ("l", os.O_RDONLY, errno.ELOOP),
        ("f", os.O_WRONLY, errno.EROFS),
        ("f", os.O_RDWR, errno.EROFS),
        ("f", os.O_RDONLY | os.O_TRUNC, errno.EROFS),
        ("s/fixed", os.O_WRONLY, errno.EROFS),
        ("s/report", os.O_WRONLY, errno.EROFS),
        ("s/secret", os.O_RDONLY, errno.EACCES),
        ("s/secret", os.O_RDWR, errno.EACCES),
        ("s/call", os.O_RDONLY, errno.EACCES),
    ):
        with raises_errno(number):
            requests.open(path, flags)
    for path, flags in (
        ("f", os.O_RDONLY),
        ("w", os.O_RDWR),
        ("s/number", os.O_RDWR),
        ("s/secret", os.O_WRONLY),
        ("s/call", os.O_WRONLY),
        ("s/report", os.O_RDONLY),
        ("s/document", os.O_RDWR),
    ):
        requests.ops.release(requests.open(path, flags))
    assert requests.table.statistics().handles == 0


def test_readonly_refuses_every_write(serve: Serve) -> None:
    requests = serve(Dir({"s": Settings(), "w": File("x", mode=0o644)}), ro=True)
    for path in ("w", "s/number", "s/document", "s/call"):
        with raises_errno(errno.EROFS):
            requests.open(path, os.O_WRONLY)
        with raises_errno(errno.EROFS):
            requests.setattr(path, size=0)
        with raises_errno(errno.EROFS):
            requests.setattr(path, mtime=0)
    requests.open("w")


def test_how_files_are_opened(serve: Serve) -> None:
    tree = Dir({"s": Settings(), "w": File("x", mode=0o644)})
    for cached in (True, False):
        requests = serve(tree, kernel_cache=cached)
        info = requests.ops.open(requests.inode("w"), os.O_RDWR, ROOT)
        assert (info.direct_io, info.keep_cache, info.noflush) == (not cached, cached, False)
        info = requests.ops.open(requests.inode("w"), os.O_RDONLY, ROOT)
        assert (info.direct_io, info.keep_cache, info.noflush) == (not cached, False, True)
        for path in ("s/number", "s/document", "s/report"):
            info = requests.ops.open(requests.inode(path), os.O_RDONLY, ROOT)
            assert (info.direct_io, info.keep_cache, info.noflush) == (True, False, True)
        for path in ("s/number", "s/document", "s/call"):
            info = requests.ops.open(requests.inode(path), os.O_WRONLY, ROOT)
            assert (info.direct_io, info.keep_cache, info.noflush) == (True, False, False)


def test_the_second_open_is_answered_in_c_as_the_first_was() -> None:
    settings = Settings()
    with Client(Dir({"s": settings, "f": "text"})) as client:
        for path in ("s/number", "f"):
            number = client.node_id(path)
            answered: list[int] = []
            flags = []
            for _ in range(2):
                before = client.table.statistics().answered_in_c
                opened = client.raw.open(number)
                answered.append(client.table.statistics().answered_in_c - before)
                flags.append(opened.flags)
                client.raw.release(number, opened.fh)
            # The first one drops pages of before, if there were any.
            assert flags[0] | OpenedFlag.KEEP_CACHE == flags[1] | OpenedFlag.KEEP_CACHE
            assert answered == [0, 1]


def test_a_computed_file_is_made_once_for_each_open() -> None:
    settings = Settings()
    with Client(Dir({"s": settings})) as client:
        with client.open("s/report") as file:
            assert [file.pread(3, 0), file.pread(3, 3), file.pread(3, 6)] == [b"rep", b"or\n", b""]
        assert settings.made == 1
        client.read_text("s/report")
        assert settings.made == 2


def test_an_open_file_keeps_its_bytes() -> None:
    settings = Settings()
    with Client(Dir({"s": settings})) as client:
        with client.open("s/number") as number, client.open("s/document") as document:
            settings.number = 77
            settings.document = {}
            assert number.pread(100, 0) == b"3\n"
            assert b'"a"' in document.pread(100, 0)
        assert client.read_text("s/number") == "77\n"


def test_pages_follow_the_file() -> None:
    file = File("old")
    with Client(Dir({"f": file})) as client, client.open("f") as opened:
        assert opened.pread(10, 0) == b"old"
        file.store("newer")
        assert opened.pread(10, 0) == b"newer"
        file.store("")
        assert opened.pread(10, 0) == b""


# ---- values


def test_a_value(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings()
    requests = serve(Dir({"s": settings}))
    fh = requests.open("s/number", TRUNCATE)
    assert requests.ops.write(fh, 0, b"4\n") == 2
    assert settings.number == 4
    assert requests.ops.write(fh, 0, b"5\n") == 2
    assert settings.number == 5
    with caplog.at_level(logging.INFO, logger="fusetree.adapter"):
        for bad in (b"x\n", b"-1\n", b"\xff"):  # no number; refused by the validator; no text
            with raises_errno(errno.EINVAL):
                requests.ops.write(fh, 0, bad)
    assert len(caplog.records) == 3
    assert all(record.levelno == logging.INFO for record in caplog.records)
    assert "'number'" in caplog.text
    assert settings.number == 5
    requests.ops.flush(fh)
    requests.ops.release(fh)


def test_a_value_is_written_at_its_beginning(serve: Serve) -> None:
    settings = Settings()
    requests = serve(Dir({"s": settings}))
    with raises_errno(errno.EINVAL):
        requests.ops.write(requests.open("s/number", os.O_WRONLY), 1, b"4")
    requests.ops.write(requests.open("s/number", APPEND), 2, b"4")  # the offset is the kernel's idea
    assert settings.number == 4


def test_a_value_longer_than_one_write_is_refused_before_half_of_it_is_stored(serve: Serve) -> None:
    settings = Settings()
    requests = serve(Dir({"s": settings}))
    fh = requests.open("s/secret", os.O_WRONLY)
    requests.ops.write(fh, 0, b"x" * MAX_SINGLE_WRITE)
    assert len(settings.secret) == MAX_SINGLE_WRITE
    with raises_errno(errno.EFBIG):
        requests.ops.write(fh, 0, b"y" * (MAX_SINGLE_WRITE + 1))
    assert "y" not in settings.secret


def test_who_reads_and_writes_a_value_reads_what_was_written() -> None:
    settings = Settings()
    with Client(Dir({"s": settings})) as client, client.open("s/number", os.O_RDWR) as file:
        settings.number = 50
        assert file.pread(10, 0) == b"3\n"
        file.pwrite(b"10", 0)
        assert file.pread(10, 0) == b"10\n"
        assert file.pread(10, 2) == b"\n"


def test_truncating_a_value_changes_nothing(serve: Serve) -> None:
    settings = Settings()
    requests = serve(Dir({"s": settings}))
    fh = requests.open("s/number", TRUNCATE)
    for path in ("s/number", "s/document", "s/call"):
        requests.setattr(path, size=0)
        requests.setattr(path, size=1000)
        with raises_errno(errno.EFBIG):
            requests.setattr(path, size=MAX_VALUE_SIZE + 1)
    assert requests.setattr("s/number", fh, size=0).st_size == 2
    assert (settings.number, settings.document) == (3, {"a": 1})


# ---- documents


def test_a_document_is_stored_when_flushed_and_once(serve: Serve) -> None:
    stored: list[object] = []

    @node
    class Watched(Dir):
        document: dict[str, int] = entry(factory=dict, validator=lambda _, __, value: stored.append(value))

    watched = Watched()
    stored.clear()
    requests = serve(Dir({"s": watched}))
    fh = requests.open("s/document", TRUNCATE)
    requests.ops.flush(fh)  # of a duplicate, before anything is written
    assert stored == []
    requests.ops.write(fh, 0, b'{"b"')
    requests.ops.write(fh, 4, b": 2}")
    assert stored == []
    requests.ops.flush(fh)
    requests.ops.flush(fh)
    requests.ops.fsync(fh, False)
    assert stored == [{"b": 2}]
    requests.ops.write(fh, 8, b"\n")
    requests.ops.fsync(fh, True)
    assert stored == [{"b": 2}, {"b": 2}]
    requests.ops.release(fh)
    assert len(stored) == 2


def test_a_bad_document_changes_nothing_and_may_be_mended(serve: Serve) -> None:
    settings = Settings()
    requests = serve(Dir({"s": settings}))
    fh = requests.open("s/document", TRUNCATE)
    for bad in (b"{", b"[1]", b'{"a": "x"}'):
        requests.setattr("s/document", fh, size=0)
        requests.ops.write(fh, 0, bad)
        with raises_errno(errno.EINVAL):
            requests.ops.flush(fh)
        requests.ops.flush(fh)  # parsed already
    assert settings.document == {"a": 1}
    requests.setattr("s/document", fh, size=0)
    requests.ops.write(fh, 0, b'{"a": 5}')
    requests.ops.flush(fh)
    assert settings.document == {"a": 5}


def test_a_document_is_edited_in_place(serve: Serve) -> None:
    settings = Settings()
    text = cast("FileNode", settings["document"]).content()
    requests = serve(Dir({"s": settings}))
    fh = requests.open("s/document", os.O_RDWR)
    assert bytes(requests.ops.read(fh, 0, 1000)) == text
    requests.ops.write(fh, text.index(b"1"), b"7")
    assert bytes(requests.ops.read(fh, 0, 1000)) == text.replace(b"1", b"7")
    requests.ops.flush(fh)
    assert settings.document == {"a": 7}


def test_appending_to_a_document_goes_to_its_end(serve: Serve) -> None:
    settings = Settings()
    requests = serve(Dir({"s": settings}))
    fh = requests.open("s/document", APPEND)
    requests.ops.write(fh, 0, b"  \n")  # the kernel does not know where the end is
    requests.ops.flush(fh)
    assert settings.document == {"a": 1}


def test_a_document_that_cannot_be_read_begins_empty(serve: Serve) -> None:
    settings = Settings()
    requests = serve(Dir({"s": settings}))
    fh = requests.open("s/hidden", os.O_WRONLY)
    requests.ops.write(fh, 0, b'{"a": 2}')
    requests.ops.flush(fh)
    assert settings.hidden == {"a": 2}


def test_a_document_has_a_bound(serve: Serve) -> None:
    requests = serve(Dir({"s": Settings()}))
    fh = requests.open("s/document", TRUNCATE)
    with raises_errno(errno.EFBIG):
        requests.ops.write(fh, MAX_VALUE_SIZE, b"x")
    requests.ops.write(fh, MAX_VALUE_SIZE - 1, b"x")
    with raises_errno(errno.EFBIG):
        requests.setattr("s/document", fh, size=MAX_VALUE_SIZE + 1)


def test_a_gap_in_a_document_is_zeros(serve: Serve) -> None:
    requests = serve(Dir({"s": Settings()}))
    fh = requests.open("s/document", os.O_RDWR | os.O_TRUNC)
    requests.ops.write(fh, 3, b"x")
    assert bytes(requests.ops.read(fh, 0, 10)) == b"\0\0\0x"
    requests.setattr("s/document", fh, size=2)
    assert bytes(requests.ops.read(fh, 0, 10)) == b"\0\0"
    requests.setattr("s/document", fh, size=4)
    assert bytes(requests.ops.read(fh, 0, 10)) == b"\0\0\0\0"


# ---- lines


def test_each_line_is_a_call(serve: Serve) -> None:
    settings = Settings()
    requests = serve(Dir({"s": settings}))
    fh = requests.open("s/call", TRUNCATE)
    assert requests.ops.write(fh, 0, b"1\n2\n3") == 5
    assert settings.calls == [1, 2]
    requests.ops.write(fh, 5, b"4\n")
    assert settings.calls == [1, 2, 34]
    requests.ops.flush(fh)
    requests.ops.write(fh, 7, b"5")
    requests.ops.flush(fh)
    requests.ops.flush(fh)
    assert settings.calls == [1, 2, 34, 5]


def test_an_empty_line_is_a_call(serve: Serve) -> None:
    settings = Settings()
    requests = serve(Dir({"s": settings}))
    fh = requests.open("s/ping", TRUNCATE)
    requests.ops.write(fh, 0, b"\n\nnow\n")
    requests.ops.flush(fh)
    assert settings.pings == 3


def test_a_refused_line_is_told_and_not_called_again(serve: Serve) -> None:
    settings = Settings()
    requests = serve(Dir({"s": settings}))
    fh = requests.open("s/call", TRUNCATE)
    with raises_errno(errno.EINVAL):
        requests.ops.write(fh, 0, b"x\n")
    assert requests.ops.write(fh, 0, b"1\n2\n99\n3\n") == 4  # two were taken
    with raises_errno(errno.EAGAIN):
        requests.ops.write(fh, 4, b"99\n3\n")
    requests.ops.write(fh, 7, b"3\n")
    assert settings.calls == [1, 2, 3]
    assert requests.ops.write(fh, 0, b"4\nx\n") == 2
    with raises_errno(errno.EINVAL):
        requests.ops.flush(fh)  # the writer did not come again
    requests.ops.flush(fh)


def test_a_bug_in_an_action_is_not_the_writers_mistake(serve: Serve) -> None:
    settings = Settings()
    requests = serve(Dir({"s": settings}))
    fh = requests.open("s/call", TRUNCATE)
    with pytest.raises(RuntimeError, match="a bug"):
        requests.ops.write(fh, 0, b"1\n13\n")


def test_a_line_has_a_bound(serve: Serve) -> None:
    requests = serve(Dir({"s": Settings()}))
    fh = requests.open("s/ping", TRUNCATE)
    part = b"x" * (MAX_VALUE_SIZE // 2)
    requests.ops.write(fh, 0, part)
    requests.ops.write(fh, 0, part)
    with raises_errno(errno.EFBIG):
        requests.ops.write(fh, 0, b"x")


# ---- bytes


def test_bytes_at_an_offset(serve: Serve) -> None:
    file = File("hello", mode=0o644)
    requests = serve(Dir({"f": file}))
    fh = requests.open("f", os.O_RDWR)
    assert requests.ops.write(fh, 7, b"world") == 5
    assert file.content() == b"hello\0\0world"
    assert bytes(requests.ops.read(fh, 5, 4)) == b"\0\0wo"
    assert requests.setattr("f", fh, size=3).st_size == 3
    assert requests.setattr("f", size=5).st_size == 5
    assert file.content() == b"hel\0\0"
    with raises_errno(errno.EFBIG):
        requests.setattr("f", size=1 << 60)


def test_truncating_at_open(serve: Serve) -> None:
    file = File("hello", mode=0o644)
    requests = serve(Dir({"f": file}))
    requests.open("f", TRUNCATE)
    assert file.content() == b""


def test_appending_goes_to_the_end_that_is(serve: Serve) -> None:
    file = File("hello", mode=0o644)
    requests = serve(Dir({"f": file}))
    fh = requests.open("f", APPEND)
    file.store("changed since")
    requests.ops.write(fh, 5, b"!")  # the kernel took the old size for the end
    assert file.content() == b"changed since!"


def test_handles_of_what_is_not_open(serve: Serve) -> None:
    requests = serve(Dir({"f": "x"}))
    fh = requests.open("f")
    with raises_errno(errno.EBADF):
        requests.ops.write(fh, 0, b"x")
    requests.ops.flush(fh)
    requests.ops.release(fh)
    for refused in (
        lambda: requests.ops.read(fh, 0, 1),
        lambda: requests.ops.write(fh, 0, b"x"),
        lambda: requests.ops.flush(fh),
        lambda: requests.ops.release(fh),
    ):
        with raises_errno(errno.EBADF):
            refused()
