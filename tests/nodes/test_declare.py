from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Optional

import attrs
import pytest

from fusetree import Dir, File, Symlink, action, computed, entry, node
from fusetree.nodes import FileNode, path_of
from tests.nodes.recorder import Recorder

if TYPE_CHECKING:
    from decimal import Decimal


def content(owner: Dir, name: str) -> bytes:
    found = owner[name]
    assert isinstance(found, FileNode)
    return found.content()


@node
class Worker(Dir):
    jobs: int = entry(0)
    level: str = entry("info")
    _lock: Any = attrs.field(factory=threading.Lock)

    @computed
    def double(self) -> int:
        return self.jobs * 2


@node
class Pool(Dir):
    logs: Dir = attrs.field(factory=Dir)
    first: Worker = entry(factory=Worker, name="first-worker")
    spare: Optional[Worker] = entry(None)  # noqa: UP045 - this spelling is to work, too
    either: Worker | Logs | None = None
    motto: File = attrs.field(factory=lambda: File("do good\n"))
    current: Symlink = attrs.field(factory=lambda: Symlink("first-worker"))
    _peer: Dir | None = None
    later: Later | None = entry(None)


class Logs(Dir):
    pass


@node
class Later(Dir):
    text: str = entry("later")


# ---- the class


def test_it_is_an_attrs_class_with_slots() -> None:
    worker = Worker()
    assert not hasattr(worker, "__dict__")
    assert worker != Worker()
    assert attrs.has(Worker)
    with pytest.raises(AttributeError):
        worker.unheard_of = 1  # type: ignore[attr-defined]


def test_its_own_attributes_come_first() -> None:
    worker = Worker(3, "debug", mode=0o700, uid=1, gid=2, ino=3, children={"x": "y"})
    assert (worker.jobs, worker.level) == (3, "debug")
    assert (worker.mode, worker.uid, worker.gid, worker.ino) == (0o700, 1, 2, 3)
    assert worker.keys() == ["jobs", "level", "double", "x"]
    assert Worker().mode == 0o555
    with pytest.raises(TypeError):
        Worker(3, "debug", threading.Lock(), 0o700)  # type: ignore[call-arg]


def test_a_class_may_take_keywords_only() -> None:
    @node(kw_only=True)
    class Strict(Dir):
        jobs: int = entry(0)
        name: str

    assert Strict(name="x", jobs=2).jobs == 2
    with pytest.raises(TypeError):
        Strict(2, "x")  # type: ignore[call-arg, arg-type]


def test_an_entry_without_a_default_is_asked_for() -> None:
    @node
    class Job(Dir):
        command: str = entry()

    assert content(Job("ls"), "command") == b"ls\n"
    with pytest.raises(TypeError, match="command"):
        Job()


def test_repr_shows_values_but_no_secrets() -> None:
    @node
    class Account(Dir):
        user: str = entry("me")
        token: str = entry("s3cret", mode=0o200)

    assert repr(Account()).endswith("Account(user='me')")


def test_evolve_makes_another_with_its_own_files() -> None:
    worker = Worker(1, children={"x": "y"})
    file = worker["jobs"]
    number = worker.ino
    other = attrs.evolve(worker, jobs=2)  # type: ignore[misc]  # mypy knows only its own attrs classes
    assert (other.jobs, other.level) == (2, "info")
    assert other["jobs"] is not file
    assert other.ino != number
    assert other.keys() == ["jobs", "level", "double"]
    assert other.mode == worker.mode


def test_decorators_of_attrs_work_on_entries() -> None:
    @node
    class Job(Dir):
        jobs: int = entry()

        @jobs.default  # type: ignore[attr-defined, untyped-decorator]
        def _few(self) -> int:
            return 3

        @jobs.validator  # type: ignore[attr-defined, untyped-decorator]
        def _not_many(self, attribute: Any, value: int) -> None:
            if value > 10:
                raise ValueError("too many")

    job = Job()
    assert job.jobs == 3
    with pytest.raises(ValueError, match="too many"):
        job["jobs"].store(b"11\n")  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="too many"):
        Job(11)


def test_a_class_may_have_its_own_init_and_post_init() -> None:
    @node
    class Counted(Dir):
        jobs: int = entry(0)
        names: list[str] = attrs.field(factory=list)

        def __attrs_post_init__(self) -> None:
            self["extra"] = "x"
            self.names = self.keys()

    assert Counted(children={"y": ""}).names == ["jobs", "y", "extra"]

    @node
    class Proper(Counted):
        def __attrs_post_init__(self) -> None:
            self.jobs = 5
            super().__attrs_post_init__()

    assert Proper().names == ["jobs", "extra"]

    @node
    class Own(Dir):
        jobs: int = entry(0)

        def __init__(self, text: str) -> None:
            self.__attrs_init__(jobs=int(text))  # type: ignore[attr-defined]

    assert content(Own("7"), "jobs") == b"7\n"


# ---- inheritance


def test_node_classes_are_inherited() -> None:
    @node
    class Special(Worker):
        level: str = entry("debug", name="LEVEL")
        weight: float = entry(1.0)

        @action
        def stop(self) -> None:
            self.jobs = -1

    special = Special(jobs=4)
    assert special.keys() == ["jobs", "LEVEL", "weight", "double", "stop"]
    assert content(special, "LEVEL") == b"debug\n"
    observer = Recorder()
    special["jobs"].attach(observer)
    special.jobs = 5
    special["stop"].store(b"\n")  # type: ignore[attr-defined]
    assert len(observer.take()) == 2
    assert special.jobs == -1
    assert Worker().keys() == ["jobs", "level", "double"]


def test_a_plain_subclass_is_what_its_base_is() -> None:
    class Plain(Worker):
        def helper(self) -> int:
            return self.jobs

    plain = Plain(jobs=3)
    assert plain.keys() == ["jobs", "level", "double"]
    plain.jobs = 4
    assert content(plain, "double") == b"8\n"


def test_mixins_with_attributes_of_their_own() -> None:
    @attrs.define(slots=False)  # as Python wants it of all bases but one
    class Timed:
        seconds: int = attrs.field(default=5)

        @computed
        def minutes(self) -> float:
            return self.seconds / 60

    @node
    class Job(Dir, Timed):
        jobs: int = entry(0)

    job = Job()
    assert job.keys() == ["jobs", "minutes"]
    job.seconds = 60
    assert content(job, "minutes") == b"1.0\n"


def test_files_and_links_can_be_node_classes() -> None:
    @node
    class Log(File):
        source: str = "here"
        lines: int = attrs.field(default=0, converter=int)

    log = Log("there", content=b"x", mode=0o600)
    assert (log.source, log.content(), log.mode) == ("there", b"x", 0o600)
    log.lines = "3"  # type: ignore[assignment]
    log.write_at(b"y", 1)
    log.mode = 0o640
    assert (log.lines, log.content(), log.mode) == (3, b"xy", 0o640)

    @node
    class Latest(Symlink):
        serial: int = 0

    assert Latest(5, target="x").target == "x"


# ---- children


def test_fields_of_node_classes_are_children() -> None:
    pool = Pool()
    assert pool.keys() == ["logs", "first-worker", "motto", "current"]
    assert pool["first-worker"] is pool.first
    assert path_of(pool.first) == "/first-worker"
    assert pool.nlink == 4
    assert pool._peer is None


def test_assigning_replaces_the_child() -> None:
    pool = Pool()
    pool.keys()
    old, new = pool.logs, Dir({"x": ""})
    observer = Recorder(lambda: pool["logs"])
    pool.attach(observer)
    pool.logs = new
    assert observer.take() == [("set", pool, "logs", new)]
    assert observer.seen == [new]
    assert pool.keys()[0] == "logs"
    pool.logs = new
    assert observer.take() == []
    pool["logs"] = old
    assert pool.logs is old
    assert observer.take() == [("set", pool, "logs", old)]
    pool.logs = {"made": "here"}  # type: ignore[assignment]
    assert pool.logs.keys() == ["made"]
    assert path_of(pool.logs) == "/logs"
    assert pool.nlink == 4


def test_an_optional_child_comes_and_goes() -> None:
    pool = Pool()
    observer = Recorder()
    pool.attach(observer)
    pool.spare = spare = Worker()
    assert "spare" in pool
    pool.spare = None
    assert "spare" not in pool
    pool.spare = spare
    assert observer.take() == [
        ("set", pool, "spare", spare),
        ("removed", pool, "spare", spare),
        ("set", pool, "spare", spare),
    ]
    pool.either = Logs()
    assert pool.keys()[-2:] == ["spare", "either"]
    assert path_of(pool.either) == "/either"


def test_an_optional_child_before_the_first_touch() -> None:
    pool = Pool(spare=Worker())
    pool.spare = None
    pool.later = Later()
    assert pool.keys() == ["logs", "first-worker", "motto", "current", "later"]
    assert content(pool, "later/text") == b"later\n"


def test_a_child_has_the_annotated_class() -> None:
    pool = Pool()
    with pytest.raises(TypeError, match="is a Worker, not a Dir"):
        pool.first = Dir()  # type: ignore[assignment]
    with pytest.raises(TypeError, match="Worker or Logs"):
        pool.either = File()  # type: ignore[assignment]
    with pytest.raises(TypeError, match="cannot be None"):
        pool.logs = None  # type: ignore[assignment]
    with pytest.raises(TypeError, match="is a Worker"):
        Pool(first=File())  # type: ignore[arg-type]


def test_a_declared_child_has_one_parent_too() -> None:
    pool = Pool()
    root = Dir({"pool": pool})
    with pytest.raises(ValueError, match="already in this tree"):
        root["again"] = pool.logs
    with pytest.raises(ValueError, match="already in this tree"):
        pool.spare = pool.first
    assert pool.spare is None
    with pytest.raises(ValueError, match="itself"):
        pool.logs = root
    with pytest.raises(ValueError, match="declared by Pool"):
        del pool["logs"]
    root["free"] = Worker()
    first = pool.first
    pool.first = Worker()
    root["first"] = first


def test_a_private_node_attribute_is_no_child() -> None:
    pool, other = Pool(), Dir()
    pool._peer = other
    assert "_peer" not in pool
    Dir({"pool": pool, "other": other})


# ---- refused


@pytest.mark.parametrize(
    "name",
    [
        "mode",
        "uid",
        "gid",
        "ino",
        "nlink",
        "open",
        "read",
        "write",
        "items",
        "keys",
        "changed",
        "children",
        "lock",
    ],
)
def test_reserved_names_are_refused_with_a_way_out(name: str) -> None:
    namespace = {"__annotations__": {name: int}, name: entry(0)}
    with pytest.raises(TypeError, match=rf"Bad\.{name}: every node has .* entry\(name='{name}'\)"):
        node(type("Bad", (Dir,), namespace))


def test_reserved_names_are_refused_for_methods() -> None:
    with pytest.raises(TypeError, match=r"@computed\(name='open'\)"):

        @node
        class Bad(Dir):
            @computed
            def open(self) -> str:
                return ""

    @node
    class Good(Dir):
        mode_: int = entry(5, name="mode")

        @computed(name="open")
        def is_open(self) -> bool:
            return True

    good = Good(mode=0o700)
    assert good.keys() == ["mode", "open"]
    assert (good.mode, good.mode_) == (0o700, 5)


def test_private_names_of_the_constructors_keywords_are_refused() -> None:
    with pytest.raises(TypeError, match="_mode"):

        @node
        class Bad(Dir):
            _mode: int = 0


def test_private_names_are_the_programs_own() -> None:
    @node
    class Free(Dir):
        _observers: list[int] = attrs.field(factory=list)
        _parent: int = 1
        size: int = entry(0)
        content: str = entry("")
        name: str = entry("x")
        target: str = entry("y")

    assert Free().keys() == ["size", "content", "name", "target"]


def test_one_name_is_declared_once() -> None:
    with pytest.raises(TypeError, match="'jobs' twice"):

        @node
        class Bad(Dir):
            jobs: int = entry(0)
            other: int = entry(0, name="jobs")


def test_an_entry_needs_an_annotation() -> None:
    with pytest.raises(TypeError, match="annotation"):

        @node
        class Bad(Dir):
            jobs = entry(0)


def test_entries_need_the_decorator() -> None:
    class Forgotten(Dir):
        jobs: int = entry(0)

    class AlsoForgotten(Dir):
        @computed
        def now(self) -> str:
            return ""

    class InBetween(Worker):
        more: int = entry(0)

    for forgotten in (Forgotten, AlsoForgotten, InBetween):
        with pytest.raises(TypeError, match=f"decorate {forgotten.__name__} with @node"):
            forgotten()


def test_only_node_classes_are_decorated() -> None:
    with pytest.raises(TypeError, match="subclass of Dir"):
        node(int)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="only a subclass of Dir"):

        @node
        class Bad(File):
            jobs: int = entry(0)


# ---- annotations


def test_annotations_of_functions_are_resolved() -> None:
    calls: list[int | None] = []

    class Local:
        pass

    @node
    class Tree(Dir):
        parent: Tree | None = None
        value: dict[str, Local] = entry(factory=dict)

        @action
        def put(self, local: Optional[int]) -> None:  # noqa: UP045 - as above
            calls.append(local)

    tree = Tree(parent=Tree())
    assert tree.keys() == ["parent", "value", "put"]
    tree["put"].store(b"5\n")  # type: ignore[attr-defined]
    assert calls == [5]


def test_names_for_type_checkers_only_do_not_harm_ordinary_attributes() -> None:
    @node
    class Lazy(Dir):
        price: Decimal | None = None
        jobs: int = entry(0)

    assert Lazy().keys() == ["jobs"]


def test_names_for_type_checkers_only_are_refused_for_entries() -> None:
    @node
    class Lazy(Dir):
        price: Decimal = entry()

    with pytest.raises(TypeError, match=r"Lazy\.price: its annotation 'Decimal' does not resolve"):
        Lazy(1)  # type: ignore[arg-type]


# ---- threads


def test_first_touches_of_many_threads_see_the_same_nodes() -> None:
    for _ in range(50):
        worker = Worker()
        start = threading.Barrier(4)
        seen: list[Any] = []

        def touch(worker: Worker = worker, start: threading.Barrier = start, seen: list[Any] = seen) -> None:
            start.wait()
            seen.append(worker["jobs"])

        threads = [threading.Thread(target=touch) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(seen)) == 1


def test_a_reader_that_attaches_during_changes_ends_with_the_last_value() -> None:
    """What the locks promise: whoever attaches first and reads then is told of every later change."""
    for _ in range(100):
        worker = Worker()
        start = threading.Barrier(2)

        class Reader(Recorder):
            """Reads again whenever it is told, as a mount does."""

            def read(self, worker: Worker) -> None:
                self.last = content(worker, "jobs")

        reader = Reader()

        def write(worker: Worker = worker, start: threading.Barrier = start) -> None:
            start.wait()
            for number in range(1, 20):
                worker.jobs = number

        thread = threading.Thread(target=write)
        thread.start()
        start.wait()
        worker["jobs"].attach(reader)
        reader.read(worker)
        thread.join()
        if reader.events:
            reader.read(worker)
        assert reader.last == b"19\n"


def test_threads_change_a_tree_without_harm() -> None:
    root = Dir({"a": {}, "b": {}})
    a, b = root["a"], root["b"]
    assert isinstance(a, Dir)
    assert isinstance(b, Dir)
    files = [File(str(number)) for number in range(4)]

    def juggle(mine: int) -> None:
        name = f"f{mine}"
        for round_ in range(200):
            a[name] = files[mine]
            root.move(f"a/{name}", f"b/{name}")
            b[f"also-{name}"] = files[mine]
            with contextlib.suppress(ValueError):
                a["moving"] = b if mine % 2 else Dir()
            if round_ % 2:
                del b[name]
                del b[f"also-{name}"]
            root.move("a", "a")

    threads = [threading.Thread(target=juggle, args=(mine,)) for mine in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(b) == []
    assert all(file.nlink == 1 for file in files)
    assert a.nlink == 2 + sum(isinstance(child, Dir) for child in a.values())
