# cython: language_level=3
"""Contents and link targets from Python, and the error for node ids that nobody knows."""

from libc.stdint cimport uint32_t, uint64_t

from fusetree._lowlevel.table cimport ft_table

cdef object stale(uint64_t node_id)
cdef bint publish_bytes(
    ft_table *table, uint64_t node_id, uint64_t change, bytes data, uint32_t flags) except -1
