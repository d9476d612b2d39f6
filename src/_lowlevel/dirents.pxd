# cython: language_level=3
"""The buffer of one READDIR or READDIRPLUS reply."""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.libfuse.lowlevel cimport fuse_req_t


cdef class ReaddirToken:
    cdef char *c_buffer        # owned; c_size bytes
    cdef size_t c_size
    cdef size_t c_used
    cdef fuse_req_t c_req      # borrowed from the Request; NULL once that was answered
    cdef bint c_plus           # READDIRPLUS: entries carry attributes and raise lookup counts
    cdef bint c_checks         # what the kernel would refuse of an entry is an exception
    cdef list counted          # inodes whose lookup count this reply raises, for the undo
    cdef readonly uint64_t inode        # the directory
    # filled from an inode table: what it and the directory counted before
    cdef bint c_filled
    cdef uint64_t c_changes
    cdef uint64_t c_change

    @staticmethod
    cdef ReaddirToken wrap(fuse_req_t req, size_t size, bint plus, uint64_t inode)
