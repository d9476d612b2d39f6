"""The end of a connection by session.abort(), and of a server that is killed with auto_unmount."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from fusetree import lowlevel
from fusetree.lowlevel import SessionOptions
from fusetree.server import aborting
from fusetree.testing import Client
from tests.server.kits import Few, Kit, errno_of_reply, submit_read
from tests.support import ROOT, clear, is_mounted, raises_errno, wait_for
from tools.fusectl import control_files_are_mounted


class Hanging(Few):
    """Its reads hang until they are told to give up."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.told = threading.Event()

    def read(self, fh: int, off: int, size: int) -> bytes:
        self.began.set()
        wait_for(lowlevel.interrupted)
        self.told.set()
        return b"too late"


def background(function: Callable[[], Any]) -> Future[Any]:
    """Call *function* in a thread of its own."""
    future: Future[Any] = Future()

    def body() -> None:
        try:
            future.set_result(function())
        except BaseException as exc:  # noqa: BLE001 -- raised by result()
            future.set_exception(exc)

    threading.Thread(target=body, daemon=True).start()
    return future


def reading(path: Path) -> Future[Any]:
    """The errno that reading *path* fails with, in a thread; 0: it does not."""

    def read() -> int | None:
        file = os.open(path, os.O_RDONLY)
        try:
            os.read(file, 100)
        except OSError as error:
            return error.errno
        finally:
            with contextlib.suppress(OSError):  # close(2) asks, too
                os.close(file)
        return 0

    return background(read)


def test_whoever_waits_is_woken() -> None:
    hanging = Hanging()
    with Client(hanging) as client:
        pending = submit_read(client)
        assert hanging.began.wait(10)
        client.session.abort()
        assert errno_of_reply(pending) == errno.ENOTCONN
        assert client.session.wait(10)
        assert hanging.told.wait(10)
        client.session.abort()  # nothing more


def test_a_closed_session_is_not_aborted() -> None:
    with Client(Few()) as client:
        pass
    with pytest.raises((lowlevel.SessionClosedError, FileNotFoundError)):  # as it happens
        client.session.abort()


def test_one_that_is_not_served_ends() -> None:
    with Client(Few()) as client:
        client.session.stop()
        assert client.session.wait(10)
        client.session.abort()


@pytest.mark.mount
@pytest.mark.parametrize("by_file", [True, False])
class TestMounted:
    """Once by the kernel's control files, once without them."""

    @pytest.fixture(autouse=True)
    def control_files(self, by_file: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
        if not by_file:
            monkeypatch.setattr(aborting, "CONNECTIONS", str(tmp_path / "absent"))
            yield
        elif control_files_are_mounted():
            yield
        elif os.geteuid() != 0:
            pytest.skip("no control file system is mounted")
        else:
            subprocess.run(["mount", "-t", "fusectl", "none", aborting.CONNECTIONS], check=True)
            yield
            subprocess.run(["umount", "-l", aborting.CONNECTIONS], check=True)

    def test_whoever_waits_gets_econnaborted(self, mountpoint: Path) -> None:
        hanging = Hanging()
        with lowlevel.Session(hanging, mountpoint) as session:
            session.start()
            waiting = reading(mountpoint / "f")
            assert hanging.began.wait(10)
            session.abort()
            assert waiting.result(10) == errno.ECONNABORTED
            assert session.wait(10)
            assert hanging.told.wait(10)
            with raises_errno(errno.ENOTCONN):
                os.stat(mountpoint / "f")
            assert is_mounted(mountpoint)
            session.abort()
        assert not is_mounted(mountpoint)

    def test_a_handler_may_abort(self, mountpoint: Path) -> None:
        few = Few()

        def read(fh: int, off: int, size: int) -> bytes:
            session.abort()
            return b""

        few.read = read  # type: ignore[method-assign]
        with lowlevel.Session(few, mountpoint) as session:
            session.start()
            waiting = reading(mountpoint / "f")
            assert waiting.result(10) == errno.ECONNABORTED
            assert session.wait(10)
        assert not is_mounted(mountpoint)

    def test_a_session_in_a_loop_ends(self, mountpoint: Path, kit: Kit) -> None:
        few = Few()
        began = threading.Event()

        async def read(fh: int, off: int, size: int) -> bytes:
            began.set()
            await kit.forever()
            return b""

        few.read = read  # type: ignore[method-assign]
        with lowlevel.Session(few, mountpoint) as session:
            serving = background(lambda: kit.run(session.serve))
            waiting = reading(mountpoint / "f")
            assert began.wait(10)
            session.abort()
            assert waiting.result(10) == errno.ECONNABORTED
            serving.result(10)
        assert not is_mounted(mountpoint)

    def test_what_came_later_is_left_alone(self, mountpoint: Path) -> None:
        with lowlevel.Session(Few(), mountpoint) as first:
            first.start()
            subprocess.run(["fusermount3", "-u", mountpoint], check=True)
            with lowlevel.Session(Few(), mountpoint) as second:
                second.start()
                first.abort()
                assert first.wait(10)
                assert (mountpoint / "f").read_bytes() == b"data"

    @pytest.mark.root
    def test_closing_frees_a_notification_behind_a_handler_that_does_not_end(
        self, mountpoint: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fusetree.server.session.CLOSE_GRACE", 0.2)
        few = Few()
        began, never = threading.Event(), threading.Event()

        def lookup(parent_inode: int, name: bytes, ctx: lowlevel.RequestContext) -> lowlevel.EntryAttributes:
            began.set()
            never.wait(20)
            raise FileNotFoundError

        few.lookup = lookup  # type: ignore[method-assign]
        session = lowlevel.Session(few, mountpoint)
        session.start()
        looking = background(lambda: os.path.exists(mountpoint / "name"))
        assert began.wait(10)
        tids: list[int] = []

        def tell() -> None:
            tids.append(threading.get_native_id())
            session.invalidate_entry(1, b"name")

        telling = background(tell)
        wait_for(lambda: tids)
        wait_for(lambda: "fuse_reverse_inval" in Path(f"/proc/self/task/{tids[0]}/wchan").read_text())
        background(session.close).result(10)
        assert not is_mounted(mountpoint)
        assert looking.result(10) is False
        with pytest.raises((lowlevel.SessionClosedError, FileNotFoundError)):  # as it happens
            telling.result(10)
        never.set()


@pytest.mark.mount
class TestAutoUnmount:
    # For an ordinary user libfuse (3.14) has the socket before the device, so when the server is killed the
    # kernel closes the socket first, and the helper nearly always looks too early.
    @pytest.mark.root
    def test_a_killed_server_leaves_no_mount(self, mountpoint: Path) -> None:
        program = f"""
from fusetree import lowlevel
from tests.server.kits import Few
session = lowlevel.Session(Few(), {str(mountpoint)!r}, lowlevel.SessionOptions(auto_unmount=True))
session.start()
print("up", flush=True)
session.wait()
"""
        # libfuse's helper looks once, when the server's socket closes; if the connection has not quite ended
        # by then it takes the mount for a living one. So it may take more than one server.
        for _ in range(10):
            server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT)
            assert server.stdout is not None
            with server.stdout:
                assert server.stdout.readline() == b"up\n"
                server.kill()
                server.wait()
            try:
                wait_for(lambda: not is_mounted(mountpoint), timeout=2)
            except pytest.fail.Exception:
                clear(mountpoint)
            else:
                return
        pytest.fail("the mount stayed behind each time")

    def test_closing_unmounts(self, mountpoint: Path) -> None:
        with lowlevel.Session(Few(), mountpoint, SessionOptions(auto_unmount=True)) as session:
            session.start()
            assert (mountpoint / "f").read_bytes() == b"data"
        assert not is_mounted(mountpoint)
