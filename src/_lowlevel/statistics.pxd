# cython: language_level=3
"""TableStatistics: the counters of an inode table at one moment."""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.table cimport ft_table


cdef class TableStatistics:
    cdef readonly uint64_t entries
    cdef readonly uint64_t lookups
    cdef readonly uint64_t pins
    cdef readonly uint64_t given_back
    cdef readonly uint64_t handles
    cdef readonly uint64_t armed
    cdef readonly uint64_t contents
    cdef readonly uint64_t dead
    cdef readonly uint64_t reaped
    cdef readonly uint64_t reaper_wakeups
    cdef readonly uint64_t answered_in_c
    cdef readonly uint64_t notices_waiting
    cdef readonly uint64_t notices_sent
    cdef readonly uint64_t notices_retried
    cdef readonly uint64_t notices_deferred
    cdef readonly uint64_t notices_dropped
    cdef readonly uint64_t notices_failed


cdef TableStatistics statistics_of(ft_table *table)
