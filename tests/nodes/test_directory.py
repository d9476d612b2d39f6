from __future__ import annotations

import errno
from typing import Any

import pytest

from fusetree import Dir, File, Symlink
from fusetree.nodes import Change, path_of
from fusetree.nodes.stamps import now_ns
from tests.nodes.recorder import Recorder
from tests.support import wait_for


def test_it_reads_like_a_dict_in_order() -> None:
    root = Dir({"b": "1", "a": {"x": b"2"}})
    assert list(root) == root.keys() == ["b", "a"]
    assert len(root) == 2
    assert "a" in root
    assert "c" not in root
    assert 5 not in root
    assert [name for name, _ in root.items()] == ["b", "a"]
    assert root.values() == [root["b"], root["a"]]
    assert root.get("c") is None
    assert root.get("c", 5) == 5
    assert root.children_snapshot() == root.items()
    assert Dir()


def test_a_path_reaches_below() -> None:
    root = Dir({"a": {"b": {"c": "text"}}, "f": "x"})
    file = root["a/b/c"]
    assert isinstance(file, File)
    assert "a/b" in root
    root["a/b/d"] = "new"
    assert root["a"]["b"].keys() == ["c", "d"]  # type: ignore[index]
    del root["a/b/c"]
    assert "a/b/c" not in root
    assert root.child("a/b") is None


@pytest.mark.parametrize("path", ["x", "a/x", "f/x", "", "/a", "a/", "a//b", ".", "..", "a/..", "a/../f"])
def test_what_is_not_there_is_a_key_error(path: str) -> None:
    root = Dir({"a": {"b": "text"}, "f": "x"})
    with pytest.raises(KeyError):
        root[path]
    assert path not in root
    assert root.get(path) is None
    with pytest.raises(KeyError):
        del root[path]


@pytest.mark.parametrize("path", ["x/y", "f/x", "/x", "a//x"])
def test_the_directories_above_must_exist(path: str) -> None:
    root = Dir({"a": {"b": "text"}, "f": "x"})
    with pytest.raises(KeyError):
        root[path] = "new"
    with pytest.raises(KeyError):
        root.move("f", path)
    assert root.keys() == ["a", "f"]


@pytest.mark.parametrize("name", ["", ".", "..", "a\0b", "x" * 256, "a/", "a/.."])
def test_bad_names_are_refused_and_change_nothing(name: str) -> None:
    root = Dir({"a": {}, "f": "x"})
    with pytest.raises(ValueError, match=r"name|NUL"):
        root[name] = "new"
    with pytest.raises(ValueError, match=r"name|NUL"):
        root.move("f", name)
    if "/" not in name:
        with pytest.raises(ValueError, match=r"name|NUL"):
            Dir({name: "x"})
    assert root.keys() == ["a", "f"]


def test_names_are_text() -> None:
    root = Dir()
    with pytest.raises(TypeError, match="bytes"):
        root[b"a"] = "x"  # type: ignore[index]
    with pytest.raises(TypeError, match="int"):
        Dir({1: "x"})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="mapping"):
        Dir(["a"])  # type: ignore[arg-type]


# ---- one parent


def test_a_directory_has_one_parent() -> None:
    root = Dir({"a": {"inner": {}}, "b": {}})
    inner = root["a/inner"]
    with pytest.raises(ValueError, match=r"already in this tree, at '/a/inner'"):
        root["b/again"] = inner
    with pytest.raises(ValueError, match="already in this tree"):
        root["a/again"] = inner
    assert root["b"].keys() == []  # type: ignore[attr-defined]
    assert root["b"].nlink == 2
    del root["a/inner"]
    root["b/again"] = inner
    assert path_of(inner) == "/b/again"


def test_a_directory_is_not_below_itself() -> None:
    root = Dir({"a": {"b": {}}})
    for path in ("self", "a/self", "a/b/self"):
        with pytest.raises(ValueError, match="itself"):
            root[path] = root
    with pytest.raises(ValueError, match="itself"):
        root["a/b/loop"] = root["a"]
    with pytest.raises(ValueError, match="itself"):
        root.move("a", "a/b/c")
    assert root.keys() == ["a"]
    assert path_of(root["a/b"]) == "/a/b"
    assert (root.nlink, root["a"].nlink, root["a/b"].nlink) == (3, 3, 2)


def test_two_names_in_one_constructor_are_refused_and_undone() -> None:
    shared = Dir()
    with pytest.raises(ValueError, match="one parent"):
        Dir({"a": shared, "b": shared})
    assert Dir({"a": shared})["a"] is shared


def test_two_trees_may_share_a_directory_and_then_stay_two() -> None:
    shared = Dir({"x": {}})
    one, two = Dir({"s": shared}), Dir({"t": {"s": shared}})
    assert one["s"] is two["t/s"]
    with pytest.raises(ValueError, match="already in this tree"):
        Dir({"one": one, "two": two})
    with pytest.raises(ValueError, match="already in this tree"):
        one["two"] = two
    top = Dir({"one": one})
    with pytest.raises(ValueError, match="already in this tree"):
        top["two"] = two["t"]
    with pytest.raises(ValueError, match="itself"):
        shared["x/loop"] = one
    del two["t/s"]
    top["two"] = two
    assert path_of(shared) == "/one/s"


def test_a_parent_that_is_gone_counts_no_more() -> None:
    inner = Dir()
    root = Dir({"a": {"inner": inner}})
    del root["a"]
    root["b"] = inner
    assert path_of(inner) == "/b"


# ---- links


def test_files_under_several_names_count_them() -> None:
    file = File("x")
    assert file.nlink == 1
    root = Dir({"a": file, "d": {}})
    assert file.nlink == 1
    root["b"] = file
    root["d/c"] = file
    assert file.nlink == 3
    del root["a"]
    assert file.nlink == 2
    del root["d"]
    assert file.nlink == 1
    del root["b"]
    assert file.nlink == 1
    link = Symlink("a")
    links = Dir({"x": link, "y": link})
    assert links["x"].nlink == 2


def test_directories_count_their_subdirectories() -> None:
    root = Dir({"a": {}, "b": {}, "f": "x"})
    assert root.nlink == 4
    root["c"] = {}
    root["a"] = "now a file"
    assert root.nlink == 4
    del root["b"]
    del root["f"]
    assert root.nlink == 3
    root.move("c", "d")
    assert root.nlink == 3
    root["e"] = {}
    root.move("d", "e/d")
    assert (root.nlink, root["e"].nlink) == (3, 3)


# ---- renaming


def test_rename_moves_within_and_across() -> None:
    root = Dir({"a": "1", "d": {"x": "2"}})
    a = root["a"]
    root.move("a", "b")
    assert root.keys() == ["d", "b"]
    assert root["b"] is a
    root.move("b", "d/y")
    assert root["d"].keys() == ["x", "y"]  # type: ignore[attr-defined]
    root.move("d/y", "d/x")
    assert root["d/x"] is a
    assert a.nlink == 1
    root.move("d", "e")
    assert path_of(a) == "/e/x"


def test_rename_of_what_is_not_there() -> None:
    root = Dir({"d": {}})
    for old in ("x", "d/x", "x/y"):
        with pytest.raises(KeyError):
            root.move(old, "new")


def test_rename_onto_itself_or_another_name_of_the_same_file_does_nothing() -> None:
    file = File("x")
    root = Dir({"a": file, "b": file})
    root.move("a", "b")
    root.move("a", "a")
    assert root.keys() == ["a", "b"]
    assert file.nlink == 2


@pytest.mark.parametrize(
    ("old", "new", "number"),
    [("f", "empty", errno.EISDIR), ("empty", "f", errno.ENOTDIR), ("empty", "full", errno.ENOTEMPTY)],
)
def test_rename_refuses_what_the_system_call_refuses(old: str, new: str, number: int) -> None:
    root = Dir({"f": "x", "empty": {}, "full": {"x": ""}})
    with pytest.raises(OSError) as caught:
        root.move(old, new)
    assert caught.value.errno == number
    assert root.keys() == ["f", "empty", "full"]


def test_rename_replaces_an_empty_directory() -> None:
    root = Dir({"a": {"x": ""}, "b": {}})
    a = root["a"]
    root.move("a", "b")
    assert root.items() == [("b", a)]
    assert root.nlink == 3


# ---- telling


def test_observers_hear_of_each_change_after_it_is_made() -> None:
    root = Dir({"a": "1", "d": {"x": "2"}})
    observer = Recorder(lambda: (root.keys(), root["d"].keys()))  # type: ignore[attr-defined]
    d = root["d"]
    assert isinstance(d, Dir)
    root.attach(observer)
    d.attach(observer)
    root["b"] = b = File()
    a = root["a"]
    root.move("a", "d/a")
    x = root["d/x"]
    del root["d/x"]
    root["b"] = b  # nothing changes
    assert observer.take() == [
        ("set", root, "b", b),
        ("removed", root, "a", a),
        ("set", d, "a", a),
        ("removed", d, "x", x),
    ]
    assert observer.seen == [
        (["a", "d", "b"], ["x"]),
        (["d", "b"], ["x"]),
        (["d", "b"], ["x", "a"]),
        (["d", "b"], ["a"]),
    ]
    assert observer.settled == 3


def test_observers_of_a_file_hear_of_its_links() -> None:
    file = File()
    root = Dir({"a": file})
    observer = Recorder(lambda: file.nlink)
    file.attach(observer)
    root["b"] = file
    root["c"] = file
    del root["a"]
    root["c"] = "another"
    del root["b"]
    assert observer.take() == [("changed", file, Change.ATTRIBUTES)] * 4
    assert observer.seen == [2, 3, 2, 1]


def test_observers_of_a_file_hear_of_a_directory_that_died_with_a_name() -> None:
    file = File()
    root = Dir({"a": file, "d": {"b": file}, "e": {"c": file, "d": file}})
    observer = Recorder()
    file.attach(observer)
    del root["d/b"], root["d"], root["e"]
    assert observer.take() == [("changed", file, Change.ATTRIBUTES), ("lost", file), ("lost", file)]
    assert file.nlink == 1
    root["again"] = {"b": file}
    assert observer.take() == [("changed", file, Change.ATTRIBUTES)]
    assert file.nlink == 2
    before = file.ctime_ns
    wait_for(lambda: now_ns() > before)
    del root["again"]
    assert observer.take() == [("lost", file)]
    assert file.nlink == 1
    assert file.ctime_ns > before


def test_a_refused_change_is_not_told() -> None:
    root = Dir({"a": {"b": {}}})
    observer = Recorder()
    root.attach(observer)
    root["a"].attach(observer)
    attempts: list[Any] = [
        lambda: root.__setitem__("again", root["a/b"]),
        lambda: root.__setitem__("x/y", ""),
        lambda: root.__delitem__("x"),
        lambda: root.move("a", "a/b/c"),
        lambda: root.__setitem__("x", object()),
    ]
    before = root.mtime_ns
    for attempt in attempts:
        with pytest.raises((ValueError, KeyError, TypeError)):
            attempt()
    assert observer.take() == []
    assert root.mtime_ns == before


def test_observers_are_told_with_the_lock_held_and_settled_without() -> None:
    import threading

    class Watcher(Recorder):
        def child_set(self, *change: object) -> object:
            self.seen.append(self._free())
            return self._note(*change)

        def settle(self, tickets: list[object]) -> None:
            self.seen.append(self._free())
            super().settle(tickets)

        def _free(self) -> bool:
            """Whether another thread could take the directory's lock."""
            answer: list[bool] = []

            def try_it() -> None:
                taken = root.lock.acquire(blocking=False)
                answer.append(taken)
                if taken:
                    root.lock.release()

            thread = threading.Thread(target=try_it)
            thread.start()
            thread.join()
            return answer[0]

    root = Dir()
    watcher = Watcher()
    root.attach(watcher)
    root["a"] = "x"
    assert watcher.seen == [False, True]


def test_a_change_moves_the_times_of_the_directory() -> None:
    root = Dir({"a": "x"})
    changes: list[Any] = [
        lambda: root.__setitem__("b", ""),
        lambda: root.move("a", "c"),
        lambda: root.__delitem__("b"),
    ]
    for change in changes:
        root.set_times(mtime_ns=1, atime_ns=1)
        change()
        assert root.mtime_ns == root.ctime_ns > 1


def test_repr_says_what_it_is() -> None:
    assert repr(Dir({"a": ""})).startswith("<Dir of 1 at")
