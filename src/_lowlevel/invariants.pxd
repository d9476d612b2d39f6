# cython: language_level=3
"""The check of the inode table's invariants."""

from fusetree._lowlevel.table cimport ft_table

cdef const char *locked_check(ft_table *table) noexcept nogil       # NULL, or which invariant is broken
