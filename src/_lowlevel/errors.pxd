# cython: language_level=3
"""The one place where a C result becomes an exception."""

cdef int check(int rc, str what) except -1
cdef int errno_of(object exc) except -1
