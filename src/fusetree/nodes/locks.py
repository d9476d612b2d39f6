"""The locks of the tree, and what each of them holds true.

No lock belongs to one node: a million nodes would pay for it. Nodes share a fixed set of stripes, chosen by
identity; two nodes on one stripe only wait for each other a little.

Order: structure stripes in the order of their index, then `LINKS`, then a gate, then whatever an observer
takes. No user code runs under any of them. They are re-entrant because a finaliser or a signal handler may
come in between two lines and touch the tree in the same thread; a plain lock would then wait for itself.
"""

from __future__ import annotations

import sysconfig
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FREE_THREADED", "LINKS", "gate", "structure_index", "structure_lock"]

#: Whether this interpreter was built to run without the GIL.
FREE_THREADED: Final = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

_STRIPES: Final = 61  # a prime: objects lie at multiples of their size, and are to spread all the same

# Structure: the children of a directory change, and its observers are told of it in the same order, only
# under the directory's stripe. So an observer that reads the children under the lock misses nothing and
# sees nothing twice.
_structure: Final[Sequence[threading.RLock]] = tuple(threading.RLock() for _ in range(_STRIPES))

# Gate: the set of observers of a node changes only under its gate. A setter stores its value first and
# looks for observers afterwards; an observer attaches first and reads values afterwards. So one of the two
# sees the other. With the GIL the order of the lines is enough for the setter; without it, it passes
# through the gate as well.
_gates: Final[Sequence[threading.RLock]] = tuple(threading.RLock() for _ in range(_STRIPES))

#: Which directories hold a node (`Node._parents_`) changes only under this lock, all over the process. So
#: the check that a directory stays a tree, and the change that would break it, are one step.
LINKS: Final = threading.RLock()


def structure_index(directory: object) -> int:
    """The stripe that guards a directory's children; locks are taken in the order of these numbers."""
    return (id(directory) >> 4) % _STRIPES


def structure_lock(directory: object) -> threading.RLock:
    """The lock that guards a directory's children."""
    return _structure[(id(directory) >> 4) % _STRIPES]


def gate(node: object) -> threading.RLock:
    """The lock that guards a node's observers."""
    return _gates[(id(node) >> 4) % _STRIPES]
