"""Trees that are declared by paths, read and changed by programs."""

from __future__ import annotations

import errno
import os
import stat
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from fusetree import Attributes, Dir, MemoryDir, Router
from fusetree.routing.pattern import Segment
from fusetree.testing import Client
from tests.support import raises_errno


class Store:
    """Users, and a router that shows them."""

    def __init__(self) -> None:
        self.users: dict[str, bytes] = {"ada": b"36\n", "bea": b"1\n"}
        self.modes: dict[str, int] = {}
        self.asked: list[str] = []
        app = self.app = Router()

        @app.file("/users/{name}.json")
        def user(name: str) -> bytes:
            self.asked.append(name)
            try:
                return self.users[name]
            except KeyError:
                raise FileNotFoundError from None

        @app.list("/users")
        def users() -> dict[str, bytes]:
            return self.users

        @user.write
        def _(name: str, data: bytes) -> None:
            if data == b"bad":
                raise ValueError("no")
            self.users[name] = data

        @user.create
        def _(name: str, mode: int) -> None:
            self.users[name] = b""
            self.modes[name] = mode

        @user.delete
        def _(name: str) -> None:
            if name == "ada":
                raise PermissionError
            del self.users[name]

        @user.rename
        def _(name: str, new_name: str) -> None:
            self.users[new_name] = self.users.pop(name)

        @app.file("/users/{name}/age")
        def _(name: str) -> int:
            return int(self.users[name])

        @app.link("/latest")
        def _() -> str:
            return f"users/{list(self.users)[-1]}.json"

        @app.file("/status")
        def _() -> str:
            return "fine"


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def client(store: Store) -> Iterator[Client]:
    with Client(store.app) as client:
        yield client
        client.check()


# -------------------------------------------------------------------------------- reading


def test_directories_on_the_way_are_there(client: Client) -> None:
    assert sorted(client.listdir()) == ["latest", "status", "users"]
    assert client.listdir("users") == ["ada.json", "ada", "bea.json", "bea"]
    assert client.listdir("users/bea") == ["age"]
    assert stat.S_ISDIR(client.stat("users/ada").st_mode)
    assert client.read_text("status") == "fine\n"
    assert client.read_text("users/ada.json") == "36\n"
    assert client.read_text("users/bea/age") == "1\n"


def test_what_no_list_tells_and_no_pattern_takes_is_not_there(client: Client, store: Store) -> None:
    for path in ("users/cem.json", "users/cem", "users/ada.txt", "users/ada/name", "nothing"):
        assert not client.exists(path)
    store.users["cem"] = b"5\n"
    assert client.read_text("users/cem/age") == "5\n"


def test_a_link_leads_to_where_it_should_at_the_moment(client: Client, store: Store) -> None:
    assert client.readlink("latest") == "users/bea.json"
    store.users["cem"] = b"5\n"
    assert client.readlink("latest") == "users/cem.json"
    assert client.read_text("latest") == "5\n"


def test_an_open_file_reads_what_it_was_opened_with(client: Client, store: Store) -> None:
    with client.open("users/ada.json") as file:
        store.users["ada"] = b"37\n"
        assert file.read() == b"36\n"
    assert client.read_text("users/ada.json") == "37\n"


def test_a_name_is_one_inode_as_long_as_somebody_knows_it(client: Client, store: Store) -> None:
    number = client.stat("users/ada.json").st_ino
    with client.open("users/ada.json") as file:
        client.drop_caches()
        assert client.stat("users/ada.json").st_ino == number == file.stat().st_ino
    directory = client.stat("users/ada").st_ino
    assert client.stat("users/ada").st_ino == directory != client.stat("users/bea").st_ino


def test_nothing_is_matched_once_a_file_is_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    matched: list[str] = []
    match = Segment.match

    def noted(self: Segment, name: str) -> Any:
        matched.append(name)
        return match(self, name)

    monkeypatch.setattr(Segment, "match", noted)
    with Client(store.app) as client, client.open("users/ada.json", "r+") as file:
        assert matched
        matched.clear()
        assert file.stat().st_mode & 0o777 == 0o644
        assert file.read() == b"36\n"
        file.pwrite(b"9", 0)
        file.fsync()
    assert store.users["ada"] == b"96\n"
    assert matched == []


# -------------------------------------------------------------------------------- lists


def test_without_a_list_names_can_be_used_and_are_not_listed() -> None:
    app = Router()

    @app.file("/squares/{n:int}", size="exact")
    def square(n: int) -> int:
        if n < 0:
            raise FileNotFoundError
        return n * n

    with Client(app) as client:
        assert client.listdir("squares") == []
        assert client.read_text("squares/12") == "144\n"
        assert client.stat("squares/12").st_size == 4
        assert not client.exists("squares/012")
        assert not client.exists("squares/twelve")
        assert not client.exists("squares/-1")  # since its size is asked for
        client.check()


def test_a_list_that_is_not_complete_leaves_it_to_the_handler() -> None:
    app = Router()
    app.list("/", complete=False)(lambda: ["a"])

    @app.file("/{x}")
    def content(x: str) -> str:
        if x == "no":
            raise FileNotFoundError
        return x

    with Client(app) as client:
        assert client.listdir() == ["a"]
        assert client.read_text("b") == "b\n"
        with raises_errno(errno.ENOENT):
            client.read_text("no")


def test_a_list_may_be_a_generator_of_many_names() -> None:
    app = Router()
    app.file("/{n:int}")(lambda n: n)
    app.list("/")(lambda: iter(range(5000)))
    with Client(app) as client:
        assert client.listdir() == [str(number) for number in range(5000)]
        assert client.read_text("4999") == "4999\n"
        assert not client.exists("5000")


def test_who_knows_its_members_quickly_is_asked_for_them() -> None:
    class Names:
        def __contains__(self, name: object) -> bool:
            return name == "hidden"

        def __iter__(self) -> Iterator[str]:
            return iter(["listed"])

    app = Router()
    app.file("/{x}")(lambda x: x)
    app.list("/")(Names)
    with Client(app) as client:
        assert client.listdir() == ["listed"]
        assert client.read_text("hidden") == "hidden\n"
        assert not client.exists("listed")


def test_names_of_several_parameters_are_listed_as_tuples_and_dicts() -> None:
    app = Router()
    app.file("/{year:int}-{month:int}")(lambda year, month: f"{month}/{year}")
    app.file("/{note}.txt")(lambda note: note)
    app.list("/")(lambda: [(2024, 1), {"year": 2024, "month": 2}, "a", {"note": "b"}])
    with Client(app) as client:
        assert client.listdir() == ["2024-1", "2024-2", "a.txt", "b.txt"]
        assert client.read_text("2024-2") == "2/2024\n"
        assert client.read_text("b.txt") == "b\n"
        assert not client.exists("2024-3")


@pytest.mark.parametrize("told", [5, "names", [5], ["a/b"], [("a", "b")]])
def test_a_list_that_tells_no_names_is_a_bug(told: Any) -> None:
    app = Router()
    app.file("/d/{x}")(lambda x: x)
    app.list("/d")(lambda: told)
    with Client(app) as client, raises_errno(errno.EIO):
        client.listdir("d")


def test_what_a_list_told_holds_for_its_ttl() -> None:
    asked = []
    app = Router()
    app.file("/d/{x}")(lambda x: x)

    @app.list("/d", ttl=1000)
    def names() -> Iterator[str]:
        asked.append(1)
        return iter(["a"])

    with Client(app) as client:
        for _ in range(3):
            assert client.listdir("d") == ["a"]
            assert client.exists("d/a")
            assert not client.exists("d/b")
        assert len(asked) == 1


def test_parameters_in_directories() -> None:
    app = Router()
    app.list("/")(lambda: ["x", "y"])
    app.list("/{a}")(lambda a: [1, 2])
    app.file("/{a}/{n:int}/file")(lambda a, n: f"{a}{n}")
    app.link("/{a}/{n:int}/up")(lambda a, n: "..")
    with Client(app) as client:
        assert client.listdir() == ["x", "y"]
        assert client.listdir("x") == ["1", "2"]
        assert sorted(client.listdir("y/2")) == ["file", "up"]
        assert client.read_text("y/2/file") == "y2\n"
        assert client.readlink("y/1/up") == ".."
        assert not client.exists("y/3")
        client.check()


def test_the_rest_of_a_path() -> None:
    files = {"a": "1", "d/b": "2", "d/e/c": "3"}
    app = Router()
    asked = []

    @app.file("/files/{way:path}", size="exact")
    def content(way: str) -> str:
        return files[way]

    @app.list("/files/{way:path}")
    def names(way: str) -> list[str]:
        asked.append(way)
        below = [name[len(way) :].lstrip("/") for name in files if not way or name.startswith(f"{way}/")]
        return [name.split("/")[0] + "/" * ("/" in name) for name in below]

    app.file("/files/about")(lambda: "about")
    with Client(app) as client:
        assert client.walk() == [
            *("files", "files/about", "files/a", "files/d", "files/d/b", "files/d/e", "files/d/e/c")
        ]
        assert set(asked) == {"", "d", "d/e"}
        assert client.read_text("files/d/e/c") == "3\n"
        assert client.stat("files/d/b").st_size == 2
        assert client.read_text("files/about") == "about\n"
        for path in ("files/b", "files/d/e/d", "files/a/b"):
            assert not client.exists(path)
        client.check()


# -------------------------------------------------------------------------------- what content there is


def test_content_reads_as_that_of_a_computed_file() -> None:
    app = Router()

    @app.file("/document")
    def document() -> dict[str, list[int]]:
        return {"a": [1]}

    app.file("/bytes")(lambda: b"\0\xff")
    app.file("/pieces")(lambda: iter(["a", b"b"]))
    app.file("/nothing")(lambda: None)
    with Client(app) as client:
        assert client.read_text("document") == '{\n  "a": [\n    1\n  ]\n}\n'
        assert client.read_bytes("bytes") == b"\0\xff"
        assert client.read_text("pieces") == "ab"
        assert client.read_text("nothing") == ""


def test_what_goes_wrong_is_told_to_who_opens() -> None:
    app = Router()

    @app.file("/{n:int}")
    def content(n: int) -> int:
        return 1 // n if n < 10 else os.stat(f"/does/not/exist/{n}").st_size

    with Client(app) as client:
        assert client.read_text("1") == "1\n"
        with raises_errno(errno.EIO):
            client.read_text("0")
        with raises_errno(errno.ENOENT):
            client.read_text("10")
        assert client.read_text("1") == "1\n"


def test_attributes_of_a_route() -> None:
    app = Router()
    route = app.file("/{x}")(lambda x: x * 3)

    @route.getattr
    def _(x: str) -> Attributes:
        if x == "none":
            raise FileNotFoundError
        return Attributes(size=3 * len(x) + 1, mtime_ns=5_000_000_000, mode=0o400)

    with Client(app) as client:
        found = client.stat("ab")
        assert (found.st_size, found.st_mtime_ns, found.st_mode & 0o777) == (7, 5_000_000_000, 0o400)
        assert not client.exists("none")
        assert client.read_text("ab") == "ababab\n"


def test_a_file_in_parts() -> None:
    content = bytearray(range(256)) * 1000
    asked = []
    app = Router()

    @app.file("/{x}")
    def part(x: str, size: int, offset: int) -> bytes:
        asked.append((size, offset))
        return bytes(content[offset : offset + size])

    @part.getattr
    def _(x: str) -> Attributes:
        return Attributes(size=len(content))

    @part.write
    def _(x: str, data: bytes, offset: int) -> None:
        content[offset : offset + len(data)] = data

    @part.truncate
    def _(x: str, size: int) -> None:
        del content[size:]

    with Client(app) as client:
        assert client.read_bytes("f") == content
        with client.open("f", "r+") as file:
            assert file.pread(10, 1000) == content[1000:1010]
            assert asked[-1] == (10, 1000)
            file.pwrite(b"xyz", 2)
        assert content[:6] == b"\0\1xyz\5"
        client.truncate("f", 4)
        assert content == b"\0\1xy"
        with client.open("f", "w") as file:
            file.write(b"new")
        assert content == b"new"
        with raises_errno(errno.EROFS):
            client.chmod("f", 0o600)
        client.check()


# -------------------------------------------------------------------------------- writing and changing names


def test_writing_gives_the_whole_content(client: Client, store: Store) -> None:
    client.write("users/ada.json", b"x" * 300_000)
    assert store.users["ada"] == b"x" * 300_000
    with client.open("users/bea.json", "a") as file:
        file.write("2\n")
    assert store.users["bea"] == b"1\n2\n"
    with raises_errno(errno.EINVAL):
        client.write("users/bea.json", b"bad")
    assert store.users["bea"] == b"1\n2\n"
    with raises_errno(errno.EROFS):
        client.write("status", b"x")


def test_what_is_written_has_the_type_that_the_handler_asks_for() -> None:
    got: list[Any] = []
    app = Router()

    def declare(path: str, annotation: Any) -> None:
        def take(data: Any) -> None:
            got.append(data)

        take.__annotations__ = {"data": annotation}
        app.file(path)(lambda: "").write(take)

    declare("/number", int)
    declare("/text", str)
    declare("/document", dict[str, int])
    declare("/any", Any)
    with Client(app) as client:
        client.write("number", b" 5\n")
        client.write("text", b"two\nlines\n")
        client.write("document", b'{"a": 1}')
        client.write("any", b"\xff")
        assert got == [5, "two\nlines\n", {"a": 1}, b"\xff"]
        for path, wrong in (("number", b"five"), ("document", b'{"a": "b"}'), ("text", b"\xff")):
            with raises_errno(errno.EINVAL):
                client.write(path, wrong)
        assert len(got) == 4


def test_files_are_made_and_removed(client: Client, store: Store) -> None:
    with client.open("users/cem.json", "x", permissions=0o600) as file:
        file.write(b"5\n")
    assert store.users["cem"] == b"5\n"
    assert store.modes["cem"] == 0o600
    client.unlink("users/cem.json")
    assert "cem" not in store.users
    assert not client.exists("users/cem.json")
    with raises_errno(errno.EACCES):
        client.unlink("users/ada.json")
    with raises_errno(errno.ENOENT):
        client.unlink("users/cem.json")
    with raises_errno(errno.EINVAL):
        client.open("users/cem.txt", "x")
    with raises_errno(errno.EROFS):
        client.mkdir("users/dir")
    with raises_errno(errno.EROFS):
        client.rmdir("users/bea")
    with raises_errno(errno.EROFS):
        client.open("new", "x")


def test_a_file_that_is_removed_while_it_is_open_can_be_read_on(client: Client, store: Store) -> None:
    with client.open("users/bea.json") as file:
        client.unlink("users/bea.json")
        assert file.read() == b"1\n"
        number = file.stat().st_ino
        with client.open("users/bea.json", "x") as other:
            assert other.stat().st_ino != number


def test_a_file_that_is_moved_is_the_same_and_is_written_where_it_is(client: Client, store: Store) -> None:
    number = client.stat("users/bea.json").st_ino
    with client.open("users/bea.json", "r+") as file:
        client.rename("users/bea.json", "users/eve.json")
        assert list(store.users) == ["ada", "eve"]
        assert client.stat("users/eve.json").st_ino == number
        file.pwrite(b"9", 0)
    assert store.users == {"ada": b"36\n", "eve": b"9\n"}
    client.rename("users/eve.json", "users/ada.json")
    assert store.users == {"ada": b"9\n"}
    with raises_errno(errno.EXDEV):
        client.rename("users/ada.json", "users/ada.txt")
    with raises_errno(errno.EROFS):
        client.rename("users/ada.json", "ada.json")


@pytest.mark.parametrize("how", ["exact", "getattr", "path"])
def test_names_are_made_where_the_file_itself_tells_whether_it_is_there(how: str) -> None:
    texts = {"a": "1\n"}
    app = Router()
    pattern = "/d/{name:path}" if how == "path" else "/d/{name}"

    @app.file(pattern, size="exact" if how != "getattr" else None)
    def text(name: str) -> str:
        if name not in texts:
            raise FileNotFoundError
        return texts[name]

    if how == "getattr":
        text.getattr(lambda name: Attributes(size=len(text(name))))
    if how == "path":
        app.list(pattern, complete=False)(lambda name: ())
    text.write(lambda name, content: texts.update({name: content.decode()}))
    text.create(lambda name: texts.update({name: ""}))
    text.rename(lambda name, new_name: texts.update({new_name: texts.pop(name)}))
    with Client(app, strict=True) as client:
        client.open("d/b", "x").close()
        client.write("d/c", "3\n", create=True)
        for existing in ("d/a", "d/b"):
            with raises_errno(errno.EEXIST):
                client.open(existing, "x")
        client.rename("d/c", "d/e", flags=1)
        with raises_errno(errno.EEXIST):
            client.rename("d/e", "d/a", flags=1)
        assert texts == {"a": "1\n", "b": "", "e": "3\n"}
        assert not client.exists("d/c")
        client.check()


def test_what_is_written_to_a_file_that_is_gone_is_not_anothers(client: Client, store: Store) -> None:
    with client.open("users/bea.json", "r+") as removed:
        client.unlink("users/bea.json")
        client.write("users/bea.json", "new\n", create=True)
        removed.pwrite(b"9", 0)
        with raises_errno(errno.ESTALE):
            removed.fsync()
    with client.open("users/ada.json", "r+") as replaced:
        client.rename("users/bea.json", "users/ada.json")
        replaced.pwrite(b"9", 0)
        with raises_errno(errno.ESTALE):
            replaced.fsync()
    assert store.users == {"ada": b"new\n"}


def test_a_file_is_not_moved_to_where_another_is_by_itself() -> None:
    names = {"a": "1", "b.md": "2"}
    app = Router()
    route = app.file("/{name}")(lambda name: names[name])
    app.file("/{page}.md")(lambda page: page)
    app.file("/fixed")(lambda: "fixed")
    app.list("/")(lambda: [*names, "page"])
    route.rename(lambda name, new_name: names.update({new_name: names.pop(name)}))
    with Client(app, strict=True) as client:
        with raises_errno(errno.EROFS):
            client.rename("a", "fixed")
        with raises_errno(errno.EXDEV):
            client.rename("a", "page.md")  # that is another route's
        client.rename("a", "c.md")
        assert client.read_text("c.md") == "1\n"
        client.check()


def test_directories_are_made_moved_and_removed() -> None:
    teams: dict[str, dict[str, str]] = {"red": {"ada": "1"}}
    app = Router()

    @app.list("/")
    def every() -> list[str]:
        return list(teams)

    @app.list("/{team}")
    def members(team: str) -> dict[str, str]:
        return teams[team]

    @members.create
    def _(team: str) -> None:
        teams[team] = {}

    @members.delete
    def _(team: str) -> None:
        if teams[team]:
            raise OSError(errno.ENOTEMPTY, "not empty")
        del teams[team]

    @members.rename
    def _(team: str, new_team: str) -> None:
        teams[new_team] = teams.pop(team)

    @app.file("/{team}/{name}")
    def member(team: str, name: str) -> str:
        return teams[team][name]

    @member.write
    def _(team: str, name: str, text: str) -> None:
        teams[team][name] = text

    @member.create
    def _(team: str, name: str) -> None:
        teams[team][name] = ""

    @member.rename
    def _(team: str, name: str, new_team: str, new_name: str) -> None:
        teams[new_team][new_name] = teams[team].pop(name)

    with Client(app) as client:
        client.mkdir("blue")
        client.rename("red/ada", "blue/ada")
        client.rmdir("red")
        assert teams == {"blue": {"ada": "1"}}
        number = client.stat("blue/ada").st_ino
        with client.open("blue/ada", "r+") as file:
            client.rename("blue", "green")
            file.pwrite(b"2", 0)
        assert teams == {"green": {"ada": "2\n"}}
        assert client.stat("green/ada").st_ino == number
        assert not client.exists("blue")
        with raises_errno(errno.ENOTEMPTY):
            client.rmdir("green")
        client.check()


def test_links_are_made_and_removed() -> None:
    links = {"a": "b"}
    app = Router()
    route = app.link("/{name}")(lambda name: links[name])
    app.list("/")(lambda: links)
    route.create(lambda name, target: links.update({name: target}))
    route.delete(lambda name: links.pop(name))
    with Client(app) as client:
        client.symlink("a", "c")
        assert client.readlink("c") == "a"
        client.unlink("a")
        assert links == {"c": "a"}


# -------------------------------------------------------------------------------- with other nodes


def test_routers_and_directories_hang_in_each_other(store: Store) -> None:
    store.app.mount("/memory", MemoryDir())
    root = Dir({"api": store.app, "note": "x"})
    with Client(root) as client:
        assert client.read_text("api/users/ada.json") == "36\n"
        client.mkdir("api/memory/d")
        with client.open("api/memory/d/f", "w") as file:
            file.write("kept")
        assert client.read_text("api/memory/d/f") == "kept"
        assert client.scandir("api/users")[".."][0] == client.stat("api").st_ino
        with raises_errno(errno.EXDEV):
            client.rename("api/memory/d/f", "api/users/f.json")
        client.check()


def test_what_is_known_is_given_back(store: Store) -> None:
    with Client(store.app) as client:
        paths = ("users/ada.json", "users/ada", "users/bea/age", "latest")
        nodes = [weakref.ref(client.table.node(client.node_id(path))) for path in paths]
        client.drop_caches()
        client.wait_all_forgotten()
        client.wait_collected(nodes)
        client.check()
