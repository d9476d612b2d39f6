"""Locks of a mount with ``locks="program"``: those that the library keeps, and those of classes."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Any

import pytest

from fusetree import Dir, File, FileNode
from fusetree.lowlevel import FileLock
from fusetree.testing import Client
from fusetree.testing.files import ClientFile
from tests.scenarios.coroutines import BACKENDS, Gate, pause
from tests.support import raises_errno, wait_for

pytestmark = pytest.mark.parametrize("backend", BACKENDS)

R, W, U = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK


def tree() -> Dir:
    return Dir({"f": File(b"x" * 100, mode=0o666), "value": lambda: "x"}, 0o755)


class Locker:
    """Locks on one open file, by owner."""

    def __init__(self, client: Client, file: ClientFile) -> None:
        self.raw = client.raw
        self.at = (file.node, file.fh)

    def set(self, owner: int, kind: int, start: int = 0, length: int = 0) -> None:
        self.raw.setlk(*self.at, owner, kind, start, length)

    def wait(self, owner: int, kind: int, start: int = 0, length: int = 0) -> Any:
        return self.raw.submit_setlkw(*self.at, owner, kind, start, length)

    def get(self, owner: int, kind: int, start: int = 0, length: int = 0) -> tuple[int, int, int]:
        found = self.raw.getlk(*self.at, owner, kind, start, length)
        return (found.type, found.start, found.end)


def test_ranges_of_several_owners(backend: Any) -> None:
    with Client(tree(), backend=backend, locks="program") as client, client.open("f", "r+") as file:
        locker = Locker(client, file)
        locker.set(1, W, 0, 10)
        locker.set(1, R, 20, 10)
        with raises_errno(errno.EAGAIN):
            locker.set(2, R, 5, 1)
        locker.set(2, R, 25, 10)
        with raises_errno(errno.EAGAIN):
            locker.set(1, W, 20, 10)
        assert locker.get(2, R, 0, 100)[:2] == (W, 0)
        assert locker.get(2, R, 10, 5)[0] == U
        locker.set(1, U)
        locker.set(2, W)
        with raises_errno(errno.EAGAIN):
            locker.set(1, R, 1000, 1)


def test_who_waits_gets_it_when_it_can_be_had(backend: Any) -> None:
    with (
        Client(tree(), backend=backend, locks="program", workers=1) as client,
        client.open("f", "r+") as file,
    ):
        locker = Locker(client, file)
        locker.set(1, W)
        shared = [locker.wait(owner, R) for owner in range(10, 40)]
        client.raw.getattr(file.node)  # behind them, and they hold up nobody
        assert not any(request.done for request in shared)
        exclusive = locker.wait(2, W)
        locker.set(1, U)
        for request in shared:
            request.result()
        assert not exclusive.done
        for owner in range(10, 40):
            locker.set(owner, U)
        exclusive.result()


def test_who_is_interrupted_waits_no_more(backend: Any) -> None:
    with Client(tree(), backend=backend, locks="program") as client, client.open("f", "r+") as file:
        locker = Locker(client, file)
        locker.set(1, W)
        waiting = locker.wait(2, W)
        client.raw.getattr(file.node)
        client.raw.interrupt(waiting)
        with raises_errno(errno.EINTR):
            waiting.result()
        locker.set(1, U)
        locker.set(3, W)  # the one who gave up has not got it
        whole = client.raw.submit_flock(file.node, file.fh, 5, fcntl.LOCK_EX)
        whole.result()


def test_waiting_in_a_circle_is_refused(backend: Any) -> None:
    with Client(tree(), backend=backend, locks="program") as client:
        with client.open("f", "r+") as one, client.open("value") as two:
            first, second = Locker(client, one), Locker(client, two)
            first.set(1, W)
            second.set(2, W)
            waiting = first.wait(2, W)
            client.raw.getattr(one.node)
            with raises_errno(errno.EDEADLK):
                second.wait(1, W).result()
            first.set(1, U)
            waiting.result()


def test_closing_takes_the_locks_of_the_process_and_no_others(backend: Any) -> None:
    with Client(tree(), backend=backend, locks="program") as client, client.open("f", "r+") as file:
        locker = Locker(client, file)
        locker.set(1, R)
        locker.set(2, R)
        client.raw.flush(file.node, file.fh, lock_owner=1)
        locker.set(2, W)
        with raises_errno(errno.EAGAIN):
            locker.set(1, R)
        with client.open("f") as other:
            client.raw.flush(other.node, other.fh, lock_owner=2)  # any descriptor of the file does it
        locker.set(1, W)


def test_flock_is_of_the_open_file_and_ends_with_it(backend: Any) -> None:
    with Client(tree(), backend=backend, locks="program") as client:
        one, two = client.open("value"), client.open("value")  # answered in C, the second one too
        flock = client.raw.flock
        flock(one.node, one.fh, 1, fcntl.LOCK_SH)
        flock(two.node, two.fh, 2, fcntl.LOCK_SH | fcntl.LOCK_NB)
        with raises_errno(errno.EAGAIN):
            flock(one.node, one.fh, 1, fcntl.LOCK_EX | fcntl.LOCK_NB)
        flock(two.node, two.fh, 2, fcntl.LOCK_EX | fcntl.LOCK_NB)  # who failed lost what it had
        waiting = client.raw.submit_flock(one.node, one.fh, 1, fcntl.LOCK_EX)
        client.raw.getattr(one.node)
        assert not waiting.done
        two.close()
        waiting.result()
        one.close()


def test_what_waits_when_the_session_ends_is_answered(backend: Any) -> None:
    client = Client(tree(), backend=backend, locks="program")
    file = client.open("f", "r+")
    locker = Locker(client, file)
    locker.set(1, W)
    waiting = locker.wait(2, W)
    client.raw.getattr(file.node)
    client.session.close()
    with raises_errno(errno.EINTR, errno.ENOTCONN):
        waiting.result()
    client.close()


class Own(FileNode):
    """A file that keeps its locks itself."""

    def __init__(self) -> None:
        super().__init__(mode=0o666)
        self.log: list[Any] = []
        self.gate = Gate()

    def read(self, size: int, offset: int) -> bytes:
        return b""

    def write(self, data: bytes, offset: int) -> None:
        pass

    def getlk(self, lock: FileLock) -> FileLock | None:
        self.log.append(("getlk", lock.type))
        return FileLock(W, 5, 6, pid=7, owner=8)

    async def setlk(self, lock: FileLock, wait: bool) -> None:
        await pause()
        self.log.append(("setlk", lock.type, lock.start, lock.length, lock.owner, wait))
        if wait:
            await self.gate.passing()
        elif lock.start == 99:
            raise BlockingIOError

    async def flock(self, operation: int, owner: int) -> None:
        await pause()
        self.log.append(("flock", operation, owner))


def test_a_class_that_keeps_locks_by_itself(backend: Any) -> None:
    own = Own()
    with Client(Dir({"own": own}), backend=backend, locks="program") as client:
        file = client.open("own", os.O_RDWR)
        owner = 1234
        found = client.raw.getlk(file.node, file.fh, owner, W)
        assert (found.type, found.start, found.end, found.pid) == (W, 5, 10, 7)
        client.raw.flush(file.node, file.fh, lock_owner=owner)
        assert own.log == [("getlk", W)]  # nobody is unlocked who has locked nothing
        client.raw.setlk(file.node, file.fh, owner, W, 10, 5)
        with raises_errno(errno.EAGAIN):
            client.raw.setlk(file.node, file.fh, owner, W, 99, 1)
        client.raw.flush(file.node, file.fh, lock_owner=owner)
        assert own.log[1][:4] == ("setlk", W, 10, 5)
        assert own.log[3][:4] == ("setlk", U, 0, 0)
        assert own.log[1][4] == own.log[3][4]
        waiting = client.raw.submit_setlkw(file.node, file.fh, owner, W)
        wait_for(lambda: own.gate.came == 1)
        client.raw.interrupt(waiting)
        with raises_errno(errno.EINTR):
            waiting.result()
        assert own.gate.cancelled == 1
        del own.log[:]
        client.raw.flock(file.node, file.fh, owner, fcntl.LOCK_EX)
        file.close()
        wait_for(lambda: len(own.log) >= 2 and own.log[-1][:2] == ("flock", fcntl.LOCK_UN))
        assert own.log[0][:2] == ("flock", fcntl.LOCK_EX)


def test_of_a_handle_that_keeps_locks(backend: Any) -> None:
    log: list[int] = []

    class Handle:
        def read(self, size: int, offset: int) -> bytes:
            return b""

        def flock(self, operation: int, owner: int) -> None:
            log.append(operation)

    class Opened(FileNode):
        def open(self, flags: int) -> Handle:
            return Handle()

    with Client(Dir({"f": Opened()}), backend=backend, locks="program") as client:
        file = client.open("f")
        client.raw.flock(file.node, file.fh, 1, fcntl.LOCK_SH)
        client.raw.setlk(file.node, file.fh, 1, R)  # the other kind is the library's
        file.close()
        wait_for(lambda: log == [fcntl.LOCK_SH, fcntl.LOCK_UN])


def test_where_the_kernel_keeps_locks_such_a_file_is_refused_with_words(
    backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Handle:
        def read(self, size: int, offset: int) -> bytes:
            return b""

        def flock(self, operation: int, owner: int) -> None:
            pass

    class Opened(FileNode):
        def open(self, flags: int) -> Handle:
            return Handle()

    with Client(Dir({"own": Own(), "opened": Opened()}), backend=backend) as client:
        assert client.stat("own").st_mode
        for name, kind in (("own", "Own"), ("opened", "Handle")):
            with raises_errno(errno.EIO):
                client.open(name)
            assert f"{kind} keeps locks by itself, and those of this mount are the kernel's: " in caplog.text
        assert 'mount it with locks="program"' in caplog.text


def test_one_of_two_is_refused(backend: Any) -> None:
    class Half(FileNode):
        def setlk(self, lock: FileLock, wait: bool) -> None:
            pass

    with Client(Dir({"f": Half()}), backend=backend, locks="program") as client, raises_errno(errno.EIO):
        client.stat("f")
    with pytest.raises(ValueError, match='locks is "kernel" or "program"'):
        Client(Dir(), locks="mine")
