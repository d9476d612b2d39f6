"""Requests over rings (io_uring), where libfuse and the kernel have them.

libfuse 3.18 has them if it was built so, Linux 6.14 if it was built so and they are switched on.
``make test-libfuse`` runs these where both are, and says so by FUSETREE_TEST_RINGS: nothing is skipped then.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import mmap
import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import attrs
import pytest

from fusetree import lowlevel
from fusetree.adapter import NodeOperations
from fusetree.lowlevel import EntryAttributes, RequestContext, SessionOptions
from fusetree.nodes import Dir, File
from fusetree.server.inside import marked_inside
from fusetree.testing import Client
from tests.lowlevel.device import DOUBLE, Device, Parking
from tests.support import PYTHON, ROOT, in_thread, is_mounted, raises_errno, shell, wait_for

pytestmark = [pytest.mark.mount, pytest.mark.no_rings]  # what they ask for they say

OVER_RINGS = SessionOptions(io_uring=True)


def ring_threads() -> list[str]:
    """Names of the threads of this process that are libfuse's rings."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.append((task / "comm").read_text().strip())
    return [name for name in names if name.startswith("fuse-ring")]


def open_rings() -> int:
    links = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(link))
    return sum("io_uring" in link for link in links)


@pytest.fixture(scope="session")
def available(tmp_path_factory: pytest.TempPathFactory) -> None:
    mountpoint = tmp_path_factory.mktemp("probe")
    with lowlevel.Session(Device(), mountpoint, SessionOptions(io_uring="auto")) as session:
        session.start()
        rings = session.features()["io_uring"]
    if not rings.on:
        if os.environ.get("FUSETREE_TEST_RINGS"):
            pytest.fail(f"io_uring is to be tested, and there is none: {rings.reason}", pytrace=False)
        pytest.skip(f"no requests over rings: {rings.reason}")


@pytest.fixture
def nothing_left(available: None) -> Iterator[None]:
    rings = open_rings()
    yield
    wait_for(lambda: not ring_threads(), what="libfuse's ring threads end")
    assert open_rings() == rings


@contextlib.contextmanager
def served(
    operations: lowlevel.Operations, mountpoint: Path, options: SessionOptions = OVER_RINGS, **keywords: Any
) -> Iterator[lowlevel.Session]:
    with lowlevel.Session(operations, mountpoint, options, **keywords) as session:
        session.start()
        yield session


class Counting(Device):
    """Counts by thread what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.local = threading.local()
        self.most = 0
        self.threads: set[int] = set()
        self.inside: set[bool] = set()

    def read(self, fh: int, off: int, size: int) -> bytes:
        self.local.count = getattr(self.local, "count", 0) + 1
        self.most = max(self.most, self.local.count)
        self.threads.add(threading.get_native_id())
        self.inside.add(marked_inside())
        return b"%d" % lowlevel.context().uid


@pytest.mark.usefixtures("nothing_left")
class TestServed:
    def test_it_is_told(self, mountpoint: Path) -> None:
        before = threading.active_count()
        with served(Device(), mountpoint) as session:
            feature = session.features()["io_uring"]
            assert (feature.compiled, feature.offered, feature.on) == (True, True, True)
            assert str(feature) == "on: option io_uring"
            assert len(ring_threads()) == os.cpu_count()
            assert session.connection.rings
        assert not session.connection.rings
        wait_for(lambda: threading.active_count() <= before)

    def test_what_libfuse_says_of_its_rings_is_no_refusal(
        self, mountpoint: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG, "fusetree.libfuse"):
            with served(Device(), mountpoint, attrs.evolve(OVER_RINGS, extra=("debug",))) as session:
                assert session.features()["io_uring"].on
                assert os.stat(mountpoint / "a").st_size == 0
        assert "io-uring" in caplog.text

    def test_a_mapping_that_lost_its_file_is_eio(self, mountpoint: Path, tmp_path: Path) -> None:
        class Mapped(Device):
            def read(self, fh: int, off: int, size: int) -> Any:
                return view

        with open(tmp_path / "g", "w+b") as file:
            file.truncate(4096)
            with mmap.mmap(file.fileno(), 4096) as mapped, memoryview(mapped) as view:
                file.truncate(0)
                device = Mapped()
                device.data[2] = bytearray(4096)
                with served(device, mountpoint):
                    assert b"Input/output error" in shell(f"cat {mountpoint}/a").err

    def test_a_session_that_does_not_ask_has_none(self, mountpoint: Path) -> None:
        with served(Device(), mountpoint, SessionOptions()) as session:
            assert os.stat(mountpoint / "a").st_size == 0
            assert str(session.features()["io_uring"]) == "off: not asked for"
            assert not ring_threads()

    def test_handlers_run_in_the_rings_threads_which_python_knows_from_one_request_to_the_next(
        self, mountpoint: Path
    ) -> None:
        device = Counting()
        device.data[2] = bytearray(b"x" * 10)
        with served(device, mountpoint):
            fd = os.open(mountpoint / "a", os.O_RDONLY | os.O_DIRECT)
            try:
                for _ in range(200):
                    assert os.pread(fd, 4096, 0)[:1] == b"0"
            finally:
                os.close(fd)
        assert len(device.threads) <= (os.cpu_count() or 1)
        assert device.most >= 200 // (os.cpu_count() or 1)
        assert device.inside == {True}

    def test_data_of_every_size_both_ways(self, mountpoint: Path) -> None:
        device = Device()
        content = os.urandom((1 << 20) + 12345)
        with served(device, mountpoint):
            (mountpoint / "a").write_bytes(content)
            assert bytes(device.data[2]) == content
            assert in_thread((mountpoint / "a").read_bytes) == content

    def test_written_data_that_are_kept_stay_as_they_were(self, mountpoint: Path) -> None:
        kept: list[memoryview] = []

        class Keeping(Device):
            def write(self, fh: int, off: int, buf: memoryview) -> int:
                kept.append(buf[:4])
                return len(buf)

        with served(Keeping(), mountpoint), open(mountpoint / "b", "wb", buffering=0) as file:
            file.writelines(b"%04d" % n * 1000 for n in range(20))
        assert [bytes(view) for view in kept] == [b"%04d" % n for n in range(20)]

    def test_names_xattrs_ioctl_and_listing(self, mountpoint: Path) -> None:
        device = Device()
        with served(device, mountpoint):
            with raises_errno(errno.ENOENT):
                os.stat(mountpoint / "none")
            fd = os.open(mountpoint / "a", os.O_RDWR)
            try:
                assert fcntl.ioctl(fd, DOUBLE, (21).to_bytes(4, "little")) == (42).to_bytes(4, "little")
            finally:
                os.close(fd)

    def test_errors_and_bugs(self, mountpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
        class Flawed(Device):
            def read(self, fh: int, off: int, size: int) -> Any:
                if fh == 2:
                    raise OSError(errno.ENOSPC, "full")
                return "text"

            async def statfs(self, ctx: RequestContext) -> Any:  # type: ignore[override]
                raise AssertionError

        with served(Flawed(), mountpoint):
            for name, number in (("a", errno.ENOSPC), ("b", errno.EIO)):
                with raises_errno(number):
                    fd = os.open(mountpoint / name, os.O_RDONLY | os.O_DIRECT)
                    try:
                        os.pread(fd, 10, 0)
                    finally:
                        os.close(fd)
            with raises_errno(errno.EIO):
                os.statvfs(mountpoint)
        assert "handler 'read' must return" in caplog.text
        assert "handler 'statfs' is async" in caplog.text

    def test_a_strict_session_ends_with_the_bug(self, mountpoint: Path) -> None:
        class Flawed(Device):
            def statfs(self, ctx: RequestContext) -> Any:
                raise ZeroDivisionError("a bug")

        session = lowlevel.Session(Flawed(), mountpoint, OVER_RINGS, strict=True)
        session.start()
        with raises_errno(errno.EIO):
            os.statvfs(mountpoint)
        with pytest.raises(ZeroDivisionError, match="a bug"):
            session.wait(20)
        session.close()

    def test_who_waits_for_a_lock_does_not_hold_up_who_gives_it_up(self, mountpoint: Path) -> None:
        """On one processor, so over one ring."""
        device = Device()
        with served(device, mountpoint):
            one = os.open(mountpoint / "a", os.O_RDWR)
            try:
                os.sched_setaffinity(0, {0})
                fcntl.lockf(one, fcntl.LOCK_EX)
                program = (
                    "import fcntl,sys; f=open(sys.argv[1],'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print('got')"
                )
                waiter = subprocess.Popen([PYTHON, "-c", program, mountpoint / "a"], stdout=subprocess.PIPE)
                assert device.waiting.acquire(timeout=20)
                assert os.stat(mountpoint / "b").st_size == 0
                fcntl.lockf(one, fcntl.LOCK_UN)
                assert waiter.communicate(timeout=20)[0] == b"got\n"
            finally:
                os.sched_setaffinity(0, range(os.cpu_count() or 1))
                os.close(one)

    def test_futures_are_answered_from_other_threads(self, mountpoint: Path) -> None:
        futures: list[Future[bytes]] = []
        asked = threading.Semaphore(0)

        class Later(Device):
            def read(self, fh: int, off: int, size: int) -> Any:
                future: Future[bytes] = Future()
                futures.append(future)
                asked.release()
                return future

        def read() -> bytes:
            fd = os.open(mountpoint / "a", os.O_RDONLY | os.O_DIRECT)
            try:
                return os.pread(fd, 100, 0)
            finally:
                os.close(fd)

        device = Later()
        device.data[2] = bytearray(b"x" * 100)
        with served(device, mountpoint):
            for n in range(100):
                results: list[bytes] = []
                reader = threading.Thread(target=lambda: results.append(read()))  # noqa: B023 - joined below
                reader.start()
                assert asked.acquire(timeout=20)
                assert os.stat(mountpoint / "b").st_size == 0
                futures.pop().set_result(b"%d" % n)
                reader.join(20)
                assert results == [b"%d" % n]

    def test_futures_that_rings_answer_for_each_other(self, mountpoint: Path) -> None:
        """A handler in one ring's thread has what a caller of another ring waits for, and the other way
        round.
        """
        device = Parking()
        program = (
            "import fcntl,os,sys\n"
            "os.sched_setaffinity(0, {int(sys.argv[2])})\n"
            "f = open(sys.argv[1], 'r+')\n"
            "for n in range(300):\n"
            "    fcntl.lockf(f, fcntl.LOCK_EX)\n"
            "    fcntl.lockf(f, fcntl.LOCK_UN)\n"
        )
        with served(device, mountpoint):
            clients = [
                subprocess.Popen([PYTHON, "-c", program, mountpoint / name, str(n % (os.cpu_count() or 1))])
                for n, name in enumerate("aaabbb")
            ]
            for client in clients:
                assert client.wait(60) == 0

    def test_notifications(self, mountpoint: Path) -> None:
        device = Device()
        device.data[2] = bytearray(b"old")

        class Cached(Device):
            def attributes(self, inode: int, kind: Any = EntryAttributes) -> Any:
                result = super().attributes(inode, kind)
                result.attr_timeout = result.entry_timeout = 1000
                return result

        device = Cached()
        with served(device, mountpoint) as session:
            assert os.stat(mountpoint / "a").st_size == 0
            device.data[2] = bytearray(b"new")
            assert os.stat(mountpoint / "a").st_size == 0
            session.invalidate_inode(2)
            wait_for(lambda: os.stat(mountpoint / "a").st_size == 3)

    def test_cached_data_can_not_be_retrieved(self, mountpoint: Path) -> None:
        with served(Device(), mountpoint) as session:
            assert os.stat(mountpoint / "a").st_size == 0
            with pytest.raises(lowlevel.UnsupportedFeatureError, match="rings"):
                session.retrieve(2, 0, 7)

    def test_a_tree_is_answered_in_c(self, mountpoint: Path) -> None:
        root = Dir({"d": Dir({f"f{n}": File(b"content %d" % n) for n in range(50)})})
        operations = NodeOperations(root)
        with served(operations, mountpoint):
            listing = shell(f"ls -l {mountpoint}/d | wc -l; cat {mountpoint}/d/*").ok().text
            assert listing.startswith("51\n")
            assert "content 49" in listing
            table = operations.inode_table
            assert table is not None
            before = table.statistics().answered_in_c
            for n in range(100):
                with raises_errno(errno.ENOENT):
                    os.stat(mountpoint / "d" / f"absent{n}")
            assert table.statistics().answered_in_c >= before + 100

    def test_it_ends_when_it_is_unmounted_from_outside(self, mountpoint: Path) -> None:
        with served(Device(), mountpoint) as session:
            os.stat(mountpoint / "a")
            shell(f"umount {mountpoint}").ok()
            assert session.wait(20)

    def test_abort(self, mountpoint: Path) -> None:
        asked, go_on = threading.Event(), threading.Event()

        class Stuck(Device):
            def read(self, fh: int, off: int, size: int) -> bytes:
                asked.set()
                go_on.wait(20)
                return b""

        device = Stuck()
        device.data[2] = bytearray(b"x")
        with served(device, mountpoint) as session:
            reader = subprocess.Popen(["cat", mountpoint / "a"], stderr=subprocess.PIPE)
            assert asked.wait(20)
            session.abort()
            go_on.set()
            assert session.wait(20)
            assert reader.communicate(timeout=20)[1]
            assert reader.returncode != 0
        assert not is_mounted(mountpoint)

    def test_a_handler_that_does_not_end_does_not_keep_it_from_closing(
        self, mountpoint: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fusetree.server.session.CLOSE_GRACE", 0.2)
        asked, go_on = threading.Event(), threading.Event()

        class Stuck(Device):
            def read(self, fh: int, off: int, size: int) -> bytes:
                asked.set()
                go_on.wait(20)
                return b"too late"

        device = Stuck()
        device.data[2] = bytearray(b"x")
        with served(device, mountpoint):
            reader = subprocess.Popen(["cat", mountpoint / "a"], stderr=subprocess.PIPE)
            assert asked.wait(20)
        assert "a handler still runs in a ring thread" in caplog.text
        assert not is_mounted(mountpoint)
        go_on.set()
        assert reader.communicate(timeout=20)[1]

    def test_parked_requests_are_answered_when_it_is_closed(self, mountpoint: Path) -> None:
        asked = threading.Event()

        class Never(Device):
            def read(self, fh: int, off: int, size: int) -> Any:
                asked.set()
                return Future()

        device = Never()
        device.data[2] = bytearray(b"x")
        with served(device, mountpoint):
            reader = subprocess.Popen(["cat", mountpoint / "a"], stderr=subprocess.PIPE)
            assert asked.wait(20)
        assert b"Interrupted" in reader.communicate(timeout=20)[1]

    def test_nobody_is_served_before_init(self, mountpoint: Path) -> None:
        class Slow(Device):
            begun = False

            def init(self) -> None:
                self.reader = subprocess.Popen(["stat", mountpoint / "a"], stdout=subprocess.DEVNULL)
                with pytest.raises(subprocess.TimeoutExpired):
                    self.reader.wait(0.2)
                self.begun = True

            def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
                assert self.begun
                return super().lookup(parent_inode, name, ctx)

        device = Slow()
        with served(device, mountpoint):
            assert device.reader.wait(20) == 0

    def test_many_at_once(self, mountpoint: Path) -> None:
        device = Device()
        device.data[2] = bytearray(os.urandom(1 << 20))
        with served(device, mountpoint):
            command = (
                f"for n in $(seq 20); do dd if={mountpoint}/a bs=4k iflag=direct status=none | md5sum; done"
            )
            answers = shell(" & ".join([f"({command})"] * 6) + " & wait").ok().text.split("\n")
        assert len({answer for answer in answers if answer}) == 1
        assert len(answers) == 121

    def test_one_after_the_other_in_one_process(self, mountpoint: Path) -> None:
        for _ in range(10):
            with served(Device(), mountpoint):
                os.stat(mountpoint / "a")

    def test_an_event_loop_refuses_it(self, mountpoint: Path) -> None:
        with lowlevel.Session(Device(), mountpoint, OVER_RINGS) as session:
            with pytest.raises(lowlevel.UnsupportedFeatureError, match=r"io_uring.*event loop.*run\(\)"):
                asyncio.run(session.serve())

    def test_an_event_loop_does_not_take_over(self, mountpoint: Path) -> None:
        with served(Device(), mountpoint) as session:
            with pytest.raises(lowlevel.UnsupportedFeatureError, match="event loop"):
                asyncio.run(session.serve())
            assert os.stat(mountpoint / "a").st_size == 0

    def test_an_event_loop_does_without(self, mountpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
        async def main(session: lowlevel.Session) -> None:
            task = asyncio.create_task(session.serve())
            await asyncio.to_thread(os.stat, mountpoint / "a")
            assert session.features()["io_uring"].on is False
            session.stop()
            await task

        with caplog.at_level(logging.INFO, "fusetree"):
            session = lowlevel.Session(Device(), mountpoint, SessionOptions(io_uring="auto"))
            asyncio.run(main(session))
        assert "io_uring is off: libfuse's ring threads" in caplog.text

    def test_the_calling_thread_alone_refuses_it(self, mountpoint: Path) -> None:
        with lowlevel.Session(Device(), mountpoint, OVER_RINGS) as session:
            with pytest.raises(lowlevel.UnsupportedFeatureError, match=r"io_uring.*run\(\) or start\(\)"):
                session.run_here()

    def test_a_session_on_a_descriptor_refuses_it(self) -> None:
        with pytest.raises(lowlevel.UnsupportedFeatureError, match=r"io_uring.*device of a mount"):
            Client(Device(), options=OVER_RINGS)

    def test_the_interpreter_ends_with_it(self, mountpoint: Path) -> None:
        program = (
            "import os, sys\n"
            "from fusetree import lowlevel\n"
            "from tests.lowlevel.device import Device\n"
            "session = lowlevel.Session(Device(), sys.argv[1], lowlevel.SessionOptions(io_uring=True))\n"
            "session.start()\n"
            "print(os.stat(sys.argv[1] + '/a').st_size)\n"
        )
        answer = subprocess.run(
            [PYTHON, "-c", program, mountpoint], cwd=ROOT, capture_output=True, timeout=30, check=False
        )
        assert (answer.returncode, answer.stdout, answer.stderr) == (0, b"0\n", b"")
        assert not is_mounted(mountpoint)


def test_without_them_it_is_a_clear_error_or_a_line_in_the_log(
    mountpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "fusetree"):
        with served(Device(), mountpoint, SessionOptions(io_uring="auto")) as session:
            rings = session.features()["io_uring"]
            assert os.stat(mountpoint / "a").st_size == 0
    if rings.on:
        pytest.skip("there are rings")
    assert rings.reason
    assert f"io_uring is off: {rings.reason}" in caplog.text
    for options in (OVER_RINGS, ["io_uring"]):
        with pytest.raises(
            lowlevel.UnsupportedFeatureError, match=r"io_uring is not available: \w"
        ) as raised:
            with served(Device(), mountpoint, options):  # type: ignore[arg-type]
                raise AssertionError
        assert not is_mounted(mountpoint)
    assert "libfuse" in str(raised.value) or "kernel" in str(raised.value)
