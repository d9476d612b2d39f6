# cython: language_level=3
"""Changes, as the program tells of them: each returns a Ticket, or None when nobody need be told."""

from libc.stdint cimport uint8_t, uint64_t

from fusetree._lowlevel.table cimport ft_table

# told: the kernel made this change itself, and need not be told.
cdef object node_changed(ft_table *table, object node, bint content, bint told)
cdef object name_set(
    ft_table *table, object directory, str name, object child, uint64_t st_ino, uint8_t d_type,
    bint told)
cdef object name_child(ft_table *table, object directory, str name)
cdef object name_mistaken(ft_table *table, object directory, str name)
cdef object directory_moved(ft_table *table, object node, uint64_t parent_ino)
cdef object name_removed(ft_table *table, object directory, str name, object child, bint deleted, bint told)
