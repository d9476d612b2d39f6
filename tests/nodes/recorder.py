"""An observer that writes down what it is told, and checks the rules of being told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.nodes import Change, Dir, Node

Event = tuple[object, ...]


class Recorder:
    """Notes every call; each gets a ticket, and `settle` must bring back exactly those."""

    def __init__(self, look: Callable[[], object] | None = None) -> None:
        self.events: list[Event] = []
        self.open_tickets: list[Event] = []
        self.settled = 0
        self._look = look
        self.seen: list[object] = []

    def _note(self, *event: object) -> Event:
        if self._look is not None:
            self.seen.append(self._look())
        self.events.append(event)
        self.open_tickets.append(event)
        return event

    def changed(self, node: Node, what: Change) -> object | None:
        return self._note("changed", node, what)

    def child_set(self, directory: Dir, name: str, child: Node) -> object | None:
        return self._note("set", directory, name, child)

    def child_removed(self, directory: Dir, name: str, child: Node) -> object | None:
        return self._note("removed", directory, name, child)

    def link_lost(self, node: Node) -> None:
        self.events.append(("lost", node))

    def settle(self, tickets: list[object]) -> None:
        self.settled += 1
        for ticket in tickets:
            self.open_tickets.remove(ticket)  # type: ignore[arg-type]

    def suspend(self, nodes: list[Node], names: list[tuple[Dir, str]]) -> None:
        self.events.append(("suspend", set(nodes), set(names)))

    def flip_begins(self) -> None:
        self.events.append(("flip",))

    def flip_ends(self, nodes: list[Node]) -> None:
        self.events.append(("flipped", set(nodes)))

    def take(self) -> list[Event]:
        """The events since the last call; every ticket must have come back by now."""
        assert not self.open_tickets
        events, self.events = self.events, []
        return events
