# cython: language_level=3
"""Bytes of a file, as a descriptor and a range."""

from libc.stdint cimport int64_t

from fusetree._lowlevel.libfuse.common cimport fuse_bufvec


cdef class FileData:
    cdef object file               # what the descriptor was taken from, kept open by us; None for a number
    cdef readonly int fd
    cdef readonly int64_t offset
    cdef readonly int64_t size

    cdef void fill(self, fuse_bufvec *vector) noexcept nogil
