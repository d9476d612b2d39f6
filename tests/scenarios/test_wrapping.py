"""Trees that are shown through others, on every kind of node inside."""

from __future__ import annotations

import asyncio
import errno
import gc
import itertools
import math
import stat
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fusetree import (
    Dir,
    DynamicDir,
    Fifo,
    File,
    FileNode,
    MappingDir,
    MemoryDir,
    MemoryFile,
    Symlink,
    WrapDir,
    WrapFile,
    WrapHandle,
    action,
    computed,
    entry,
    node,
)
from fusetree.nodes import Node
from fusetree.testing import Client
from tests.scenarios.test_coherence import WAIT
from tests.scenarios.trees import Settings
from tests.support import raises_errno


class Hiding(WrapDir):
    def shows(self, name: str) -> bool:
        return not name.startswith("secret")


class Shouting(WrapDir):
    def to_inner(self, name: str) -> str:
        return name.lower()

    def to_outer(self, name: str) -> str:
        return name.upper()


class Kept(Shouting):
    ttl = math.inf


class Counted(WrapDir):
    def __init__(self, inner: Dir, above: Any = None) -> None:
        super().__init__(inner, above)
        self.counts: Counter[str] = Counter()

    def passing(self, node: Node, operation: str, arguments: tuple[Any, ...]) -> None:
        self.counts[operation] += 1
        if operation == "unlink":
            raise PermissionError(errno.EPERM, "nothing is removed here")


class Turning(WrapHandle):
    def read(self, size: int, offset: int) -> bytes:
        return bytes(byte ^ 1 for byte in super().read(size, offset))

    def write(self, data: bytes, offset: int) -> Any:
        return super().write(bytes(byte ^ 1 for byte in data), offset)


class Turned(WrapFile):
    handle_class = Turning


class TurnedDir(WrapDir):
    file_class = Turned


def test_a_declared_tree_answers_through_a_wrapper_as_it_would_by_itself() -> None:
    settings = Settings()
    inside = Dir({"s": settings, "f": File("text", mode=0o644), "l": Symlink("f"), "p": Fifo()})
    with Client(WrapDir(inside), coherence_wait=WAIT) as client, Client(inside) as plain:
        assert client.walk() == plain.walk()
        for path in ("", "s", "s/jobs", "s/tags.json", "f", "l", "p"):
            assert client.lstat(path) == plain.lstat(path), path
        for path in ("s/jobs", "s/tags.json", "f", "l"):
            assert client.read_text(path) == plain.read_text(path)
        assert client.readlink("l") == "f"
        client.write("s/jobs", "7\n")
        assert settings.jobs == 7
        client.write("s/tags.json", '{"a": "b"}')
        assert settings.tags == {"a": "b"}
        client.write("s/reset", "one\ntwo")
        assert settings.stored == ["one", "two"]
        with raises_errno(errno.EINVAL):
            client.write("s/level", "loud")
        with raises_errno(errno.EACCES):
            client.open("s/token", "r")
        client.write("s/token", "new")
        assert settings.token == "new"
        with client.open("f", "r+") as file:
            file.seek(2)
            file.write("XY")
        assert inside["f"].content() == b"teXY"  # type: ignore[attr-defined]
        client.truncate("f", 1)
        assert client.read_text("f") == "t"
        with raises_errno(errno.EROFS):
            client.mkdir("new")
        with raises_errno(errno.EROFS):
            client.chmod("f", 0o600)


def test_a_tree_in_memory_is_changed_through_a_wrapper() -> None:
    inside = MemoryDir({"a": "one"})
    with Client(WrapDir(inside), coherence_wait=WAIT) as client:
        client.mkdir("d")
        client.open("d/f", "w").close()
        client.symlink("f", "d/l")
        client.mknod("d/p", stat.S_IFIFO | 0o600)
        client.link("a", "d/hard")
        assert client.stat("a").st_nlink == 2
        assert client.node_id("a") == client.node_id("d/hard")
        client.rename("a", "b")
        client.setxattr("b", "user.x", b"1")
        assert client.getxattr("b", "user.x") == b"1"
        client.unlink("d/f")
        with raises_errno(errno.ENOTEMPTY):
            client.rmdir("d")
    assert inside.keys() == ["d", "b"]
    assert inside["d"].keys() == ["l", "p", "hard"]  # type: ignore[attr-defined]
    assert isinstance(inside["b"], MemoryFile)


def test_live_objects_are_shown_through_a_wrapper() -> None:
    objects: dict[str, Any] = {"x": 1, "deep": {"y": "z"}}
    inside = Dir({"m": MappingDir(objects, writable=True), "d": DynamicDir(str.upper, ["p", "q"].__iter__)})
    with Client(Shouting(inside)) as client:
        assert client.listdir("M") == ["X", "DEEP"]
        assert client.read_text("M/DEEP/Y") == "z"
        client.write("M/X", "5")
        assert objects["x"] == 5
        assert client.listdir("D") == ["P", "Q"]
        assert client.read_text("D/P") == "P"


def test_what_is_hidden_is_not_there() -> None:
    inside = MemoryDir({"a": "", "secret": "", "d": {"secret2": "", "b": ""}})
    with Client(Hiding(inside)) as client:
        assert client.walk() == ["a", "d", "d/b"]
        assert not client.exists("secret")
        with raises_errno(errno.EACCES):
            client.mkdir("secret")
        with raises_errno(errno.EACCES):
            client.rename("a", "d/secret2")
        client.rename("a", "d/c")
    assert inside["d"].keys() == ["secret2", "b", "c"]  # type: ignore[attr-defined]


def test_names_are_translated_both_ways() -> None:
    inside = MemoryDir({"a": "1", "d": {"b": "2"}})
    wrapper = Shouting(inside)
    with Client(wrapper) as client:
        assert client.walk() == ["A", "D", "D/B"]
        client.rename("A", "D/NEW")
        client.mkdir("E")
        assert inside.keys() == ["d", "e"]
    assert wrapper.keys() == ["D", "E"]
    assert wrapper["D/NEW"].inner is inside["d/new"]  # type: ignore[attr-defined]
    wrapper["F"] = "3"
    del wrapper["E"]
    assert inside.keys() == ["d", "f"]


def test_everything_is_counted_and_refused_in_one_place() -> None:
    inside = MemoryDir({"d": {"f": "text"}})
    counted = Counted(inside)
    with Client(counted) as client:
        assert client.read_text("d/f") == "text"
        with raises_errno(errno.EPERM):
            client.unlink("d/f")
    assert counted.counts["open"] == 1
    assert counted.counts["unlink"] == 1
    assert counted.counts["lookup"] >= 2
    assert inside["d/f"].content() == b"text"  # type: ignore[attr-defined]


def test_content_is_transformed_at_any_offset() -> None:
    inside = MemoryDir({"f": "abcd"})
    with Client(TurnedDir(inside), coherence_wait=WAIT) as client:
        assert client.read_text("f") == "`cbe"
        with client.open("f", "r+") as file:
            file.seek(1)
            file.write("XY")
        assert client.read_text("f") == "`XYe"
        assert inside["f"].content() == b"aYXd"  # type: ignore[attr-defined]


def test_a_value_that_is_bad_after_a_transformation_is_refused() -> None:
    settings = Settings()
    with Client(TurnedDir(settings)) as client:
        client.write("jobs", "6\x0b")
        assert settings.jobs == 7
        with raises_errno(errno.EINVAL):
            client.write("jobs", "n")


@pytest.mark.parametrize("wrapper", [Shouting, Kept], ids=["not cached", "cached"])
def test_changes_inside_are_told(wrapper: type[Shouting]) -> None:
    inside = Dir({"f": File("old"), "d": {"x": ""}, "s": Settings()})
    settings, file = inside["s"], inside["f"]
    assert isinstance(settings, Settings)
    assert isinstance(file, File)
    with Client(wrapper(inside), coherence_wait=WAIT) as client:
        for _ in range(2):
            assert client.read_text("F") == "old"
            assert client.stat("F").st_size == 3
            assert client.listdir("D") == ["X"]
            assert not client.exists("D/NEW")
            assert client.read_text("S/JOBS") == "3\n"
        file.store("newer")
        file.mode = 0o600
        inside["d/new"] = ""
        settings.jobs = 4
        assert client.read_text("F") == "newer"
        assert client.stat("F").st_size == 5
        assert client.stat("F").st_mode & 0o777 == 0o600
        assert client.exists("D/NEW")
        assert client.listdir("D") == ["X", "NEW"]
        assert client.read_text("S/JOBS") == "4\n"
        del inside["d/x"]
        assert not client.exists("D/X")
        with inside.transaction():
            settings.jobs = 5
            inside["d/last"] = ""
            file.store("end")
        assert client.read_text("S/JOBS") == "5\n"
        assert client.exists("D/LAST")
        assert client.read_text("F") == "end"


def test_what_is_cached_is_not_asked_again() -> None:
    class CountedKept(Counted):
        ttl = math.inf

    counted = CountedKept(Dir({"d": {"f": "text"}}))
    with Client(counted) as client:
        for _ in range(3):
            assert client.stat("d/f").st_size == 4
    assert counted.counts["lookup"] == 2


def test_wrappers_of_wrappers() -> None:
    inside = MemoryDir({"f": "abc"})
    with Client(Hiding(Shouting(TurnedDir(inside))), coherence_wait=WAIT) as client:
        assert client.read_text("F") == "`cb"
        client.mkdir("D")
        inside["f"].store(b"aaaa")  # type: ignore[attr-defined]
        assert client.read_text("F") == "````"
    assert inside.keys() == ["f", "d"]


def test_one_wrapper_for_a_node_as_long_as_somebody_knows_it() -> None:
    file = File("x")
    inside = Dir({"a": file, "b": file, "d": {}})
    wrapper = WrapDir(inside)
    one = wrapper["a"]
    assert wrapper["b"] is one
    assert one.inner is file  # type: ignore[attr-defined]
    assert one.top is wrapper  # type: ignore[attr-defined]
    known = weakref.ref(one)
    del one
    gc.collect()
    assert known() is None
    again = wrapper["a"]
    assert wrapper["a"] is again


def test_wrap_chooses_hides_and_lets_through() -> None:
    class Choosing(WrapDir):
        def wrap(self, inner: Node, name: str) -> Node | None:
            if name == "plain":
                return inner
            if isinstance(inner, FileNode) and not name.endswith(".txt"):
                return None
            return super().wrap(inner, name)

    plain = File("p")
    wrapper = Choosing(Dir({"plain": plain, "a.txt": "a", "b.bin": "b"}))
    with Client(wrapper) as client:
        assert client.read_text("plain") == "p"
        assert client.read_text("a.txt") == "a"
        assert not client.exists("b.bin")
    assert wrapper["plain"] is plain
    assert "b.bin" not in wrapper


def test_only_a_directory_begins_a_tree() -> None:
    with pytest.raises(TypeError, match="wraps a directory"):
        WrapDir(File())  # type: ignore[arg-type]


def test_coroutines_inside_are_awaited() -> None:
    @node
    class Later(Dir):
        value: int = entry(1)

        @computed
        async def twice(self) -> str:
            await asyncio.sleep(0)
            return f"{self.value} {self.value}"

        @action
        async def add(self, amount: int) -> None:
            await asyncio.sleep(0)
            self.value += amount

    class Names(Dir):
        async def lookup(self, name: str) -> Node | None:
            await asyncio.sleep(0)
            return file if name == "a" else None

        async def list(self) -> AsyncIterator[str]:
            yield "a"

    class Remote(FileNode):
        async def read(self, size: int, offset: int) -> bytes:
            await asyncio.sleep(0)
            return b"abcdef"[offset : offset + size]

    class LaterHandle(WrapHandle):
        async def read(self, size: int, offset: int) -> bytes:
            data: bytes = await super().read(size, offset)
            return data.upper()

    class LaterFile(WrapFile):
        handle_class = LaterHandle

    class LaterDir(Shouting):
        file_class = LaterFile

    file = Remote()
    later = Later()
    with Client(LaterDir(Dir({"n": Names()}))) as client:
        assert client.listdir("N") == ["A"]
        assert client.read_text("N/A") == "ABCDEF"
        assert not client.exists("N/B")
    with Client(WrapDir(later)) as client:
        assert client.read_text("twice") == "1 1\n"
        client.write("add", "2\n3\n4")
        assert later.value == 10
        with raises_errno(errno.EINVAL):
            client.write("add", "x\n")


def test_what_is_generated_is_made_as_far_as_it_is_read() -> None:
    made = []

    @node
    class Endless(Dir):
        @computed
        def numbers(self) -> Iterator[str]:
            for number in itertools.count():
                made.append(number)
                yield f"{number:07}\n"

    with Client(WrapDir(Endless())) as client, client.open("numbers", "r") as file:
        assert file.pread(16, 0) == b"0000000\n0000001\n"
        assert file.pread(8, 80) == b"0000010\n"
        assert file.pread(8, 8) == b"0000001\n"
    assert len(made) < 100_000
