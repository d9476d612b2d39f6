# cython: language_level=3
"""Cached data on its way from the kernel, see `notify.pyx`."""

from fusetree._lowlevel.capture cimport Captured


cdef class Retrieves:
    cdef dict waiting              # number -> future; each operation on it is atomic
    cdef object numbers

    cdef tuple begin(self)
    cdef object withdraw(self, object number)
    cdef int deliver(self, const Captured *reply) except -1
    cdef int fail_all(self, object exc) except -1
