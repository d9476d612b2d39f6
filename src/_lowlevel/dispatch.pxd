# cython: language_level=3
"""From a Request to the handler, and from what it returns to the reply."""

from fusetree._lowlevel.capture cimport OP_COUNT
from fusetree._lowlevel.exchange cimport Exchange, Undo, check_t
from fusetree._lowlevel.meter cimport Meter
from fusetree._lowlevel.request cimport Request


cdef class Dispatcher:
    cdef list c_handlers            # by opcode; None where there is no handler
    cdef Exchange c_exchanges[OP_COUNT]     # by opcode; filled once
    cdef readonly Meter meter       # how long handlers take, while somebody wants to know
    cdef bint checks                # answers that the kernel would refuse are told, see acceptable.pyx
    cdef object c_future_type       # concurrent.futures.Future
    cdef dict c_parked              # token -> (request, future)
    cdef object c_tokens
    cdef object on_error            # (request, exception) -> errno
    cdef object after_error         # called when that was answered
    cdef object forget              # undo of a lookup count that did not reach the kernel
    cdef object release             # undo of an open file that did not reach the kernel
    cdef object releasedir
    cdef public object background   # (coroutine): runs what an async handler takes back
    cdef public object elsewhere    # (request, coroutine): runs what a thread's async handler returned
    cdef public object later        # (request, future): has settle called in a thread of its own (rings.pyx)
    cdef public object ask_first    # (coroutine of getxattr, flags, setter) -> coroutine

    cpdef object call(self, Request request)
    cpdef int finish(self, Request request, object result) except -1
    cpdef int fail(self, Request request, BaseException exc) except -1
    cpdef int hand_over(self, Request request, object coroutine) except -1
    cdef object run(self, Request request, object handler)
    cpdef int park(self, Request request, object future) except -1
    cdef int reply(self, Request request, object result) except -1
    cdef int answer(self, Request r, object result) except -1
    cdef int take_back(self, Request r, object result, Undo undo) except -1
    cdef int check(self, check_t check, Request r, object result) except -1
    cdef int undo_listing(self, Request r) except -1
    cdef int undo(self, object handler, object argument) except -1
    cdef int undo_lookup(self, Request r, unsigned long long ino) except -1
