"""Names below a parameter of kind path, made, removed and moved by programs."""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fusetree import Attributes, Router
from fusetree.testing import Client
from tests.scenarios.coroutines import BACKENDS, pause
from tests.scenarios.test_path_operations import save
from tests.support import raises_errno


class Notes:
    """Notes of several users: a directory is there since something is below it, or since it was made."""

    def __init__(self, *, waits: bool = False, ttl: float = 0.0, size: Any = None) -> None:
        self.notes: dict[str, dict[str, str]] = {
            "ada": {"todo": "sleep\n", "work/monday": "meet\n", "work/deep/plan": "dig\n"},
            "bea": {"todo": "read\n"},
        }
        self.made: set[tuple[str, str]] = set()
        self.asked: list[str] = []
        self.waits = waits
        app = self.app = Router()
        app.list("/")(self._handler(self.users))
        self.note = app.file("/{user}/{path:path}", ttl=ttl, size=size)(self._handler(self.read))
        self.names = app.list("/{user}/{path:path}", ttl=ttl)(self._handler(self.list))
        self.note.write(self._handler(self.write))
        self.note.create(self._handler(self.create))
        self.note.delete(self._handler(self.delete))
        self.note.rename(self._handler(self.rename))
        self.names.create(self._handler(self.mkdir))
        self.names.delete(self._handler(self.rmdir))
        self.names.rename(self._handler(self.rename_below))

    def _handler(self, method: Callable[..., Any]) -> Callable[..., Any]:
        if not self.waits:
            return method

        @functools.wraps(method)
        async def waiting(**values: Any) -> Any:
            await pause()
            return method(**values)

        return waiting

    def users(self) -> list[str]:
        return list(self.notes)

    def read(self, user: str, path: str) -> str:
        return self.notes[user][path]

    def list(self, user: str, path: str) -> set[str]:
        self.asked.append(path)
        start = f"{path}/" if path else ""
        known = [*self.notes[user], *(f"{made}/" for owner, made in self.made if owner == user)]
        below = [one[len(start) :] for one in known if one.startswith(start) and one != start]
        return {one.split("/")[0] + ("/" if "/" in one else "") for one in below}

    def write(self, user: str, path: str, text: str) -> None:
        self.notes[user][path] = text

    def create(self, user: str, path: str) -> None:
        self.notes[user][path] = ""

    def delete(self, user: str, path: str) -> None:
        del self.notes[user][path]

    def rename(self, user: str, path: str, new_user: str, new_path: str) -> None:
        self.notes[new_user][new_path] = self.notes[user].pop(path)

    def mkdir(self, user: str, path: str, mode: int) -> None:
        self.made.add((user, path))

    def rmdir(self, user: str, path: str) -> None:
        if self.list(user, path):
            raise OSError(errno.ENOTEMPTY, "not empty")
        self.made.discard((user, path))

    def rename_below(self, user: str, path: str, new_user: str, new_path: str) -> None:
        for known in list(self.notes[user]):
            if known.startswith(f"{path}/"):
                self.notes[new_user][new_path + known[len(path) :]] = self.notes[user].pop(known)
        for owner, made in list(self.made):
            if owner == user and (made == path or made.startswith(f"{path}/")):
                self.made.remove((owner, made))
                self.made.add((new_user, new_path + made[len(path) :]))


@pytest.fixture(params=["sync", *BACKENDS])
def notes(request: pytest.FixtureRequest) -> Notes:
    return Notes(waits=request.param != "sync")


@pytest.fixture
def client(request: pytest.FixtureRequest, notes: Notes) -> Iterator[Client]:
    backend = request.node.callspec.params["notes"]
    with Client(notes.app, backend="threads" if backend == "sync" else backend, strict=True) as client:
        yield client
        client.check()


def test_files_are_made_where_a_directory_is_only_since_something_is_below_it(
    client: Client, notes: Notes
) -> None:
    save(client, "ada/work/deep/new", "1\n")
    assert notes.notes["ada"]["work/deep/new"] == "1\n"
    assert client.read_text("ada/work/deep/new") == "1\n"
    assert sorted(client.listdir("ada/work/deep")) == ["new", "plan"]
    with raises_errno(errno.EEXIST):
        client.open("ada/work/deep/new", "x")
    with raises_errno(errno.ENOENT):
        client.open("ada/none/new", "x")
    with raises_errno(errno.ENOTDIR):
        client.open("ada/todo/new", "x")


def test_names_are_removed(client: Client, notes: Notes) -> None:
    client.unlink("ada/work/monday")
    assert "work/monday" not in notes.notes["ada"]
    assert not client.exists("ada/work/monday")
    assert client.listdir("ada/work") == ["deep"]
    with raises_errno(errno.ENOENT):
        client.unlink("ada/work/monday")
    with raises_errno(errno.EROFS):
        client.rmdir("ada")


def test_a_directory_that_was_there_for_what_was_below_it_stays_until_it_is_removed(
    client: Client, notes: Notes
) -> None:
    client.unlink("ada/work/deep/plan")
    client.rename("ada/work/monday", "bea/monday")
    assert sorted(notes.list("ada", "")) == ["todo"]
    assert sorted(client.listdir("ada")) == ["todo", "work"]
    assert client.listdir("ada/work") == ["deep"]
    assert client.listdir("ada/work/deep") == []
    client.rename("ada/work/deep", "bea/shallow")
    assert client.listdir("bea/shallow") == []
    client.rmdir("ada/work")
    assert client.listdir("ada") == ["todo"]
    save(client, "bea/shallow/new", "1\n")  # as in any directory
    del notes.notes["bea"]["shallow/new"]  # by the program itself: then it goes
    assert not client.exists("bea/shallow")
    assert sorted(client.listdir("bea")) == ["monday", "todo"]


def test_what_the_program_removes_itself_is_gone_with_its_directory(client: Client, notes: Notes) -> None:
    client.unlink("ada/work/monday")
    assert client.listdir("ada/work") == ["deep"]  # by which it is known to be told still
    del notes.notes["ada"]["work/deep/plan"]
    assert not client.exists("ada/work")
    assert client.listdir("ada") == ["todo"]


def test_directories_are_made_and_removed(client: Client, notes: Notes) -> None:
    client.mkdir("ada/new")
    client.mkdir("ada/new/below")
    assert notes.made == {("ada", "new"), ("ada", "new/below")}
    assert client.listdir("ada/new") == ["below"]
    save(client, "ada/new/below/x", "1\n")
    with raises_errno(errno.ENOTEMPTY):
        client.rmdir("ada/new/below")
    client.unlink("ada/new/below/x")
    client.rmdir("ada/new/below")
    client.rmdir("ada/new")
    assert notes.made == set()
    assert not client.exists("ada/new")


def test_a_file_is_moved_within_a_parameter_and_to_another_value(client: Client, notes: Notes) -> None:
    number = client.stat("ada/todo").st_ino
    with client.open("ada/todo", "r+") as file:
        client.rename("ada/todo", "ada/work/tuesday")
        assert client.stat("ada/work/tuesday").st_ino == number
        client.rename("ada/work/tuesday", "bea/hers")
        assert client.stat("bea/hers").st_ino == number
        assert not client.exists("ada/todo")
        assert not client.exists("ada/work/tuesday")
        file.pwrite(b"S", 0)
    assert notes.notes["bea"] == {"todo": "read\n", "hers": "Sleep\n"}
    client.rename("bea/hers", "bea/todo")
    assert notes.notes["bea"] == {"todo": "Sleep\n"}
    assert client.read_text("bea/todo") == "Sleep\n"


def test_open_files_follow_a_directory_that_is_moved(client: Client, notes: Notes) -> None:
    number = client.stat("ada/work/deep/plan").st_ino
    directory = client.stat("ada/work/deep").st_ino
    with client.open("ada/work/deep/plan", "r+") as file:
        client.rename("ada/work", "bea/job")
        save(client, "bea/job/deep/more", "2\n")
        assert client.stat("bea/job/deep/plan").st_ino == number
        assert client.stat("bea/job/deep").st_ino == directory
        assert not client.exists("ada/work")
        client.rename("bea/job/deep", "bea/shallow")
        file.pwrite(b"D", 0)
    assert notes.notes == {
        "ada": {"todo": "sleep\n"},
        "bea": {"todo": "read\n", "job/monday": "meet\n", "shallow/plan": "Dig\n", "shallow/more": "2\n"},
    }
    assert sorted(client.listdir("bea")) == ["job", "shallow", "todo"]


def test_what_is_removed_or_replaced_while_it_is_open_is_nobodys(client: Client, notes: Notes) -> None:
    with client.open("ada/todo", "r+") as removed, client.open("ada/work/monday", "r+") as replaced:
        client.unlink("ada/todo")
        save(client, "ada/todo", "new\n")
        client.rename("ada/work/deep/plan", "ada/work/monday")
        assert removed.read() == b"sleep\n"
        assert replaced.read() == b"meet\n"
        for file in (removed, replaced):
            file.pwrite(b"X", 0)
            with raises_errno(errno.ESTALE):
                file.fsync()
    assert notes.notes["ada"] == {"todo": "new\n", "work/monday": "dig\n"}


def test_what_no_handler_does_is_refused() -> None:
    files = {"a": "1", "d/b": "2"}
    app = Router()
    note = app.file("/n/{path:path}")(lambda path: files[path])
    app.file("/n/about")(lambda: "about")
    app.link("/n/first")(lambda: "a")
    app.list("/n/{path:path}")(lambda path: ["b"] if path else ["a", "d/"])
    note.rename(lambda path, new_path: files.update({new_path: files.pop(path)}))
    app.file("/{name}.txt")(lambda name: name).rename(lambda name, new_name: None)
    with Client(app, strict=True) as client:
        assert sorted(client.listdir("n")) == ["a", "about", "d", "first"]
        assert client.read_text("n/first") == "1\n"
        assert client.stat("n").st_mode & 0o777 == client.stat("n/d").st_mode & 0o777 == 0o755
        for refused in (
            lambda: client.open("n/new", "x"),
            lambda: client.mkdir("n/new"),
            lambda: client.symlink("a", "n/new"),
            lambda: client.unlink("n/a"),
            lambda: client.unlink("n/first"),
            lambda: client.rmdir("n/d"),
            lambda: client.rename("n/d", "n/e"),
            lambda: client.rename("n/about", "n/x"),
            lambda: client.rename("n/a", "n/about"),
            lambda: client.rename("n/a", "n/first"),
        ):
            with raises_errno(errno.EROFS):
                refused()
        with raises_errno(errno.EXDEV):
            client.rename("n/a", "b.txt")
        with raises_errno(errno.EINVAL):
            client.rename("n/a", "n/d/b", flags=2)
        client.check()
    assert files == {"a": "1", "d/b": "2"}


def test_a_file_that_is_read_in_parts_has_no_parts_when_it_is_removed() -> None:
    files = {"d/f": bytearray(b"text")}
    app = Router()
    part = app.file("/{path:path}")(lambda path, size, offset: bytes(files[path][offset : offset + size]))
    app.list("/{path:path}")(lambda path: [name[2:] for name in files] if path else ["d/"])
    part.getattr(lambda path: Attributes(size=len(files[path])))
    part.create(lambda path: files.update({path: bytearray()}))
    part.delete(lambda path: files.pop(path))

    @part.write
    def _(path: str, data: bytes, offset: int) -> None:
        files[path][offset : offset + len(data)] = data

    with Client(app, strict=True) as client, client.open("d/f", "r+") as file:
        client.unlink("d/f")
        save(client, "d/f", "other")
        assert file.stat().st_nlink == 0
        for use in (lambda: file.pread(4, 0), lambda: file.pwrite(b"x", 0)):
            with raises_errno(errno.ESTALE):
                use()
        assert files == {"d/f": bytearray(b"other")}
        client.check()


def test_links_below_a_path() -> None:
    links = {"a": "b", "d/up": "../a"}
    app = Router()
    route = app.link("/{path:path}")(lambda path: links[path])
    app.list("/{path:path}")(lambda path: ["up"] if path else ["a", "d/", *(x for x in links if x == "c")])
    route.create(lambda path, target: links.update({path: target}))
    route.delete(lambda path: links.pop(path))
    with Client(app, strict=True) as client:
        assert client.readlink("d/up") == "../a"
        client.symlink("d", "c")
        assert client.readlink("c") == "d"
        links["c"] = "e"
        assert client.readlink("c") == "e"
        client.unlink("c")
        assert not client.exists("c")
        client.check()


# -------------------------------------------------------------------------------- what is kept for a while


def test_a_list_that_is_kept_is_asked_anew_after_a_change() -> None:
    notes = Notes(ttl=1000)
    with Client(notes.app, strict=True) as client:
        assert sorted(client.listdir("ada")) == ["todo", "work"]
        assert client.listdir("ada/work/deep") == ["plan"]
        notes.asked.clear()
        client.listdir("ada")
        client.listdir("ada/work/deep")
        assert notes.asked == []
        client.rename("ada/todo", "ada/work/deep/todo")
        assert client.listdir("ada") == ["work"]
        assert sorted(client.listdir("ada/work/deep")) == ["plan", "todo"]
        assert client.read_text("ada/work/deep/todo") == "sleep\n"
        client.check()


@pytest.mark.parametrize("pattern", ["/{path:path}", "/{path}"])
def test_what_a_list_told_before_a_change_is_not_kept(pattern: str) -> None:
    names = ["a"]
    app = Router()
    route = app.file(pattern)(lambda path: path)
    racing: list[int] = []

    def listed(path: str = "") -> list[str]:
        told = list(names)
        if racing:
            racing.pop()
            other.unlink("a")  # another program, while this one answers
        return told

    app.list("/" if pattern == "/{path}" else pattern, ttl=1000)(listed)
    route.delete(lambda path: names.remove(path))
    with Client(app, strict=True, workers=4) as other:
        assert other.exists("a")
        top: Any = app.node
        top._told_ = None  # what it told is too old
        racing.append(1)
        other.listdir()
        assert other.listdir() == []
