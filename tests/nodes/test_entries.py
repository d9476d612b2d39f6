from __future__ import annotations

import datetime as dt
import enum
import errno
import time
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest

from fusetree import Dir, File, entry, node
from fusetree.nodes import MAX_VALUE_SIZE, Change, EntryFile, FileNode, Policy, WriteStyle
from tests.nodes.recorder import Recorder


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@node
class Worker(Dir):
    jobs: int = entry(0)
    ratio: float = entry(0.5)
    busy: bool = entry(False)
    level: str = entry("info", validator=attrs.validators.in_(["debug", "info"]))
    raw: bytes = entry(b"\0\n")
    color: Color = entry(Color.RED)
    path: Path = entry(Path("/tmp"))
    since: dt.date = entry(dt.date(2026, 1, 2))
    limit: int | None = entry(None)
    speed: Literal["slow", "fast"] = entry("slow")
    tags: dict[str, str] = entry(factory=dict, name="tags.json")
    token: str = entry("s3cret", mode=0o200)
    version: str = entry("1.0", writable=False)
    port: int = entry(80, converter=int, validator=[attrs.validators.ge(1), attrs.validators.lt(65536)])
    _lock: object = attrs.field(factory=object)
    plain: int = 5


def file(owner: Dir, name: str) -> FileNode:
    found = owner[name]
    assert isinstance(found, FileNode)
    return found


def test_each_entry_is_a_file_and_nothing_else_is() -> None:
    assert Worker().keys() == [
        "jobs", "ratio", "busy", "level", "raw", "color", "path", "since", "limit", "speed",
        "tags.json", "token", "version", "port",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("jobs", b"0\n"),
        ("ratio", b"0.5\n"),
        ("busy", b"false\n"),
        ("level", b"info\n"),
        ("raw", b"\0\n"),
        ("color", b"RED\n"),
        ("path", b"/tmp\n"),
        ("since", b"2026-01-02\n"),
        ("limit", b"\n"),
        ("speed", b"slow\n"),
        ("tags.json", b"{}\n"),
        ("version", b"1.0\n"),
        ("port", b"80\n"),
    ],
)
def test_it_reads_as_its_value(name: str, content: bytes) -> None:
    assert file(Worker(), name).content() == content


@pytest.mark.parametrize(
    ("name", "data", "attribute", "value"),
    [
        ("jobs", b"5\n", "jobs", 5),
        ("ratio", b"1\n", "ratio", 1.0),
        ("busy", b"on\n", "busy", True),
        ("level", b"debug", "level", "debug"),
        ("raw", b"x\n\n", "raw", b"x\n\n"),
        ("color", b"BLUE\n", "color", Color.BLUE),
        ("path", b"/a b\n", "path", Path("/a b")),
        ("limit", b"7\n", "limit", 7),
        ("speed", b"fast\n", "speed", "fast"),
        ("tags.json", b'{"a": "b"}', "tags", {"a": "b"}),
        ("token", b"new\n", "token", "new"),
        ("port", b"8080\n", "port", 8080),
    ],
)
def test_writing_assigns(name: str, data: bytes, attribute: str, value: object) -> None:
    worker = Worker()
    file(worker, name).store(data)
    assert getattr(worker, attribute) == value


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("jobs", b"five\n"),
        ("level", b"loud\n"),
        ("speed", b"faster\n"),
        ("color", b"GREEN\n"),
        ("tags.json", b"{"),
        ("tags.json", b"[]"),
        ("port", b"0\n"),
        ("port", b"65536\n"),
    ],
)
def test_a_bad_value_is_refused_and_the_old_one_stays(name: str, data: bytes) -> None:
    worker = Worker()
    node = file(worker, name)
    observer = Recorder()
    node.attach(observer)
    before = node.content()
    with pytest.raises((ValueError, TypeError)):
        node.store(data)
    assert node.content() == before
    assert observer.take() == []


def test_styles_and_policies() -> None:
    worker = Worker()
    jobs, tags, token, version = (file(worker, name) for name in ("jobs", "tags.json", "token", "version"))
    assert (jobs.policy, jobs.write_style) == (Policy.SNAPSHOT, WriteStyle.VALUE)
    assert (jobs.mode, jobs.readable, jobs.writable, jobs.size()) == (0o644, True, True, 2)
    assert (tags.policy, tags.write_style) == (Policy.DYNAMIC, WriteStyle.DOCUMENT)
    assert (tags.mode, tags.size()) == (0o644, None)
    assert (token.mode, token.readable, token.writable) == (0o200, False, True)
    assert (version.mode, version.readable, version.writable) == (0o444, True, False)
    assert version.write_style is WriteStyle.NONE
    with pytest.raises(PermissionError):
        version.store(b"2.0\n")


def test_an_attribute_that_attrs_has_frozen_is_not_writable() -> None:
    @node
    class Fixed(Dir):
        name: str = entry("x", on_setattr=attrs.setters.frozen)

    fixed = Fixed("y")
    assert file(fixed, "name").write_style is WriteStyle.NONE
    with pytest.raises(attrs.exceptions.FrozenAttributeError):
        fixed.name = "z"


def test_a_value_is_bounded() -> None:
    worker = Worker()
    with pytest.raises(OSError) as caught:
        file(worker, "raw").store(bytes(MAX_VALUE_SIZE + 1))
    assert caught.value.errno == errno.EFBIG
    file(worker, "raw").store(bytes(MAX_VALUE_SIZE))
    assert len(worker.raw) == MAX_VALUE_SIZE


@pytest.mark.parametrize(
    "options",
    [
        {"mode": 0o444, "writable": True},
        {"mode": 0o644, "writable": False},
        {"mode": 0o10000},
        {"name": "a/b"},
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        entry(0, **options)


@pytest.mark.parametrize("default", [[], {}, set(), Dir(), File()])
def test_a_default_that_would_be_shared_is_refused(default: object) -> None:
    with pytest.raises(TypeError, match="factory"):
        entry(default)


# ---- assigning


def test_readers_are_told_after_the_store() -> None:
    worker = Worker()
    jobs = file(worker, "jobs")
    observer = Recorder(jobs.content)
    jobs.attach(observer)
    worker.jobs = 1
    worker.jobs += 1
    jobs.store(b"3\n")
    assert observer.seen == [b"1\n", b"2\n", b"3\n"]
    assert observer.take() == [("changed", jobs, Change.ALL)] * 3
    worker.ratio = 1.0
    worker.plain = 6
    worker._lock = None
    assert observer.take() == []


def test_assigning_converts_and_validates_first() -> None:
    worker = Worker()
    observer = Recorder()
    file(worker, "port").attach(observer)
    worker.port = "81"  # type: ignore[assignment]
    assert worker.port == 81
    assert len(observer.take()) == 1
    with pytest.raises(ValueError):
        worker.port = 0
    assert worker.port == 81
    assert observer.take() == []


def test_hooks_of_a_field_are_run() -> None:
    seen: list[object] = []

    def hook(instance: Any, attribute: Any, value: int) -> int:
        seen.append((attribute.name, instance.value, value))
        return value * 2

    @node
    class Doubling(Dir):
        value: int = entry(1, on_setattr=hook)
        quiet: int = entry(1, validator=attrs.validators.lt(5), on_setattr=attrs.setters.NO_OP)

    doubling = Doubling()
    doubling.value = 4
    assert doubling.value == 8
    assert seen == [("value", 1, 4)]
    doubling.quiet = 7
    assert doubling.quiet == 7


def test_nodes_of_entries_are_made_at_first_touch_and_kept() -> None:
    worker = Worker()
    assert worker._children_ is None
    worker.jobs = 3
    assert worker._children_ is None
    jobs = worker["jobs"]
    assert worker["jobs"] is jobs
    assert dict(worker.items())["jobs"] is jobs
    assert isinstance(jobs, EntryFile)


def test_assigning_moves_the_times_of_the_file() -> None:
    worker = Worker()
    jobs = worker["jobs"]
    jobs.set_times(mtime_ns=1, atime_ns=1)
    before = time.time_ns()
    worker.jobs = 1
    assert jobs.mtime_ns == jobs.ctime_ns >= before - 20_000_000


def test_a_value_changed_in_place_is_told_by_hand() -> None:
    worker = Worker()
    tags = file(worker, "tags.json")
    observer = Recorder()
    tags.attach(observer)
    worker.tags["a"] = "b"
    assert observer.take() == []
    tags.changed()
    assert observer.take() == [("changed", tags, Change.ALL)]
    assert tags.content() == b'{\n  "a": "b"\n}\n'


def test_the_entry_is_set_by_attribute_only() -> None:
    worker = Worker()
    with pytest.raises(ValueError, match="assign its value to the attribute 'tags'"):
        worker["tags.json"] = {}
    with pytest.raises(ValueError, match="declared by Worker"):
        del worker["jobs"]
    with pytest.raises(ValueError, match="declared by Worker"):
        worker.move("jobs", "x")
    worker["x"] = "other"
    with pytest.raises(ValueError, match="declared by Worker"):
        worker.move("x", "jobs")
    with pytest.raises(ValueError, match="declared by Worker"):
        Worker(children={"jobs": "x"})
    assert worker.jobs == 0


def test_an_entry_can_have_a_second_name() -> None:
    worker = Worker()
    root = Dir({"w": worker, "alias": worker["jobs"]})
    worker.jobs = 4
    assert file(root, "alias").content() == b"4\n"
    assert root["alias"].nlink == 2


def test_other_children_come_after_the_declared() -> None:
    worker = Worker(children={"x": "text"})
    worker["y"] = {"z": "deep"}
    assert worker.keys()[-3:] == ["port", "x", "y"]
    assert file(worker, "y/z").content() == b"deep"
    del worker["x"]
    assert "x" not in worker
    assert worker.nlink == 3


def test_owners_and_modes_of_entries() -> None:
    worker = Worker(uid=1000, gid=100, mode=0o700)
    assert (worker["jobs"].uid, worker["jobs"].gid, worker["jobs"].mode) == (1000, 100, 0o644)
    worker["jobs"].mode = 0o200
    assert not file(worker, "jobs").readable
