"""mount(events=True): those who watch by inotify(7) see what the program changes."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fusetree import Dir, File, MemoryDir, Symlink, entry, node
from fusetree.adapter.announcements import Announcements
from fusetree.lowlevel import context
from fusetree.mounting import mount
from tests.inotify import Watcher, watching
from tests.mounting.trees import text, writable
from tests.support import in_thread, is_mounted, shell, wait_for


@node
class Settings(Dir):
    jobs: int = entry(0)
    level: str = entry("info")


def state_of(name: str) -> str:
    """The state of the thread of that name, as in proc_pid_stat(5): D is a wait that no signal ends."""
    (thread,) = [thread for thread in threading.enumerate() if thread.name == name]
    return Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2].split()[0]


def test_it_does_not_go_with_a_read_only_mount(tmp_path: Path) -> None:
    for options in ({"ro": True}, {"options": "ro"}):
        with pytest.raises(ValueError, match="events=True and ro=True"):
            mount({}, tmp_path, events=True, **options)
    assert not is_mounted(tmp_path)


@pytest.mark.mount
class TestEvents:
    def test_changed_value_is_modified_and_read_anew_at_the_event(self, mountpoint: Path) -> None:
        root = Settings()
        with (
            mount(writable(root), mountpoint, events=True),
            watching(mountpoint / "jobs", mountpoint) as watcher,
        ):
            for value in range(1, 20):
                assert text(mountpoint / "jobs") == f"{value - 1}\n"
                root.jobs = value
                events = watcher.until(("modify", "jobs"))
                assert text(mountpoint / "jobs") == f"{value}\n"
                assert set(events) == {("modify", "jobs")}

    def test_watcher_who_never_reads_hears_of_each_change(self, mountpoint: Path) -> None:
        root = Settings()
        with mount(writable(root), mountpoint, events=True), watching(mountpoint / "jobs") as watcher:
            for value in range(5):
                root.jobs = value + 1
                watcher.until(("modify", "jobs"))

    def test_nothing_without_events(self, mountpoint: Path) -> None:
        root = Settings()
        with mount(root, mountpoint), watching(mountpoint / "jobs", mountpoint) as watcher:
            root.jobs = 1
            assert watcher.some(0.2) == []

    def test_file_and_attributes(self, mountpoint: Path) -> None:
        file = File(b"one", mode=0o444)
        link = Symlink("a")
        with (
            mount({"sub": {"f": file}, "link": link}, mountpoint, events=True),
            watching(mountpoint / "sub" / "f", mountpoint) as watcher,
        ):
            assert text(mountpoint / "sub" / "f") == "one"
            file.store(b"two and more")
            watcher.until(("modify", "f"))
            assert text(mountpoint / "sub" / "f") == "two and more"
            file.mode = 0o440
            assert set(watcher.until(("attrib", "f"))) == {("attrib", "f")}
            assert in_thread(lambda: os.stat(mountpoint / "sub" / "f").st_mode & 0o777) == 0o440
            in_thread(lambda: os.readlink(mountpoint / "link"))
            link.target = "b"
            watcher.until(("attrib", "link"))
            assert in_thread(lambda: os.readlink(mountpoint / "link")) == "b"

    @pytest.mark.parametrize("known", [False, True])
    @pytest.mark.parametrize(
        ("make", "what"),
        [(lambda: File(b"x"), ""), (lambda: Dir({"in": "side"}), " dir"), (lambda: Symlink("t"), "")],
    )
    def test_names(self, mountpoint: Path, make: Callable[[], Any], what: str, known: bool) -> None:
        root = Dir({"old": "1"})
        with mount(writable(root), mountpoint, events=True), watching(mountpoint) as watcher:
            if known:  # the kernel remembers that nothing is there
                assert not in_thread(lambda: os.path.lexists(mountpoint / "new"))
            root["new"] = made = make()
            assert watcher.until(("create" + what, "new")) == [("create" + what, "new")]
            assert in_thread(lambda: sorted(os.listdir(mountpoint))) == ["new", "old"]
            seen = in_thread(lambda: os.lstat(mountpoint / "new"))
            assert seen.st_ino == made.ino
            assert seen.st_nlink >= 1
            del root["new"]
            if known:
                assert not in_thread(lambda: os.path.lexists(mountpoint / "new"))
            assert watcher.until(("delete" + what, "new")) == [("delete" + what, "new")]
            assert in_thread(lambda: sorted(os.listdir(mountpoint))) == ["old"]
            assert not in_thread(lambda: os.path.lexists(mountpoint / "new"))
            root["new"] = made
            watcher.until(("create" + what, "new"))
            if what:
                assert text(mountpoint / "new" / "in") == "side"

    def test_name_that_was_never_asked_for_is_removed(self, mountpoint: Path) -> None:
        root = Dir({"a": "1", "sub": {"b": "2"}})
        with mount(writable(root), mountpoint, events=True), watching(mountpoint) as watcher:
            del root["a"]
            del root["sub"]
            watcher.until(("delete", "a"), ("delete dir", "sub"))

    def test_name_that_is_put_back_at_once_stays(self, mountpoint: Path) -> None:
        root = Dir({"x": "0"})
        with mount(writable(root), mountpoint, events=True), watching(mountpoint) as watcher:
            for round_ in range(30):
                del root["x"]
                root["x"] = f"{round_}"
                assert text(mountpoint / "x") == f"{round_}"
                assert in_thread(lambda: os.stat(mountpoint / "x").st_nlink) == 1
            root["end"] = "1"
            events = watcher.until(("create", "end"))
            assert ("create", "x") in events
            assert text(mountpoint / "x") == "29"

    def test_many_changes_are_few_events(self, mountpoint: Path) -> None:
        root = Settings()
        with (
            mount(writable(root), mountpoint, events=True),
            watching(mountpoint / "jobs", mountpoint / "level") as watcher,
        ):
            began = time.monotonic()
            seen: list[tuple[str, str]] = []  # read as they come: inotify joins equal ones that wait
            reader = threading.Thread(
                target=lambda: seen.extend(watcher.until(("modify", "level"), timeout=15))
            )
            reader.start()
            while time.monotonic() < began + 0.5:
                root.jobs += 1
            root.level = "end"
            reader.join()
            took = time.monotonic() - began
            assert 1 <= seen.count(("modify", "jobs")) <= took / 0.02 + 2

    def test_what_programs_do_has_the_kernels_event_alone(
        self, mountpoint: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = Dir({"settings": Settings(), "memory": MemoryDir()})
        noted: list[object] = []
        monkeypatch.setattr(Announcements, "changed", lambda self, node, *_: noted.append(node))
        for method in ("name_set", "name_removed"):
            monkeypatch.setattr(Announcements, method, lambda self, *what, **_: noted.append(what))
        with mount(writable(root), mountpoint, events=True):
            shell("echo 5 > settings/jobs && cat settings/jobs", cwd=mountpoint).ok()
            assert root["settings"].jobs == 5  # type: ignore[attr-defined]
            commands = "touch f && echo x > f && mkdir d && mv f d/g && rm d/g && rmdir d && chmod 700 ."
            shell(commands, cwd=mountpoint / "memory").ok()
            assert noted == []
            root["settings"].jobs = 6  # type: ignore[attr-defined]
            assert len(noted) == 1

    def test_announcing_calls_nothing_of_the_program(self, mountpoint: Path) -> None:
        called = []

        class Busy(Dir):
            def create(self, name: str, mode: int) -> File:
                called.append(name)
                return File(b"")

            def mkdir(self, name: str, mode: int) -> Dir:
                called.append(name)
                return Dir()

            def unlink(self, name: str) -> None:
                called.append(name)

            def rmdir(self, name: str) -> None:
                called.append(name)

            def setattr(self, changes: object) -> None:
                called.append("setattr")

        root = Busy()
        with mount(writable(root), mountpoint, events=True), watching(mountpoint) as watcher:
            root["f"] = "1"
            root["d"] = Dir()
            watcher.until(("create", "f"), ("create dir", "d"))
            root.mode = 0o750
            watcher.until(("attrib dir", mountpoint.name))
            del root["f"], root["d"]
            watcher.until(("delete", "f"), ("delete dir", "d"))
            assert called == []
            shell("mkdir mine", cwd=mountpoint).ok()
            assert called == ["mine"]

    def test_change_in_a_handler_is_announced(self, mountpoint: Path) -> None:
        @node
        class Counting(Dir):
            reads: int = entry(0)

            def uptime(self) -> str:
                assert context().pid
                self.reads += 1
                return "x"

        root = Counting()
        root["up"] = root.uptime
        with mount(writable(root), mountpoint, events=True), watching(mountpoint / "reads") as watcher:
            text(mountpoint / "up")
            watcher.until(("modify", "reads"))

    def test_close_while_much_is_pending(self, mountpoint: Path) -> None:
        root = Dir()
        mounted = mount(writable(root), mountpoint, events=True)
        with watching(mountpoint):
            for number in range(3000):
                root[f"f{number}"] = "1"
            in_thread(mounted.close)
        assert not is_mounted(mountpoint)
        assert not [thread for thread in threading.enumerate() if thread.name == "fusetree-announcer"]

    def test_close_while_the_announcer_waits_behind_a_handler(self, mountpoint: Path) -> None:
        inside, release = threading.Event(), threading.Event()

        class Slow(Dir):
            def mkdir(self, name: str, mode: int) -> Dir:
                inside.set()
                release.wait(20)
                return Dir()

        root = Slow()
        mounted = mount(writable(root), mountpoint, events=True)
        with watching(mountpoint):
            threading.Thread(target=lambda: shell("mkdir x", cwd=mountpoint), daemon=True).start()
            assert inside.wait(10)
            root["new"] = "1"  # takes the lock that mkdir(2) holds
            wait_for(lambda: state_of("fusetree-announcer") == "D")
            threading.Timer(0.5, release.set).start()
            in_thread(mounted.close)
        assert not is_mounted(mountpoint)

    def test_unmounted_from_outside(self, mountpoint: Path) -> None:
        root = Settings()
        mounted = mount(writable(root), mountpoint, events=True)
        shell(f"umount {mountpoint} || fusermount3 -u {mountpoint}").ok()
        assert mounted.wait(10)
        root.jobs = 7
        mounted.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "fusetree-announcer"]

    @pytest.mark.root
    def test_user_without_privileges(self, mountpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
        root = Dir({"f": File(b"x", mode=0o444, uid=1000)}, mode=0o755, uid=1000)
        root["closed"] = closed = Dir(mode=0o555, uid=1000)
        with (
            mount(root, mountpoint, events=True, allow_other=True),
            watching(mountpoint, mountpoint / "closed") as watcher,
        ):
            assert text(mountpoint / "f") == "x"
            os.seteuid(1000)  # of all threads; what the kernel checks is what this user may do
            try:
                root["f"].store(b"y")  # type: ignore[attr-defined]
                watcher.until(("modify", "f"))
                root["n"] = "1"
                watcher.until(("create", "n"))
                del root["n"]
                watcher.until(("delete", "n"))
                closed["n"] = "1"
                root["end"] = "1"
                assert watcher.until(("create", "end")) == [("create", "end")]
                assert text(mountpoint / "closed" / "n") == "1"
            finally:
                os.seteuid(0)
        assert "names are announced in directories that this user may write to" in caplog.text

    def test_the_kernel_alone_checks_nothing(self, mountpoint: Path) -> None:
        root = Settings()
        options: dict[str, Any] = {"default_permissions": False, "kernel_cache": False}
        with mount(writable(root), mountpoint, events=True, **options), watching(mountpoint) as watcher:
            in_thread(lambda: os.stat(mountpoint / "jobs"))
            root.jobs = 4
            watcher.until(("modify", "jobs"))
            root["n"] = "1"
            watcher.until(("create", "n"))
            del root["n"]
            watcher.until(("delete", "n"))

    def test_in_an_event_loop(self, mountpoint: Path) -> None:
        async def main() -> None:
            root = Settings()
            async with mount(writable(root), mountpoint, events=True):
                with_watcher = asyncio.to_thread(Watcher, mountpoint, mountpoint / "jobs")
                watcher = await with_watcher
                try:
                    root.jobs = 3
                    await asyncio.to_thread(watcher.until, ("modify", "jobs"))
                    root["n"] = "1"
                    await asyncio.to_thread(watcher.until, ("create", "n"))
                    del root["n"]
                    await asyncio.to_thread(watcher.until, ("delete", "n"))
                    root.jobs = 4
                    root["late"] = "1"
                finally:
                    watcher.close()

        asyncio.run(main())
        assert not is_mounted(mountpoint)

    def test_two_mounts_of_one_tree(self, tmp_path: Path, mountpoint: Path) -> None:
        other = tmp_path / "other"
        other.mkdir()
        root = Settings()
        with (
            mount(writable(root), mountpoint, events=True),
            mount(root, other, events=True),
            watching(other / "jobs") as watcher,
        ):
            shell("echo 8 > jobs", cwd=mountpoint).ok()  # to the other mount it is news
            watcher.until(("modify", "jobs"))

    def test_transaction_is_announced_at_its_end(self, mountpoint: Path) -> None:
        root = Settings()
        root["old"] = "1"
        with (
            mount(writable(root), mountpoint, events=True),
            watching(mountpoint, mountpoint / "jobs") as watcher,
        ):
            with root.transaction():
                root.jobs = 1
                root["n"] = "1"
                del root["old"]
                assert watcher.some(0.1) == []
            watcher.until(("modify", "jobs"), ("create", "n"), ("delete", "old"))
