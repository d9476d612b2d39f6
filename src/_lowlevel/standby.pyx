# cython: language_level=3
"""The thread that serves without Python while an event loop is busy or blocked.

What the inode table can answer needs no Python, so it must not wait for the loop: that may be in a long
callback, or asleep in a call that blocks.  A thread stands by::

    QUIET --the device gets readable--> TICKING --20 ms without a request--> QUIET
    TICKING --readable, and the loop did not look since the last tick (1 ms)--> SERVING
    SERVING --the loop looks for requests again, or 20 ms without one--> TICKING

While it serves it receives like the loop does.  What needs Python it hands to the loop: it puts the request
into a queue and makes an eventfd readable, which the loop watches beside the device.

Rule 1: the thread never takes the GIL: the application may hold it for long.
Rule 2: whoever calls :meth:`Standby.take` shows that the loop lives, as :meth:`Connection.take` does.
Rule 3: what was handed over and not taken is answered with EIO when this object goes.
"""

from libc.errno cimport EAGAIN, errno
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

import os

from fusetree._lowlevel.capture cimport OP_INIT, OP_NOTIFY_REPLY, SessionState
from fusetree._lowlevel.connection cimport Connection
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_session, fuse_session_exited, fuse_session_fd
from fusetree._lowlevel.libfuse.pthread cimport (
    ft_bump,
    ft_load,
    pthread_mutex_destroy,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from fusetree._lowlevel.receiving cimport receive
from fusetree._lowlevel.request cimport Request, count_handler

cdef extern from * nogil:
    """
    #include <poll.h>
    #include <sys/eventfd.h>
    #include <unistd.h>
    static int ft_event_new(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }
    static void ft_event_set(int fd)
    {
        uint64_t one = 1;
        while (write(fd, &one, sizeof one) < 0 && errno == EINTR);
    }
    static void ft_event_clear(int fd)
    {
        uint64_t count;
        while (read(fd, &count, sizeof count) < 0 && errno == EINTR);
    }
    #define FT_DEVICE 1
    #define FT_STOP 2
    /* Which of the two are ready: bits FT_DEVICE and FT_STOP, 0 after so many milliseconds (-1: never).
     * device may be -1. */
    static int ft_await(int device, int stop, int milliseconds)
    {
        struct pollfd p[2] = { { stop, POLLIN, 0 }, { device, POLLIN, 0 } };
        int ready = poll(p, 2, milliseconds);
        return ready <= 0 ? 0 : (p[0].revents ? FT_STOP : 0) | (p[1].revents ? FT_DEVICE : 0);
    }
    """
    int ft_event_new()
    void ft_event_set(int fd)
    void ft_event_clear(int fd)
    int ft_await(int device, int stop, int milliseconds)
    enum:
        FT_DEVICE
        FT_STOP

cdef enum:
    TICK_MS = 1
    QUIET_TICKS = 20


cdef class Standby:
    """Serves *connection* whenever its event loop does not.

    :raises OSError: there is no descriptor left.
    """

    def __cinit__(self, *args, **kwargs):
        self.c_handed_fd = self.c_stop_fd = -1
        pthread_mutex_init(&self.lock, NULL)

    def __init__(self, Connection connection not None):
        self.connection = connection
        self.c_handed_fd = ft_event_new()
        self.c_stop_fd = ft_event_new()
        if self.c_handed_fd < 0 or self.c_stop_fd < 0:
            raise OSError(errno, f"eventfd: {os.strerror(errno)}")

    def __dealloc__(self):
        cdef ft_handed *handed = self.pop()
        while handed != NULL:
            if handed.captured.opcode != OP_NOTIFY_REPLY:
                # dropped: EIO
                Request.wrap(&handed.captured, &self.connection.c_state, self.connection, None)
            free(handed.buf.mem)
            free(handed)
            handed = self.pop()
        if self.spare != NULL:
            free(self.spare.buf.mem)
            free(self.spare)
        if self.c_handed_fd >= 0:
            os.close(self.c_handed_fd)
        if self.c_stop_fd >= 0:
            os.close(self.c_stop_fd)
        pthread_mutex_destroy(&self.lock)

    def fileno(self) -> int:
        """The descriptor that is readable while there is something to :meth:`take`."""
        return self.c_handed_fd

    @property
    def takeovers(self) -> int:
        """How often the loop did not come for a millisecond although there were requests."""
        return ft_load(&self.c_takeovers)

    def take(self) -> Request | None:
        """The next request that was handed to the loop, or None."""
        cdef ft_handed *handed
        cdef Request request = None
        ft_bump(&self.connection.c_state.visits)
        while request is None:
            handed = self.pop()
            if handed == NULL:
                return None
            request = self.unpack(handed)
        return request

    cdef Request unpack(self, ft_handed *handed):
        """The request that was handed over; None if it is data that was asked for, which nobody handles."""
        cdef ft_handed *old
        cdef Request request = None
        try:
            if handed.captured.opcode == OP_NOTIFY_REPLY:
                self.connection.retrieves.deliver(&handed.captured)
            else:
                request = Request.wrap(&handed.captured, &self.connection.c_state, self.connection, None)
        finally:
            pthread_mutex_lock(&self.lock)
            old = self.spare
            self.spare = handed
            pthread_mutex_unlock(&self.lock)
            if old != NULL:
                free(old.buf.mem)
                free(old)
        return request

    def run(self) -> None:
        """Body of the thread; returns after :meth:`stop`, or when the connection ended."""
        with nogil:
            self.keep_watch()

    def stop(self) -> None:
        """Make :meth:`run` return, from any thread."""
        ft_event_set(self.c_stop_fd)

    cdef ft_handed *pop(self) noexcept nogil:
        cdef ft_handed *handed
        pthread_mutex_lock(&self.lock)
        handed = self.first
        if handed != NULL:
            self.first = handed.next
            if self.first == NULL:
                self.last = NULL
                ft_event_clear(self.c_handed_fd)
        pthread_mutex_unlock(&self.lock)
        return handed

    cdef void push(self, ft_handed *handed) noexcept nogil:
        handed.next = NULL
        pthread_mutex_lock(&self.lock)
        if self.last == NULL:
            self.first = handed
            ft_event_set(self.c_handed_fd)
        else:
            self.last.next = handed
        self.last = handed
        pthread_mutex_unlock(&self.lock)

    cdef ft_handed *blank(self) noexcept nogil:
        """Room for one request; NULL: no memory."""
        cdef ft_handed *handed
        pthread_mutex_lock(&self.lock)
        handed = self.spare
        self.spare = NULL
        pthread_mutex_unlock(&self.lock)
        if handed == NULL:
            handed = <ft_handed *>calloc(1, sizeof(ft_handed))
        return handed

    cdef void keep_watch(self) noexcept nogil:
        cdef int device = fuse_session_fd(self.connection.c_session)
        cdef uint64_t seen = ft_load(&self.connection.c_state.visits)
        cdef uint64_t now
        cdef int quiet = QUIET_TICKS
        cdef ft_handed *handed = NULL
        while not fuse_session_exited(self.connection.c_session):
            if quiet >= QUIET_TICKS:
                if ft_await(device, self.c_stop_fd, -1) & FT_STOP:
                    break
                quiet = 0
                seen = ft_load(&self.connection.c_state.visits)
            if ft_await(-1, self.c_stop_fd, TICK_MS) & FT_STOP:
                break
            now = ft_load(&self.connection.c_state.visits)
            if now != seen:
                seen = now
                quiet = 0
            elif ft_await(device, self.c_stop_fd, 0) & FT_DEVICE:
                ft_bump(&self.c_takeovers)
                handed = self.take_over(handed, seen)
                quiet = 0
            else:
                quiet += 1
        if handed != NULL:
            free(handed.buf.mem)
            free(handed)

    cdef ft_handed *take_over(self, ft_handed *handed, uint64_t seen) noexcept nogil:
        """Receive until the loop does; returns the room that is left over for the next time."""
        cdef fuse_session *session = self.connection.c_session
        cdef SessionState *state = &self.connection.c_state
        cdef int device = fuse_session_fd(session)
        cdef int rc
        cdef int ready
        while ft_load(&state.visits) == seen:
            if handed == NULL:
                handed = self.blank()
                if handed == NULL:
                    return NULL                      # the loop will come to it
            rc = receive(session, state, &handed.buf, &handed.captured)
            if rc == 1:
                if handed.captured.opcode != OP_INIT:
                    count_handler(&handed.captured, state)
                    self.push(handed)
                    handed = NULL
            elif rc == -EAGAIN:
                ready = ft_await(device, self.c_stop_fd, QUIET_TICKS * TICK_MS)
                if ready == 0 or ready & FT_STOP:
                    break
            else:
                break                                # the end, which the loop sees by itself
        return handed
