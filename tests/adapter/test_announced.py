"""What the announcing thread is answered."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fusetree import Dir, File, Symlink
from fusetree.adapter import AnnouncedOperations
from fusetree.adapter.announced import Announcing
from fusetree.adapter.announcements import ChangedName, ChangedNode
from fusetree.mounting.announcer import Announcer
from tests.support import raises_errno

THREAD: Any = SimpleNamespace(pid=77, uid=0, gid=0, umask=0)
OTHER: Any = SimpleNamespace(pid=78, uid=0, gid=0, umask=0)


@pytest.fixture
def operations() -> Iterator[AnnouncedOperations]:
    made = AnnouncedOperations(Dir({"x": "1", "d": {}}))
    made.announcer = 77
    yield made
    made.close()


def test_name_to_be_removed_leads_to_a_ghost_for_that_thread_alone(operations: AnnouncedOperations) -> None:
    root = operations.root
    child = root["x"]
    ghost = operations.ghost_of(child)
    doing = operations.announcing = Announcing(directory=root, name=b"x", ghost=ghost)
    with raises_errno(errno.ENOENT):  # the kernel had the child itself there, which must stay
        operations.unlink(1, b"x", THREAD)
    found: Any = operations.lookup(1, b"x", THREAD)
    assert operations.node(found.node_id) is ghost
    assert (found.entry_timeout, found.attr_timeout, found.st_ino) == (0, 0, child.ino)
    other: Any = operations.lookup(1, b"x", OTHER)
    assert operations.node(other.node_id) is child
    assert doing.haunted
    operations.unlink(1, b"x", THREAD)
    assert root["x"] is child


def test_name_to_be_made_is_free_for_that_thread_alone(operations: AnnouncedOperations) -> None:
    root = operations.root
    operations.announcing = Announcing(directory=root, name=b"d")
    with raises_errno(errno.ENOENT):
        operations.lookup(1, b"d", THREAD)
    assert operations.lookup(1, b"d", OTHER)
    made: Any = operations.mkdir(1, b"d", 0o700, THREAD)
    assert operations.node(made.node_id) is root["d"]
    with raises_errno(errno.EEXIST):
        operations.mkdir(1, b"d", 0o700, OTHER)


def test_node_that_has_the_path_by_now_is_left_alone(operations: AnnouncedOperations) -> None:
    root = operations.root
    found: Any = operations.lookup(1, b"x", OTHER)
    operations.announcing = Announcing(node=File(b""))
    with raises_errno(errno.ENOENT):
        operations.setattr(found.node_id, None, None, None, THREAD)  # type: ignore[arg-type]
    operations.announcing = Announcing(node=root["x"])
    before = root["x"].mtime_ns
    assert operations.setattr(found.node_id, None, None, None, THREAD)  # type: ignore[arg-type]
    assert root["x"].mtime_ns == before


def test_name_to_be_moved_is_there_and_the_new_one_free_for_that_thread_alone(
    operations: AnnouncedOperations,
) -> None:
    root = operations.root
    moved = root["x"]
    root.move("x", "d/y")
    target: Any = operations.lookup(1, b"d", OTHER)
    directory: Any = root["d"]
    doing = operations.announcing = Announcing(
        directory=root, name=b"x", ghost=moved, target=directory, new_name=b"y"
    )
    with raises_errno(errno.ENOENT):  # the kernel would move what it remembers under the old name
        operations.rename(1, b"x", target.node_id, b"y", 1, THREAD)
    found: Any = operations.lookup(1, b"x", THREAD)
    assert operations.node(found.node_id) is moved
    assert (found.entry_timeout, found.attr_timeout, found.publish) == (0, 0, False)
    with raises_errno(errno.ENOENT):
        operations.lookup(1, b"x", OTHER)
    with raises_errno(errno.ENOENT):
        operations.lookup(target.node_id, b"y", THREAD)
    other: Any = operations.lookup(target.node_id, b"y", OTHER)
    assert other.node_id == found.node_id
    assert doing.haunted
    for name, new in ((b"x", b"z"), (b"z", b"y")):
        with raises_errno(errno.ENOENT):
            operations.rename(1, name, target.node_id, new, 1, THREAD)
    operations.rename(1, b"x", target.node_id, b"y", 1, THREAD)
    assert root["d/y"] is moved


def test_node_without_a_name_has_no_link_for_that_thread_alone(operations: AnnouncedOperations) -> None:
    root = operations.root
    gone = root["x"]
    del root["x"]
    operations.announcing = Announcing(directory=root, name=b"secret", ghost=gone, gone=True)
    found: Any = operations.lookup(1, b"secret", THREAD)
    assert (found.st_nlink, found.st_ino) == (0, gone.ino)
    with raises_errno(errno.ENOENT):
        operations.lookup(1, b"secret", OTHER)


def test_file_is_opened_without_its_code_and_kept_in_the_cache(operations: AnnouncedOperations) -> None:
    root = operations.root
    found: Any = operations.lookup(1, b"x", OTHER)
    operations.announcing = Announcing(node=File(b""))
    with raises_errno(errno.ENOENT):
        operations.open(found.node_id, os.O_WRONLY, THREAD)
    operations.announcing = Announcing(node=root["x"])
    opened = operations.open(found.node_id, os.O_WRONLY, THREAD)
    assert (opened.direct_io, opened.keep_cache, opened.noflush) == (True, True, True)
    assert operations.inode_table.state(opened.fh) is None
    with raises_errno(errno.EROFS):
        operations.open(found.node_id, os.O_WRONLY, OTHER)
    operations.release(opened.fh)


def test_move_whose_second_half_is_noted_later_is_a_move(
    operations: AnnouncedOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    announcer = Announcer.__new__(Announcer)
    announcer._operations = operations
    announcer._stopping = threading.Event()

    def moved(self: object, folder: int, path: bytes, note: ChangedName, arrival: ChangedName) -> bool:
        done.append((note.name, arrival.name))
        return True

    monkeypatch.setattr(Announcer, "_moved", moved)
    monkeypatch.setattr(Announcer, "_removed", lambda *arguments: done.append("removed"))
    root, notes = operations.root, operations.announcements
    child = root["x"]
    assert operations.lookup(1, b"d", OTHER)
    root.move("x", "d/y")
    (first, second) = notes.take()
    announcer._batch(-1, [first])  # as if the other were not there yet
    assert done == []
    notes.again([second])
    announcer._batch(-1, notes.take())
    assert done == [("x", "y")]
    assert notes.take() == []
    root["d/z"] = child  # a name more; then it stays where it was, and is waited for in vain
    del root["d/y"]
    notes.take()
    directory: Any = root["d"]
    monkeypatch.setattr(operations, "is_known", lambda node: True)
    removed = ChangedName(directory, "y", removed=child, removed_at=1)
    announcer._batch(-1, [removed])
    assert notes.take() == [removed]
    announcer._batch(-1, [removed])
    assert done[1:] == ["removed"]


def test_ghosts_are_of_the_same_sort() -> None:
    assert isinstance(AnnouncedOperations.ghost_of(Dir()), Dir)
    assert isinstance(AnnouncedOperations.ghost_of(Symlink("x")), File)


def test_change_that_the_kernel_was_not_told_of_waits(
    operations: AnnouncedOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    announcer = Announcer.__new__(Announcer)
    announcer._operations = operations
    announcer._stopping = threading.Event()
    monkeypatch.setattr(Announcer, "_changed", lambda *arguments: done.append(arguments))
    table = SimpleNamespace(
        wait=lambda tickets, timeout: False,
        node_id=lambda node: 1,
        close=operations.inode_table.close,
    )
    monkeypatch.setattr(operations, "inode_table", table)
    ticket: Any = object()
    announcer._batch(-1, [ChangedNode(operations.root, ticket, content=True, attributes=True)])
    assert done == []
    (again,) = operations.announcements.take()
    assert isinstance(again, ChangedNode)
    assert (again.node, again.ticket, again.content, again.attributes) == (
        operations.root,
        ticket,
        True,
        True,
    )
    table.wait = lambda tickets, timeout: True
    announcer._batch(-1, [again])
    assert len(done) == 1
