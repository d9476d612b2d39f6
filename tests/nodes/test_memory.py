"""A tree in memory without any mount: pages against a model, times, counts and the account."""

from __future__ import annotations

import errno
import gc
import os
import stat
import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st

from fusetree import Attributes, Dir, File, MemoryDir, MemoryFile
from fusetree.flags import RENAME_EXCHANGE
from fusetree.nodes import Change
from fusetree.nodes.memory.pages import Pages
from fusetree.nodes.memory.space import PAGE, Space
from fusetree.nodes.moves import exchange
from tests.nodes.recorder import Recorder
from tests.support import raises_errno

KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO = 1, 2, 8, 16
OFFSETS = st.integers(0, 5 * PAGE) | st.sampled_from([0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["write", "resize", "punch", "reserve"]), OFFSETS, OFFSETS), max_size=12
    )
)
def test_pages_behave_as_bytes_do(steps: list[tuple[str, int, int]]) -> None:
    pages, model, count = Pages(), bytearray(), 0
    for number, (what, offset, length) in enumerate(steps):
        if what == "write":
            data = bytes([number + 1]) * length
            count += pages.missing(offset, length) if length else 0
            pages.write(data, offset)
            if offset + length > len(model) and length:
                model.extend(bytes(offset + length - len(model)))
            if length:
                model[offset : offset + length] = data
            else:
                pages.size = len(model)
        elif what == "resize":
            count -= pages.resize(offset)
            del model[offset:]
            model.extend(bytes(offset - len(model)))
        elif what == "punch" and length:
            count -= pages.punch(offset, length)
            end = min(offset + length, len(model))
            if offset < end:
                model[offset:end] = bytes(end - offset)
        elif what == "reserve" and length:
            count += pages.missing(offset, length)
            pages.reserve(offset, length)
        assert pages.size == len(model)
        assert pages.count == count
        assert pages.read(len(model) + 100, 0) == model
        assert pages.read(PAGE, PAGE - 7) == model[PAGE - 7 : 2 * PAGE - 7]
        _check_seeking(pages, bytes(model))


def _check_seeking(pages: Pages, model: bytes) -> None:
    """What is told to be a hole is zero, and the two take turns to the end."""
    offset = 0
    while offset < len(model):
        hole = pages.seek(offset, os.SEEK_HOLE)
        assert offset <= hole <= len(model)
        if hole == len(model):
            return
        try:
            data = pages.seek(hole, os.SEEK_DATA)
        except OSError:
            data = len(model)
        assert data > hole
        assert not any(model[hole:data])
        offset = data


def test_seeking_where_there_is_nothing() -> None:
    pages = Pages()
    pages.write(b"x", 0)
    for offset, whence, number in ((1, os.SEEK_DATA, errno.ENXIO), (0, os.SEEK_SET, errno.EINVAL)):
        with raises_errno(number):
            pages.seek(offset, whence)


class TestFile:
    def test_a_write_keeps_the_other_pages(self) -> None:
        file = MemoryFile(b"a" * 3 * PAGE)
        first, last = file._pages_._pages[0], file._pages_._pages[2]
        file.write(b"b", PAGE + 5)
        assert file._pages_._pages[0] is first
        assert file._pages_._pages[2] is last
        assert file.content() == b"a" * (PAGE + 5) + b"b" + b"a" * (2 * PAGE - 6)

    def test_the_program_writes_it_too(self) -> None:
        file = MemoryFile("abc")
        file.store(b"def", append=True)
        file.write_at(b"X", 1)
        file.truncate(5)
        assert file.content() == b"aXcde"
        file.store("new")
        assert (file.content(), file.size(), file.writable) == (b"new", 3, True)

    def test_space_is_reserved_and_given_back(self) -> None:
        root = MemoryDir({"f": b"x" * PAGE}, max_bytes=4 * PAGE)
        file = root["f"]
        assert isinstance(file, MemoryFile)
        file.fallocate(KEEP_SIZE, 0, 3 * PAGE)
        assert (file.size(), file.blocks(file.size())) == (PAGE, 24)
        with raises_errno(errno.ENOSPC):
            file.fallocate(0, 0, 5 * PAGE)
        file.fallocate(PUNCH_HOLE | KEEP_SIZE, 0, 2 * PAGE)
        assert (file.blocks(0), file.content()) == (8, bytes(PAGE))
        file.fallocate(ZERO, PAGE, 3 * PAGE)
        assert (file.size(), file.blocks(0)) == (4 * PAGE, 24)
        with raises_errno(errno.EOPNOTSUPP):
            file.fallocate(COLLAPSE, 0, PAGE)
        file.truncate(0)
        assert root.statfs().free_blocks == 4

    @pytest.mark.parametrize("bound", [None, 100 * PAGE + 1])
    def test_the_size_of_the_file_system_stays_the_same(self, bound: int | None) -> None:
        root = MemoryDir(max_bytes=bound)
        before = root.statfs()
        assert before.blocks == before.free_blocks > 0
        root["f"] = b"x" * 10 * PAGE
        taken = memoryview(bytes(64 << 20))  # of the machine's memory
        after = root.statfs()
        assert (after.blocks, after.free_blocks) == (before.blocks, before.blocks - 10)
        taken.release()

    def test_a_full_tree_takes_nothing_of_a_write(self) -> None:
        root = MemoryDir(max_bytes=2 * PAGE)
        root["f"] = b"x" * PAGE
        file = root["f"]
        assert isinstance(file, MemoryFile)
        with raises_errno(errno.ENOSPC):
            file.write(b"y" * 2 * PAGE, PAGE)
        assert file.size() == PAGE
        file.write(b"y" * PAGE, PAGE)
        with raises_errno(errno.ENOSPC):
            file.setxattr("user.a", b"1")
        with raises_errno(errno.ENOSPC):
            root["g"] = b"x"
        file.write(b"z" * PAGE, 0)

    def test_no_tree_makes_a_million_million_pages(self) -> None:
        root = MemoryDir({"f": b""})
        file = root["f"]
        assert isinstance(file, MemoryFile)
        with raises_errno(errno.ENOSPC):
            file.fallocate(0, 0, 1 << 60)

    def test_copying(self) -> None:
        one, two = MemoryFile(b"0123456789" * 200_000), MemoryFile()
        assert one.copy_file_range(10, two, 5, 1_999_980) == 1_999_980
        assert two.content() == bytes(5) + one.content()[10:1_999_990]
        assert one.copy_file_range(3_000_000, two, 0, 10) == 0
        with raises_errno(errno.EOPNOTSUPP):
            one.copy_file_range(0, File(), 0, 1)

    def test_one_write_is_one_change(self) -> None:
        file, recorder = MemoryFile(), Recorder()
        file.attach(recorder)
        file.write(b"x", 0)
        assert recorder.take() == [("changed", file, Change.ALL)]

    def test_several_threads_write_at_once(self) -> None:
        file = MemoryFile()

        def write(number: int) -> None:
            for step in range(50):
                file.write(bytes([number]) * 1000, (step * 8 + number) * 1000)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        content = file.content()
        assert len(content) == 400_000
        assert all(set(content[at : at + 1000]) == {at // 1000 % 8} for at in range(0, 400_000, 1000))


class TestTimes:
    LONG_AGO = 10**18

    def _old(self) -> MemoryFile:
        file = MemoryFile(b"x")
        file.setattr(Attributes(atime_ns=self.LONG_AGO, mtime_ns=self.LONG_AGO))
        return file

    def test_a_write_leaves_the_access_time(self) -> None:
        file = self._old()
        file.write(b"y", 0)
        assert file.atime_ns == self.LONG_AGO
        assert file.mtime_ns == file.ctime_ns > self.LONG_AGO

    def test_opening_to_read_moves_it_when_it_is_not_later_than_the_change(self) -> None:
        file = self._old()
        file.open(os.O_WRONLY)
        assert file.atime_ns == self.LONG_AGO
        file.open(os.O_RDONLY)
        moved = file.atime_ns
        assert moved > self.LONG_AGO
        assert file.mtime_ns == self.LONG_AGO

    def test_or_is_a_day_old(self) -> None:
        file = MemoryFile()
        now = file.ctime_ns
        file._times_ = (now - 10, now - 20, now - 20)
        file.open(os.O_RDONLY)
        assert file.atime_ns == now - 10
        file._times_ = (now - 87_000 * 10**9, now - 90_000 * 10**9, now - 90_000 * 10**9)
        file.open(os.O_RDONLY)
        assert file.atime_ns > now - 10**9

    def test_the_mode_moves_the_time_of_change_only(self) -> None:
        file = self._old()
        file.setattr(Attributes(mode=0o600, uid=1, gid=2))
        assert (file.mode, file.uid, file.gid) == (0o600, 1, 2)
        assert file.mtime_ns == self.LONG_AGO < file.ctime_ns


class TestTree:
    def test_what_is_put_in_is_of_the_same_kind(self) -> None:
        root = MemoryDir({"f": "text", "d": {"g": b"x"}})
        root["d/h"] = "more"
        assert isinstance(root["d"], MemoryDir)
        assert isinstance(root["d/h"], MemoryFile)
        root["plain"] = File("declared")
        assert root.statfs().files - root.statfs().free_files == 5

    def test_counts_of_names(self) -> None:
        root = MemoryDir({"d": {}})
        made = root.create("f", 0o644)
        assert made.nlink == 0
        root["f"] = made
        root["g"] = made
        assert (made.nlink, root.nlink) == (2, 3)
        del root["f"], root["g"]
        assert made.nlink == 0
        directory = root["d"]
        root.rmdir("d")
        del root["d"]
        assert (directory.nlink, root.nlink) == (0, 2)

    def test_inodes_are_counted_until_they_are_gone(self) -> None:
        root = MemoryDir(max_inodes=4)
        root["d"] = {"f": b"x" * PAGE}
        root["l"] = root.symlink("l", "target")
        every: tuple[Callable[[], object], ...] = (
            lambda: root.create("x", 0o644),
            lambda: root.mkdir("x", 0o755),
            lambda: root.mknod("x", stat.S_IFIFO | 0o644, 0),
            lambda: root.symlink("x", "t"),
        )
        for make in every:
            with raises_errno(errno.ENOSPC):
                make()
        del root["d"]
        gc.collect()
        assert (root.statfs().files, root.statfs().free_files) == (4, 2)
        assert root._account_of_.used_bytes == 0

    def test_xattrs(self) -> None:
        root = MemoryDir()
        assert not root.has_xattrs
        root.setxattr("user.a", b"123")
        root.setxattr("user.a", b"12")
        assert (root.getxattr("user.a"), list(root.listxattr()), root.has_xattrs) == (b"12", ["user.a"], True)
        assert root._account_of_.used_bytes == 2
        root.removexattr("user.a")
        assert root._account_of_.used_bytes == 0
        for call in (lambda: root.getxattr("user.a"), lambda: root.removexattr("user.a")):
            with raises_errno(errno.ENODATA):
                call()
        with raises_errno(errno.EOPNOTSUPP):
            root.setxattr("system.posix_acl_access", b"")

    def test_limits_make_sense(self) -> None:
        with pytest.raises(ValueError, match="max_bytes"):
            Space(-1)
        with raises_errno(errno.ENOSPC):
            MemoryDir({"f": b"x"}, max_inodes=1)


class TestExchange:
    def test_two_names_change_places(self) -> None:
        root = MemoryDir({"a": {"f": "x"}, "b": {"d": {}}})
        one, other, (a, b) = root["a/f"], root["b/d"], (root["a"], root["b"])
        assert isinstance(a, Dir)
        assert isinstance(b, Dir)
        exchange(a, "f", b, "d")
        assert (root["a/f"], root["b/d"]) == (other, one)
        assert (a.nlink, b.nlink, one.nlink) == (3, 2, 1)
        exchange(a, "f", a, "f")
        assert RENAME_EXCHANGE == 2

    def test_a_directory_does_not_come_below_itself(self) -> None:
        root = MemoryDir({"a": {"b": {}}, "f": "x"})
        a = root["a"]
        assert isinstance(a, Dir)
        with pytest.raises(ValueError, match="itself"):
            exchange(root, "a", a, "b")
        with pytest.raises(KeyError):
            exchange(root, "f", a, "none")
        assert list(root) == ["a", "f"]
        assert list(a) == ["b"]
        assert root.nlink == 3


def test_a_file_without_a_name_is_on_the_account() -> None:
    root = MemoryDir(max_inodes=2)
    made = root.tmpfile(0o640, 0)
    assert (made.nlink, made.mode, list(root)) == (0, 0o640, [])
    with raises_errno(errno.ENOSPC):
        root.tmpfile(0o640, 0)
    del made
    assert root.statfs().free_files == 1


def test_a_file_that_lives_until_the_interpreter_ends_goes_quietly() -> None:
    """Modules are emptied then: whatever it counted with is None."""
    root = MemoryDir(max_inodes=2)
    made = root.tmpfile(0o640, 0)
    MemoryFile.__del__(made, lambda: True)
    assert root.statfs().free_files == 0
