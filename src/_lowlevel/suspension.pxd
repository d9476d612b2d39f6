# cython: language_level=3
"""Many changes as one: what they are about is not cached any more before they are recorded."""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.table cimport ft_table

# Both return a Ticket for what the kernel still holds, or None
cdef object suspend_node(ft_table *table, object node)
cdef object suspend_name(ft_table *table, object directory, str name)
cdef void hold_links(ft_table *table) noexcept
cdef bint is_held(ft_table *table, uint64_t node_id) noexcept
cdef void flip_begins(ft_table *table) noexcept
cdef void flip_ends(ft_table *table, object nodes)
