"""mount(events=True): the ends of writing, attributes, and the end of what is watched."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fusetree import Attributes, Dir, File, HostDir, MemoryDir, entry, node
from fusetree.mounting import mount
from tests.inotify import CHANGES, NAMES, watching
from tests.mounting.trees import text, writable
from tests.support import in_thread, shell

pytestmark = pytest.mark.mount

EVERYTHING = sum(NAMES)


@node
class Settings(Dir):
    jobs: int = entry(0)


class TestEndOfWriting:
    def test_changed_value(self, mountpoint: Path) -> None:
        root = writable(Settings())
        with (
            mount(root, mountpoint, events=True),
            watching(mountpoint / "jobs", mask=EVERYTHING) as watcher,
        ):
            for value in range(1, 5):
                root.jobs = value  # type: ignore[attr-defined]
                found = watcher.until(("close_write", "jobs"))
                assert found == [("open", "jobs"), ("modify", "jobs"), ("close_write", "jobs")]
                assert text(mountpoint / "jobs") == f"{value}\n"
                watcher.some(0)  # what reading said

    def test_new_file(self, mountpoint: Path) -> None:
        root = Dir()
        with mount(writable(root), mountpoint, events=True), watching(mountpoint, mask=EVERYTHING) as watcher:
            root["new"] = File(b"x", mode=0o644)
            found = watcher.until(("close_write", "new"))
            assert found == [("create", "new"), ("open", "new"), ("close_write", "new")]
            root["d"] = Dir()
            assert watcher.until(("create dir", "d")) == [("create dir", "d")]

    def test_who_has_it_open_or_mapped_notices_nothing(self, mountpoint: Path) -> None:
        """Neither the pages that are cached nor the open files of others are touched."""
        file = File(b"x" * 100_000, mode=0o644)
        root = Dir({"f": file})
        with mount(writable(root), mountpoint, events=True) as mounted:
            assert len(text(mountpoint / "f")) == 100_000
            with watching(mountpoint / "f", mask=EVERYTHING) as watcher:
                reading = in_thread(lambda: os.open(mountpoint / "f", os.O_RDONLY))
                try:
                    watcher.some()
                    before = mounted.session.statistics().answered_in_c.get("read")
                    file.mode = 0o600
                    watcher.until(("attrib", "f"))
                    root["g"] = file  # which is announced with an end of writing
                    watcher.until(("close_write", "f"))
                    assert in_thread(lambda: os.pread(reading, 200_000, 0)) == b"x" * 100_000
                    assert mounted.session.statistics().answered_in_c.get("read") == before
                finally:
                    os.close(reading)

    def test_no_code_of_the_program_runs(self, mountpoint: Path) -> None:
        called: list[str] = []

        class Handle:
            def read(self, size: int, offset: int) -> bytes:
                called.append("read")
                return b""

            def write(self, data: bytes, offset: int) -> int:
                called.append("write")
                return len(data)

            def flush(self) -> None:
                called.append("flush")

            def release(self) -> None:
                called.append("release")

        class Own(File):
            def open(self, flags: int) -> Any:
                called.append("open")
                return Handle()

        own = Own(b"x", mode=0o644)
        root = Dir({"own": own})
        with (
            mount(writable(root), mountpoint, events=True, locks="program"),
            watching(mountpoint, mask=EVERYTHING) as watcher,
        ):
            in_thread(lambda: os.stat(mountpoint / "own"))
            own.store(b"y")
            watcher.until(("modify", "own"), ("close_write", "own"))
            assert called == []
            shell("cat own", cwd=mountpoint).ok()
            assert "open" in called

    def test_what_may_be_executed_is_never_busy(self, mountpoint: Path) -> None:
        tool = File(b"#!/bin/sh\nexit 0\n", mode=0o755)
        root = Dir({"tool": tool})
        with mount(writable(root), mountpoint, events=True), watching(mountpoint, mask=EVERYTHING) as watcher:
            in_thread(lambda: os.stat(mountpoint / "tool"))
            tool.store(b"#!/bin/sh\nexit 7\n")
            root["other"] = File(b"", mode=0o755)
            root["end"] = File(b"", mode=0o644)
            found = watcher.until(("close_write", "end"))
            assert {("modify", "tool"), ("create", "other")} <= set(found)
            assert [event for event in found if event[0] in ("open", "close_write")] == [
                ("open", "end"),
                ("close_write", "end"),
            ]
            assert shell("./tool", cwd=mountpoint).status == 7

    def test_file_of_the_host(self, mountpoint: Path, tmp_path: Path) -> None:
        (tmp_path / "f").write_text("x")
        host = HostDir(tmp_path, writable=True)
        with (
            mount(host, mountpoint, events=True),
            watching(mountpoint / "f", mask=EVERYTHING) as watcher,
        ):
            found = host.child("f")
            assert found is not None
            found.changed()
            watcher.until(("modify", "f"), ("close_write", "f"))
            assert (tmp_path / "f").read_text() == "x"

    @pytest.mark.root
    @pytest.mark.parametrize(("mode", "wanted"), [(0o644, True), (0o444, False)])
    def test_users_other_than_root(
        self, mountpoint: Path, mode: int, wanted: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        file = File(b"x", mode=mode, uid=1000)
        root = Dir({"f": file}, mode=0o755, uid=1000)
        with (
            mount(root, mountpoint, events=True, allow_other=True),
            watching(mountpoint, mask=EVERYTHING & ~0x20) as watcher,
        ):
            in_thread(lambda: os.stat(mountpoint / "f"))
            os.seteuid(1000)
            try:
                file.store(b"y")
                root["end"] = File(b"", mode=0o644, uid=1000)
                found = watcher.until(("close_write", "end"))
            finally:
                os.seteuid(0)
        assert ("modify", "f") in found
        assert (("close_write", "f") in found) == wanted
        assert not caplog.records


class TestAttributes:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("mode", 0o600),
            pytest.param("uid", 1234, marks=pytest.mark.root),
            ("gid", 1234),
            ("atime_ns", 10**18),
            ("mtime_ns", 10**18),
        ],
    )
    def test_each_is_seen(self, mountpoint: Path, name: str, value: int) -> None:
        file = MemoryDir()
        file["f"] = b"x"
        inner = file["f"]
        with mount(file, mountpoint, events=True), watching(mountpoint / "f") as watcher:
            inner.setattr(Attributes(**{name: value}))  # type: ignore[attr-defined]
            assert set(watcher.until(("attrib", "f"))) == {("attrib", "f")}
            seen = in_thread(lambda: os.stat(mountpoint / "f"))
            assert value in (
                seen.st_mode & 0o777,
                seen.st_uid,
                seen.st_gid,
                seen.st_atime_ns,
                seen.st_mtime_ns,
            )


class TestEnd:
    @pytest.mark.parametrize("kernel_cache", [True, False])
    def test_removed_file(self, mountpoint: Path, kernel_cache: bool) -> None:
        root = Dir({"f": "x"})
        with (
            mount(writable(root), mountpoint, events=True, kernel_cache=kernel_cache),
            watching(mountpoint / "f", mountpoint) as watcher,
        ):
            del root["f"]
            found = watcher.until(("delete_self", "f"), ("delete", "f"))
            assert len(found) == 2

    def test_replaced_file(self, mountpoint: Path) -> None:
        root = Dir({"f": "x"})
        with (
            mount(writable(root), mountpoint, events=True),
            watching(mountpoint / "f", mountpoint) as watcher,
        ):
            root["f"] = "y"
            watcher.until(("delete_self", "f"), ("create", "f"))
            assert text(mountpoint / "f") == "y"

    def test_directory_and_what_is_below_it_and_it_may_come_back(self, mountpoint: Path) -> None:
        root = Dir({"d": {"e": {"f": "x"}}, "other": "y"})
        watched = [mountpoint / "d", mountpoint / "d" / "e", mountpoint / "d" / "e" / "f"]
        with mount(writable(root), mountpoint, events=True), watching(mountpoint, *watched) as watcher:
            gone = root["d"]
            del root["d"]
            ends = [("delete_self", name) for name in "def"]
            watcher.until(("delete dir", "d"), *[(end[0], end[1]) for end in ends])
            assert in_thread(lambda: os.listdir(mountpoint)) == ["other"]
            root["back"] = gone
            watcher.until(("create dir", "back"))
            assert text(mountpoint / "back" / "e" / "f") == "x"
            assert in_thread(lambda: os.stat(mountpoint / "back").st_nlink) == 3
            watcher.add(mountpoint / "back" / "e")
            root["back/e/g"] = "z"  # nothing of it is dead
            watcher.until(("create", "g"))
            shell("cat back/e/g && cd back/e && /bin/pwd", cwd=mountpoint).ok()

    def test_file_with_another_name_is_not_at_its_end(self, mountpoint: Path) -> None:
        root = Dir({"f": "x"})
        root["g"] = root["f"]
        with (
            mount(writable(root), mountpoint, events=True),
            watching(mountpoint / "g", mountpoint) as watcher,
        ):
            in_thread(lambda: os.stat(mountpoint / "f"))
            del root["f"]
            root["end"] = "1"
            assert not [kind for kind, _ in watcher.until(("create", "end")) if kind == "delete_self"]


class TestStorms:
    def test_many_changes_end_at_the_final_state(self, mountpoint: Path) -> None:
        """10,000 changes while somebody follows the events and looks: at the end he has what is there."""
        root = writable(Settings())
        root["d"] = names = Dir(mode=0o755)
        files: dict[str, str] = {}
        done = threading.Event()
        with (
            mount(root, mountpoint, events=True),
            watching(mountpoint / "jobs", mountpoint / "d", mask=EVERYTHING & ~0x20) as watcher,
        ):

            def follow() -> None:
                origin = ""
                while not done.is_set():
                    for kind, name in watcher.some(15):
                        if kind == "moved_from":
                            origin = name
                        elif kind == "moved_to":
                            files[name] = files.pop(origin, "")
                        elif kind == "delete":
                            files.pop(name, None)
                        elif kind in ("create", "close_write"):
                            try:
                                files[name] = (
                                    mountpoint / ("" if name == "jobs" else "d") / name
                                ).read_text()
                            except FileNotFoundError:
                                files.pop(name, None)
                        if name == "end":
                            done.set()

            follower = threading.Thread(target=follow)
            follower.start()
            for number in range(2500):
                root.jobs = number  # type: ignore[attr-defined]
                names[f"f{number % 300}"] = File(b"%d" % number, mode=0o644)
                if number % 3 == 0:
                    names.move(f"f{number % 300}", f"m{number % 70}")
                if number % 5 == 0:
                    names[f"f{number % 300}"] = File(b"again", mode=0o644)
                    del names[f"f{number % 300}"]
            deadline = time.monotonic() + 30
            names["end"] = File(b"", mode=0o644)
            in_thread(follower.join)
            assert time.monotonic() < deadline
            wanted = {name: child.content().decode() for name, child in names.items()}  # type: ignore[attr-defined]
            assert files.pop("jobs") == "2499\n"
            assert {name: text(mountpoint / "d" / name) for name in wanted} == wanted
            assert files == wanted

    def test_closing_among_moves_and_changes(self, mountpoint: Path) -> None:
        root = writable(Settings())
        root["a"], root["b"] = Dir(mode=0o755), Dir(mode=0o755)
        stop = threading.Event()
        mounted = mount(root, mountpoint, events=True)

        def change() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                root.jobs = number  # type: ignore[attr-defined]
                root[f"a/f{number % 50}"] = File(b"x", mode=0o644)
                root.move(f"a/f{number % 50}", f"b/f{number % 50}")

        changing = threading.Thread(target=change)
        with watching(mountpoint / "a", mountpoint / "b", mountpoint / "jobs") as watcher:
            changing.start()
            try:
                watcher.until(("moved_to", "f1"), ("modify", "jobs"))
                began = time.monotonic()
                in_thread(mounted.close)
                assert time.monotonic() - began < 5
            finally:
                stop.set()
                changing.join()
        assert not [thread for thread in threading.enumerate() if thread.name == "fusetree-announcer"]


def test_all_changes_are_in_the_mask() -> None:
    assert EVERYTHING & ~CHANGES == 0x28
