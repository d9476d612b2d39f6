# cython: language_level=3
"""EntryAttributes (struct fuse_entry_param) and SetattrFields."""

from fusetree._lowlevel.libfuse.lowlevel cimport fuse_entry_param
from fusetree._lowlevel.libfuse.posix cimport c_stat


cdef class EntryAttributes:
    cdef fuse_entry_param c_entry


cdef class SetattrFields:
    cdef int c_to_set

    @staticmethod
    cdef SetattrFields wrap(int to_set)


cdef EntryAttributes attributes_to_set(const c_stat *stat, int to_set)
