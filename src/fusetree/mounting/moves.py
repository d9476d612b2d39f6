"""Which names of one batch of notes have moved: what was removed under one name, and is under another now.

A move is announced as one (IN_MOVED_FROM and IN_MOVED_TO with one cookie) only if who has followed the events
so far comes to the right end: what had the new name before is announced as removed first, if at all. So of
two files that change places, one moves, and the other is removed and made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusetree.adapter.announcements import ChangedName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusetree.adapter.announcements import ChangedNode
    from fusetree.nodes.base import Node

__all__ = ["Moves"]


class Moves:
    """The moves among the notes of one batch.

    Arguments:
        notes: The notes; they are held, so nodes can be told apart by their ids.
    """

    def __init__(self, notes: Iterable[ChangedNode | ChangedName]) -> None:
        self._departures: dict[int, ChangedName] = {}  # by what was removed
        self._arrivals: dict[int, ChangedName] = {}  # by what is there now
        for note in notes:
            if not isinstance(note, ChangedName):
                continue
            if note.removed is not None and not note.removal_done:
                self._departures.setdefault(id(note.removed), note)
            child = note.child
            if child is not None and not note.arrival_done and note.directory.child(note.name) is child:
                self._arrivals[id(child)] = note

    def arrival_of(self, note: ChangedName) -> ChangedName | None:
        """Where what was removed is now, if that is a move that can be announced at this moment."""
        arrival = self._arrivals.get(id(note.removed))
        if arrival is None or arrival is note or arrival.arrival_done or arrival.set_at < note.removed_at:
            return None
        if arrival.removed is not None and not arrival.removal_done and arrival.removed is not note.removed:
            return None
        return arrival

    def will_arrive(self, note: ChangedName) -> bool:
        """Whether what has this name comes by a move that will be announced at the turn of its old name."""
        departure = self._departures.get(id(note.child))
        return (
            departure is not None
            and departure is not note
            and not departure.removal_done
            and self.arrival_of(departure) is note
        )

    def has_arrived(self, node: Node) -> bool:
        """Whether the node has a new name."""
        return id(node) in self._arrivals

    def concern(self, node: Node) -> bool:
        """Whether the node has come or gone."""
        return id(node) in self._arrivals or id(node) in self._departures
