"""Handlers of whole paths for the rarer requests on open files: poll, locks, copies, device commands."""

from __future__ import annotations

import errno
import fcntl
import select
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fusetree import Dir, PathOperations
from fusetree.lowlevel import FileLock
from fusetree.testing import Client, NotifyCode
from tests.scenarios.coroutines import BACKENDS
from tests.scenarios.test_async_paths import waiting
from tests.scenarios.test_path_operations import InMemory, save
from tests.support import raises_errno

R, W, U = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK


class Mailbox(InMemory):
    """Files that can be read once something is in them; they are copied, and locked as a table of paths."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: dict[str, list[Callable[[], object]]] = {}
        self.locks: list[tuple[str, FileLock]] = []
        self.whole: dict[str, set[int]] = {}

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        taken = super().write(path, data, offset, fh)
        for wake in self.waiting.pop(path, ()):
            wake()
        return taken

    def poll(self, path: str, fh: int, events: int, wake: Callable[[], object] | None) -> int:
        self.asked.append(("poll", path, fh))
        if wake is not None:
            self.waiting.setdefault(path, []).append(wake)
        return events & (select.POLLOUT | (select.POLLIN if self.data[path] else 0))

    def copy_file_range(
        self, path: str, fh: int, offset: int, target: str, target_fh: int, target_offset: int, length: int
    ) -> int:
        self.asked.append(("copy", path, fh, target, target_fh))
        return InMemory.write(
            self, target, bytes(self.data[path][offset : offset + length]), target_offset, target_fh
        )

    def lock(self, path: str, fh: int, cmd: int, lock: FileLock) -> FileLock | None:
        self.asked.append(("lock", path, fh, cmd))
        others = [held for at, held in self.locks if at == path and held.conflicts(lock)]
        if cmd == fcntl.F_GETLK:
            return others[0] if others else None
        if others:
            raise BlockingIOError
        self.locks = [
            (at, held)
            for at, held in self.locks
            if (at, held.owner) != (path, lock.owner) or not held.overlaps(lock)
        ]
        if lock.type != U:
            self.locks.append((path, lock))
        return None

    def flock(self, path: str, fh: int, op: int, owner: int = 0) -> None:
        self.asked.append(("flock", path, fh, op, owner))
        holders = self.whole.setdefault(path, set())
        holders.discard(owner)
        if op & fcntl.LOCK_EX:
            if holders:
                raise BlockingIOError
            holders.add(owner)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture(params=["sync", *BACKENDS])
def client(request: pytest.FixtureRequest, mailbox: Mailbox) -> Iterator[Client]:
    backend: Any = "threads" if request.param == "sync" else request.param
    operations: PathOperations = mailbox if request.param == "sync" else waiting_box(mailbox)
    with Client(operations, backend=backend, strict=True, locks="program") as client:
        yield client
        client.check()


def waiting_box(mailbox: Mailbox) -> PathOperations:
    """The same with handlers that wait, one of them with the parameters that the class is asked for."""
    made = waiting(mailbox)

    async def flock(self: Any, path: str, fh: int, op: int, owner: int) -> None:
        mailbox.flock(path, fh, op, owner)

    kind = type("WaitingForLocks", (type(made),), {"flock": flock})
    operations: PathOperations = kind()
    return operations


def test_who_polls_is_woken(client: Client, mailbox: Mailbox) -> None:
    save(client, "box", "")
    with client.open("box") as file:
        since = len(client.notifications)
        events = select.POLLIN | select.POLLOUT
        assert client.raw.poll(file.node, file.fh, events, handle=7) == select.POLLOUT
        client.write("box", "news")
        assert client.notifications.wait(NotifyCode.POLL, since=since).handle == 7
        client.rename("box", "inbox")
        assert client.raw.poll(file.node, file.fh, events) == events
        assert [what for what in mailbox.asked if what[0] == "poll"] == [
            ("poll", "/box", 2),
            ("poll", "/inbox", 2),
        ]


def test_parts_of_files_are_copied(client: Client, mailbox: Mailbox) -> None:
    save(client, "one", "hello world")
    save(client, "two", "say: ")
    with client.open("one") as source, client.open("two", "r+") as target:
        client.rename("two", "three")
        copied = client.raw.copy_file_range(source.node, source.fh, 6, target.node, target.fh, 5, 100)
        assert copied == 5
        assert ("copy", "/one", 3, "/three", 4) in mailbox.asked
        assert client.read_text("three") == "say: world"
        assert client.raw.copy_file_range(source.node, source.fh, 20, target.node, target.fh, 0, 9) == 0


def test_locks_of_ranges(client: Client, mailbox: Mailbox) -> None:
    save(client, "f", "x" * 100)
    with client.open("f", "r+") as file:
        at = (file.node, file.fh)
        client.raw.setlk(*at, 1, W, 0, 10)
        with raises_errno(errno.EAGAIN):
            client.raw.setlk(*at, 2, R, 5, 1)
        found = client.raw.getlk(*at, 2, R, 5, 1)
        assert (found.type, found.start, found.end) == (W, 0, 9)
        assert client.raw.getlk(*at, 2, R, 10, 1).type == U
        client.rename("f", "g")
        mailbox.locks = [("/g", lock) for _, lock in mailbox.locks]
        client.raw.flush(*at, lock_owner=1)  # who closes the file is unlocked
        assert mailbox.locks == []
        client.raw.submit_setlkw(*at, 2, R, 5, 1).result()
    commands = [what[3] for what in mailbox.asked if what[0] == "lock"]
    assert commands[:3] == [fcntl.F_SETLK, fcntl.F_SETLK, fcntl.F_GETLK]
    assert commands[-1] == fcntl.F_SETLKW


def test_locks_of_open_files(client: Client, mailbox: Mailbox) -> None:
    save(client, "f", "x")
    with client.open("f", "r+") as one, client.open("f", "r+") as other:
        client.raw.flock(one.node, one.fh, 1, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with raises_errno(errno.EAGAIN):
            client.raw.flock(other.node, other.fh, 2, fcntl.LOCK_EX | fcntl.LOCK_NB)
        client.raw.flock(one.node, one.fh, 1, fcntl.LOCK_UN)
        client.raw.flock(other.node, other.fh, 2, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert mailbox.whole == {"/f": set()}  # at the end of the open file


def test_the_owner_of_a_lock_is_given_to_who_asks_for_it() -> None:
    asked = []

    class Plain(InMemory):
        def flock(self, path: str, fh: int, op: int) -> None:
            asked.append((path, fh, op))

    with Client(Plain(), strict=True, locks="program") as client:
        save(client, "f", "x")
        with client.open("f") as file:
            client.raw.flock(file.node, file.fh, 1, fcntl.LOCK_SH | fcntl.LOCK_NB)
    assert asked == [("/f", 2, fcntl.LOCK_SH | fcntl.LOCK_NB), ("/f", 2, fcntl.LOCK_UN)]


def test_who_keeps_locks_is_not_mounted_where_the_kernel_keeps_them() -> None:
    with pytest.raises(TypeError, match=r'Mailbox keeps locks by itself.*mount it with locks="program"'):
        Client(Mailbox())
    with Client(Dir({"box": Mailbox()})) as client, raises_errno(errno.EIO):  # the log tells the same
        save(client, "box/f", "x")


def test_what_another_file_system_has_open_is_copied_by_the_kernel() -> None:
    class Copying(InMemory):
        copy_file_range = Mailbox.copy_file_range

    with Client(Dir({"one": Copying(), "two": Copying()}), strict=True) as client:
        save(client, "one/f", "text")
        save(client, "two/f", "")
        with client.open("one/f") as source, client.open("two/f", "r+") as target:
            with raises_errno(errno.EOPNOTSUPP):
                client.raw.copy_file_range(source.node, source.fh, 0, target.node, target.fh, 0, 4)


def test_a_copy_is_seen_at_once_where_attributes_are_kept() -> None:
    class Kept(InMemory):
        ttl = 1000.0
        copy_file_range = Mailbox.copy_file_range

    with Client(Kept(), strict=True) as client:
        save(client, "one", "text")
        save(client, "two", "")
        with client.open("one") as source, client.open("two", "r+") as target:
            assert client.stat("two").st_size == 0
            client.raw.copy_file_range(source.node, source.fh, 0, target.node, target.fh, 0, 4)
            client.notifications.wait(NotifyCode.INVAL_INODE)
            assert client.stat("two").st_size == 4


def test_files_without_an_open_have_all_of_it() -> None:
    """Handlers of open files are asked, too, where there is no handler that opens or closes."""

    class Bare(PathOperations):
        def getattr(self, path: str, fh: Any = None) -> dict[str, Any]:
            return {"st_mode": 0o40755 if path == "/" else 0o100644, "st_size": 3}

        def read(self, path: str, size: int, offset: int, fh: Any) -> bytes:
            return b"abc"[offset : offset + size]

        def ioctl(self, path: str, cmd: int, arg: int, fh: Any, flags: int, data: bytes) -> int:
            return 5

        def lseek(self, path: str, offset: int, whence: int, fh: Any) -> int:
            return 1

        def poll(self, path: str, fh: Any, events: int, wake: Any) -> int:
            return 0

    class Talking(PathOperations):
        getattr = Bare.getattr
        read = Bare.read
        ioctl = Bare.ioctl

    with Client(Bare(), strict=True) as client, client.open("f") as file:
        assert client.raw.ioctl(file.node, file.fh, 1).result == 5
        assert client.raw.lseek(file.node, file.fh, 0, 3) == 1
        assert client.raw.poll(file.node, file.fh, select.POLLIN) == 0
    with Client(Talking(), strict=True) as client, client.open("f") as file:
        assert client.raw.ioctl(file.node, file.fh, 1).result == 5
