# cython: language_level=3
"""StatvfsData (struct statvfs)."""

from fusetree._lowlevel.libfuse.posix cimport c_statvfs


cdef class StatvfsData:
    cdef c_statvfs c_statvfs
