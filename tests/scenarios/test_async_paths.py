"""Routers and file systems of paths whose handlers are ``async``, under threads, asyncio and trio."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import fusetree
from fusetree import Attributes, PathOperations, Router
from fusetree.testing import Client
from tests.scenarios import test_path_operations as paths
from tests.scenarios.coroutines import BACKENDS, pause
from tests.support import raises_errno

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


def _waiting(name: str) -> Any:
    async def handler(self: Any, *arguments: Any) -> Any:
        await pause()
        return getattr(self.inner, name)(*arguments)

    return handler


def waiting(inner: PathOperations) -> PathOperations:
    """The same file system, of which every handler waits for a moment."""

    async def readdir(self: Any, path: str, fh: Any) -> AsyncIterator[str]:
        for name in inner.readdir(path, fh):
            await pause()
            yield name

    body = {name: _waiting(name) for name in type(inner)._defined}
    body |= {"use_ns": inner.use_ns, "inner": inner, "readdir": readdir}
    made: PathOperations = type("Waiting", (PathOperations,), body)()
    return made


@pytest.mark.parametrize(
    "scenario",
    [
        paths.test_files_and_directories,
        paths.test_a_file_is_one_inode_as_long_as_it_is_known,
        paths.test_an_open_file_follows_its_name,
        paths.test_open_files_follow_a_directory_above_them,
        paths.test_a_file_that_is_removed_while_it_is_open_lives_on,
        paths.test_the_name_of_a_removed_file_is_free,
        paths.test_a_file_that_is_replaced_while_it_is_open_lives_on,
    ],
)
def test_paths(backend: Any, scenario: Any) -> None:
    with Client(waiting(paths.Linking()), backend=backend, strict=True) as client:
        scenario(client)
        client.check()


def test_hard_links(backend: Any) -> None:
    with Client(waiting(paths.Linking()), backend=backend) as client:
        paths.save(client, "a", "text")
        client.link("a", "b")
        assert client.stat("a").st_ino == client.stat("b").st_ino
        assert client.stat("b").st_nlink == 2
        with raises_errno(errno.ENOENT):
            client.read_text("c")


class Users:
    """Users, and a router of coroutines that shows them."""

    def __init__(self) -> None:
        self.users: dict[str, bytes] = {"ada": b"36\n", "bea": b"1\n"}
        app = self.app = Router()

        @app.file("/users/{name}.json")
        async def user(name: str) -> bytes:
            await pause()
            if name not in self.users:
                raise FileNotFoundError
            return self.users[name]

        @app.list("/users")
        async def _() -> list[str]:
            await pause()
            return list(self.users)

        @user.write
        async def _(name: str, data: bytes) -> None:
            await pause()
            if data == b"bad":
                raise ValueError
            self.users[name] = data

        @user.create
        async def _(name: str) -> None:
            await pause()
            self.users[name] = b""

        @user.delete
        async def _(name: str) -> None:
            await pause()
            del self.users[name]

        @user.rename
        async def _(name: str, new_name: str) -> None:
            await pause()
            self.users[new_name] = self.users.pop(name)

        @app.link("/latest")
        async def _() -> str:
            await pause()
            return f"users/{list(self.users)[-1]}.json"

        @app.file("/numbers/{n:int}", size="exact")
        async def number(n: int) -> bytes:
            await pause()
            return b"x" * n

        @app.list("/numbers")
        async def _() -> AsyncIterator[int]:
            for number in range(100):
                await pause()
                yield number

        @app.file("/pieces")
        async def pieces() -> AsyncIterator[bytes]:
            for piece in (b"a", b"b"):
                await pause()
                yield piece

        part = app.file("/part")(self.part)

        @part.getattr
        async def _() -> Attributes:
            await pause()
            return Attributes(size=1000)

        @app.list("/tree/{way:path}")
        async def _(way: str) -> list[str]:
            await pause()
            return ["d/", "f"] if way == "" else ["g"]

        @app.file("/tree/{way:path}")
        async def _(way: str) -> str:
            await pause()
            return way

    async def part(self, size: int, offset: int) -> bytes:
        await pause()
        return bytes(range(250))[offset % 250 : offset % 250 + size] if offset < 1000 else b""


def test_routes(backend: Any) -> None:
    users = Users()
    with Client(users.app, backend=backend, strict=True) as client:
        assert client.listdir("users") == ["ada.json", "bea.json"]
        assert client.read_text("users/ada.json") == "36\n"
        assert client.read_text("latest") == "1\n"
        assert not client.exists("users/cem.json")
        assert client.listdir("numbers") == [str(number) for number in range(100)]
        assert client.stat("numbers/12").st_size == 12
        assert not client.exists("numbers/100")
        assert client.read_text("pieces") == "ab"
        assert client.stat("part").st_size == 1000
        with client.open("part") as file:
            assert file.pread(10, 20) == bytes(range(20, 30))
        assert client.walk("tree") == ["tree/d", "tree/d/g", "tree/f"]
        assert client.read_text("tree/d/g") == "d/g\n"
        client.check()


def test_changes_of_routes(backend: Any) -> None:
    users = Users()
    with Client(users.app, backend=backend) as client:
        with client.open("users/cem.json", "x") as file:
            file.write("5\n")
        client.write("users/ada.json", b"37\n")
        with raises_errno(errno.EINVAL):
            client.write("users/ada.json", b"bad")
        with client.open("users/cem.json", "r+") as file:
            client.rename("users/cem.json", "users/dan.json")
            file.pwrite(b"6", 0)
        client.unlink("users/bea.json")
        assert users.users == {"ada": b"37\n", "dan": b"6\n"}
        client.check()


def test_what_takes_a_loop_is_not_shown_without_one(backend: Any) -> None:
    users = Users()
    assert "users" in str(fusetree.tree(users.app))
    with Client(users.app, backend=backend) as client:
        client.stat("users/ada.json")
        directory: Any = users.app.node["users"]
        assert directory.keys() == ["ada.json"]  # what is known
        assert directory.child("ada.json") is client.table.node(client.node_id("users/ada.json"))


def test_who_knows_its_members_may_be_asked_by_a_coroutine(backend: Any) -> None:
    class Names:
        def __contains__(self, name: object) -> bool:
            return name == "a"

        def __iter__(self) -> Iterator[str]:
            raise AssertionError

    app = Router()
    app.file("/{x}")(lambda x: x)

    @app.list("/")
    async def _() -> Names:
        await pause()
        return Names()

    with Client(app, backend=backend) as client:
        assert client.read_text("a") == "a\n"
        assert not client.exists("b")
