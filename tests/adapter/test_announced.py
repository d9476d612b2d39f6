"""What the announcing thread is answered."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fusetree import Dir, File, Symlink
from fusetree.adapter import AnnouncedOperations
from fusetree.adapter.announced import Announcing
from fusetree.adapter.announcements import ChangedNode
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
    announcer._one(-1, ChangedNode(operations.root, ticket, content=True, attributes=True))
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
    announcer._one(-1, again)
    assert len(done) == 1
