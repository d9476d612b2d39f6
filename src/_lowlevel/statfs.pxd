# cython: language_level=3
"""The published answer to statfs."""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.statvfs cimport StatvfsData
from fusetree._lowlevel.table cimport ft_table

cdef uint64_t begin_statfs(ft_table *table) noexcept
cdef bint publish_statfs(ft_table *table, uint64_t change, StatvfsData data) noexcept
cdef void statfs_changed(ft_table *table) noexcept
