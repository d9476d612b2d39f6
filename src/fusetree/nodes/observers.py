"""Who is told of changes of nodes: the observers, one per mount.

Whoever changes a node stores first, tells the observers then, and hands their tickets to `settle` last, with
no lock held. This file knows no node.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fusetree.nodes.base import Node
    from fusetree.nodes.directory import Dir

__all__ = ["Change", "Observer", "Pending", "settle"]


class Change(enum.Flag):
    """What of a node has changed."""

    #: Mode, owner, times, number of links.
    ATTRIBUTES = enum.auto()
    #: What is read from it: the bytes of a file, the target of a symbolic link.
    CONTENT = enum.auto()
    ALL = ATTRIBUTES | CONTENT


class Observer(Protocol):
    """Who wants to know of changes: one per mount.

    All but `settle` are called from whichever thread makes the change, `child_set` and `child_removed`
    with the structure lock of the directory held: they record and return at once. What they return is
    opaque (a ticket), and is handed back to the same observer's `settle` when all locks are released; None
    needs no settling.
    """

    def changed(self, node: Node, what: Change) -> object | None:
        """The node has changed; the new state is already stored."""

    def child_set(self, directory: Dir, name: str, child: Node) -> object | None:
        """The directory now holds `child` under `name`, whatever was there before."""

    def child_removed(self, directory: Dir, name: str, child: Node) -> object | None:
        """The directory no longer holds `child` under `name`."""

    def link_lost(self, node: Node) -> None:
        """A directory that held the node is no more: it has a name less than before.

        Called when Python frees the directory, so at any moment, in a garbage collection too, in the middle
        of whatever else the thread does: takes no lock of Python's.
        """

    def settle(self, tickets: list[object]) -> None:
        """Wait, if it is wanted and possible here, until readers can no longer see what was before."""

    def suspend(self, nodes: list[Node], names: list[tuple[Dir, str]]) -> None:
        """A transaction is about to show what it changed: let nothing of these nodes, and of names of
        directories, be cached from now on, and what is cached be forgotten; wait for that as `settle` does.
        """

    def flip_begins(self) -> None:
        """All further changes that are told, until `flip_ends`, are to be one."""

    def flip_ends(self, nodes: list[Node]) -> None:
        """All is told; what was suspended may be cached again."""


Pending = list[tuple[Observer, object]]


def settle(pending: Pending) -> None:
    """Hand the tickets that were collected back to their observers. Call it with no lock held."""
    if len(pending) == 1:
        observer, ticket = pending[0]
        observer.settle([ticket])
        return
    by_observer: dict[int, tuple[Observer, list[object]]] = {}
    for observer, ticket in pending:
        by_observer.setdefault(id(observer), (observer, []))[1].append(ticket)
    for observer, tickets in by_observer.values():
        observer.settle(tickets)
