# cython: language_level=3
"""Ending a blocked read(2) of the FUSE device."""

cdef int wake(int thread_id) noexcept nogil
cdef int thread_id() noexcept nogil
