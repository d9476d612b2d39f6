# cython: language_level=3
"""Letting go: of what is in the graveyard, and of everything when the table is closed."""

from fusetree._lowlevel.table cimport ft_table

cdef bint await_dead(ft_table *table) noexcept nogil
cdef int close_table(ft_table *table) noexcept
