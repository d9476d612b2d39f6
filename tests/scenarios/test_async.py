"""Methods, computed files and actions that are ``async``: under threads, asyncio and trio, all the same."""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fusetree import Attributes, Dir, FactoryDir, FileNode, RelationDir, action, computed, entry, node
from fusetree.adapter.usercode import inside_handler
from fusetree.testing import Client
from tests.scenarios.coroutines import BACKENDS, AsyncFile, AsyncNames, Gate, everything, pause
from tests.support import in_thread, raises_errno, wait_for

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "fusetree-loop"]


def test_every_capability_may_be_async(backend: Any) -> None:
    root = everything()
    with Client(root, backend=backend, kernel_cache=False) as client:
        file = root["file"]
        assert client.read_text("file") == "hello\n"
        client.write("file", "0123456789\n")
        assert bytes(file.data) == b"0123456789\n"
        assert client.stat("file").st_size == 11
        client.truncate("file", 4)
        assert client.read_text("file") == "0123"
        client.chmod("file", 0o640)
        assert client.stat("file").st_mode & 0o777 == 0o640
        with client.open("file", os.O_RDWR) as opened:
            opened.fsync(datasync=True)
        wait_for(lambda: file.log[-1] == "release")
        assert file.log[-3:] == ["fsync True", "flush", "release"]

        client.setxattr("file", "user.a", b"1")
        assert client.getxattr("file", "user.a") == b"1"
        with raises_errno(errno.EEXIST):
            client.setxattr("file", "user.a", b"2", 1)
        with raises_errno(errno.ENODATA):
            client.setxattr("file", "user.b", b"2", 2)
        assert client.listxattr("file") == ["user.a"]
        client.removexattr("file", "user.a")
        with raises_errno(errno.ENODATA):
            client.removexattr("file", "user.a")

        with client.open("new", os.O_CREAT | os.O_RDWR) as opened:
            opened.write(b"new\n")
            assert opened.pread(10, 0) == b"new\n"
        assert isinstance(root["new"], AsyncFile)
        with raises_errno(errno.EACCES):
            client.open("bad", os.O_CREAT | os.O_WRONLY)
        client.mkdir("sub")
        client.rename("new", "sub/moved")
        assert client.read_text("sub/moved") == "new\n"
        with raises_errno(errno.ENOTEMPTY):
            client.rmdir("sub")
        client.link("sub/moved", "again")
        assert root["again"] is root["sub/moved"]
        client.unlink("sub/moved")
        client.rmdir("sub")
        client.mknod("fifo", stat.S_IFIFO | 0o600)
        client.symlink("target", "made")
        assert client.readlink("made") == "target!"
        client.truncate("again", 1)
        assert client.statvfs().f_blocks == 7
        client.check()


def test_names_that_are_asked_for_and_listed(backend: Any) -> None:
    names = AsyncNames()
    with Client(Dir({"d": names}), backend=backend) as client:
        assert client.read_text("d/n7") == "7"
        with raises_errno(errno.ENOENT):
            client.stat("d/none")
        assert client.listdir("d", block=512) == [*names.made]
        assert names.ended == 1
        directory = client.opendir("d", block=512)
        assert directory.read_batch()
        directory.close()  # the generator ends then, and not at the garbage collector's whim
        wait_for(lambda: names.ended == 2)
        client.rename("d/n0", "d/z")
        client.unlink("d/n1")
        assert "z" in names.made
        assert "n1" not in names.made


def test_a_listing_goes_on_after_an_error(backend: Any) -> None:
    class Failing(Dir):
        failed = False

        async def list(self) -> AsyncIterator[str]:
            for number in range(100):
                if number == 60 and not self.failed:
                    self.failed = True
                    raise OSError(errno.EAGAIN, "once")
                await pause()
                yield f"a-name-of-some-length-{number}"

        async def lookup(self, name: str) -> None:
            return None

    with Client(Dir({"d": Failing()}), backend=backend) as client:
        directory = client.opendir("d", block=512)
        found: list[str] = []
        with raises_errno(errno.EAGAIN):
            while True:
                found += [entry.name.decode() for entry in directory.read_batch(plus=False)]
        while batch := directory.read_batch(plus=False):
            found += [entry.name.decode() for entry in batch]
        directory.close()
        assert found[2:] == [f"a-name-of-some-length-{number}" for number in range(100)]


@node
class Machine(Dir):
    speed: int = entry(1, validator=lambda *_: None)
    document: dict[str, int] = entry(factory=dict)

    @computed
    async def slow(self) -> str:
        await pause()
        return f"speed {self.speed}"

    @computed(size="exact")
    async def exact(self) -> AsyncIterator[str]:
        for number in range(3):
            await pause()
            yield f"{number}\n"

    @action
    async def go(self, speed: int) -> None:
        await pause()
        if speed < 0:
            raise ValueError("backwards")
        if speed == 13:
            raise PermissionError
        if speed == 99:
            raise RuntimeError("engine")
        self.speed = speed


def test_computed_files_and_actions(backend: Any, caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    with Client(Dir({"m": machine}), backend=backend) as client:
        assert client.read_text("m/slow") == "speed 1\n"
        assert client.stat("m/exact").st_size == 6
        assert client.read_text("m/exact") == "0\n1\n2\n"
        client.write("m/go", "2\n3\n")
        assert machine.speed == 3
        assert client.read_text("m/speed") == "3\n"
        assert client.read_text("m/slow") == "speed 3\n"
        # The same words for errors as from ordinary functions.
        with caplog.at_level(logging.INFO, "fusetree"):
            with raises_errno(errno.EINVAL):
                client.write("m/go", "-1\n")
            assert "refused what was written: ValueError: backwards" in caplog.text
            with raises_errno(errno.EACCES):
                client.write("m/go", "13\n")
            assert "Traceback" not in caplog.text
            with raises_errno(errno.EIO):
                client.write("m/go", "99\n")
        assert "RuntimeError: engine" in caplog.text
        assert "on /m/go" in caplog.text
        # What came before the refused line counts as written; close(2) tells of the other.
        with client.open("m/go", "w") as file:
            assert file.write("4\n-1\n5\n") == 2
            with raises_errno(errno.EINVAL):
                file.flush()
        assert machine.speed == 4
        client.check()


def test_an_exception_of_a_strict_session_leaves_it(backend: Any) -> None:
    client = Client(Dir({"m": Machine()}), backend=backend, strict=True)
    file = client.open("m/go", "w")
    with raises_errno(errno.EIO):
        file.write("99\n")
    with pytest.raises(RuntimeError, match="engine"):
        client.close()


def test_lines_of_one_writer_keep_their_order(backend: Any) -> None:
    gate = Gate()
    calls: list[int] = []

    @action
    async def note(number: int) -> None:
        if number == 1:
            await gate.passing()
        await pause()
        calls.append(number)

    with Client(Dir({"note": note}), backend=backend) as client, client.open("note", "w") as file:
        writers = [
            threading.Thread(target=client.raw.write, args=(file.node, file.fh, b"%d\n" % number))
            for number in (1, 2, 3)
        ]
        writers[0].start()
        wait_for(lambda: gate.came == 1)
        writers[1].start()
        writers[2].start()
        client.raw.getattr(file.node)  # behind the writes: they have arrived
        assert calls == []
        gate.open()
        for writer in writers:
            writer.join(10)
        assert calls[0] == 1
        assert sorted(calls) == [1, 2, 3]


def test_a_document_is_stored_asynchronously(backend: Any) -> None:
    """At flush and fsync; a bad one is refused, and what is stored last is what was written last."""
    from fusetree.nodes.filenode import WriteStyle

    class Document(FileNode):
        def __init__(self) -> None:
            super().__init__(mode=0o644)
            self.text = b"old"
            self.gate: Gate | None = None

        write_style = WriteStyle.DOCUMENT
        writable = True

        async def content(self) -> bytes:  # type: ignore[override]
            await pause()
            return self.text

        async def store(self, data: bytes, append: bool = False) -> None:  # type: ignore[override]
            gate, self.gate = self.gate, None
            if gate is not None:
                await gate.passing()
            await pause()
            if data.startswith(b"bad"):
                raise ValueError("bad")
            self.text = data

    document = Document()
    with Client(Dir({"d": document}), backend=backend) as client:
        assert client.read_text("d") == "old"
        with client.open("d", os.O_RDWR) as file:
            file.pwrite(b"O", 0)
            file.fsync()
            assert document.text == b"Old"
            file.pwrite(b"bad", 0)
            with raises_errno(errno.EINVAL):
                file.fsync()
            assert document.text == b"Old"
            gate = document.gate = Gate()
            file.pwrite(b"one", 0)
            first = threading.Thread(target=file.fsync)
            first.start()
            wait_for(lambda: gate.came == 1)
            file.pwrite(b"two", 0)
            second = threading.Thread(target=file.fsync)
            second.start()
            gate.open()
            first.join(10)
            second.join(10)
            assert document.text == b"two"
        with client.open("d", os.O_WRONLY | os.O_TRUNC) as file:
            pass
        assert document.text == b"two"  # truncation alone is nothing


def test_a_handler_that_waits_holds_up_nobody(backend: Any) -> None:
    gate = Gate()

    async def slow() -> str:
        await gate.passing()
        return "at last"

    root = Dir({"slow": slow, "quick": lambda: "now"})
    with Client(root, backend=backend, workers=1) as client:
        texts: list[str] = []
        threads = [threading.Thread(target=lambda: texts.append(client.read_text("slow"))) for _ in range(20)]
        for thread in threads:
            thread.start()
        wait_for(lambda: gate.came == 20)
        assert client.read_text("quick") == "now\n"
        gate.open()
        for thread in threads:
            thread.join(10)
        assert texts == ["at last\n"] * 20


def test_what_waits_at_the_end_is_cancelled_and_answered(backend: Any) -> None:
    gate = Gate()

    async def slow() -> str:
        await gate.passing()
        return ""

    client = Client(Dir({"slow": slow}), backend=backend)
    errors: list[int | None] = []

    def read() -> None:
        try:
            client.read_text("slow")
        except OSError as error:
            errors.append(error.errno)

    reader = threading.Thread(target=read)
    reader.start()
    wait_for(lambda: gate.came == 1)
    client.session.close()
    reader.join(10)
    assert errors == [errno.EINTR]
    assert gate.cancelled == 1
    client.close()


def test_a_change_made_in_a_coroutine_does_not_wait(backend: Any) -> None:
    seen: list[bool] = []
    machine = Machine()

    @action
    async def change() -> None:
        seen.append(inside_handler())
        await pause()
        seen.append(inside_handler())
        machine.speed += 1

    with Client(Dir({"m": machine, "change": change}), backend=backend, coherence_wait=30.0) as client:
        assert client.read_text("m/speed") == "1\n"
        in_thread(lambda: client.write("change", "\n"), timeout=10)
        assert client.read_text("m/speed") == "2\n"
    assert seen == [True, True]
    assert not inside_handler()


def test_a_method_may_be_async_in_one_class_and_not_in_the_next(backend: Any) -> None:
    class Sync(FileNode):
        def read(self, size: int, offset: int) -> bytes:
            return b"sync"[offset : offset + size]

        def getattr(self) -> Attributes:
            return Attributes(size=4)

    class Async(Sync):
        async def read(self, size: int, offset: int) -> bytes:  # type: ignore[override]
            await pause()
            return b"asyn"[offset : offset + size]

    with Client(Dir({"a": Async(), "s": Sync()}), backend=backend) as client:
        assert client.read_text("s") == "sync"
        assert client.read_text("a") == "asyn"


def test_a_factory_may_make_and_destroy_asynchronously(backend: Any) -> None:
    async def make(name: str) -> Dir:
        await pause()
        if name.startswith("bad"):
            raise ValueError(name)
        return Dir({"x": "made\n"})

    async def destroy(made: Dir) -> None:
        await pause()
        if "keep" in made:
            raise PermissionError

    factory = FactoryDir(make, destroy)
    with Client(Dir({"f": factory}), backend=backend) as client:
        client.mkdir("f/a")
        assert client.read_text("f/a/x") == "made\n"
        with raises_errno(errno.EINVAL):
            client.mkdir("f/bad")
        made = factory["a"]
        assert isinstance(made, Dir)
        del made["x"]
        client.rmdir("f/a")
        assert "a" not in factory
    with pytest.raises(TypeError, match="await it"):
        factory.make("b")


def test_relations_may_begin_and_end_asynchronously(backend: Any) -> None:
    told: list[Any] = []

    async def relate(one: Dir) -> None:
        await pause()
        if "full" in one:
            raise ValueError("no room")
        told.append(("+", one))

    async def unrelate(one: Dir | None) -> None:
        await pause()
        if len(told) > 1:
            raise BlockingIOError
        told.append(("-", one))

    members = RelationDir(Dir, relate, unrelate)
    made, full = Dir(), Dir({"full": ""})
    with Client(Dir({"made": made, "full": full, "members": members}), backend=backend) as client:
        client.symlink("../made", "members/a")
        assert members.related() == {"a": made}
        with raises_errno(errno.EINVAL):
            client.symlink("../full", "members/b")
        client.unlink("members/a")
        assert members.related() == {}
        client.symlink("../made", "members/a")
        with raises_errno(errno.EAGAIN):
            client.unlink("members/a")
        assert members.related() == {"a": made}
    assert told == [("+", made), ("-", made), ("+", made)]
