"""Declared nodes are served without Python while the loop that serves them is blocked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fusetree import Dir, action, computed, node
from fusetree.testing import Client, Pending
from fusetree.testing.protocol import Opcode
from tests.server.conftest import Serve
from tests.server.kits import Kit
from tests.support import wait_for

#: Runs until it is told to stop, and never lets go of the GIL of itself.
BURN = "n = 1\nwhile not stop: n = (n * 1103515245 + 12345) & 0x7FFFFFFF"


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


@pytest.fixture
def blocked(serve: Serve) -> Iterator[tuple[Client, App]]:
    """A client of a tree whose loop is blocked until `go_on` is set."""
    root = app()
    root["declared"] = "value\n"
    # Without caches each system call is a request.
    client = serve(root, kernel_cache=False)
    assert client.read_text("declared") == "value\n"
    assert client.read_text("thread") == "here"
    with ExitStack() as stack:
        opened = stack.enter_context(client.open("block", os.O_WRONLY))
        writer = threading.Thread(target=opened.pwrite, args=(b"\n", 0))
        writer.start()
        stack.callback(writer.join)
        stack.callback(root.go_on.set)
        assert root.began.wait(10)
        yield client, root


def test_declared_files_are_answered_while_the_loop_is_blocked(blocked: tuple[Client, App]) -> None:
    client, root = blocked
    for _ in range(1000):
        assert client.stat("declared").st_size == 6
    assert client.read_text("declared") == "value\n"
    assert sorted(client.listdir()) == ["block", "declared", "thread"]
    assert not root.go_on.is_set()


def test_what_needs_python_is_handed_to_the_loop(blocked: tuple[Client, App]) -> None:
    client, root = blocked
    node_id = client.node_id("thread")
    opening = [client.raw.submit(Opcode.OPEN, node_id, b"\0" * 8) for _ in range(50)]
    assert client.stat("declared").st_size == 6  # so all of these were received
    assert not any(pending.done for pending in opening)
    (loop_thread,) = root.threads
    root.go_on.set()
    handles = [pending.result() for pending in opening]
    assert len(set(handles)) == 50
    assert root.threads == {loop_thread}
    for reply in handles:
        client.raw.release(node_id, int.from_bytes(reply[:8], sys.byteorder))


def test_the_loop_serves_again_when_it_is_free(blocked: tuple[Client, App]) -> None:
    client, root = blocked
    assert client.stat("declared").st_size == 6
    root.go_on.set()
    for _ in range(3):
        assert client.read_text("thread") == "here"
        assert client.read_text("declared") == "value\n"
    assert len(root.threads) == 1


def test_changes_made_meanwhile_are_seen(blocked: tuple[Client, App]) -> None:
    client, root = blocked
    root["declared"] = "another value\n"
    root["new"] = "new\n"
    del root["thread"]
    assert client.read_text("declared") == "another value\n"
    assert client.read_text("new") == "new\n"
    assert not client.exists("thread")


def test_the_end_while_the_loop_is_blocked(serve: Serve) -> None:
    root = app()
    root["declared"] = "value\n"
    client = serve(root, kernel_cache=False)
    with client.open("block", os.O_WRONLY) as opened:
        pending: list[Pending] = []
        writer = threading.Thread(target=opened.pwrite, args=(b"\n", 0))
        writer.start()
        assert root.began.wait(10)
        node_id = client.node_id("declared")
        pending += [client.raw.submit(Opcode.GETATTR, node_id, b"\0" * 16) for _ in range(10)]
        for reply in pending:
            reply.result()
        threading.Timer(0.05, root.go_on.set).start()
        client.session.stop()
        writer.join(10)
        assert not writer.is_alive()
    assert client.session.wait(10)


@pytest.mark.mount
def test_a_thousand_stats_while_the_loop_sleeps(kit: Kit, mountpoint: Path) -> None:
    """For real: the loop is in time.sleep(1) while another program looks at a declared file."""
    program = (
        "import os, sys\n"
        "for _ in range(1000): os.stat(sys.argv[1] + '/declared')\n"
        "print('done', flush=True)\n"
    )
    from fusetree import mount

    took: list[float] = []

    async def main() -> None:
        async with mount({"declared": "value\n"}, mountpoint, kernel_cache=False):
            os.stat(mountpoint)  # noqa: ASYNC240 - served by the stand-by thread, while this very thread waits
            process = subprocess.Popen(
                [sys.executable, "-c", program, str(mountpoint)], stdout=subprocess.PIPE, text=True
            )
            start = time.monotonic()
            time.sleep(1)  # noqa: ASYNC251 - blocking is the point
            took.append(time.monotonic() - start)
            assert process.poll() is not None, "it waited for the loop"
            assert process.communicate(timeout=10)[0] == "done\n"

    kit.run(main)
    assert took[0] < 2


@pytest.mark.mount
def test_declared_files_while_the_loop_computes(kit: Kit, mountpoint: Path) -> None:
    """The GIL is held, but for moments; the thread that stands by does without."""
    from fusetree import mount

    process: list[subprocess.Popen[str]] = []
    program = (
        "import os, sys\n"
        "for _ in range(1000): os.stat(sys.argv[1] + '/declared')\n"
        "print('done', flush=True)\n"
    )

    async def main() -> None:
        async with mount({"declared": "value\n"}, mountpoint, kernel_cache=False):
            process.append(
                subprocess.Popen(
                    [sys.executable, "-c", program, str(mountpoint)], stdout=subprocess.PIPE, text=True
                )
            )
            deadline = time.monotonic() + 20
            number = 1
            while process[0].poll() is None and time.monotonic() < deadline:
                for _ in range(10_000):
                    number = (number * 1103515245 + 12345) & 0x7FFFFFFF
            assert process[0].poll() == 0

    kit.run(main)
    assert process[0].communicate(timeout=10)[0] == "done\n"


def test_threads_need_nobody_to_stand_by(serve: Serve) -> None:
    with Client(Dir({"a": "b"})):
        names = [thread.name for thread in threading.enumerate()]
    assert "fusetree-standby" not in names
    serve(Dir({"a": "b"})).stat("a")
    wait_for(lambda: "fusetree-standby" in [thread.name for thread in threading.enumerate()])
