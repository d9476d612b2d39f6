"""What programs rely on besides names, at real mounts served by this process: how main and close end, what
they take and what may be returned.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import stat
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fusetree.compat import llfuse, pyfuse3
from tests.support import in_thread, is_mounted, raises_errno, shell, wait_for

pytestmark = pytest.mark.mount


def unmount(mountpoint: Path) -> None:
    shell(f"fusermount3 -u {mountpoint}").ok()


def visited(mountpoint: Path, visit: Callable[[], object]) -> threading.Thread:
    """A thread, running, that looks at the mount and then unmounts; this one is to serve meanwhile."""

    def body() -> None:
        try:
            visit()
        finally:
            unmount(mountpoint)

    thread = threading.Thread(target=body, name="visitor")
    thread.start()
    return thread


class Attributes(llfuse.EntryAttributes):  # type: ignore[misc, unused-ignore]
    """Some programs have more in them than what is answered."""

    def __init__(self, inode: int) -> None:
        super().__init__()
        self.st_ino = inode
        self.st_mode = stat.S_IFDIR | 0o755 if inode == 1 else stat.S_IFREG | 0o644
        self.path = f"inode {inode}"


class Plain:
    """Handlers in a class that derives from nothing, as both originals allow."""

    supports_dot_lookup = True
    enable_writeback_cache = False
    enable_acl = False

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.forgotten: list[tuple[int, int]] = []

    def init(self) -> None:
        self.seen.append("init")

    def destroy(self) -> None:
        self.seen.append("destroy")

    def getattr(self, inode: int, ctx: Any) -> Any:
        return Attributes(inode)

    def lookup(self, parent_inode: int, name: bytes, ctx: Any) -> Any:
        self.seen.append((name, {number: signal.getsignal(number) for number in SIGNALS}))
        return Attributes(2)

    def forget(self, inode_list: Any) -> None:
        self.forgotten += inode_list


class Async(Plain):
    async def getattr(self, inode: int, ctx: Any) -> Any:
        return Attributes(inode)

    async def lookup(self, parent_inode: int, name: bytes, ctx: Any) -> Any:
        self.seen.append(name)
        return Attributes(2)


ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SIGNALS = (*ENDING, signal.SIGUSR1, signal.SIGPIPE)


@pytest.mark.parametrize("handled", [True, False])
def test_handlers_of_signals_come_back(mountpoint: Path, handled: bool) -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    operations = Plain()
    llfuse.init(operations, str(mountpoint))  # type: ignore[arg-type]
    thread = visited(mountpoint, lambda: os.stat(mountpoint / "a"))
    assert llfuse.main(workers=1, handle_signals=handled) is None
    thread.join()
    llfuse.close()
    assert {number: signal.getsignal(number) for number in SIGNALS} == before
    _, during = operations.seen[1]
    if not handled:
        assert during == before
        return
    assert during[signal.SIGPIPE] == signal.SIG_IGN
    assert not [number for number in (*ENDING, signal.SIGUSR1) if during[number] == before[number]]


def test_operations_of_llfuse_need_no_base(mountpoint: Path) -> None:
    operations = Plain()
    llfuse.init(operations, str(mountpoint))  # type: ignore[arg-type]

    def visit() -> None:
        assert (mountpoint / "a").stat().st_ino == 2
        with raises_errno(errno.ENOSYS):
            os.listdir(mountpoint)

    thread = visited(mountpoint, visit)
    llfuse.main()
    thread.join()
    llfuse.close()
    assert (operations.seen[0], operations.seen[-1]) == ("init", "destroy")


def _look_and_invalidate(operations: Async, path: bytes, name: bytes) -> None:
    assert os.stat(path).st_ino == 2
    # The kernel asks again for a name that it was told to forget, and for no other.
    looked = operations.seen.count(name)
    pyfuse3.invalidate_entry_async(1, name)
    wait_for(lambda: os.stat(path) and operations.seen.count(name) > looked)


@pytest.mark.parametrize("library", ["trio", "asyncio"])
def test_operations_of_pyfuse3_need_no_base_and_sessions_may_follow(mountpoint: Path, library: str) -> None:
    for name in (b"first", b"second"):
        operations = Async()
        pyfuse3.init(operations, str(mountpoint))  # type: ignore[arg-type]

        path = os.path.join(os.fsencode(mountpoint), name)
        thread = visited(mountpoint, partial(_look_and_invalidate, operations, path, name))
        if library == "trio":
            pytest.importorskip("trio").run(pyfuse3.main)
        else:
            asyncio.run(pyfuse3.main())
        thread.join()
        pyfuse3.close()
        assert operations.seen[0] == "init"
        assert not is_mounted(mountpoint)


def test_terminate_is_called_by_another_thread(mountpoint: Path) -> None:
    trio = pytest.importorskip("trio")
    pyfuse3.init(Async(), str(mountpoint))  # type: ignore[arg-type]

    def end() -> None:
        os.stat(mountpoint / "a")
        trio.from_thread.run_sync(pyfuse3.terminate, trio_token=pyfuse3.trio_token)

    thread = threading.Thread(target=end)
    thread.start()
    trio.run(pyfuse3.main)
    thread.join()
    assert is_mounted(mountpoint)
    pyfuse3.close()
    assert not is_mounted(mountpoint)


def test_main_of_llfuse_wants_a_worker(mountpoint: Path) -> None:
    llfuse.init(Plain(), str(mountpoint))  # type: ignore[arg-type]
    for workers in (0, -1):
        with pytest.raises(ValueError, match="must be positive"):
            llfuse.main(workers=workers)
    llfuse.close()
    assert not is_mounted(mountpoint)


def test_close_raises_what_destroy_raised(mountpoint: Path) -> None:
    class Failing(Plain):
        def destroy(self) -> None:
            raise KeyError("destroy")

    llfuse.init(Failing(), str(mountpoint))  # type: ignore[arg-type]
    thread = visited(mountpoint, lambda: os.stat(mountpoint))
    llfuse.main()
    thread.join()
    with pytest.raises(KeyError, match="destroy"):
        llfuse.close()
    llfuse.init(Plain(), str(mountpoint))  # type: ignore[arg-type]
    llfuse.close()


def test_what_the_kernel_can_not_store_is_an_error(mountpoint: Path) -> None:
    llfuse.init(Plain(), str(mountpoint))  # type: ignore[arg-type]

    def visit() -> None:
        os.stat(mountpoint / "a")
        with raises_errno(errno.ENOENT):  # it does not know the inode
            in_thread(lambda: llfuse.notify_store(77, 0, b"x"))
        llfuse.notify_store(2, 0, memoryview(bytearray(b"x")))

    failures: list[BaseException] = []

    def noted() -> None:
        try:
            visit()
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            failures.append(error)

    thread = visited(mountpoint, noted)
    llfuse.main()
    thread.join()
    llfuse.close()
    assert failures == []
