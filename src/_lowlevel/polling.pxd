# cython: language_level=3
"""PollHandle: wakes who waits in poll(2) for a file of ours."""

from fusetree._lowlevel.capture cimport SessionState
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_pollhandle


cdef class PollHandle:
    cdef fuse_pollhandle *c_handle     # owned; destroyed with this object, and not before
    cdef SessionState *c_state         # borrowed from session
    cdef object session                # libfuse's session, which the handle refers to, lives as long as it

    @staticmethod
    cdef PollHandle wrap(fuse_pollhandle *handle, SessionState *state, object session)
