"""Files that are made through a wrapper, and opened in the same step."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import Any

import pytest

from fusetree import Dir, HostDir, MemoryDir, MemoryFile, WrapDir, WrapFile, WrapHandle, lowlevel
from fusetree.nodes import Node
from fusetree.testing import Client
from tests.support import raises_errno

needs_nameless = pytest.mark.skipif(
    not lowlevel.features()["tmpfile"].compiled, reason="O_TMPFILE needs libfuse 3.17"
)


class Made:
    """What is open of a file from the moment in which it was made."""

    def __init__(self) -> None:
        self.written = b""
        self.released = 0

    def read(self, size: int, offset: int) -> bytes:
        return self.written[offset : offset + size]

    def write(self, data: bytes, offset: int) -> int:
        self.written += bytes(data)
        return len(data)

    def release(self) -> None:
        self.released += 1


class Once(MemoryDir):
    """Opens what it makes, which cannot be opened a second time."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.made: list[Made] = []

    def create_open(self, name: str, mode: int, flags: int) -> Any:
        self.made.append(Made())
        return Shut(mode=mode), self.made[-1]

    def tmpfile(self, mode: int, flags: int) -> Any:
        return self.create_open("", mode, flags)


class Shut(MemoryFile):
    def open(self, flags: int) -> Any:
        raise PermissionError


class LaterOnce(Once):
    async def create_open(self, name: str, mode: int, flags: int) -> Any:
        await asyncio.sleep(0)
        return super().create_open(name, mode, flags)


class Heard(WrapDir):
    def __init__(self, inner: Dir, above: Any = None) -> None:
        super().__init__(inner, above)
        self.heard: list[str] = []

    def passing(self, node: Node, operation: str, arguments: tuple[Any, ...]) -> None:
        if operation in ("create", "tmpfile", "open", "write", "release"):
            self.heard.append(operation)


@pytest.mark.parametrize("inside", [Once, LaterOnce])
def test_what_was_opened_when_it_was_made_is_what_is_open(inside: type[Once]) -> None:
    tree = inside()
    wrapper = Heard(tree)
    with Client(wrapper) as client:
        with client.open("f", "w") as file:
            file.write("text")
        assert [made.written for made in tree.made] == [b"text"]
        with raises_errno(errno.EACCES):
            client.open("f", "r")
    assert wrapper.heard == ["create", "open", "write", "release", "open"]
    assert tree.made[0].released == 1
    assert list(tree) == ["f"]


class Loud(WrapFile):
    def open(self, flags: int) -> Any:
        loud(self)
        return super().open(flags)


class LaterLoud(WrapFile):
    async def open(self, flags: int) -> Any:
        await asyncio.sleep(0)
        loud(self)
        return super().open(flags)


class Refusing(WrapFile):
    def open(self, flags: int) -> Any:
        raise BlockingIOError


class Replacing(WrapFile):
    def open(self, flags: int) -> Any:
        return Made()


class Shouting(WrapHandle):
    def write(self, data: bytes, offset: int) -> Any:
        return super().write(bytes(data).upper(), offset)


heard: list[WrapFile] = []


def loud(file: WrapFile) -> None:
    heard.append(file)


def of(files: type[WrapFile]) -> type[WrapDir]:
    return type("Of", (WrapDir,), {"file_class": files})


@pytest.mark.parametrize("files", [Loud, LaterLoud])
@pytest.mark.parametrize("inside", [Once, LaterOnce])
def test_the_wrapper_is_asked_for_that_open_too(inside: type[Once], files: type[WrapFile]) -> None:
    tree = inside()
    heard.clear()
    told = type("Told", (files,), {"handle_class": Shouting})
    with Client(of(told)(tree)) as client, client.open("f", "w") as file:
        file.write("text")
    assert len(heard) == 1
    assert (tree.made[0].written, tree.made[0].released) == (b"TEXT", 1)


class Widening(WrapFile):
    """Reads what it is to write over."""

    class handle_class(WrapHandle):  # noqa: N801 - as it is called in WrapFile
        def write(self, data: bytes, offset: int) -> Any:
            super().write(bytes(data) + b"+" + bytes(self.read(100, 0)), offset)
            return len(data)

    def open(self, flags: int) -> Any:
        return super().open(flags & ~os.O_ACCMODE | os.O_RDWR)


class Appending(WrapFile):
    def open(self, flags: int) -> Any:
        return super().open(flags | os.O_APPEND)


@pytest.mark.parametrize("files", [Widening, WrapFile])
def test_what_a_user_may_write_once_a_wrapper_may_read_then(files: type[WrapFile], tmp_path: Any) -> None:
    with Client(of(files)(HostDir(tmp_path, writable=True))) as client, client.open("f", "w") as file:
        file.write("ab")
        file.write("cd")
    assert (tmp_path / "f").read_text() == ("abcd+ab+" if files is Widening else "abcd")


def test_who_opens_otherwise_opens_anew(tmp_path: Any) -> None:
    with Client(of(Appending)(HostDir(tmp_path, writable=True))) as client, client.open("f", "w") as file:
        file.write("ab")
        (tmp_path / "f").write_bytes(b"1234")
        file.write("c")
    assert (tmp_path / "f").read_text() == "1234c"


@pytest.mark.parametrize("inside", [Once, LaterOnce])
def test_what_the_wrapper_does_not_take_is_released(inside: type[Once]) -> None:
    tree = inside()
    with Client(of(Refusing)(tree)) as client, raises_errno(errno.EAGAIN):
        client.open("f", "w")
    with Client(of(Replacing)(tree)) as client, client.open("g", "w") as file:
        file.write("elsewhere")
    assert [(made.written, made.released) for made in tree.made] == [(b"", 1), (b"", 1)]


def test_what_is_shown_instead_is_opened_as_any() -> None:
    class Instead(WrapDir):
        def wrap(self, inner: Node, name: str) -> Node | None:
            return MemoryFile("instead", mode=0o644) if isinstance(inner, Shut) else super().wrap(inner, name)

    tree = Once()
    with Client(Instead(tree)) as client, client.open("f", "x+") as file:
        assert file.read() == b"instead"
    assert tree.made[0].released == 1


@pytest.mark.parametrize("kind", [WrapDir, MemoryDir, HostDir])
def test_a_create_of_ones_own_is_asked(kind: type[Any], tmp_path: Any) -> None:
    class Ruled(kind):  # type: ignore[misc]
        def create(self, name: str, mode: int) -> Any:
            raise PermissionError

    made: dict[type[Any], Any] = {
        WrapDir: lambda: Ruled(HostDir(tmp_path, writable=True)),
        MemoryDir: Ruled,
        HostDir: lambda: Ruled(tmp_path, writable=True),
    }
    with Client(made[kind]()) as client, raises_errno(errno.EACCES):
        client.open("f", "w")
    assert os.listdir(tmp_path) == []


# ------------------------------------------------------------------------------------- without a name


def test_a_file_without_a_name_is_made_inside_and_wrapped() -> None:
    tree = MemoryDir()
    wrapper = Heard(tree)
    made, opened = wrapper.tmpfile(0o640, os.O_RDWR)
    assert isinstance(made, WrapFile)
    assert isinstance(made.inner, MemoryFile)
    assert (made.mode, opened, wrapper.heard, list(tree)) == (0o640, None, ["tmpfile"], [])
    wrapper.link("f", made)
    assert tree["f"] is made.inner
    assert wrapper["f"] is made


def test_it_may_come_opened() -> None:
    tree = Once()
    made, opened = of(type("Told", (WrapFile,), {"handle_class": Shouting}))(tree).tmpfile(0o600, os.O_RDWR)
    assert isinstance(made, WrapFile)
    opened.write(b"text", 0)
    opened.release()
    assert (tree.made[0].written, tree.made[0].released) == (b"TEXT", 1)


def test_names_that_are_hidden_are_not_given_to_it() -> None:
    class Hiding(WrapDir):
        def shows(self, name: str) -> bool:
            return not name.startswith("secret")

    tree = MemoryDir()
    wrapper = Hiding(tree)
    made, _ = wrapper.tmpfile(0o600, os.O_RDWR)
    with raises_errno(errno.EACCES):
        wrapper.link("secret", made)
    assert list(tree) == []


class Ruled(MemoryDir):
    def create(self, name: str, mode: int) -> Any:
        raise PermissionError


@pytest.mark.parametrize("inside", [Dir({}, mode=0o755), Ruled()])
def test_where_the_directory_inside_has_none(inside: Dir) -> None:
    """Also where it would be made past the rules of a class."""
    with raises_errno(errno.EOPNOTSUPP):
        WrapDir(inside).tmpfile(0o600, os.O_RDWR)


@needs_nameless
def test_a_mount_passes_it_on() -> None:
    tree = Once()
    with Client(Heard(tree)) as client:
        entry, opened = client.raw.tmpfile(1, os.O_RDWR, 0o640)
        client.raw.write(entry.node_id, opened.fh, b"text")
        client.raw.release(entry.node_id, opened.fh)
    assert (tree.made[0].written, tree.made[0].released) == (b"text", 1)
    assert list(tree) == []
