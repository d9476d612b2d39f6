"""mount(events=True): moves are seen as moves, where who follows the events comes to the right end."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from fusetree import Dir, File, Symlink
from fusetree.mounting import mount
from tests.inotify import Watcher, watching
from tests.mounting.trees import text, writable
from tests.support import in_thread

pytestmark = pytest.mark.mount


def moved(
    watcher: Watcher, old: str, new: str, *more: tuple[str, str], kind: str = ""
) -> list[tuple[str, str]]:
    """Wait for a move, and what else is wanted; both halves have one cookie."""
    halves = (("moved_from" + kind, old), ("moved_to" + kind, new))
    found = watcher.until(*halves, *more)
    assert watcher.cookies[halves[0]] == watcher.cookies[halves[1]] != 0
    return found


def names(path: Path) -> list[str]:
    return in_thread(lambda: sorted(os.listdir(path)))


class TestFiles:
    def test_between_directories(self, mountpoint: Path) -> None:
        file = File(b"x")
        root = Dir({"a": {"f": file}, "b": {}})
        with (
            mount(writable(root), mountpoint, events=True),
            watching(mountpoint / "a", mountpoint / "b", mountpoint / "a" / "f") as watcher,
        ):
            root.move("a/f", "b/g")
            found = moved(watcher, "f", "g", ("move_self", "f"))
            assert {kind for kind, _ in found} == {"moved_from", "moved_to", "move_self"}
            seen = in_thread(lambda: os.stat(mountpoint / "b" / "g"))
            assert (seen.st_nlink, seen.st_ino) == (1, file.ino)
            assert (names(mountpoint / "a"), names(mountpoint / "b")) == ([], ["g"])
            assert not in_thread(lambda: os.path.lexists(mountpoint / "a" / "f"))
            file.store(b"y")
            watcher.until(("modify", "f"))  # its own watch is still there
            assert text(mountpoint / "b" / "g") == "y"

    @pytest.mark.parametrize("asked", ["never", "before", "after"])
    def test_within_a_directory(self, mountpoint: Path, asked: str) -> None:
        root = Dir({"old": Symlink("t")})
        with mount(writable(root), mountpoint, events=True), watching(mountpoint) as watcher:
            if asked == "before":
                assert in_thread(lambda: os.readlink(mountpoint / "old")) == "t"
                assert not in_thread(lambda: os.path.lexists(mountpoint / "new"))
            root.move("old", "new")
            if asked == "after":
                assert in_thread(lambda: os.readlink(mountpoint / "new")) == "t"
                assert not in_thread(lambda: os.path.lexists(mountpoint / "old"))
            assert len(moved(watcher, "old", "new")) == 2
            assert names(mountpoint) == ["new"]
            assert in_thread(lambda: os.readlink(mountpoint / "new")) == "t"
            assert not in_thread(lambda: os.path.lexists(mountpoint / "old"))

    def test_onto_a_name_that_was_taken(self, mountpoint: Path) -> None:
        root = Dir({"f": "new", "g": "old"})
        with (
            mount(writable(root), mountpoint, events=True),
            watching(mountpoint, mountpoint / "g") as watcher,
        ):
            assert text(mountpoint / "g") == "old"
            root.move("f", "g")
            found = moved(watcher, "f", "g", ("delete_self", "g"))  # of who watched what was there
            assert {kind for kind, _ in found} == {"moved_from", "moved_to", "delete_self"}
            assert text(mountpoint / "g") == "new"
            assert names(mountpoint) == ["g"]

    def test_old_name_that_is_given_anew(self, mountpoint: Path) -> None:
        """As logs are rotated: who follows the events has three files at the end."""
        root = Dir({"log": "2", "log.1": "1"})
        with mount(writable(root), mountpoint, events=True), watching(mountpoint) as watcher:
            for name in ("log", "log.1"):
                text(mountpoint / name)
            with root.transaction():
                root.move("log.1", "log.2")
                root.move("log", "log.1")
                root["log"] = "3"
            found = watcher.until(("create", "log"))
            assert found == [
                ("moved_from", "log.1"), ("moved_to", "log.2"), ("moved_from", "log"), ("moved_to", "log.1"),
                ("create", "log"),
            ]  # fmt: skip
            assert [text(mountpoint / name) for name in ("log", "log.1", "log.2")] == ["3", "2", "1"]

    def test_change_of_places(self, mountpoint: Path) -> None:
        root = Dir({"x": "X", "y": "Y", "end": "1"})
        with mount(writable(root), mountpoint, events=True), watching(mountpoint) as watcher:
            for name in ("x", "y"):
                text(mountpoint / name)
            with root.transaction():
                root.move("x", "tmp")
                root.move("y", "x")
                root.move("tmp", "y")
            del root["end"]
            files = {"x": "X", "y": "Y"}  # what who follows the events has
            origin = ""
            for kind, name in watcher.until(("delete", "end")):
                if kind == "moved_from":
                    origin = name
                elif kind == "moved_to":
                    files[name] = files.pop(origin)
                elif kind == "create":
                    files[name] = text(mountpoint / name)
                elif kind == "delete":
                    files.pop(name, None)
            assert files == {"x": "Y", "y": "X"}
            assert (text(mountpoint / "x"), text(mountpoint / "y")) == ("Y", "X")

    def test_removed_here_and_put_there_is_a_move(self, mountpoint: Path) -> None:
        file = File(b"x")
        root = Dir({"f": file})
        with mount(writable(root), mountpoint, events=True), watching(mountpoint) as watcher:
            with root.transaction():
                del root["f"]
                root["g"] = file
            assert len(moved(watcher, "f", "g")) == 2

    def test_put_there_and_removed_here_is_none(self, mountpoint: Path) -> None:
        file = File(b"x")
        root = Dir({"f": file})
        with mount(writable(root), mountpoint, events=True), watching(mountpoint) as watcher:
            root["g"] = file
            del root["f"]
            assert not [kind for kind, _ in watcher.until(("create", "g"), ("delete", "f")) if "move" in kind]

    def test_back_and_forth_ends_right(self, mountpoint: Path) -> None:
        root = Dir({"a": {"f": "x"}, "b": {}})
        with (
            mount(writable(root), mountpoint, events=True),
            watching(mountpoint, mountpoint / "a", mountpoint / "b") as watcher,
        ):
            stop = threading.Event()

            def look() -> None:
                while not stop.is_set():
                    for place in ("a/f", "b/f"):
                        os.path.lexists(mountpoint / place)

            reader = threading.Thread(target=look)
            reader.start()
            try:
                for _ in range(50):
                    root.move("a/f", "b/f")
                    root.move("b/f", "a/f")
                root.move("a/f", "b/f")
                root["end"] = "1"
                watcher.until(("create", "end"))
            finally:
                stop.set()
                in_thread(reader.join)
            assert (names(mountpoint / "a"), names(mountpoint / "b")) == ([], ["f"])
            assert text(mountpoint / "b" / "f") == "x"
            assert not in_thread(lambda: os.path.lexists(mountpoint / "a" / "f"))


class TestDirectories:
    @pytest.mark.parametrize("asked", [False, True])
    @pytest.mark.parametrize("new", ["a/e", "b/e"])
    def test_stays_alive(self, mountpoint: Path, new: str, asked: bool) -> None:
        moving = Dir({"f": "1"}, mode=0o555)
        root = writable(Dir({"a": {}, "b": {}}))
        root["a/d"] = moving
        with (
            mount(root, mountpoint, events=True),
            watching(mountpoint / "a", mountpoint / "b", mountpoint / "a" / "d") as watcher,
        ):
            inside = os.open(mountpoint / "a" / "d", os.O_PATH)
            try:
                assert text(mountpoint / "a" / "d" / "f") == "1"
                root.move("a/d", new)
                if asked:
                    assert text(mountpoint / new / "f") == "1"
                assert ("delete dir", "d") not in moved(watcher, "d", "e", kind=" dir")
                assert text(mountpoint / new / "f") == "1"
                assert in_thread(lambda: os.readlink(f"/proc/self/fd/{inside}")) == str(mountpoint / new)
            finally:
                os.close(inside)
            assert not in_thread(lambda: os.path.lexists(mountpoint / "a" / "d"))
            moving.mode = 0o755
            root[new + "/g"] = "2"
            watcher.until(("create", "g"))  # who watches the directory itself does so still
            assert text(mountpoint / new / "g") == "2"
