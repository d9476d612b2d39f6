"""What becomes of nodes that somebody knows when their names are moved or removed.

A node that is moved gets the new values of its parameters, with all that is known below it. One that has lost
its name is nobody's file: its handlers would mean whatever has the name next, so they are not called any
more. What is open reads on what its open made; all else of it is refused with ESTALE.
"""

from __future__ import annotations

import copy
import errno
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from fusetree.nodes.attributes import Attributes
from fusetree.nodes.refusals import refused

if TYPE_CHECKING:
    from fusetree.routing.route import FileRoute

__all__ = ["Following", "rebind", "retire", "without_name"]

Values = dict[str, Any]


@runtime_checkable
class Following(Protocol):
    """A node that has the values of parameters, or others that have, below it."""

    def _rebind_(self, values: Values) -> None:
        """These parameters have other values from now on."""

    def _retire_(self) -> None:
        """It has lost its name."""


def rebind(node: object, values: Values) -> None:
    """Give a node, and all that is known below it, the new values of the parameters."""
    if isinstance(node, Following):
        node._rebind_(values)


def retire(node: object) -> None:
    """Let a node that has lost its name, and all that is known below it, be without one."""
    if isinstance(node, Following):
        node._retire_()


def without_name(route: FileRoute[Any]) -> FileRoute[Any]:
    """A route of files that have lost their names: its handlers refuse."""
    made = copy.copy(route)
    made.handler = _stale
    made.handlers = dict.fromkeys(route.handlers, _stale)
    if "getattr" in made.handlers:
        made.handlers["getattr"] = _unlinked
    return made


def _stale(**_: Any) -> Any:
    raise refused(errno.ESTALE)


def _unlinked(**_: Any) -> Attributes:
    return Attributes(nlink=0)
