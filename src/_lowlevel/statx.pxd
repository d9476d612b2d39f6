# cython: language_level=3
"""StatxAttributes: EntryAttributes and what only statx(2) tells."""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.attributes cimport EntryAttributes
from fusetree._lowlevel.libfuse.posix cimport timespec


cdef class StatxAttributes(EntryAttributes):
    cdef timespec c_birth
    cdef bint c_has_birth
    cdef public uint64_t attributes
    cdef public uint64_t attributes_mask
