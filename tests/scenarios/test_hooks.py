"""`entry(on_change=...)`: the program hears what programs write, and who they are."""

from __future__ import annotations

import errno
import logging
import threading
from typing import Any

import attrs
import pytest

import fusetree
from fusetree import Dir, EditableDir, entry, node
from fusetree.testing import Client
from tests.support import in_thread, raises_errno

Call = tuple[str, Any, Any]


def limit_changed(service: Service, old: int, new: int) -> None:
    service.calls.append(("limit", old, new))


@node
class Service(EditableDir):
    level: str = entry("info", validator=attrs.validators.in_(["debug", "info"]), on_change="level_changed")
    limit: int = entry(10, on_change=limit_changed)
    tags: dict[str, int] = entry(factory=dict, name="tags.json", on_change="tags_changed")
    calls: list[Call] = attrs.field(factory=list)
    seen: list[Any] = attrs.field(factory=list)

    def level_changed(self, old: str, new: str) -> None:
        self.calls.append(("level", old, new))
        context = fusetree.context()
        self.seen.append((context.uid, context.pid))

    def tags_changed(self, old: dict[str, int], new: dict[str, int]) -> None:
        self.calls.append(("tags", old, new))


@pytest.mark.parametrize("backend", ["threads", "asyncio", "trio"])
def test_a_write_is_told_after_it_is_stored(backend: str) -> None:
    service = Service()
    with Client(Dir({"s": service}), backend=backend) as client:  # type: ignore[arg-type]
        with client.as_user(uid=1234, pid=77):
            service["level"].mode = 0o666
            client.write("s/level", "debug\n")
        client.write("s/limit", "20")
        client.write("s/limit", "20")
        with client.open("s/tags.json", "w") as file:
            file.write('{"a"')
            file.write(": 1}")
            assert len(service.calls) == 3, "not before it is stored"
            file.fsync()
            assert service.calls[3:] == [("tags", {}, {"a": 1})]
        assert service.calls == [
            ("level", "info", "debug"),
            ("limit", 10, 20),
            ("limit", 20, 20),
            ("tags", {}, {"a": 1}),
        ]
        assert service.seen == [(1234, 77)]


def test_the_programs_own_assignments_are_not_told() -> None:
    service = Service()
    with Client(Dir({"s": service})) as client:
        service.level = "debug"
        service.limit += 1
        assert client.read_text("s/limit") == "11\n"
        assert service.calls == []


def test_what_is_refused_is_not_told() -> None:
    service = Service()
    with Client(Dir({"s": service})) as client:
        for name, bad in (("level", "loud"), ("limit", "x"), ("tags.json", "{")):
            with raises_errno(errno.EINVAL):
                client.write(f"s/{name}", bad)
        assert service.calls == []


def test_what_is_renamed_onto_an_entry_is_told() -> None:
    service = Service()
    with Client(Dir({"s": service})) as client:
        client.write("s/new", "debug", create=True)
        client.rename("s/new", "s/level")
    assert service.calls == [("level", "info", "debug")]


def test_what_a_hook_raises_is_logged_and_refuses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Any, old: int, new: int) -> None:
        raise ValueError(f"{old} {new}")

    @node
    class Broken(Dir):
        limit: int = entry(10, on_change=broken)

    mine = Broken()
    with Client(Dir({"s": mine}), strict=True) as client:
        client.write("s/limit", "20")
        assert client.read_text("s/limit") == "20\n"
    assert mine.limit == 20
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage() == "on_change of 'limit' of a Broken failed; the value is stored"
    assert record.exc_info


def test_no_lock_is_held_and_readers_see_the_new_value() -> None:
    seen: list[str] = []

    @node
    class Nosy(Dir):
        limit: int = entry(10, on_change="look")
        other: int = entry(0)

        def look(self, old: int, new: int) -> None:
            seen.append(in_thread(lambda: client.read_text("s/limit")))
            in_thread(lambda: setattr(self, "limit", new + 1))
            self["more"] = b"x"
            self.other += 1

    mine = Nosy()
    with Client(Dir({"s": mine})) as client:
        client.write("s/limit", "20")
        assert seen == ["20\n"]
        assert client.read_text("s/limit") == "21\n"
        assert client.read_text("s/other") == "1\n"


@pytest.mark.parametrize("backend", ["threads", "asyncio", "trio"])
def test_a_hook_may_be_async(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    done: list[Any] = []

    @node
    class Later(Dir):
        limit: int = entry(10, on_change="later")

        async def later(self, old: int, new: int) -> None:
            done.append((old, new, fusetree.context().uid))
            if new == 30:
                raise OSError(errno.EACCES, "not that")

    with Client(Dir({"s": Later()}), backend=backend) as client:  # type: ignore[arg-type]
        client.write("s/limit", "20")
        assert done == [(10, 20, 0)], "who wrote waits for it"
        client.write("s/limit", "30")
    assert "on_change of 'limit' of a Later failed" in caplog.text


def test_two_writers_are_told_of_each() -> None:
    service = Service()
    with Client(Dir({"s": service})) as client:
        threads = [
            threading.Thread(target=lambda n=n: [client.write("s/limit", str(n)) for _ in range(20)])
            for n in (1, 2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert len(service.calls) == 40
    assert {new for _, _, new in service.calls} <= {1, 2}


def test_what_could_never_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="a function or the name of a method, not 5"):
        entry(1, on_change=5)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="cannot be written"):
        entry(1, writable=False, on_change="x")
    with pytest.raises(TypeError, match="on_change='nothing' names no method"):

        @node
        class Wrong(Dir):
            limit: int = entry(1, on_change="nothing")

    with pytest.raises(TypeError, match="is a child"):

        @node
        class Child(Dir):
            below: Dir = entry(factory=Dir, on_change=lambda *_: None)


def test_a_subclass_may_override_the_method() -> None:
    @node
    class Mine(Service):
        def level_changed(self, old: str, new: str) -> None:
            self.calls.append(("mine", old, new))

    mine = Mine()
    with Client(Dir({"s": mine})) as client:
        client.write("s/level", "debug")
    assert mine.calls == [("mine", "info", "debug")]
