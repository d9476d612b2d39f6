# cython: language_level=3
"""From a Request to the handler, and from what it returns to the reply."""

from fusetree._lowlevel.request cimport Request


cdef class Dispatcher:
    cdef list c_handlers            # by opcode; None where there is no handler
    cdef object on_error            # (request, exception) -> errno
    cdef object forget              # undo of a lookup count that did not reach the kernel
    cdef object release             # undo of an open file that did not reach the kernel
    cdef object releasedir

    cpdef object call(self, Request request)
    cpdef int finish(self, Request request, object result) except -1
    cpdef int fail(self, Request request, BaseException exc) except -1
    cdef object run(self, Request request, object handler)
    cdef int reply(self, Request request, object result) except -1
    cdef int undo_lookup(self, Request r, unsigned long long ino) except -1
