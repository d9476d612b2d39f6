"""The observer: what is recorded, and where a change waits until the kernel knows."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from fusetree import Dir, File, action, entry, node
from fusetree.adapter import serving_loop
from fusetree.adapter.usercode import call, inside_handler
from fusetree.lowlevel import ROOT_INODE
from fusetree.nodes import Change
from fusetree.testing import Client, NotifyCode
from tests.adapter.conftest import ROOT
from tests.support import raises_errno, wait_for

if TYPE_CHECKING:
    from tests.adapter.conftest import Requests, Serve


@node
class Counter(Dir):
    number: int = entry(0)

    @action
    def bump(self) -> None:
        self.number += 1
        self.changed()


def armed(serve: Serve, root: Dir, **options: Any) -> Requests:
    """A tree whose root is listed by the kernel, so that a change of the root must be told.

    (Of other nodes the kernel knows nothing before a reply was sent, and here none is.)
    """
    requests = serve(root, **options)
    requests.ops.opendir(ROOT_INODE, ROOT)
    assert requests.notices() == []
    return requests


def test_a_change_of_what_the_kernel_holds_is_told_once(serve: Serve) -> None:
    root = Dir()
    requests = armed(serve, root)
    root.changed()
    root.changed()
    assert requests.notices() == [("inode", ROOT_INODE, 0, 0)]
    root.changed()  # not read since: the kernel holds nothing
    assert requests.notices() == []


def test_a_change_of_what_the_kernel_does_not_hold_is_not_told(serve: Serve) -> None:
    counter = Counter()
    requests = serve(Dir({"c": counter, "f": File("x")}))
    requests.lookup("c/number")  # looked up, but no reply was sent
    for _ in range(1000):
        counter.number += 1
    assert requests.notices() == []
    assert requests.ops.cache_statistics().timed_out == 0


def test_names_are_told(serve: Serve) -> None:
    root = Dir({"a": "x"})
    requests = armed(serve, root)
    root["b"] = "y"
    assert ("inode", ROOT_INODE, 0, 0) in requests.notices()  # the cached listing
    requests.lookup("b")
    del root["a"]
    with raises_errno(errno.ENOENT):
        requests.lookup("a")


def test_a_change_waits_until_the_kernel_is_told(serve: Serve) -> None:
    root = Dir()
    requests = armed(serve, root, coherence_wait=30.0)
    changer = threading.Thread(target=root.changed)
    changer.start()
    taken = wait_for(requests.notices, what="the change to be recorded")
    changer.join(20)
    assert not changer.is_alive()
    assert taken == [("inode", ROOT_INODE, 0, 0)]
    assert requests.ops.cache_statistics().waited == 1


def test_waiting_ends_and_is_counted_and_logged_once(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    root = Dir()
    requests = armed(serve, root, coherence_wait=0.01)
    with caplog.at_level(logging.WARNING, logger="fusetree.adapter"):
        root.changed()
        root["x"] = "y"
    assert requests.ops.cache_statistics().timed_out == 2
    assert caplog.text.count("coherence_wait=0.01") == 1


def test_no_waiting_inside_a_handler(serve: Serve) -> None:
    root = Dir()
    requests = armed(serve, root, coherence_wait=30.0)
    call(root.changed)
    assert requests.ops.cache_statistics().inside_handler == 1


def test_no_waiting_inside_a_handler_that_goes_on_in_a_thread(serve: Serve) -> None:
    root = Dir()
    requests = armed(serve, root, coherence_wait=30.0)

    async def work() -> None:
        await asyncio.to_thread(root.changed)

    call(asyncio.run, work())
    assert requests.ops.cache_statistics().inside_handler == 1
    assert not inside_handler()


def test_no_waiting_in_an_action(serve: Serve) -> None:
    counter = Counter()
    requests = armed(serve, counter, coherence_wait=30.0)
    other = armed(serve, counter, coherence_wait=30.0)  # another mount of the same tree
    requests.ops.write(requests.open("bump", os.O_WRONLY), 0, b"\n")
    assert counter.number == 1
    assert requests.ops.cache_statistics().inside_handler == 1
    assert other.ops.cache_statistics().inside_handler == 1


def test_no_waiting_on_the_thread_of_a_serving_loop(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    root = Dir()
    requests = armed(serve, root, coherence_wait=30.0)
    with caplog.at_level(logging.WARNING, logger="fusetree.adapter"), serving_loop():
        root.changed()
        root["x"] = "y"
    assert requests.ops.cache_statistics().on_serving_loop == 2
    assert caplog.text.count("event loop") == 1


def test_the_mark_of_a_serving_loop_ends_with_its_block(serve: Serve) -> None:
    root = Dir()
    requests = armed(serve, root, coherence_wait=0.001)
    with serving_loop(), serving_loop():
        pass
    root.changed()
    assert requests.ops.cache_statistics().timed_out == 1


def test_a_change_of_attributes_leaves_the_content(serve: Serve) -> None:
    root = Dir()
    requests = armed(serve, root)
    root.changed(Change.ATTRIBUTES)
    assert requests.notices() == []  # of attributes the kernel was given none
    root.changed(Change.CONTENT)
    assert requests.notices() == [("inode", ROOT_INODE, 0, 0)]


def test_what_a_read_got_is_told_when_it_changes() -> None:
    file = File("x", mode=0o644)
    with Client(Dir({"f": file})) as client:
        assert client.read_text("f") == "x"
        number = client.node_id("f")
        file.store("y")
        client.wait_notification(NotifyCode.INVAL_INODE, node_id=number)
        assert client.read_text("f") == "y"
        with client.open("f", os.O_RDWR) as opened:
            opened.pwrite(b"z", 0)
            assert opened.pread(10, 0) == b"z"
        assert client.operations.cache_statistics().inside_handler > 0  # type: ignore[attr-defined]
        client.check()


def test_without_the_kernels_cache_nothing_is_told_and_nothing_waited_for() -> None:
    file = File("x", mode=0o644)
    root = Dir({"f": file})
    with Client(root, kernel_cache=False) as client:
        assert client.read_text("f") == "x"
        assert client.listdir() == ["f"]
        assert not client.exists("g")
        root["g"] = "new"
        file.store("yz")
        file.mode = 0o600
        assert client.read_text("f") == "yz"
        assert client.stat("f").st_size == 2
        assert client.read_text("g") == "new"
        assert len(client.notifications) == 0
        statistics = client.operations.cache_statistics()  # type: ignore[attr-defined]
        assert (statistics.waited, statistics.timed_out) == (0, 0)
