# cython: language_level=3
"""A bound to the number of inodes that the kernel knows."""

from libc.stdint cimport uint32_t, uint64_t

from fusetree._lowlevel.table cimport ft_entry, ft_table

# The kernel is told of an inode: its count was raised under this name
cdef void locked_looked_up(
    ft_table *table, const ft_entry *entry, uint64_t parent_id, const char *name, size_t length,
    uint32_t hash) noexcept nogil
# Ask the kernel to let go of what is too much, apart from one inode; so many are looked at
cdef void locked_give_back(ft_table *table, uint64_t but, int most) noexcept nogil
cdef int bound_table(ft_table *table, uint64_t limit) except -1
