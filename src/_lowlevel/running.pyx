# cython: language_level=3
"""Which request the handler that runs in a thread answers, so that the handler can ask about it without being
handed it.

Invariant: the slot of a thread is set exactly while a :meth:`Dispatcher.call` runs there, and points at the
request
    that this call holds.  It may be nested: what a handler does may let another session run in its thread.
"""

from cpython.contextvars cimport PyContextVar_Get, PyContextVar_New, PyContextVar_Set
from cpython.ref cimport Py_DECREF, PyObject

from fusetree._lowlevel.request cimport Request, RequestContext

cdef extern from *:
    """
    #include <stddef.h>
    static _Thread_local void *ft_running_slot = NULL;
    static inline void *ft_running_swap(void *request)
    {
        void *before = ft_running_slot;
        ft_running_slot = request;
        return before;
    }
    static inline void *ft_running_get(void) { return ft_running_slot; }
    """
    void *ft_running_swap(void *request) nogil
    void *ft_running_get() nogil


# For async handlers, which run after Dispatcher.call: in the contextvars context that each of them has.
cdef object caller = PyContextVar_New("fusetree_caller", NULL)


cdef int announce(object context) except -1:
    PyContextVar_Set(caller, context)
    return 0


def context() -> RequestContext:
    """Who made the request that is handled here.

    For all code of the program that a request runs: methods of nodes and handles, computed files, actions,
    converters, validators, hooks of attrs; and for handlers of `Operations` that get no *ctx*, such as
    ``read`` and ``write``.

    In an ordinary function it is known in the thread that runs it; in an ``async`` one, in its task and in
    the tasks and threads that inherit its context (contextvars), such as ``asyncio.to_thread``.  What does
    not ask pays nothing for it.

    :returns: the user and group id, the thread's id and the umask of the caller; ``groups`` looks up the
        others.
    :raises LookupError: no request is handled here.
    """
    cdef void *request = ft_running_get()
    cdef PyObject *found = NULL
    if request != NULL:
        return (<Request>request).ctx
    PyContextVar_Get(caller, NULL, &found)
    if found != NULL:
        context = <object>found
        Py_DECREF(context)
        if context is not None:
            return context
    raise LookupError(
        "context() is for handlers and what they call: no request is handled here; "
        "a thread that a handler starts by itself does not inherit it")


cdef void *enter(void *request) noexcept nogil:
    return ft_running_swap(request)


cdef void leave(void *before) noexcept nogil:
    ft_running_swap(before)


def interrupted() -> bool:
    """Whether the handler that calls this should give up: its caller got a signal and waits no more, or the
    session ends.

    For ordinary handlers that take long; it costs next to nothing, so a loop may ask at every turn.  It
    speaks of the handler that runs in the calling thread, so it is False in a thread that a handler has
    started, and after the first ``await`` of an ``async`` handler, which is cancelled instead.  Who gives up
    raises ``InterruptedError`` (EINTR); who has a result may return it all the same.

    While the only thread that could read an interrupt runs the handler itself (:meth:`Session.run_here`, or
    an ordinary handler in an event loop) nothing is known of it.
    """
    cdef void *request = ft_running_get()
    return request != NULL and (<Request>request).gives_up()
