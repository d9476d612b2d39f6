# cython: language_level=3
"""Receiving, without the GIL, until a request needs Python."""

from fusetree._lowlevel.capture cimport Captured, SessionState
from fusetree._lowlevel.libfuse.common cimport fuse_buf
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_session, fuse_session_exited


# Whether the connection ended, or is about to.
cdef inline bint has_exited(fuse_session *session, SessionState *state) noexcept nogil:
    return state.leaving or fuse_session_exited(session)


# Receives until a request needs Python: 1; 0 when the connection ended; else a negative errno (-EAGAIN: an
# event loop serves, and there is nothing now).
cdef int receive(fuse_session *session, SessionState *state, fuse_buf *buf, Captured *captured) noexcept nogil
