# cython: language_level=3
"""PollHandle: wakes who waits in poll(2), select(2) or epoll_wait(2) for a file of ours.

Rule 1: libfuse's handle is destroyed with this object and never before, so no thread can notify one that is
gone. Rule 2: it holds its session: libfuse's handle refers to libfuse's session.
"""

cimport cython

from fusetree._lowlevel.errors cimport check
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_lowlevel_notify_poll, fuse_pollhandle_destroy


@cython.final
@cython.no_gc_clear
cdef class PollHandle:
    """Wakes who waits for an open file to get ready; a ``poll`` handler gets one.  Keep it as long as
    somebody may wait.

    The kernel makes no difference between the handles that it gave for one open file: the newest will do.
    """

    @staticmethod
    cdef PollHandle wrap(fuse_pollhandle *handle, SessionState *state, object session):
        cdef PollHandle self = PollHandle.__new__(PollHandle)
        self.c_handle = handle
        self.c_state = state
        self.session = session
        return self

    def __init__(self):
        raise TypeError("a PollHandle is made by the session, for a poll handler")

    def __dealloc__(self):
        if self.c_handle != NULL:
            fuse_pollhandle_destroy(self.c_handle)

    def notify(self) -> bool:
        """Wake who waits: the kernel asks the ``poll`` handler again.  From any thread, handlers too, as
        often as you like.

        It waits for no lock of the kernel.

        :returns: False when the session is closed, so nobody waits any more.
        :raises OSError: the kernel did not take it.
        """
        cdef int rc
        if self.c_state.closed:
            return False
        with nogil:
            rc = fuse_lowlevel_notify_poll(self.c_handle)
        if rc < 0 and self.c_state.closed:
            return False
        check(rc, "notify")
        return True

    def __reduce__(self):
        raise TypeError("a PollHandle belongs to one session and can not be pickled or copied")

    def __repr__(self) -> str:
        return f"<PollHandle {'closed' if self.c_state.closed else 'open'}>"
