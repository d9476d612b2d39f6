"""The JSON document that tells what a mount has done.

    {"fusetree": "0.1.0", "pid": 4711, "timing": true,
     "handled": {"read": {"count": 12, "errors": 0, "seconds": 0.003, "longest": 0.001, "buckets": [0, ...]}},
     "answered_in_c": {"getattr": 9000},
     "changes": {"waited": 3, "timed_out": 0, "inside_handler": 1, "on_serving_loop": 0},
     "table": {"entries": 12, "lookups": 9, ...}}

What the numbers mean is told by `SessionStatistics`, `CacheStatistics` and `TableStatistics`. Keys may be
added; none changes its meaning.
"""

from __future__ import annotations

import json
import os
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from fusetree.lowlevel import Session

__all__ = ["KEEP_ON", "STATISTICS_XATTR", "statistics_document"]

#: The extended attribute of a mounted tree's root. Nobody lists it, so that nobody copies it.
STATISTICS_XATTR: Final = "fusetree.statistics"
#: Seconds for which handlers are timed after somebody has asked.
KEEP_ON: Final = 60.0

_TABLE: Final = (
    "entries",
    "lookups",
    "handles",
    "contents",
    "answered_in_c",
    "notices_waiting",
    "notices_sent",
    "notices_failed",
)


def statistics_document(session: Session, changes: Any) -> bytes:
    """What the session has done so far; from now on its handlers are timed for a while.

    Arguments:
        session: whose requests.
        changes: an attrs object that tells how changes reached the kernel (`CacheStatistics`).
    """
    told = session.statistics(keep_timing=KEEP_ON)
    document: dict[str, Any] = {
        "fusetree": metadata.version("fusetree"),
        "pid": os.getpid(),
        **attrs.asdict(told),
        "changes": attrs.asdict(changes),
    }
    table = session.operations.inode_table
    if table is not None:
        counted = table.statistics()
        document["table"] = {name: getattr(counted, name) for name in _TABLE}
    return json.dumps(document).encode()
