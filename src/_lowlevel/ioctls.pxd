# cython: language_level=3
"""IoctlRetry: an ioctl handler asks for the caller's memory."""


cdef class IoctlRetry:
    cdef readonly tuple inputs
    cdef readonly tuple outputs
