"""What is noted for those who watch a mount."""

from __future__ import annotations

import os
import threading

import pytest

from fusetree import Dir, File
from fusetree.adapter import announcements as module
from fusetree.adapter.announcements import Announcements, ChangedName, ChangedNode
from fusetree.nodes.observers import Change
from tests.support import in_thread


def test_changes_of_one_node_are_one_note() -> None:
    notes, file = Announcements(), File(b"")
    for _ in range(3):
        notes.changed(file, Change.ALL, None)
    notes.changed(file, Change.ATTRIBUTES, None)
    (note,) = notes.take()
    assert isinstance(note, ChangedNode)
    assert (note.node, note.content, note.attributes) == (file, True, True)
    assert notes.take() == []
    assert not notes.some.is_set()


def test_attributes_alone_are_no_content() -> None:
    notes = Announcements()
    notes.changed(File(b""), Change.ATTRIBUTES, None)
    (note,) = notes.take()
    assert isinstance(note, ChangedNode)
    assert not note.content


def test_name_remembers_what_it_led_to_first() -> None:
    notes, directory, one, other = Announcements(), Dir(), File(b"1"), Dir()
    notes.name_removed(directory, "x", one, None, known=False)
    notes.name_set(directory, "x", File(b""), None, replaced=None)
    notes.name_removed(directory, "x", other, None, known=False)
    notes.name_set(directory, "y", File(b""), None, replaced=None)
    first, second = notes.take()
    assert isinstance(first, ChangedName)
    assert first.removed is one
    assert isinstance(second, ChangedName)
    assert second.removed is None


def test_notes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PENDING", 2)
    notes, files = Announcements(), [File(b"") for _ in range(3)]
    for file in files:
        notes.changed(file, Change.ALL, None)
    assert notes.dropped == 1
    notes.changed(files[0], Change.ALL, None)  # joins
    assert notes.dropped == 1
    assert len(notes.take()) == 2


def test_what_is_removed_is_what_was_there_or_what_nobody_has_heard_of() -> None:
    notes, directory, one, other, third = Announcements(), Dir(), File(b"1"), File(b"2"), File(b"3")
    notes.name_removed(directory, "x", one, None, known=True)
    notes.name_set(directory, "x", other, None, replaced=None)
    notes.name_removed(directory, "x", other, None, known=False)
    for child in (one, other):
        notes.name_set(directory, "tmp", child, None, replaced=third)
        notes.name_removed(directory, "tmp", child, None, known=False)
    x, tmp = notes.take()
    assert isinstance(x, ChangedName)
    assert isinstance(tmp, ChangedName)
    assert (x.removed, x.fresh, x.lost) == (one, False, [one])
    assert (tmp.removed, tmp.fresh, tmp.lost) == (other, True, [third, third])
    assert x.removed_at < x.set_at < tmp.set_at < tmp.removed_at


def test_notes_that_are_put_back_come_first_and_take_in_what_came_since() -> None:
    notes, directory, one, other = Announcements(), Dir(), File(b"1"), File(b"2")
    notes.name_removed(directory, "x", one, None, known=False)
    notes.changed(one, Change.ATTRIBUTES, None)
    taken = notes.take()
    notes.name_set(directory, "y", one, None, replaced=None)
    notes.name_set(directory, "x", other, None, replaced=None)
    notes.changed(one, Change.ALL, None)
    notes.again(taken)
    assert notes.some.is_set()
    x, node, y = notes.take()
    assert [x, node] == taken
    assert isinstance(x, ChangedName)
    assert isinstance(y, ChangedName)
    assert isinstance(node, ChangedNode)
    assert (x.removed, x.child, x.fresh) == (one, other, False)
    assert (node.content, node.attributes) == (True, True)
    assert (y.name, y.child) == ("y", one)
    x.removal_done = True
    notes.name_set(directory, "x", one, None, replaced=None)
    notes.name_removed(directory, "x", one, None, known=False)
    notes.again([x])
    (x,) = notes.take()
    assert isinstance(x, ChangedName)
    assert (x.removed, x.removal_done, x.fresh) == (one, False, True)


def test_nothing_is_noted_after_close() -> None:
    notes = Announcements()
    notes.close()
    notes.changed(File(b""), Change.ALL, None)
    notes.name_set(Dir(), "x", File(b""), None, replaced=None)
    assert notes.take() == []


def test_child_of_a_fork_does_not_wait_for_a_lock_that_nobody_holds() -> None:
    notes, held, release = Announcements(), threading.Event(), threading.Event()

    def hold() -> None:
        with notes._lock:
            held.set()
            release.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    child = os.fork()
    if child == 0:
        notes.changed(File(b""), Change.ALL, None)
        os._exit(7)
    release.set()
    thread.join()
    _, status = in_thread(lambda: os.waitpid(child, 0))
    assert os.waitstatus_to_exitcode(status) == 7
