# cython: language_level=3
"""A dispatcher that notes which handlers run, for a watchdog to look at.

A session without a watchdog has an ordinary :class:`Dispatcher`, so it pays nothing.
"""

from fusetree._lowlevel.dispatch cimport Dispatcher
from fusetree._lowlevel.packing cimport monotonic_ns
from fusetree._lowlevel.request cimport Request

cdef extern from "Python.h":
    unsigned long PyThread_get_thread_ident()


cdef class WatchedDispatcher(Dispatcher):
    """Calls the handlers of one session, and tells which of them run now."""

    cdef dict c_running             # ident of a thread -> the request whose handler it runs

    def __init__(self, dict handlers not None, on_error, after_error=None, checks=True):
        Dispatcher.__init__(self, handlers, on_error, after_error, checks)
        self.c_running = {}

    cpdef object call(self, Request request):
        cdef object ident = PyThread_get_thread_ident()
        cdef object outer = self.c_running.get(ident)
        request.c_began = monotonic_ns()
        self.c_running[ident] = request
        try:
            return Dispatcher.call(self, request)
        finally:
            if outer is None:
                self.c_running.pop(ident, None)
            else:
                self.c_running[ident] = outer

    def running(self) -> list[tuple[int, Request]]:
        """Which handlers run now: the ident of the thread, and the request.

        A handler that is ``async`` runs in here until it waits for the first time.
        """
        return list(self.c_running.items())
