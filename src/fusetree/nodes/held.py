"""What a transaction holds back: which nodes it has changed, and how readers still see them.

While one is open, a node that it changes is *held*: readers through a mount are shown the node as it was
before (`seen`), and what its observers were to be told of is kept (`keep`), until everything becomes
visible at once. This file knows that much, so that the nodes can ask; what a transaction does is in
`fusetree.nodes.transactions`.

Rule 1: a node is held before it is changed first. Then whoever reads values, and finds afterwards that the
    node is still not held, has read only what was before.
Rule 2: `flip_lock` comes after the structure locks and before the gates. With it held, observers are told
    and nothing else is called.
Rule 3: one transaction is open at a time in a process.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from contextvars import ContextVar
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.nodes.base import Node

    N = TypeVar("N", bound=Node)
    R = TypeVar("R")

__all__ = [
    "Holder",
    "closed",
    "flip_lock",
    "give_way",
    "hold",
    "keep",
    "mine",
    "seen",
    "state",
    "steady",
    "undisturbed",
]

logger = logging.getLogger("fusetree.nodes")

#: For how long a request waits for a transaction to end, in seconds.
PATIENCE: Final = 10.0

#: How often what ran while a transaction began or ended is done again, before its result stands.
_ATTEMPTS: Final = 8

#: From which attempt on transactions let it go first.
_IMPATIENT: Final = 2

#: For how long a transaction that begins lets others go first, in seconds.
COURTESY: Final = 0.1


class Holder(Protocol):
    """The open transaction, as nodes know it."""

    #: The thread that opened it.
    thread: int

    def hold(self, node: Node) -> None:
        """Remember the node as it is now, unless it is held already."""

    def keep(self, node: Node, event: str, *arguments: Any) -> None:
        """Remember what the observers of a held node are to be told of."""


class State:
    """What every thread may look at without a lock."""

    __slots__ = ("active", "flips", "held", "serial", "starving")

    def __init__(self) -> None:
        #: The open transaction.
        self.active: Holder | None = None
        #: By identity of a held node: a copy of the node as it was.
        self.held: dict[int, Node] = {}
        #: Odd while everything is being made visible; raised again behind it.
        self.flips = 0
        #: Raised when a transaction begins and when it ends.
        self.serial = 0
        #: How many readers must do their work again and have had enough of it; guarded by `closed`.
        self.starving = 0


#: The state of this process.
state: Final = State()

#: The transaction of this thread, task or context.
mine: Final[ContextVar[Holder | None]] = ContextVar("fusetree_transaction", default=None)

#: Held while everything is made visible, and by those who must not come in between.
flip_lock: Final = threading.RLock()

#: Notified when a transaction has ended, and when nobody starves any more.
closed: Final = threading.Condition()


def hold(node: Node) -> None:
    """Say that the node is about to be changed. (Ask first whether a transaction is open: `state.active`.)"""
    holder = state.active
    if holder is not None and mine.get() is holder:
        holder.hold(node)


def keep(node: Node, event: str, *arguments: Any) -> bool:
    """Keep what the observers of the node would be told of now, if it is held; else return False."""
    holder = state.active
    if holder is None:
        return False
    hold(node)
    with flip_lock:
        if id(node) not in state.held:
            return False
        holder.keep(node, event, *arguments)
        return True


def seen(node: N) -> N:
    """The node as readers through a mount see it. Only values may be asked of it: what it is, is *node*."""
    return state.held.get(id(node), node)  # type: ignore[return-value]  # a copy of it


def undisturbed() -> None:
    """Wait until no transaction of somebody else is open: before code of the program runs for a request, and
    before a request changes something.

    Raises:
        OSError: EBUSY, one has been open for ten seconds.
    """
    holder = state.active
    if holder is None or mine.get() is holder or holder.thread == threading.get_ident():
        return
    until = time.monotonic() + PATIENCE
    with closed:
        while state.active is holder:
            left = until - time.monotonic()
            if left <= 0 or not closed.wait(left):
                logger.warning(
                    "a request was refused with EBUSY: a transaction has been open for %g s. (A block that "
                    "asks its own mount for what takes Python waits for itself.)",
                    PATIENCE,
                )
                raise OSError(errno.EBUSY, "a transaction has been open for too long")


def steady(function: Callable[[], R]) -> R:
    """Call what reads the program's state, and again if a transaction began or ended meanwhile.

    Who has had to do it again has the next transactions wait a moment, so only what takes longer than that
    (`COURTESY`) can go on being disturbed; after some attempts its result stands. What goes on as a coroutine
    is called once: others come in between where it waits anyhow.
    """
    serial = state.serial
    result = function()
    if state.serial == serial or type(result) is CoroutineType:
        return result
    for attempt in range(1, _ATTEMPTS):
        if attempt < _IMPATIENT:
            serial = state.serial
            result = function()
        else:
            serial, result = _first(function)
        if state.serial == serial or type(result) is CoroutineType:
            break
    return result


def _first(function: Callable[[], R]) -> tuple[int, R]:
    """Call it before the next transaction begins, if that has the courtesy; with the serial of before."""
    with closed:
        state.starving += 1
    try:
        undisturbed()
        serial = state.serial
        return serial, function()
    finally:
        with closed:
            state.starving -= 1
            if not state.starving:
                closed.notify_all()


def give_way() -> None:
    """Before a transaction begins: let those go first who are disturbed again and again.

    For a moment only, since what they run is the program's own code, which may wait for this transaction.
    """
    if state.starving:
        with closed:
            closed.wait_for(lambda: not state.starving, COURTESY)
