"""Who reads the device: one thread reads and handles; another takes over when a handler takes long."""

from __future__ import annotations

import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fusetree import Dir, File, computed, lowlevel, node
from fusetree.testing import Client
from tests.support import wait_for


class Gate(lowlevel.Operations):
    """getattr of an inode above 99 waits until it is let go."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.lock = threading.Lock()
        self.open_gate = threading.Event()
        self.threads: set[int] = set()

    def getattr(self, inode: int, ctx: lowlevel.RequestContext) -> lowlevel.EntryAttributes:
        self.threads.add(threading.get_ident())
        if inode > 99:
            with self.lock:
                self.inside += 1
                self.most = max(self.most, self.inside)
            assert self.open_gate.wait(20)
            with self.lock:
                self.inside -= 1
        result = lowlevel.EntryAttributes()
        result.st_ino = inode
        result.st_mode = stat.S_IFREG | 0o644
        return result


def test_quick_handlers_run_in_the_thread_that_reads() -> None:
    operations = Gate()
    with Client(operations) as client:
        for _ in range(500):
            client.raw.getattr(2)
    # Now and then the scheduler holds a handler up for longer than a tick, and another thread takes over.
    assert len(operations.threads) <= 3


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_handlers_than_workers_run_and_all_are_answered(workers: int) -> None:
    operations = Gate()
    with Client(operations, workers=workers) as client, ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(client.raw.getattr, 100 + number) for number in range(10)]
        wait_for(lambda: operations.inside == workers)
        operations.open_gate.set()
        assert sorted(answer.result(20).attributes.st_ino for answer in answers) == list(range(100, 110))
    assert operations.most == workers


def test_blocked_handlers_do_not_hold_up_others() -> None:
    operations = Gate()
    with Client(operations, workers=4) as client, ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(client.raw.getattr, 100 + number) for number in range(3)]
        wait_for(lambda: operations.inside == 3)
        for _ in range(50):
            client.raw.getattr(2)
        assert operations.inside == 3
        operations.open_gate.set()
        for answer in answers:
            answer.result(20)


@node
class Slow(Dir):
    gate: object = None

    @computed
    def value(self) -> str:
        assert isinstance(self.gate, threading.Event)
        assert self.gate.wait(20)
        return "done"


def test_answers_from_c_and_forgets_pass_all_workers_being_blocked() -> None:
    gate = threading.Event()
    slow = Slow(gate=gate)
    root = Dir({"slow": slow, "quick": File(b"quick")})
    with Client(root, workers=2) as client, ThreadPoolExecutor(2) as pool:
        assert client.read_text("quick") == "quick"  # known to the table from now on
        node_id = client.raw.lookup(1, b"quick").node_id
        held = client.table.lookup_count(node_id)
        blocked = [pool.submit(client.read_text, "slow/value") for _ in range(2)]
        before = client.table.statistics().answered_in_c
        for _ in range(100):
            client.raw.getattr(node_id)
        assert client.table.statistics().answered_in_c >= before + 100
        client.raw.forget(node_id)
        wait_for(lambda: client.table.lookup_count(node_id) == held - 1)
        assert not any(answer.done() for answer in blocked)
        gate.set()
        assert [answer.result(20) for answer in blocked] == ["done\n", "done\n"]


def test_workers_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Client(Gate(), workers=0)
