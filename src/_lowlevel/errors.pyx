# cython: language_level=3
"""The one place where a C result becomes an exception, and an exception the number that goes to the
kernel."""

from fusetree.errors import errno_of as _errno_of

import os


cdef int check(int rc, str what) except -1:
    """Pass a libfuse result (negative errno on failure) through, or raise the OSError it stands for."""
    if rc < 0:
        raise OSError(-rc, f"{what}: {os.strerror(-rc)}")
    return rc


cdef int errno_of(object exc) except -1:
    """The errno that an exception of a handler is answered with; EIO for what is not an OSError."""
    cdef object number
    if isinstance(exc, OSError):
        number = (<object>exc).errno
        if number is not None:
            return number
    return _errno_of(exc)
