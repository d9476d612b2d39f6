# cython: language_level=3
"""InodeTable, the Python face of the inode table."""

from fusetree._lowlevel.table cimport ft_table


cdef class InodeTable:
    cdef ft_table *c_table          # owned; never NULL
    cdef object __weakref__
