# cython: language_level=3
"""NodeAttributes, what a coherent answer is made of."""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.attributes cimport EntryAttributes
from fusetree._lowlevel.table cimport ft_entry, ft_table


cdef class NodeAttributes(EntryAttributes):
    # c_entry.ino is the node id, c_entry.attr.st_ino the number that stat shows.
    cdef object table               # the InodeTable; keeps c_table and c_pinned valid
    cdef ft_table *c_table
    cdef ft_entry *c_pinned         # pinned while this object lives
    cdef readonly uint64_t node_id
    cdef readonly uint64_t change
    cdef public bint publish
    cdef public double ttl          # seconds
