"""Transactions of nodes, without a mount: what observers hear and when, and what a failed block leaves."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import pytest

from fusetree import Dir, File, MemoryDir, MemoryFile, Symlink, entry, node
from fusetree.nodes import Change
from fusetree.nodes.held import seen, state
from fusetree.nodes.moves import exchange
from tests.nodes.recorder import Recorder


@node
class Settings(Dir):
    jobs: int = entry(3)
    tags: dict[str, str] = entry(factory=dict)
    logs: Dir = attrs.field(factory=Dir)
    plain: int = attrs.field(default=1)


class FailedError(Exception):
    """What a block failed of."""


@contextmanager
def failed(root: Dir) -> Iterator[None]:
    """A transaction that fails at its end."""
    with contextlib.suppress(FailedError), root.transaction():
        yield
        raise FailedError


def watched(*nodes: object) -> Recorder:
    recorder = Recorder()
    for one in nodes:
        one.attach(recorder)  # type: ignore[attr-defined]
    return recorder


def test_observers_hear_of_everything_at_the_end_and_as_one() -> None:
    settings = Settings()
    root = Dir({"s": settings, "f": "text"})
    jobs, file = settings["jobs"], root["f"]
    assert isinstance(file, File)
    recorder = watched(root, settings, jobs, file)
    with root.transaction():
        settings.jobs = 4
        settings.jobs = 5
        file.store(b"new")
        file.mode = 0o600
        root["g"] = "more"
        del root["g"]
        root["h"] = "last"
        assert recorder.events == []
        assert settings.jobs == 5
        assert root.keys() == ["s", "f", "h"]
    events = recorder.take()
    suspended, begun, *changes, ended = events
    assert suspended[0] == "suspend"
    held = suspended[1]
    assert isinstance(held, set)
    assert held >= {root, jobs, file}
    assert suspended[2] == {(root, "g"), (root, "h")}
    assert begun == ("flip",)
    assert [event[0:3] for event in changes if event[0] != "changed"] == [
        ("set", root, "g"),
        ("removed", root, "g"),
        ("set", root, "h"),
    ]
    assert [event for event in changes if event[0] == "changed"] == [
        ("changed", jobs, Change.ALL),
        ("changed", file, Change.ALL),
    ]
    assert ended[0] == "flipped"
    assert recorder.settled == 1


def test_readers_are_shown_what_was_before() -> None:
    settings = Settings()
    link = Symlink("one")
    jobs, tags = settings["jobs"], settings["tags"]
    settings["link"] = link
    with settings.transaction():
        settings.jobs = 4
        link.target = "two"
        settings["new"] = ""
        jobs.mode = 0o600
        assert seen(jobs).content() == b"3\n"  # type: ignore[attr-defined]
        assert seen(jobs).mode == 0o644
        assert seen(link).target == "one"
        assert "new" not in seen(settings).keys()  # noqa: SIM118 - a directory that is shown
        assert seen(jobs).ino == jobs.ino
        assert seen(tags) is tags
        assert jobs.content() == b"4\n"  # type: ignore[attr-defined]
    assert not state.held
    assert seen(jobs) is jobs


def test_an_exception_takes_everything_back() -> None:
    settings = Settings(children={"f": "text", "d": {"x": "1"}, "l": Symlink("one")})
    names, logs = settings.keys(), settings.logs
    file, one, link = settings["f"], settings["d/x"], settings["l"]
    assert isinstance(file, File)
    assert isinstance(link, Symlink)
    assert isinstance(one, File)
    file.write_at(b"T", 0)  # a buffer that is changed in place from now on
    times = [each.mtime_ns for each in (settings, file, one, link)]
    recorder = watched(settings, file, settings["d"], one, link)
    with failed(settings):
        settings.jobs = 4
        settings.plain = 2
        settings.logs = Dir({"new": ""})
        settings.uid = settings.gid = 7
        file.write_at(b"XXXX", 2)
        file.mode = 0o777
        file.set_times(mtime_ns=1)
        link.target = "two"
        settings["d/hard"] = file
        settings.move("d/x", "moved")
        settings["e"] = {"sub": {}}
        del settings["l"]
        exchange(settings, "moved", settings["d"], "hard")  # type: ignore[arg-type]
        assert file.nlink == 2
    assert recorder.events == []
    assert settings.keys() == names
    assert settings.logs is logs
    assert settings["logs"] is logs
    assert (settings.jobs, settings.plain) == (3, 1)
    assert settings.uid is settings.gid is None
    assert (file.content(), file.mode, file.nlink) == (b"Text", 0o444, 1)
    below = settings["d"]
    assert isinstance(below, Dir)
    assert below.keys() == ["x"]
    assert settings["d/x"] is one
    assert link.target == "one"
    assert settings.nlink == 4  # with `logs` and `d` in it
    assert [each.mtime_ns for each in (settings, file, one, link)] == times
    # It is as alive as before.
    settings.jobs = 9
    settings.move("d/x", "x")
    assert one.nlink == 1
    assert settings["x"] is one


def test_what_a_tree_in_memory_holds_is_on_its_account_again() -> None:
    root = MemoryDir({"f": b"x" * 5000}, max_bytes=40960)
    file = root["f"]
    assert isinstance(file, MemoryFile)
    file.setxattr("user.a", b"1")
    before = root.statfs()
    with failed(root):
        file.write(b"y" * 20000, 10)
        file.setxattr("user.b", b"22")
        root["g"] = b"z" * 3000
        assert root.statfs() != before
    assert root.keys() == ["f"]
    assert file.content() == b"x" * 5000
    assert tuple(file.listxattr()) == ("user.a",)
    assert root.statfs() == before
    with root.transaction():
        file.write(b"y", 0)
    assert file.content() == b"y" + b"x" * 4999
    assert root.statfs() == before


def test_blocks_inside_are_part_of_the_outermost() -> None:
    root = Dir({"a": "1"})
    recorder = watched(root)
    with root.transaction():
        with root.transaction():
            root["b"] = ""
        with failed(root):
            root["c"] = ""
        assert recorder.events == []
    assert root.keys() == ["a", "b", "c"]
    with failed(root):
        with root.transaction():
            root["d"] = ""
    assert root.keys() == ["a", "b", "c"]


def test_an_object_with_a_finaliser_is_finished_once() -> None:
    finished = []

    @node
    class Closing(Dir):
        value: int = entry(0)

        def __del__(self) -> None:
            finished.append(self.value)

    closing = Closing()
    with closing.transaction():
        closing.value = 1
    assert finished == []
    del closing
    gc.collect()  # an entry and its object know each other
    assert finished == [1]


def test_another_thread_waits_with_its_transaction() -> None:
    root = Dir()
    began = threading.Event()

    def other() -> None:
        began.set()
        with root.transaction():
            root["theirs"] = ""

    thread = threading.Thread(target=other)
    with root.transaction():
        thread.start()
        assert began.wait(10)
        root["ours"] = ""
        assert root.keys() == ["ours"]
    thread.join(10)
    assert root.keys() == ["ours", "theirs"]


def test_what_another_thread_changes_is_visible_at_once_unless_the_block_has_changed_the_node() -> None:
    settings, other = Settings(), Settings()
    root = Dir({"s": settings, "o": other})
    jobs, their_jobs = settings["jobs"], other["jobs"]
    recorder = watched(jobs, their_jobs)

    def change() -> None:
        settings.jobs = 10
        other.jobs = 11

    with root.transaction():
        settings.jobs = 4
        thread = threading.Thread(target=change)
        thread.start()
        thread.join(10)
        assert recorder.take() == [("changed", their_jobs, Change.ALL)]
        assert seen(their_jobs) is their_jobs
    assert [event for event in recorder.take() if event[0] == "changed"] == [("changed", jobs, Change.ALL)]
    assert settings.jobs == 10


def test_a_task_in_a_transaction_keeps_others_of_its_thread_out() -> None:
    root = Dir()

    async def main() -> None:
        inside, done = asyncio.Event(), asyncio.Event()

        async def first() -> None:
            with root.transaction():
                root["a"] = ""
                inside.set()
                await asyncio.to_thread(root.__setitem__, "b", "")  # goes along with the context
                await done.wait()

        task = asyncio.create_task(first())
        await inside.wait()
        with pytest.raises(RuntimeError, match="another task of this thread"), root.transaction():
            pass
        done.set()
        await task

    asyncio.run(main())
    assert root.keys() == ["a", "b"]
    with root.transaction():
        root["c"] = ""
