"""Declared nodes are served without Python while the loop that serves them is blocked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fusetree import Dir, action, computed, mount, node
from fusetree.lowlevel import ROOT_INODE
from fusetree.testing import Client
from fusetree.testing.files import ClientFile
from fusetree.testing.protocol import Opcode
from tests.server.conftest import Serve
from tests.server.kits import Kit
from tests.support import PYTHON, wait_for


@node
class App(Dir):
    """Blocks the loop on request."""

    began: Any = None
    go_on: Any = None
    threads: Any = None

    @action
    def block(self) -> None:
        self.began.set()
        assert self.go_on.wait(20)

    @computed
    def thread(self) -> str:
        self.threads.add(threading.get_ident())
        return "here"


def app() -> App:
    return App(began=threading.Event(), go_on=threading.Event(), threads=set())


@dataclass
class Blocked:
    """A loop that is blocked until `root.go_on` is set."""

    client: Client
    root: App
    thread: ClientFile  # root.thread, opened before


@pytest.fixture
def blocked(serve: Serve) -> Iterator[Blocked]:
    """A client whose server's loop is blocked; it was listed, and "declared" and "thread" were looked at
    before.
    """
    root = app()
    root["declared"] = "value\n"
    # Without caches each system call is a request.
    client = serve(root, kernel_cache=False)
    assert client.read_text("declared") == "value\n"
    client.listdir()
    with ExitStack() as stack:
        thread = stack.enter_context(client.open("thread"))
        opened = stack.enter_context(client.open("block", os.O_WRONLY))
        writer = threading.Thread(target=opened.pwrite, args=(b"\n", 0))
        writer.start()
        stack.callback(writer.join)
        stack.callback(root.go_on.set)
        assert root.began.wait(10)
        yield Blocked(client, root, thread)


def test_declared_files_are_answered_while_the_loop_is_blocked(blocked: Blocked) -> None:
    client = blocked.client
    for _ in range(1000):
        assert client.stat("declared").st_size == 6
    assert client.read_text("declared") == "value\n"
    assert sorted(client.listdir()) == ["block", "declared", "thread"]
    assert not blocked.root.go_on.is_set()


def test_what_needs_python_is_handed_to_the_loop(blocked: Blocked) -> None:
    client, root, node_id = blocked.client, blocked.root, blocked.thread.node
    opening = [client.raw.submit(Opcode.OPEN, node_id, b"\0" * 8) for _ in range(50)]
    assert client.stat("declared").st_size == 6  # so all of these were received
    assert not any(pending.done for pending in opening)
    (loop_thread,) = root.threads
    root.go_on.set()
    handles = [int.from_bytes(pending.result()[:8], sys.byteorder) for pending in opening]
    assert len(set(handles)) == 50
    assert root.threads == {loop_thread}
    for fh in handles:
        client.raw.release(node_id, fh)


def test_the_loop_serves_again_when_it_is_free(blocked: Blocked) -> None:
    client, root = blocked.client, blocked.root
    assert client.stat("declared").st_size == 6
    root.go_on.set()
    for _ in range(3):
        assert client.read_text("thread") == "here\n"
        assert client.read_text("declared") == "value\n"
    assert len(root.threads) == 1


def test_what_changed_meanwhile_waits_for_the_loop_and_is_never_stale(blocked: Blocked) -> None:
    client, root = blocked.client, blocked.root
    root["declared"] = "another value\n"
    root["new"] = "new\n"
    with ThreadPoolExecutor(1) as pool:
        try:
            reading = [pool.submit(client.read_text, name) for name in ("declared", "new")]
            wait_for(reading[0].running)
        finally:
            root.go_on.set()
        assert [text.result(10) for text in reading] == ["another value\n", "new\n"]


def test_the_end_while_the_loop_is_blocked(serve: Serve) -> None:
    root = app()
    root["declared"] = "value\n"
    client = serve(root, kernel_cache=False)
    declared = client.raw.lookup(ROOT_INODE, b"declared")
    block = client.raw.lookup(ROOT_INODE, b"block")
    opened = client.raw.open(block.node_id, os.O_WRONLY)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(client.raw.write, block.node_id, opened.fh, b"\n")
        assert root.began.wait(10)
        for _ in range(10):
            client.raw.getattr(declared.node_id)
        threading.Timer(0.05, root.go_on.set).start()
        client.session.stop()
        assert writing.result(10) == 1
    assert client.session.wait(10)


LOOK = """
import os, sys
for _ in range(1000):
    os.stat(sys.argv[1])
"""


async def served_while(
    kit: Kit, mountpoint: Path, block: Callable[[subprocess.Popen[bytes]], object]
) -> None:
    """Another program looks at a declared file a thousand times, while *block* keeps the loop busy."""
    async with mount({"declared": "value\n"}, mountpoint, kernel_cache=False):
        declared = mountpoint / "declared"
        await kit.in_thread(declared.stat)  # the first look publishes its attributes
        with subprocess.Popen([PYTHON, "-c", LOOK, declared]) as looking:  # noqa: ASYNC220 - on purpose
            try:
                block(looking)
                assert looking.returncode == 0, "it waited for the loop"
            finally:
                looking.kill()


@pytest.mark.mount
def test_a_thousand_stats_while_the_loop_sleeps(kit: Kit, mountpoint: Path) -> None:
    kit.run(lambda: served_while(kit, mountpoint, lambda looking: looking.wait(20)))


@pytest.mark.mount
def test_declared_files_while_the_loop_computes(kit: Kit, mountpoint: Path) -> None:
    """The GIL is held, but for moments; the thread that stands by does without."""

    def compute(looking: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 30
        number = 1
        while looking.poll() is None and time.monotonic() < deadline:
            for _ in range(10_000):
                number = (number * 1103515245 + 12345) & 0x7FFFFFFF

    kit.run(lambda: served_while(kit, mountpoint, compute))


def test_threads_need_nobody_to_stand_by(serve: Serve) -> None:
    with Client(Dir({"a": "b"})):
        names = [thread.name for thread in threading.enumerate()]
    assert "fusetree-standby" not in names
    serve(Dir({"a": "b"})).stat("a")
    wait_for(lambda: "fusetree-standby" in [thread.name for thread in threading.enumerate()])
