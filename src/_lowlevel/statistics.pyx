# cython: language_level=3
"""TableStatistics: the counters of an inode table at one moment."""

from fusetree._lowlevel.libfuse.pthread cimport pthread_mutex_lock, pthread_mutex_unlock


cdef class TableStatistics:
    """Counters of one inode table at one moment."""

    def __init__(self):
        raise TypeError("TableStatistics are made by InodeTable.statistics()")

    def __reduce__(self):
        raise TypeError("TableStatistics can not be pickled")

    def __repr__(self) -> str:
        return f"<TableStatistics {' '.join(f'{name}={getattr(self, name)}' for name in STATISTICS)}>"


STATISTICS = (
    "entries", "lookups", "pins", "given_back",
    "handles", "armed", "contents", "dead", "reaped", "reaper_wakeups",
    "answered_in_c",
    "notices_waiting", "notices_sent", "notices_retried", "notices_deferred", "notices_dropped",
    "notices_failed",
)


cdef TableStatistics statistics_of(ft_table *table):
    cdef TableStatistics result = TableStatistics.__new__(TableStatistics)
    pthread_mutex_lock(&table.lock)
    result.entries = table.entries
    result.lookups = table.lookups
    result.pins = table.pins
    result.given_back = table.recency.taken if table.recency != NULL else 0
    result.handles = table.handles_open
    result.armed = table.armed
    result.contents = table.contents
    result.dead = table.dead
    result.reaped = table.reaped
    result.reaper_wakeups = table.reaper_wakeups
    result.answered_in_c = table.answered
    result.notices_waiting = table.notices_waiting
    result.notices_sent = table.sent
    result.notices_retried = table.retried
    result.notices_deferred = table.deferred
    result.notices_dropped = table.dropped
    result.notices_failed = table.failed
    pthread_mutex_unlock(&table.lock)
    return result
