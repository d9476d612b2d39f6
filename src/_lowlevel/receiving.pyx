# cython: language_level=3
"""Receiving: requests come in and are answered from C, until one needs Python.

Nothing here has the GIL. Who calls it, and when, is the backends' business.
"""

from libc.errno cimport EAGAIN, EINTR

from fusetree._lowlevel.capture cimport OP_NONE, reset, set_current
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_session_process_buf, fuse_session_receive_buf

cdef enum:
    BATCH = 64          # answers from C at most, before an event loop gets a word in


cdef int receive(
        fuse_session *session, SessionState *state, fuse_buf *buf, Captured *captured) noexcept nogil:
    """Receive until a request needs Python: 1; 0 when the connection ended; else a negative errno.

    What the inode table answers by itself is answered in here, without the GIL; for an event loop only so
    much of it that the loop gets back to its other business (-EAGAIN then, as when there is nothing).
    """
    cdef int rc
    cdef int answered = 0
    while True:
        reset(captured)
        rc = fuse_session_receive_buf(session, buf)
        if rc == -EINTR:
            if has_exited(session, state):
                return 0
            if state.nonblocking:
                return -EAGAIN
            continue
        if rc <= 0:
            return rc
        if has_exited(session, state):
            return 0
        set_current(captured)
        fuse_session_process_buf(session, buf)
        set_current(NULL)
        if captured.opcode != OP_NONE:
            return 1
        if has_exited(session, state):
            return 0
        answered += 1
        if answered >= BATCH and state.nonblocking:
            return -EAGAIN
