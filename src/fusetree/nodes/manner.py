"""How a tree of objects is shown: what may be changed, how deep it goes, for how long it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.nodes.views import View

__all__ = ["Manner", "directory_mode"]


@attrs.frozen
class Manner:
    """How a tree of objects is shown; the same for all of its nodes.

    Attributes:
        writable: Whether programs may change the objects.
        depth: How many levels of directories there are; what is below reads as its `repr`.
        exact: Whether text is shown exactly as it is (else with a newline, as an entry), and functions are
            files whose content they make.
        new: Makes the value of a file that a program creates.
        new_directory: Makes the value of a directory that a program creates.
        ttl: For how long the kernel may keep names and attributes, in seconds.
    """

    writable: bool = False
    depth: int = 16
    exact: bool = False
    new: Callable[[], Any] = str
    new_directory: Callable[[], Any] = dict
    ttl: float = 0.0


def directory_mode(view: View | None, manner: Manner) -> int:
    """The permission bits of a directory of objects."""
    return 0o755 if manner.writable and view is not None and view.grows else 0o555
