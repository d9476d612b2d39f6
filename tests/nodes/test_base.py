from __future__ import annotations

import gc
import os
import stat
import threading
import time
import weakref

import pytest

from fusetree import Dir, File, Symlink
from fusetree.nodes import Change, FileNode, Node
from tests.nodes.recorder import Recorder


def test_file_types_are_fixed() -> None:
    assert stat.S_ISREG(File().file_type)
    assert stat.S_ISDIR(Dir().file_type)
    assert stat.S_ISLNK(Symlink("x").file_type)


@pytest.mark.parametrize("node", [File(), Dir(), Symlink("x")])
def test_nodes_are_equal_by_identity_and_can_be_keys(node: Node) -> None:
    assert node == node
    assert node != File()
    assert {node: 1}[node] == 1
    assert weakref.ref(node)() is node
    with pytest.raises(AttributeError):
        node.unheard_of = 1  # type: ignore[attr-defined]


def test_modes_unless_given() -> None:
    assert (File().mode, Dir().mode, Symlink("x").mode) == (0o444, 0o555, 0o777)
    assert (File(mode=0o640).mode, Dir(mode=0o700).mode) == (0o640, 0o700)
    assert (File(b"", 0o640).mode, Dir(None, 0o700).mode) == (0o640, 0o700)


@pytest.mark.parametrize("mode", [-1, 0o10000, stat.S_IFREG | 0o644])
def test_a_mode_holds_permission_bits_only(mode: int) -> None:
    with pytest.raises(ValueError, match="permission bits"):
        File(mode=mode)
    file = File()
    with pytest.raises(ValueError, match="permission bits"):
        file.mode = mode
    assert file.mode == 0o444


def test_owners() -> None:
    file = File(uid=1000, gid=100)
    assert (file.uid, file.gid) == (1000, 100)
    assert (File().uid, File().gid) == (None, None)
    with pytest.raises(ValueError, match="user or group"):
        File(uid=-1)
    with pytest.raises(ValueError, match="user or group"):
        file.gid = 1 << 32


def test_an_inode_number_is_given_out_once_and_kept() -> None:
    one, two = File(), File()
    assert one.ino == one.ino
    assert one.ino != two.ino
    assert one.ino > 0
    assert File(ino=7).ino == 7
    assert File(ino=(1 << 64) - 1).ino == (1 << 64) - 1
    with pytest.raises(ValueError, match="64 bits"):
        File(ino=1 << 64)
    with pytest.raises(AttributeError):
        one.ino = 5  # type: ignore[misc]


def test_inode_numbers_are_unique_among_threads() -> None:
    nodes = [File() for _ in range(2000)]
    seen: list[list[int]] = []

    def ask() -> None:
        seen.append([node.ino for node in nodes])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(numbers == seen[0] for numbers in seen)
    assert len(set(seen[0])) == len(nodes)


def test_times_begin_now_and_move_with_changes() -> None:
    tick = 20_000_000  # the coarse clock lags by up to 10 ms
    before = time.time_ns()
    file = File()
    assert before - tick <= file.mtime_ns <= time.time_ns()
    assert file.atime_ns == file.mtime_ns == file.ctime_ns
    file.set_times(atime_ns=1, mtime_ns=2)
    assert (file.atime_ns, file.mtime_ns) == (1, 2)
    assert file.ctime_ns >= before - tick
    file.store(b"x")
    assert file.atime_ns == 1
    assert file.mtime_ns == file.ctime_ns >= before - tick


def test_a_change_of_attributes_leaves_the_time_of_content() -> None:
    file = File()
    file.set_times(mtime_ns=5)
    file.mode = 0o600
    assert file.mtime_ns == 5
    file = File()
    made = file.mtime_ns
    while time.clock_gettime_ns(5) == made:
        os.sched_yield()  # the clock's next tick
    file.uid = 0
    assert file.mtime_ns == file.atime_ns == made < file.ctime_ns


def test_observers_are_told_after_the_store() -> None:
    file = File()
    observer = Recorder(lambda: (file.mode, file.uid, file.gid, file.mtime_ns))
    file.attach(observer)
    file.mode = 0o600
    file.uid = 1
    file.gid = 2
    file.set_times(mtime_ns=3)
    assert observer.seen == [(0o600, None, None, file_time(observer, 0)), *observer.seen[1:]]
    assert [seen[:3] for seen in observer.seen] == [  # type: ignore[index]
        (0o600, None, None),
        (0o600, 1, None),
        (0o600, 1, 2),
        (0o600, 1, 2),
    ]
    assert observer.take() == [("changed", file, Change.ATTRIBUTES)] * 4
    file.changed()
    file.changed(Change.CONTENT)
    assert observer.take() == [("changed", file, Change.ALL), ("changed", file, Change.CONTENT)]


def file_time(observer: Recorder, position: int) -> object:
    return observer.seen[position][3]  # type: ignore[index]


def test_attaching_twice_is_once_and_detaching_ends_it() -> None:
    file = File()
    one, two = Recorder(), Recorder()
    file.attach(one)
    file.attach(one)
    file.attach(two)
    file.changed()
    assert len(one.take()) == len(two.take()) == 1
    file.detach(one)
    file.detach(one)
    file.changed()
    assert (len(one.take()), len(two.take())) == (0, 1)
    assert two.settled == 2


def test_an_observer_without_tickets_is_not_settled() -> None:
    class Silent(Recorder):
        def changed(self, node: Node, what: Change) -> None:
            self.events.append((node,))

    file, silent, loud = File(), Silent(), Recorder()
    file.attach(silent)
    file.attach(loud)
    file.changed()
    assert (len(silent.events), silent.settled, loud.settled) == (1, 0, 1)


def test_a_tree_has_no_reference_cycles() -> None:
    gc.collect()
    gc.disable()
    try:
        root = Dir({"a": {"b": {"c": "text"}}})
        watch = [weakref.ref(node) for node in (root, root["a"], root["a/b"], root["a/b/c"])]
        del root
        assert [reference() for reference in watch] == [None] * 4
    finally:
        gc.enable()


def test_a_file_node_refuses_what_it_is_not_made_for() -> None:
    node = FileNode()
    for refused in (
        node.content,
        lambda: node.store(b""),
        lambda: node.write_at(b"", 0),
        lambda: node.truncate(0),
    ):
        with pytest.raises(PermissionError):
            refused()
    assert node.size() is None


def test_a_node_is_small() -> None:
    # 16 bytes of it are the collector's; names, content and the directory's slot come on top.
    assert File(b"x").__sizeof__() + 16 <= 112
