"""Acting for the caller: when root serves, what the host is asked is asked with the caller's own rights.

Rule 1: ids are changed for one thread, and given back before anything else runs there, whatever happened. A
    thread that cannot have its own back ends the program: it would go on with somebody else's rights.
Rule 2: as little as possible lies between: one or two system calls, no code of the program.

A server that is not root acts with its own rights for everybody, as it cannot do otherwise.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Final

from fusetree.nodes.callers import caller
from fusetree.nodes.host.calls import set_thread_gid, set_thread_groups, set_thread_uid

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from fusetree.nodes.callers import Caller

__all__ = ["as_caller"]

logger = logging.getLogger("fusetree.host")

_NOTHING: Final = contextlib.nullcontext()


def as_caller() -> AbstractContextManager[object]:
    """Within, this thread has the effective user, group and supplementary groups of who asks.

    Nothing changes where the program itself asks, where root does, and where the server is not root.
    """
    asking = caller()
    if asking is None or os.geteuid() != 0 or (asking.uid == 0 and asking.gid == 0):
        return _NOTHING
    return _Acting(asking)


class _Acting:
    """One stay with a caller's ids."""

    __slots__ = ("_caller", "_gid", "_groups", "_uid")

    def __init__(self, asking: Caller) -> None:
        self._caller = asking
        self._uid = os.geteuid()
        self._gid = os.getegid()
        self._groups: tuple[int, ...] = tuple(os.getgroups())

    def __enter__(self) -> None:
        asking = self._caller
        try:
            groups = asking.groups
        except ProcessLookupError:  # ended already, or not of our pid namespace: no more than its own group
            groups = ()
        try:
            set_thread_groups(groups)
            set_thread_gid(asking.gid)
            set_thread_uid(asking.uid)
        except BaseException:
            self._back()
            raise

    def __exit__(self, *_: object) -> None:
        self._back()

    def _back(self) -> None:
        try:
            self._give_back()
        except BaseException as error:
            try:
                self._give_back()  # it was Ctrl-C, perhaps
            except BaseException:
                logger.critical(
                    "a thread that acted for a caller cannot have its own ids back", exc_info=True
                )
                os.abort()
            if not isinstance(error, OSError):
                raise

    def _give_back(self) -> None:
        set_thread_uid(self._uid)  # first: it brings the right to do the others
        set_thread_gid(self._gid)
        set_thread_groups(self._groups)
