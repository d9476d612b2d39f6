"""poll(2) on files of values: told once the value has changed, until it is read again."""

from __future__ import annotations

import select
from collections.abc import Iterator
from typing import Any

import pytest

from fusetree import Dir, File, computed, entry, node
from fusetree.testing import Client, ClientFile, NotifyCode, Opcode

READY = select.POLLIN | select.POLLOUT
CHANGED = select.POLLERR | select.POLLPRI


@node
class Gauge(Dir):
    level: int = entry(1)
    tags: dict[str, int] = entry(factory=dict, name="tags.json")
    seen: int = 0

    @computed
    def shown(self) -> str:
        return f"shown {self.level}"

    @computed
    def pieces(self) -> Iterator[str]:
        yield f"piece {self.level}\n"


def change(gauge: Gauge, name: str) -> None:
    """One more change of a file."""
    gauge.level += 1
    if name == "tags.json":
        gauge.tags = {"n": gauge.level}
    elif name != "level":
        gauge[name].changed()


def poll(client: Client, file: ClientFile, handle: int | None = None) -> int:
    return client.raw.poll(file.node, file.fh, READY | select.POLLPRI, handle)


@pytest.mark.parametrize("name", ["level", "tags.json", "shown", "pieces"])
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_change_wakes_and_reading_again_arms_again(name: str, mode: str) -> None:
    gauge = Gauge()
    if mode == "r+" and name in ("shown", "pieces"):
        return
    with Client(Dir({"g": gauge})) as client, client.open(f"g/{name}", mode) as file:
        before = file.read()
        assert poll(client, file, handle=1) == READY
        for handle in (1, 2, 3):
            since = len(client.notifications)
            assert poll(client, file, handle) == READY
            change(gauge, name)
            assert client.notifications.wait(NotifyCode.POLL, since=since).handle == handle
            assert poll(client, file, handle=9) == READY | CHANGED, "it stays so until it is read"
            since = len(client.notifications)
            change(gauge, name)  # epoll(7) tells of each edge, and does not ask before
            assert client.notifications.wait(NotifyCode.POLL, since=since).handle == 9
            change(gauge, name)
            assert poll(client, file) == READY | CHANGED
            file.seek(0)
            now = file.read()
            assert now != before, "the same open file shows what is new"
            assert str(gauge.level).encode() in now
            before = now
    assert [n.code for n in client.notifications].count(NotifyCode.POLL) == 6, "once for each look"


@pytest.mark.parametrize("name", ["level", "tags.json", "shown", "pieces"])
@pytest.mark.parametrize("kernel_cache", [True, False])
def test_a_change_between_open_and_the_first_poll_is_not_missed(name: str, kernel_cache: bool) -> None:
    gauge = Gauge()
    with Client(Dir({"g": gauge}), kernel_cache=kernel_cache) as client:
        client.read_text(f"g/{name}")  # the next open is answered in C, where it can be
        with client.open(f"g/{name}") as file:
            change(gauge, name)
            assert poll(client, file) == READY | CHANGED
        with client.open(f"g/{name}") as file:
            assert poll(client, file) == READY


def test_a_change_while_the_content_is_made_is_not_missed() -> None:
    changes: list[Any] = []

    def moving() -> str:
        if changes:
            changes.pop().changed()
        return "x"

    root = Dir({"moving": moving})
    changes.append(root["moving"])
    with Client(root) as client, client.open("moving") as file:
        assert poll(client, file) == READY | CHANGED


def test_what_is_polled_keeps_one_content_from_its_beginning_to_its_end() -> None:
    gauge = Gauge()
    gauge.tags = {str(number): 0 for number in range(20_000)}
    with Client(Dir({"g": gauge})) as client, client.open("g/tags.json") as file:
        poll(client, file)
        first = file.pread(1000, 0)
        gauge.tags = {}
        rest = file.pread(1 << 20, 1000)
        assert (first + rest).startswith(b'{\n  "0": 0,')
        assert len(first + rest) > 200_000
        assert file.pread(100, 0) == b"{}\n"


def test_nobody_pays_who_is_not_polled() -> None:
    gauge = Gauge()
    with Client(Dir({"g": gauge})) as client:
        client.read_text("g/level")
        observers = len(gauge["level"]._observers_)
        with client.open("g/level") as polled, client.open("g/level") as other:
            poll(client, polled, handle=1)
            assert len(gauge["level"]._observers_) == observers + 1
            poll(client, polled, handle=1)
            with client.open("g/level") as third:
                poll(client, third)
            assert len(gauge["level"]._observers_) == observers + 1
            gauge.level = 7
            assert other.read() == b"1\n", "who does not poll keeps what was opened"
            table: Any = client.operations.inode_table
            assert table.state(other.fh) is None, "its reads are answered in C"
            assert table.state(polled.fh) is not None
        client.read_text("g/level")
        assert client.connection.requests[Opcode.RELEASE] == 5
        assert len(gauge["level"]._observers_) == observers
        client.operations.inode_table.check()  # type: ignore[union-attr]


def test_the_end_of_the_session_leaves_no_observer() -> None:
    gauge = Gauge()
    client = Client(Dir({"g": gauge}))
    poll(client, client.open("g/level"), handle=1)
    client.close()
    assert not gauge["level"]._observers_
    gauge.level = 5


def test_a_write_through_the_mount_wakes_others() -> None:
    gauge = Gauge()
    with Client(Dir({"g": gauge})) as client, client.open("g/level") as file:
        assert poll(client, file, handle=4) == READY
        client.write("g/level", "5")
        assert client.notifications.wait(NotifyCode.POLL).handle == 4
        assert poll(client, file) == READY | CHANGED
        assert file.read() == b"5\n"


def test_a_transaction_wakes_when_it_shows() -> None:
    gauge = Gauge()
    root = Dir({"g": gauge})
    with Client(root) as client, client.open("g/level") as file:
        assert poll(client, file, handle=4) == READY
        with root.transaction():
            gauge.level = 5
            assert not client.notifications.matching(NotifyCode.POLL)
        assert client.notifications.wait(NotifyCode.POLL).handle == 4
        assert file.read() == b"5\n"


def test_chmod_is_no_change_of_the_value_and_files_in_memory_are_always_ready() -> None:
    gauge = Gauge()
    with Client(Dir({"g": gauge, "f": File("x")})) as client:
        with client.open("g/level") as file:
            assert poll(client, file, handle=1) == READY
            gauge["level"].mode = 0o600
            assert poll(client, file, handle=1) == READY
        with client.open("f") as file:
            assert poll(client, file, handle=1) == READY
            assert file.read() == b"x"


def test_two_mounts_are_told_each() -> None:
    gauge = Gauge()
    root = Dir({"g": gauge})
    with (
        Client(root) as one,
        Client(root) as two,
        one.open("g/level") as first,
        two.open("g/level") as second,
    ):
        assert poll(one, first, handle=1) == poll(two, second, handle=2) == READY
        gauge.level = 9
        assert one.notifications.wait(NotifyCode.POLL).handle == 1
        assert two.notifications.wait(NotifyCode.POLL).handle == 2
