# cython: language_level=3
"""FileLock: a lock of fcntl(2) on a range of a file (struct flock)."""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.libfuse.posix cimport c_flock


cdef class FileLock:
    cdef c_flock c_lock
    cdef readonly uint64_t owner

    cdef tuple values(self)

    @staticmethod
    cdef FileLock wrap(const c_flock *lock, uint64_t owner)
