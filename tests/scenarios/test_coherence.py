"""What is cached without end is taken back when it changes.  One test for each rule of caching and
coherence.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fusetree import Dir, File, Symlink, computed, entry, node
from fusetree.testing import Client, InitFlag, NotifyCode, Opcode, UnansweredError, values, wait_until
from tests.scenarios.trees import Reports, Settings, Slow
from tests.support import raises_errno

# A change that is not told is then seen as a time-out, not as luck.
WAIT = 10.0


@node
class Measured(Dir):
    value: int = entry(0)


@contextmanager
def no_requests(client: Client, *opcodes: Opcode) -> Iterator[None]:
    """Inside, the kernel asks nothing (of *opcodes*): it answers from its caches."""
    before = client.connection.requests.copy()
    yield
    asked = client.connection.requests - before
    wrong = {op.name: n for op, n in asked.items() if not opcodes or op in opcodes}
    assert not wrong, f"asked the server: {wrong}"


def test_what_is_declared_is_cached_without_end() -> None:
    root = Dir({"d": {"f": "text\n"}, "l": Symlink("d/f"), "s": Measured(7)})
    with Client(root) as client:
        for _ in range(2):  # the first look publishes
            client.read_text("d/f"), client.readlink("l"), client.walk(), client.stat("s/value")
            client.exists("absent")
        client.advance(10_000_000)
        with no_requests(
            client,
            Opcode.LOOKUP,
            Opcode.GETATTR,
            Opcode.READ,
            Opcode.READLINK,
            Opcode.READDIR,
            Opcode.READDIRPLUS,
        ):
            assert client.read_text("d/f") == "text\n"
            assert client.readlink("l") == "d/f"
            assert "s/value" in client.walk()
            assert client.stat("s/value").st_size == 2
            assert not client.exists("absent")


def test_a_negative_entry_is_taken_back_when_the_name_appears() -> None:
    root = Dir({"d": {}})
    with Client(root, coherence_wait=WAIT) as client:
        for _ in range(2):  # the first look publishes
            assert not client.exists("d/new")
        with no_requests(client):
            assert not client.exists("d/new")
        root["d/new"] = "text\n"
        assert client.read_text("d/new") == "text\n"


def test_a_listing_is_cached_and_taken_back() -> None:
    root = Dir({"d": {"a": "", "b": ""}})
    with Client(root, coherence_wait=WAIT) as client:
        assert client.listdir("d") == ["a", "b"]
        with no_requests(client, Opcode.READDIR, Opcode.READDIRPLUS):
            assert client.listdir("d") == ["a", "b"]
        root["d/c"] = ""
        assert client.listdir("d") == ["a", "b", "c"]
        del root["d/a"]
        assert client.listdir("d") == ["b", "c"]
        root.move("d/b", "d/z")
        assert sorted(client.listdir("d")) == ["c", "z"]


def test_a_removed_child_is_gone_at_once() -> None:
    root = Dir({"d": {"f": "text\n", "e": {"g": "x"}}})
    with Client(root, coherence_wait=WAIT) as client:
        client.walk()
        del root["d/f"]
        assert not client.exists("d/f")
        del root["d/e"]
        assert not client.exists("d/e/g")
        assert client.listdir("d") == []


def test_a_replaced_child_is_another_one_at_once() -> None:
    root = Dir({"x": "old\n"})
    with Client(root, coherence_wait=WAIT) as client:
        assert client.read_text("x") == "old\n"
        first = client.stat("x").st_ino
        root["x"] = "new\n"
        assert client.read_text("x") == "new\n"
        assert client.stat("x").st_ino != first
        root["x"] = {"inside": ""}
        assert client.listdir("x") == ["inside"]
        root["x"] = Symlink("elsewhere")
        assert client.readlink("x") == "elsewhere"


def test_the_target_of_a_link_is_cached_and_taken_back() -> None:
    link = Symlink("one")
    with Client(Dir({"l": link}), coherence_wait=WAIT) as client:
        assert client.readlink("l") == "one"
        with no_requests(client):
            assert client.readlink("l") == "one"
        link.target = "another"
        assert client.readlink("l") == "another"
        assert client.lstat("l").st_size == len("another")


def test_attributes_are_taken_back() -> None:
    settings = Settings()
    file = File(b"x", mode=0o644)
    with Client(Dir({"s": settings, "f": file}), coherence_wait=WAIT) as client:
        assert client.stat("f").st_mode & 0o777 == 0o644
        file.mode = 0o600
        assert client.stat("f").st_mode & 0o777 == 0o600
        file.uid = 1234
        assert client.stat("f").st_uid == 1234
        assert client.stat("s/jobs").st_size == 2
        settings.jobs = 100
        assert client.stat("s/jobs").st_size == 4
        file.set_times(mtime_ns=123_456_789)
        assert client.stat("f").st_mtime_ns == 123_456_789


def test_modification_times_move() -> None:
    settings = Settings()
    directory = Dir()
    directory.set_times(mtime_ns=1)
    with Client(Dir({"s": settings, "d": directory}), coherence_wait=WAIT) as client:
        assert client.stat("d").st_mtime_ns == 1
        directory["new"] = ""
        assert client.stat("d").st_mtime_ns > 1
        file = client.stat("s/jobs").st_mtime_ns
        settings.jobs = 9
        assert client.stat("s/jobs").st_mtime_ns >= file


def test_a_changed_child_tells_of_its_directory_too() -> None:
    root = Dir({"d": {}})
    with Client(root, coherence_wait=WAIT) as client:
        client.listdir("d")
        client.exists("d/x")
        number = client.node_id("d")
        root["d/x"] = ""
        client.wait_notification(NotifyCode.INVAL_ENTRY, parent=number, name="x")
        client.wait_notification(NotifyCode.INVAL_INODE, node_id=number)
        since = len(client.notifications)
        client.listdir("d")
        client.stat("d/x")
        del root["d/x"]
        client.wait_notification(parent=number, name="x", since=since)
        client.wait_notification(NotifyCode.INVAL_INODE, node_id=number, since=since)


def test_content_of_a_file_is_taken_back() -> None:
    file = File(b"old content")
    with Client(Dir({"f": file}), coherence_wait=WAIT) as client:
        assert client.read_bytes("f") == b"old content"
        with client.open("f") as handle:
            assert handle.pread(3, 0) == b"old"
            file.store(b"NEW CONTENT")
            assert handle.pread(3, 0) == b"NEW"
        assert client.read_bytes("f") == b"NEW CONTENT"


def test_a_mutation_inside_a_value_is_told_by_changed() -> None:
    settings = Settings()
    with Client(Dir({"s": settings}), coherence_wait=WAIT) as client:
        client.read_text("s/tags.json")
        settings.tags["key"] = "value"
        assert '"value"' in client.read_text("s/tags.json")  # serialised at each open
        settings.changed()
        assert client.stat("s/tags.json").st_size in (0, len(client.read_bytes("s/tags.json")))


def test_a_million_changes_cost_one_notification_a_visit() -> None:
    """Only what the kernel was given since it was last told is told again."""
    settings = Settings()
    with Client(Dir({"s": settings}), coherence_wait=WAIT) as client:
        client.read_text("s/jobs")
        since = len(client.notifications)
        for number in range(20_000):
            settings.jobs = number
        assert client.read_text("s/jobs") == "19999\n"
        assert len(client.notifications) - since <= 3
        client.drop_caches()
        client.wait_all_forgotten()
        since = len(client.notifications)
        for number in range(1000):
            settings.jobs = number
        assert client.read_text("s/jobs") == "999\n"
        assert len(client.notifications) == since


def test_nothing_is_told_of_what_nobody_looked_at() -> None:
    settings = Settings()
    root = Dir({"s": settings})
    with Client(root, coherence_wait=WAIT) as client:
        for number in range(100):
            settings.jobs = number
            root[f"n{number}"] = "x"
        assert list(client.notifications) == []


def test_every_change_reaches_a_reader_who_comes_after_it() -> None:
    measured = Measured()
    root = Dir({"m": measured, "d": {}})
    with Client(root, coherence_wait=WAIT) as client:
        for number in range(500):
            measured.value = number
            assert client.read_text("m/value") == f"{number}\n"
            assert client.stat("m/value").st_size == len(f"{number}\n")
            root[f"d/f{number}"] = "x"
            assert client.exists(f"d/f{number}")
            assert client.listdir("d")[-1] == f"f{number}"
        client.check()


class Paused(File):
    """A file whose times can be made to wait when they are read, which is in the middle of an answer."""

    began = threading.Event()
    go_on = threading.Event()
    armed = False

    @property
    def mtime_ns(self) -> int:
        value = super().mtime_ns
        if Paused.armed:
            Paused.armed = False
            Paused.began.set()
            assert Paused.go_on.wait(20)
        return value


def test_an_answer_computed_before_a_change_is_not_kept_after_it() -> None:
    file = Paused(b"x", mode=0o644)
    with Client(Dir({"f": file}), coherence_wait=WAIT) as client:
        Paused.armed = True
        modes: list[int] = []
        reader = threading.Thread(target=lambda: modes.append(client.stat("f").st_mode & 0o777))
        reader.start()
        assert Paused.began.wait(10)
        file.mode = 0o600  # after the reader's answer has read the old one
        Paused.go_on.set()
        reader.join(10)
        assert modes
        assert client.stat("f").st_mode & 0o777 == 0o600


def test_an_answer_that_its_notice_overtakes_is_taken_back() -> None:
    """Between the moment at which an answer is right and the one at which it is sent, a change may be told:
    it is told again.

    Nothing is taken in until an answer is made and cannot be sent, because the socket is full; then a change
    comes.
    """
    file = File(b"", mode=0o644)
    with Client(Dir({"f": file}), coherence_wait=0.02) as client:
        number = client.raw.lookup(1, b"f").node_id
        for round_ in range(3):
            seen: list[int] = []

            def taken(body: bytes, seen: list[int] = seen) -> None:
                seen.append(len(client.notifications))

            def sent(before: int) -> bool:
                try:
                    wait_until(lambda: client.connection.unread > before, "the answer", timeout=0.05)
                except UnansweredError:
                    return False
                return True

            with client.connection.paused():
                for _ in range(5000):
                    unread = client.connection.unread
                    answer = client.raw.submit(Opcode.GETATTR, number, bytes(16), taken=taken)
                    if not sent(unread):
                        break
                else:
                    pytest.fail("the socket is never full")
                file.mode = 0o400 + round_
            reply = values.unpack_attr_reply(answer.result(10))
            assert reply.timeout > 0  # else it would not have been made before the change
            assert reply.attributes.st_mode & 0o777 != 0o400 + round_
            client.wait_notification(NotifyCode.INVAL_INODE, node_id=number, since=seen[-1])
            client.raw.getattr(number)


@node
class Spawning(Dir):
    """Its attributes cannot be told without a change to the directory that they are asked in."""

    spawned: int = 0

    @computed(size="exact")
    def spawn(self) -> str:
        self.spawned += 1
        self[f"child{self.spawned}"] = File()
        return "spawned"


def test_a_change_made_by_a_handler_does_not_wait_for_the_handler() -> None:
    """The notice waits until the handler is done, so the handler must not wait for the notice."""
    root = Dir({"d": Spawning()})
    with Client(root, coherence_wait=30.0, timeout=5.0) as client:
        for _ in range(2):
            assert not client.exists("d/child1")
        assert client.stat("d/spawn").st_size == len("spawned\n")
        assert client.exists("d/child1")


def test_a_slow_handler_does_not_hold_up_other_lookups() -> None:
    """INVAL_ENTRY would wait for the directory's lock, and all lookups behind it: it is put off."""
    slow = Slow()
    slow["other"] = "old\n"
    root = Dir({"d": slow})
    with Client(root) as client:
        assert client.read_text("d/other") == "old\n"
        number = client.node_id("d")
        reader = threading.Thread(target=client.stat, args=("d/slow",))
        reader.start()
        assert slow.began.wait(10)
        since = len(client.notifications)
        del slow["other"]  # returns, after coherence_wait at the latest
        slow["third"] = "x"
        told = [n for n in client.notifications.matching(since=since) if n.parent == number]
        assert told == []
        assert client.read_text("d/third") == "x"
        slow.go_on.set()
        reader.join(10)
        client.wait_notification(parent=number, name="other", since=since)
        assert not client.exists("d/other")


def test_computed_content_is_never_cached() -> None:
    reports = Reports()
    with Client(Dir({"r": reports})) as client:
        assert [client.read_text("r/number") for _ in range(3)] == ["1\n", "2\n", "3\n"]


def test_kernel_cache_false_caches_nothing() -> None:
    settings = Settings()
    root = Dir({"s": settings, "l": Symlink("s")})
    with Client(root, kernel_cache=False) as client:

        def asked(opcode: Opcode, call: Callable[[], object]) -> int:
            before = client.connection.requests[opcode]
            call()
            return client.connection.requests[opcode] - before

        for _ in range(2):
            assert asked(Opcode.LOOKUP, lambda: client.stat("s/jobs")) == 2
            assert asked(Opcode.LOOKUP, lambda: client.exists("absent")) == 1
            assert asked(Opcode.READDIRPLUS, client.listdir) >= 1
        assert client.readlink("l") == "s"
        settings.jobs = 77
        root["new"] = "x"
        assert client.read_text("s/jobs") == "77\n"
        assert client.listdir() == ["s", "l", "new"]
        assert list(client.notifications) == []


def test_writeback_caching_is_off_and_links_are_cached() -> None:
    with Client(Dir()) as client:
        assert not client.agreed & InitFlag.WRITEBACK_CACHE
        assert client.agreed & InitFlag.CACHE_SYMLINKS
        assert client.agreed & InitFlag.DO_READDIRPLUS


def test_nothing_is_answered_with_enosys() -> None:
    """The kernel would remember it for the whole mount."""
    import errno

    with Client(Dir({"f": "x"})) as client:
        with raises_errno(errno.ENODATA):
            client.getxattr("f", "user.absent")
        with raises_errno(errno.ENODATA):
            client.getxattr("f", "security.capability")
        assert client.listxattr("f") == []
        for call in (
            lambda: client.setxattr("f", "user.a", b"1"),
            lambda: client.removexattr("f", "user.a"),
            lambda: client.raw.access(client.node_id("f"), 4),
            lambda: client.raw.statfs(),
            lambda: client.raw.fsync(client.node_id("f"), 0),
        ):
            try:
                call()
            except OSError as exc:
                assert exc.errno != errno.ENOSYS  # noqa: PT017 - several calls, each may succeed
        assert client.statvfs().f_namemax == 255


@pytest.mark.timeout(60)
def test_readers_never_see_an_older_value_than_what_was_told() -> None:
    """Four readers and a writer over one pretended kernel: no value older than the last that was told."""
    measured = Measured()
    rounds = 2000
    told = 0
    stop = threading.Event()
    errors: list[str] = []

    with Client(Dir({"m": measured}), coherence_wait=WAIT) as client:

        def read() -> None:
            while not stop.is_set():
                floor = told
                size = client.stat("m/value").st_size
                value = int(client.read_text("m/value"))
                if value < floor:
                    errors.append(f"read {value} after {floor} was told")
                if size < len(f"{floor}\n"):
                    errors.append(f"size {size} after {floor} was told")

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for number in range(rounds):
            measured.value = number
            told = number
        stop.set()
        for reader in readers:
            reader.join()
        assert errors == []
        client.check()
