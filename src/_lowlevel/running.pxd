# cython: language_level=3
"""Which request the handler that runs in a thread answers."""

# The request that is answered in this thread from now on (borrowed: the caller holds it until `leave`);
# returns the one before, which `leave` takes.
cdef void *enter(void *request) noexcept nogil
cdef void leave(void *before) noexcept nogil
# The caller of an async handler, for the context (contextvars) in which this is called; None takes it back.
cdef int announce(object context) except -1
