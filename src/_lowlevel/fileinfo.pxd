# cython: language_level=3
"""FileInfo: what open and create tell the kernel of an open file."""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.libfuse.common cimport fuse_file_info


cdef class FileInfo:
    cdef public uint64_t fh
    cdef public bint direct_io
    cdef public bint keep_cache
    cdef public bint nonseekable
    cdef public bint cache_readdir
    cdef public bint noflush
    cdef public int backing_id

    cdef void apply(self, fuse_file_info *fi) noexcept nogil
