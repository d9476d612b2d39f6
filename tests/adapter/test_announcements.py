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
