# cython: language_level=3
"""Cached data on its way from the kernel: who asked for it, and handing it over.

The kernel answers a *retrieve* with a request of its own, which whoever receives gets like any other.  It
is handed over right there: no handler runs for it, so no handler that waits for it can be in its way.

Rule: a future that was given out is settled exactly once: with the data, or when the session is closed.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint64_t

import itertools


cdef class Retrieves:
    """The questions of one session that the kernel did not answer yet."""

    def __cinit__(self):
        self.waiting = {}
        self.numbers = itertools.count(1)

    cdef tuple begin(self):
        """A number for a new question, and the future of its answer."""
        from concurrent.futures import Future       # not before somebody asks: it costs time to import
        number = next(self.numbers)
        future = self.waiting[number] = Future()
        return number, future

    cdef object withdraw(self, object number):
        """The question was not asked after all."""
        return self.waiting.pop(number, None)

    cdef int deliver(self, const Captured *reply) except -1:
        """Called by whoever received the answer, while the receive buffer still holds it."""
        cdef uint64_t number = reply.ino
        future = self.waiting.pop(number, None)
        if future is not None and future.set_running_or_notify_cancel():
            future.set_result(PyBytes_FromStringAndSize(reply.data, reply.size))
        return 0

    cdef int fail_all(self, object exc) except -1:
        """Nothing will be received any more."""
        while self.waiting:
            try:
                _, future = self.waiting.popitem()
            except KeyError:
                break
            if future.set_running_or_notify_cancel():
                future.set_exception(exc)
        return 0
