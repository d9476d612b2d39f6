from __future__ import annotations

import threading

import pytest

from fusetree import Dir, entry, node
from fusetree.nodes import base, declare
from fusetree.nodes.locks import LINKS, gate, structure_index, structure_lock
from tests.nodes.recorder import Recorder


@node
class Worker(Dir):
    jobs: int = entry(0)


def test_one_node_has_one_lock_of_each_kind() -> None:
    one = Dir()
    assert structure_lock(one) is one.lock is structure_lock(one)
    assert gate(one) is gate(one)
    assert gate(one) is not structure_lock(one)


def test_nodes_are_spread_over_the_stripes() -> None:
    directories = [Dir() for _ in range(500)]
    assert len({structure_index(directory) for directory in directories}) > 40


def test_locks_may_be_taken_again_by_who_holds_them() -> None:
    """A finaliser or a signal handler that touches the tree in between must not wait for itself."""
    root = Dir({"a": {}})
    with root.lock, LINKS:
        root["b"] = {}
        root.move("b", "a/b")
    assert "a/b" in root


def test_a_setter_without_the_gil_goes_through_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "FREE_THREADED", True)
    monkeypatch.setattr(declare, "FREE_THREADED", True)
    worker = Worker()
    root = Dir({"w": worker})
    observer = Recorder()
    worker["jobs"].attach(observer)
    root.attach(observer)
    started, done = threading.Event(), threading.Event()

    def assign() -> None:
        started.set()
        worker.jobs = 5
        done.set()

    with gate(worker):
        thread = threading.Thread(target=assign)
        thread.start()
        started.wait()
        assert observer.events == []
    thread.join()
    assert done.is_set()
    assert len(observer.take()) == 1
    root["x"] = "y"
    worker["jobs"].changed()
    assert len(observer.take()) == 2
