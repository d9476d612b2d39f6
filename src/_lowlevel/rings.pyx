# cython: language_level=3
"""Requests that come over rings (io_uring): libfuse's ring threads run the handlers.

libfuse has one ring and one thread for each processor; a request comes over the ring of the processor where
its caller runs, and the thread of that ring handles it, one request after the other.  Answers from C take
none of Python.  What comes besides over the device (forget, interrupts) goes through rotation.pyx as always.

::

    shut --open()--> serving --refuse()--> refusing (ENOTCONN) --end()--> ended

Rule 1: a ring thread keeps one Python thread state for as long as it lives: each entry of a foreign thread
    would else make one and throw it away.
Rule 2: what is inside is let finish before the rings are ended (capture_rings.pyx, Rule 2).
Rule 3: who answers in another thread waits for libfuse's lock of the ring, which its thread holds while a
    handler runs there: never with the GIL held (see Request.fail_with), and never in the thread of another
    ring, or in one that has locks of the program (`Dispatcher.later`).
Rule 4: libfuse's exit flag is not set before the rings are ended: a ring thread looks at it after its
    handlers and before it hands over what they answered.
"""

from cpython.contextvars cimport PyContext_Enter
from cpython.ref cimport Py_DECREF, Py_INCREF

from fusetree._lowlevel.capture cimport OP_NOTIFY_REPLY, Captured, SessionState
from fusetree._lowlevel.capture_rings cimport (
    GATE_OPEN,
    GATE_REFUSING,
    set_gate,
    wait_until_empty,
)
from fusetree._lowlevel.connection cimport Connection
from fusetree._lowlevel.dispatch cimport Dispatcher
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_session_exit, fuse_session_loop
from fusetree._lowlevel.request cimport Request, waits_for_a_lock

cdef extern from * nogil:
    """
    #include <pthread.h>
    /* NULL: this thread never ran Python. */
    static _Thread_local PyThreadState *ft_kept_state;
    static pthread_key_t ft_kept_state_key;
    static void ft_drop_state(void *kept)
    {
        PyThreadState *state = (PyThreadState *)kept;
        if (!Py_IsInitialized())
            return;
        PyEval_RestoreThread(state);
        PyThreadState_Clear(state);
        PyThreadState_DeleteCurrent();
    }
    static void ft_make_state_key(void) { pthread_key_create(&ft_kept_state_key, ft_drop_state); }
    /* Whether this is the first time. libfuse cancels its ring threads when it ends them, which would tear
     * Python apart; they end without, because it wakes them besides. */
    static int ft_keep_state(void)
    {
        if (ft_kept_state)
            return 0;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
        PyGILState_Ensure();
        ft_kept_state = PyEval_SaveThread();
        pthread_setspecific(ft_kept_state_key, ft_kept_state);
        return 1;
    }
    static int ft_has_state(void) { return ft_kept_state != NULL; }
    static int ft_swap_flag(int *where) { return __atomic_exchange_n(where, 0, __ATOMIC_ACQ_REL); }
    """
    void ft_make_state_key()
    int ft_keep_state()
    int ft_has_state()
    int ft_swap_flag(int *where)


cdef void on_request(void *server, Captured *captured) noexcept nogil:
    serve(server, captured, ft_keep_state())


cdef void serve(void *server, Captured *captured, bint first) noexcept with gil:
    cdef Rings rings = <Rings>server
    try:
        if first:
            PyContext_Enter(rings.new_context())
        rings.handle(captured)
    except BaseException as exc:
        rings.failed(exc)


cdef class Rings:
    """Serves what comes over the rings of *connection*, which has them (:attr:`Connection.rings`).

    :param new_context: the contextvars context for the handlers of one ring thread.
    :param wait_apart: called with a request whose handler will wait for a lock; it has :meth:`run` called in
        a thread of its own, so that who has the lock can give it up over the same ring.
    :param failed: called with what the dispatcher's ``on_error`` raised.
    """

    cdef Connection connection
    cdef Dispatcher dispatcher
    cdef object new_context
    cdef object wait_apart
    cdef object failed
    cdef int held                  # atomic: this object and the connection are kept for the ring threads

    def __init__(
        self, Connection connection not None, Dispatcher dispatcher not None, new_context, wait_apart, failed
    ):
        self.connection = connection
        self.dispatcher = dispatcher
        self.new_context = new_context
        self.wait_apart = wait_apart
        self.failed = failed
        connection.c_state.ring_server = <void *>self
        connection.c_state.ring_handle = on_request
        Py_INCREF(self)
        self.held = 1

    def open(self) -> None:
        """Let requests in."""
        set_gate(&self.connection.c_state, GATE_OPEN)

    def refuse(self) -> None:
        """Answer what comes from now on with ENOTCONN; handlers that run go on."""
        set_gate(&self.connection.c_state, GATE_REFUSING)

    cdef int handle(self, Captured *captured) except -1:
        cdef Request request
        if captured.opcode == OP_NOTIFY_REPLY:
            self.connection.retrieves.deliver(captured)
            return 0
        # The ring's memory is used again when the request is answered: written data are copied.
        request = Request.wrap(captured, &self.connection.c_state, self.connection, None)
        if waits_for_a_lock(request):
            self.wait_apart(request)
        else:
            self.run(request)
        return 0

    def run(self, Request request not None) -> None:
        """Run the handler of *request* here, and answer."""
        coroutine = self.dispatcher.call(request)
        if coroutine is not None:
            self.dispatcher.hand_over(request, coroutine)

    def here(self) -> bool:
        """Whether this is a ring thread, so inside a handler."""
        return ft_has_state() != 0

    def wait_until_empty(self, seconds: float) -> bool:
        """Wait, after :meth:`refuse`, until no handler runs in a ring thread; whether none does by then."""
        cdef double c_seconds = seconds
        cdef bint empty
        with nogil:
            empty = wait_until_empty(&self.connection.c_state, c_seconds)
        return empty

    def end(self, seconds: float) -> bool:
        """End the rings and their threads; what was not answered by then never will be.  Idempotent.

        :returns: whether that could be done within *seconds*: False while a handler still runs.
        """
        cdef SessionState *state = &self.connection.c_state
        cdef double c_seconds = seconds
        cdef bint empty
        if not self.held:
            return True
        set_gate(state, GATE_REFUSING)
        state.rings = False
        with nogil:
            empty = wait_until_empty(state, c_seconds)
        if not empty:
            return False
        if not ft_swap_flag(&self.held):
            return True                # somebody else just did it
        with nogil:
            # libfuse stops its rings where its own loop ends, and nowhere else.
            fuse_session_exit(self.connection.c_session)
            fuse_session_loop(self.connection.c_session)
        Py_DECREF(self)
        return True


ft_make_state_key()
