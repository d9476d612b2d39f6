"""Objects shown as directories: what the nodes say, without a mount."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import errno
import sys
import threading
import types
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import pytest

from fusetree import CollectionDir, Dir, DynamicDir, File, MappingDir, Symlink, expose, tree
from fusetree.nodes import FileNode, doc_of
from fusetree.nodes.live import LiveDir
from tests.support import raises_errno


def text(root: Dir, path: str) -> str:
    file = root[path]
    assert isinstance(file, FileNode)
    return file.content().decode()


def put(root: Dir, path: str, value: str) -> None:
    file = root[path]
    assert isinstance(file, FileNode)
    assert file.writable
    file.store(value.encode())


class Level(enum.Enum):
    LOW = 1


@dataclasses.dataclass
class Limits:
    cpu: int = 4
    ratio: float | None = None

    @property
    def double(self) -> int:
        """Twice as many."""
        return self.cpu * 2

    @double.setter
    def double(self, value: int) -> None:
        if value % 2:
            raise ValueError("odd")
        self.cpu = value // 2


@attrs.define
class Checked:
    level: int = attrs.field(default=1, validator=attrs.validators.le(9))
    _hidden: int = 0


class Pair(NamedTuple):
    left: int
    right: str


class Plain:
    kind = "of the class, and not of the object"

    def __init__(self) -> None:
        self.name = "a"
        self._secret = "s"
        self.callback = print

    def method(self) -> None: ...

    @property
    def failing(self) -> int:
        raise RuntimeError("a bug")

    @property
    def absent(self) -> int:
        raise AttributeError("absent")


class Slotted:
    __slots__ = ("a", "unset")

    def __init__(self) -> None:
        self.a = 1


def test_every_kind_of_object_is_a_tree() -> None:
    state = {
        "limits": Limits(),
        "checked": Checked(),
        "pair": Pair(1, "two"),
        "plain": Plain(),
        "slotted": Slotted(),
        "list": [10, {"deep": True}],
        "set": {3, 1},
        "when": dt.date(2026, 11, 27),
        "level": Level.LOW,
        "path": Path("/a/b"),
        "decimal": decimal.Decimal("1.50"),
        "none": None,
        "raw": b"\x00\x01",
        "opaque": threading.Lock(),
    }
    root = expose(state)
    assert [line.split()[-1] for line in tree(root).splitlines()][1:] == [
        *("limits", "cpu", "ratio", "many."),
        *("checked", "level"),
        *("pair", "left", "right"),
        *("plain", "failing", "absent", "name"),
        *("slotted", "a"),
        *("list", "0", "1", "deep"),
        *("set", "when", "level", "path", "decimal", "none", "raw", "opaque"),
    ]
    assert text(root, "limits/cpu") == "4\n"
    assert text(root, "limits/double") == "8\n"
    assert text(root, "limits/ratio") == "\n"
    assert text(root, "list/1/deep") == "true\n"
    assert text(root, "set") == "[\n  1,\n  3\n]\n"
    assert text(root, "when") == "2026-11-27\n"
    assert text(root, "level") == "LOW\n"
    assert text(root, "path") == "/a/b\n"
    assert text(root, "decimal") == "1.50\n"
    assert text(root, "raw") == "\x00\x01"
    assert "lock" in text(root, "opaque")
    assert all(node.mode & 0o222 == 0 for _, node in root.items())


def test_what_is_listed_is_there() -> None:
    """Properties are not asked by a listing, so they are there whatever they raise."""

    @dataclasses.dataclass
    class Later:
        name: str = "a"
        value: int = dataclasses.field(init=False)

        @property
        def lost(self) -> int:
            return int({"other": 1}["key"])

    root = expose({"plain": Plain(), "slotted": Slotted(), "later": Later()})
    for name, directory in root.items():
        assert isinstance(directory, Dir)
        assert [child for child in directory if directory.child(child) is None] == [], name
    assert root["slotted"].keys() == ["a"]  # type: ignore[attr-defined]
    assert root["later"].keys() == ["name", "lost"]  # type: ignore[attr-defined]
    with raises_errno(errno.ENODATA):
        text(root, "plain/absent")
    for path in ("plain/failing", "later/lost"):
        with pytest.raises(RuntimeError):
            text(root, path)


def test_a_module_shows_its_state_and_not_its_code() -> None:
    module = types.ModuleType("some")
    exec("import os\nLIMIT = 5\ndef f(): ...\nclass C: ...\n_private = 1\n", module.__dict__)
    root = expose(module, writable=True)
    assert root.keys() == ["LIMIT"]
    put(root, "LIMIT", "6\n")
    assert module.LIMIT == 6


def test_objects_say_what_they_are() -> None:
    class Told:
        """Said by its class."""

    state: dict[str, Any] = {"told": Told(), "limits": Limits(), "pair": Pair(1, ""), "dict": {}, "n": 1}
    root = expose(state)
    assert [doc_of(node) for node in root.values()] == ["Said by its class.", None, None, None, None]
    assert doc_of(root["limits/double"]) == "Twice as many."


def test_reading_shows_the_moment() -> None:
    limits = Limits()
    state: dict[str, Any] = {"limits": limits, "a": 1}
    root = expose(state)
    file, directory = root["a"], root["limits"]
    assert isinstance(file, FileNode)
    state["a"] = "now text"
    assert file.content() == b"now text\n"
    state["limits"] = Limits(cpu=9)  # another object at the same place
    assert root["limits"] is directory
    assert text(root, "limits/cpu") == "9\n"
    state["a"] = {"now": "a directory"}
    assert text(root, "a/now") == "a directory\n"
    del state["a"]
    assert "a" not in root
    with raises_errno(errno.ENOENT):
        file.content()


def test_one_name_is_one_node_as_long_as_it_is_known() -> None:
    root = expose({"a": 1, "d": {}})
    assert root["a"] is root["a"]
    assert root["d"] is root["d"]
    assert isinstance(root, LiveDir)
    assert root._known_ is not None
    assert len(root._known_) == 0  # and no longer


def test_values_are_set_by_their_annotation_or_type() -> None:
    limits, checked = Limits(), Checked()
    state: dict[str, Any] = {"limits": limits, "checked": checked, "n": 1, "on": False, "list": [1.5]}
    root = expose(state, writable=True)
    put(root, "limits/ratio", "0.5")
    put(root, "limits/double", "20")
    put(root, "n", "0x10\n")
    put(root, "on", "yes")
    put(root, "list/0", "2")
    assert (limits.ratio, limits.cpu, state["n"], state["on"], state["list"]) == (0.5, 10, 16, True, [2.0])
    for path, bad in (("limits/double", "3"), ("checked/level", "10")):
        with raises_errno(errno.EINVAL):
            put(root, path, bad)
    with pytest.raises(ValueError, match="few"):
        put(root, "n", "few")
    assert (limits.cpu, checked.level, state["n"]) == (10, 1, 16)


def test_what_cannot_be_assigned_is_not_writable() -> None:
    @dataclasses.dataclass(frozen=True)
    class Frozen:
        a: int = 1

    @attrs.frozen
    class Frosty:
        a: int = 1

    state = {
        "frozen": Frozen(),
        "frosty": Frosty(),
        "pair": Pair(1, ""),
        "proxy": types.MappingProxyType({"a": 1}),
        "tuple": (1,),
        "set": {1},
        "plain": Plain(),
    }
    root = expose(state, writable=True)
    paths = ("frozen/a", "frosty/a", "pair/left", "proxy/a", "tuple/0", "set", "plain/failing")
    for path in paths:
        assert root[path].mode == 0o444, path
    assert root["proxy"].mode == 0o555
    assert root["plain/name"].mode == 0o644


def test_names_are_made_moved_and_removed_in_mappings_and_lists() -> None:
    state: dict[str, Any] = {"n": 1, "list": []}
    root = expose(state, writable=True)
    assert isinstance(root, LiveDir)
    root.create("new", 0o644).store(b"text\n")
    inner = root.mkdir("inner", 0o755)
    assert isinstance(inner, LiveDir)
    inner.create("x", 0o644)
    assert state == {"n": 1, "list": [], "new": "text", "inner": {"x": ""}}
    with raises_errno(errno.ENOTEMPTY):
        root.rmdir("inner")
    state["node"] = Dir({"x": ""})
    with raises_errno(errno.ENOTEMPTY):
        root.rmdir("node")
    del state["node"]["x"]
    root.rmdir("node")
    inner.unlink("x")
    root.rmdir("inner")
    root.rename("new", root, "other")
    assert state == {"n": 1, "list": [], "other": "text"}
    items = root["list"]
    assert isinstance(items, LiveDir)
    items.create("0", 0o644)
    items.create("1", 0o644).store(b"b")
    assert state["list"] == ["", "b"]
    for refused in ("5", "x"):
        with raises_errno(errno.EINVAL):
            items.create(refused, 0o644)
    with raises_errno(errno.EINVAL):
        items.unlink("0")
    items.unlink("1")
    assert state["list"] == [""]
    root.rename("other", items, "1")
    assert state == {"n": 1, "list": ["", "text"]}


def test_a_file_that_is_moved_over_another_is_stored_into_it() -> None:
    state: dict[str, Any] = {"n": 1}
    root = expose(state, writable=True)
    assert isinstance(root, LiveDir)
    root.create(".n.swp", 0o644).store(b"2\n")
    root.rename(".n.swp", root, "n")
    assert state == {"n": 2}
    root.create("tmp", 0o644).store(b"few\n")
    with raises_errno(errno.EINVAL):
        root.rename("tmp", root, "n")
    assert state == {"n": 2, "tmp": "few"}


def test_a_directory_does_not_go_below_itself() -> None:
    state: dict[str, Any] = {"a": {"b": {}}}
    root = expose(state, writable=True)
    assert isinstance(root, LiveDir)
    below = root["a/b"]
    assert isinstance(below, Dir)
    with raises_errno(errno.EINVAL):
        root.rename("a", below, "c")
    assert state == {"a": {"b": {}}}


def test_nothing_is_made_where_it_is_not_writable() -> None:
    for root in (expose({"a": 1}), expose(Limits(), writable=True), expose((1,), writable=True)):
        assert isinstance(root, LiveDir)
        assert root.mode == 0o555
        with raises_errno(errno.EROFS):
            root.create("x", 0o644)
        with raises_errno(errno.EROFS):
            root.mkdir("x", 0o755)
        with raises_errno(errno.EROFS):
            root.unlink(root.keys()[0])


def test_cycles_are_symbolic_links() -> None:
    state: dict[str, Any] = {"a": {"b": {}}}
    state["self"] = state
    state["a"]["b"]["top"] = state
    state["a"]["b"]["here"] = state["a"]["b"]
    state["twice"] = state["a"]["b"]  # that is no cycle
    root = expose(state)
    links = {}
    for path in ("self", "a/b/top", "a/b/here", "twice/top"):
        link = root[path]
        assert isinstance(link, Symlink)
        links[path] = link.target
    assert links == {"self": ".", "a/b/top": "../..", "a/b/here": ".", "twice/top": ".."}
    assert root["self"] is root["self"]


def test_depth_is_bounded() -> None:
    class Endless:
        @property
        def next(self) -> Endless:
            return Endless()

    root = expose(Endless(), depth=3)
    assert isinstance(root["next/next"], Dir)
    assert "Endless" in text(root, "next/next/next")
    with pytest.raises(ValueError, match="depth"):
        expose({}, depth=0)


def test_what_is_no_directory_is_refused() -> None:
    for value in (5, "text", {1}, print, threading.Lock()):
        with pytest.raises(TypeError):
            expose(value)
    with pytest.raises(TypeError, match="node already"):
        expose(Dir())


def test_keys_that_are_no_names_are_spelt() -> None:
    state: dict[Any, Any] = {"a/b": 1, "": 2, "..": 3, 7: 4, "100%": 5, "%2F": 6, (1, 2): 7, "x" * 300: 8}
    root = expose(state, writable=True)
    assert {name: text(root, name).strip() for name in root} == {
        "a%2Fb": "1",
        "%": "2",
        "%2E%2E": "3",
        "7": "4",
        "100%": "5",
        "%252F": "6",
        "(1, 2)": "7",
    }
    for alias in ("%61", "%2f", "%2E"):
        assert alias not in root
    put(root, "7", "40")
    assert state[7] == 40
    assert isinstance(root, LiveDir)
    root.create("c%2Fd", 0o644)
    assert state["c/d"] == ""
    with raises_errno(errno.EINVAL):
        root.create("%41", 0o644)


def test_asking_for_a_name_makes_nothing() -> None:
    state: collections.defaultdict[str, list[int]] = collections.defaultdict(list)
    assert "probe" not in expose(state)
    assert not state


def test_a_listing_is_begun_anew_when_the_object_has_changed() -> None:
    class Restless(collections.UserDict[str, int]):
        """A mapping that changes while somebody goes through it, the first two times."""

        changes = 2

        def __iter__(self) -> Iterator[str]:
            for key in self.data:
                yield key
                if self.changes:
                    self.changes -= 1
                    self.data[f"new {self.changes}"] = 0

    assert expose(Restless(a=1, b=2)).keys() == ["a", "b", "new 1", "new 0"]


def test_listing_while_others_change_the_object() -> None:
    class Sorted(MutableMapping[str, int]):
        """A mapping in Python, whose iterator notices each change."""

        def __init__(self) -> None:
            self.data = {str(number): number for number in range(100)}

        def __getitem__(self, key: str) -> int:
            return self.data[key]

        def __setitem__(self, key: str, value: int) -> None:
            self.data[key] = value

        def __delitem__(self, key: str) -> None:
            del self.data[key]

        def __iter__(self) -> Iterator[str]:
            yield from self.data

        def __len__(self) -> int:
            return len(self.data)

    state = Sorted()
    root = expose({"s": state, "d": state.data, "o": types.SimpleNamespace(**state.data)})
    done = threading.Event()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    def change() -> None:
        number = 0
        while not done.is_set():
            state[f"new {number}"] = 1
            state.pop(f"new {number}")
            number += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(200):
            for name in ("s", "d"):
                directory = root[name]
                assert isinstance(directory, LiveDir)
                assert {str(number) for number in range(100)} <= set(directory.list())
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)


def test_pydantic_models_check_what_is_written() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):  # type: ignore[misc, name-defined, unused-ignore]
        port: int = pydantic.Field(default=80, gt=0)

        @pydantic.computed_field  # type: ignore[prop-decorator, untyped-decorator, unused-ignore]
        @property
        def address(self) -> str:
            return f"host:{self.port}"

    model = Model()
    root = expose(model, writable=True)
    assert root.keys() == ["port", "address"]
    put(root, "port", "8080\n")
    assert text(root, "address") == "host:8080\n"
    with raises_errno(errno.EINVAL):
        put(root, "port", "-1")
    assert model.port == 8080


def test_pydantic_is_not_imported_for_it() -> None:
    from tests.support import python

    program = "import sys, fusetree; fusetree.expose({'a': 1}).items(); print('pydantic' in sys.modules)"
    assert python("-c", program).ok().text == "False\n"


class TestMappingDir:
    def test_text_is_exact_and_values_are_as_in_a_dir(self) -> None:
        file = File(b"mine")
        state: dict[str, Any] = {
            "t": "no newline",
            "n": 5,
            "file": file,
            "now": lambda: "made",
            "d": {"x": "y"},
        }
        root = MappingDir(state)
        assert [text(root, name) for name in ("t", "n", "file", "now", "d/x")] == [
            *("no newline", "5\n", "mine", "made\n", "y")
        ]
        assert root["file"] is file
        put(root, "t", "a\nb")
        assert state["t"] == "a\nb"
        root["t"] = "by item"  # as a Dir does
        root["d/z"] = "new"
        assert (state["t"], state["d"]) == ("by item", {"x": "y", "z": "new"})
        del root["d/z"]
        assert state["d"] == {"x": "y"}

    def test_what_the_mapping_refuses_is_the_errno(self) -> None:
        class Refusing(dict[str, Any]):
            def __setitem__(self, key: str, value: object) -> None:
                if key == "type":
                    raise TypeError("wrong")
                if key == "value":
                    raise ValueError("wrong")
                if key == "full":
                    raise OSError(errno.ENOSPC, "full")
                if key == "never":
                    raise NotImplementedError
                super().__setitem__(key, value)

            def __delitem__(self, key: str) -> None:
                if key == "kept":
                    raise PermissionError(errno.EPERM, "kept")
                super().__delitem__(key)

        state = Refusing(kept=1)
        root = MappingDir(state)
        for name, number in (
            ("type", errno.EINVAL),
            ("value", errno.EINVAL),
            ("full", errno.ENOSPC),
            ("never", errno.EROFS),
        ):
            with raises_errno(number):
                root.create(name, 0o644)
        with raises_errno(errno.EPERM):
            root.unlink("kept")
        with raises_errno(errno.ENOENT):
            root.unlink("none")
        assert state == {"kept": 1}

    def test_what_new_files_and_directories_are(self) -> None:
        state: dict[str, Any] = {}
        root = MappingDir(state, new=bytes, new_directory=collections.OrderedDict)
        root.create("f", 0o644).store(b"\xff")
        root.mkdir("d", 0o755)
        assert state == {"f": b"\xff", "d": collections.OrderedDict()}
        assert isinstance(state["d"], collections.OrderedDict)

    def test_writable_goes_by_the_mapping(self) -> None:
        assert MappingDir({}).mode == 0o755
        assert MappingDir({}, writable=False).mode == 0o555
        assert MappingDir(types.MappingProxyType({})).mode == 0o555
        with pytest.raises(TypeError):
            MappingDir([])  # type: ignore[arg-type]


class TestCollectionDir:
    def test_lists_and_sets_of_nodes(self) -> None:
        files = [File(b"a"), File(b"b")]
        root = CollectionDir(files)
        assert root.items() == [("0", files[0]), ("1", files[1])]
        files.append(File(b"c"))
        assert text(root, "2") == "c"
        named = CollectionDir(set(files), name=lambda file: file.content().decode())
        assert sorted(named.keys()) == ["a", "b", "c"]
        assert named["b"] is files[1]
        assert "d" not in named

    def test_a_set_has_no_positions(self) -> None:
        with pytest.raises(TypeError, match="name="):
            CollectionDir({File()})


class TestDynamicDir:
    def test_names_are_made_when_they_are_asked_for(self) -> None:
        asked: list[str] = []

        def square(name: str) -> int | None:
            asked.append(name)
            return int(name) ** 2 if name.isdigit() else None

        root = DynamicDir(square, lambda: map(str, range(10**9)))
        assert text(root, "12") == "144\n"
        assert "x" not in root
        names = iter(root.list())
        assert [next(names) for _ in range(3)] == ["0", "1", "2"]
        assert set(asked) == {"12", "x"}

    def test_without_names_it_lists_nothing(self) -> None:
        root = DynamicDir({"a": "1"}.get)
        assert root.keys() == []
        assert text(root, "a") == "1"

    def test_what_it_gives_becomes_nodes(self) -> None:
        link = Symlink("a")
        values = {"link": link, "dir": {"x": "deep"}, "bytes": b"raw"}
        root = DynamicDir(values.__getitem__, lambda: list(values))  # KeyError: there is none
        assert root["link"] is link
        assert text(root, "dir/x") == "deep"
        assert text(root, "bytes") == "raw"
        assert "none" not in root

    def test_a_bug_is_a_bug_and_an_oserror_an_answer(self) -> None:
        def broken(name: str) -> str:
            if name == "denied":
                raise PermissionError
            return name.no_such_method()  # type: ignore[attr-defined, no-any-return]

        root = DynamicDir(broken, lambda: ["a/b"])
        with pytest.raises(RuntimeError, match="no_such_method"):
            root.lookup("x")
        with pytest.raises(PermissionError):
            root.lookup("denied")
        with pytest.raises(ValueError, match="slash"):
            root.keys()
