# cython: language_level=3
"""Who reads the device: the rotation of worker threads over one connection.

One thread at a time reads.  It also runs the handler of what it read: no hand-over, no wake-up, warm caches.
Meanwhile nobody reads, which is right as long as handlers are quick.  A spare thread, the *watch*, looks
every millisecond while there is traffic; when it finds the same handler still running, it becomes the reader
itself.  So answers from C, forgets and interrupts never wait for a blocked handler.

Invariants (all fields below ``lock``):
  (1) at most one thread has the role READER; ``reading`` says whether there is one;
  (2) at most ``workers`` handlers run; a request read beyond that waits in ``pending`` and is taken first by
      whoever gets free.  Not counted are those that block by nature, waiting for a lock (``apart``): who has
      the lock must be able to give it up, however many wait for it;
  (3) at most one parked thread is the watch; the others wait on ``parked``;
  (4) who holds ``lock`` waits for nothing and touches no Python object: an allocation may run the garbage
      collector, which may let go of the GIL, which the next one waiting for ``lock`` may hold.

A thread that finds a reader in place when its handler is done parks: with one reader the kernel wakes one
thread per request.
"""

from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject

from fusetree._lowlevel.connection cimport Connection, ReceiveBuffer
from fusetree._lowlevel.dispatch cimport Dispatcher
from fusetree._lowlevel.libfuse.posix cimport CLOCK_MONOTONIC, clock_gettime, timespec
from fusetree._lowlevel.libfuse.pthread cimport (
    pthread_cond_broadcast,
    pthread_cond_destroy,
    pthread_cond_init,
    pthread_cond_signal,
    pthread_cond_t,
    pthread_cond_timedwait,
    pthread_cond_wait,
    pthread_condattr_destroy,
    pthread_condattr_init,
    pthread_condattr_setclock,
    pthread_condattr_t,
    pthread_mutex_destroy,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_t,
    pthread_mutex_unlock,
)
from fusetree._lowlevel.request cimport Request, waits_for_a_lock
from fusetree._lowlevel.wakeup cimport thread_id, wake

cdef enum:
    TICK_NS = 1_000_000           # how long a handler may run before somebody else reads
    QUIET_TICKS = 20              # after so many ticks without a request the watch sleeps until the next one


cdef inline PyObject *get_next(PyObject *request) noexcept:
    return (<Request>request).c_next


cdef inline void set_next(PyObject *request, PyObject *following) noexcept:
    (<Request>request).c_next = following


cdef class Rotation:
    """Shares the work on *connection* among the threads that call :meth:`work`.

    :param workers: how many handlers may run at once; one more thread than that is of use.
    :param need_thread: called (without a lock) when one more thread calling :meth:`work` would be of use.
    """

    cdef Connection connection
    cdef Dispatcher dispatcher
    cdef object need_thread
    # first of the requests that wait for a worker, linked by Request.c_next; owned
    cdef PyObject *pending
    cdef PyObject *pending_last
    cdef pthread_mutex_t lock
    cdef pthread_cond_t watching       # the watch waits here
    cdef pthread_cond_t parked         # other spare threads wait here
    cdef int workers
    cdef int running                   # handlers running now, but for those apart
    cdef int c_apart                   # handlers running now that wait for a lock
    cdef bint reading
    cdef int reader                    # kernel id of the thread that has, or last had, the role
    cdef bint stopped
    cdef bint watch                    # there is a watch
    cdef bint watch_asleep             # ... which waits for a signal, not for the next tick
    cdef unsigned long long sequence   # requests handed to handlers
    cdef unsigned long long c_takeovers

    def __cinit__(self, *args, **kwargs):
        cdef pthread_condattr_t attr
        pthread_mutex_init(&self.lock, NULL)
        pthread_condattr_init(&attr)
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC)
        pthread_cond_init(&self.watching, &attr)
        pthread_cond_init(&self.parked, &attr)
        pthread_condattr_destroy(&attr)

    def __init__(
            self, Connection connection not None, Dispatcher dispatcher not None, workers: int, need_thread):
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        self.connection = connection
        self.dispatcher = dispatcher
        self.workers = workers
        self.need_thread = need_thread

    def __dealloc__(self):
        while self.next_pending() is not None:
            pass                             # dropped, so answered with EIO
        pthread_cond_destroy(&self.watching)
        pthread_cond_destroy(&self.parked)
        pthread_mutex_destroy(&self.lock)

    @property
    def takeovers(self) -> int:
        """How often the watch became the reader because a handler took long."""
        return self.c_takeovers

    @property
    def apart(self) -> int:
        """How many handlers run, besides the others, that wait for a lock: each has a thread more."""
        return self.c_apart

    def stop(self) -> None:
        """Make every thread return from :meth:`work`, once; the reader also needs ``connection.exit()``.

        The reader is interrupted; because that is lost on a thread that is just about to read, call it again
        until the threads have ended.
        """
        cdef int reader = 0
        pthread_mutex_lock(&self.lock)
        self.stopped = True
        pthread_cond_broadcast(&self.watching)
        pthread_cond_broadcast(&self.parked)
        if self.reading:
            reader = self.reader
        pthread_mutex_unlock(&self.lock)
        if reader and reader != thread_id():
            wake(reader)

    def work(self) -> None:
        """Body of a worker thread: read, handle, or stand by, until the connection ended or :meth:`stop`.

        :raises BaseException: what the dispatcher's ``on_error`` raises.
        """
        cdef ReceiveBuffer buffer = ReceiveBuffer()
        cdef Request request
        cdef bint mine
        cdef bint apart
        while self.become_reader():
            while True:
                try:
                    request = self.connection.next_request(buffer)
                except BlockingIOError:     # an event loop serves from now on
                    request = None
                if request is None:
                    self.stop()
                    return
                apart = waits_for_a_lock(request)
                mine = self.begin(request, apart)
                if not mine:
                    request = None
                    continue            # all workers are busy: it waits in pending, and we go on reading
                while request is not None:
                    try:
                        coroutine = self.dispatcher.call(request)
                        if coroutine is not None:
                            self.dispatcher.hand_over(request, coroutine)
                    except BaseException:
                        self.end(apart)
                        self.stop()
                        raise
                    request = None if apart else self.next_pending()
                if not self.end(apart):
                    break               # somebody else reads: stand by

    cdef bint begin(self, Request request, bint apart):
        """Leave the reader's role to run a handler; False when all workers are busy and *request* was put
        into pending."""
        cdef bint mine = False
        Py_INCREF(request)                   # for pending; given back below when it does not go there
        pthread_mutex_lock(&self.lock)
        if apart or self.running < self.workers:
            mine = True
            if apart:
                self.c_apart += 1
            else:
                self.running += 1
            self.sequence += 1
            self.reading = False
            if self.watch_asleep:
                self.watch_asleep = False
                pthread_cond_signal(&self.watching)
        else:
            request.c_next = NULL
            if self.pending == NULL:
                self.pending = <PyObject *>request
            else:
                set_next(self.pending_last, <PyObject *>request)
            self.pending_last = <PyObject *>request
        pthread_mutex_unlock(&self.lock)
        if mine:
            Py_DECREF(request)
            if apart or not self.watch:
                self.need_thread()
        return mine

    cdef Request next_pending(self):
        cdef PyObject *first
        cdef Request request
        pthread_mutex_lock(&self.lock)
        first = self.pending
        if first != NULL:
            self.pending = get_next(first)
            self.sequence += 1
        pthread_mutex_unlock(&self.lock)
        if first == NULL:
            return None
        request = <Request>first
        Py_DECREF(request)
        return request

    cdef bint end(self, bint apart):
        """A handler is done; True when this thread is the reader again."""
        cdef bint reader = False
        pthread_mutex_lock(&self.lock)
        if apart:
            self.c_apart -= 1
        else:
            self.running -= 1
        if not self.reading and not self.stopped:
            self.reading = True
            self.reader = thread_id()
            reader = True
        pthread_mutex_unlock(&self.lock)
        return reader

    cdef bint become_reader(self):
        """Wait until this thread is to read; False when the rotation stopped."""
        cdef bint reader
        cdef bint more
        with nogil:
            reader = self.stand_by()
            pthread_mutex_lock(&self.lock)
            more = reader and not self.watch
            pthread_mutex_unlock(&self.lock)
        if more:
            self.need_thread()
        return reader

    cdef bint stand_by(self) noexcept nogil:
        cdef unsigned long long seen = 0
        cdef int quiet = 0
        cdef timespec until
        cdef bint reader = False
        pthread_mutex_lock(&self.lock)
        if not self.reading and not self.stopped and self.running == 0:
            self.reading = True              # the first thread of all
            self.reader = thread_id()
            pthread_mutex_unlock(&self.lock)
            return True
        while self.watch and not self.stopped:
            pthread_cond_wait(&self.parked, &self.lock)
        self.watch = True
        seen = self.sequence
        while not self.stopped:
            if quiet >= QUIET_TICKS and self.reading:
                self.watch_asleep = True
                while self.watch_asleep and not self.stopped:
                    pthread_cond_wait(&self.watching, &self.lock)
                self.watch_asleep = False
                quiet = 0
            clock_gettime(CLOCK_MONOTONIC, &until)
            until.tv_nsec += TICK_NS
            if until.tv_nsec >= 1_000_000_000:
                until.tv_nsec -= 1_000_000_000
                until.tv_sec += 1
            if self.stopped:
                break
            pthread_cond_timedwait(&self.watching, &self.lock, &until)
            if self.stopped:
                break
            if self.sequence != seen:
                seen = self.sequence
                quiet = 0
            elif not self.reading:
                self.reading = True
                self.reader = thread_id()
                self.c_takeovers += 1
                reader = True
                break
            else:
                quiet += 1
        self.watch = False
        pthread_cond_signal(&self.parked)    # the next spare thread watches
        pthread_mutex_unlock(&self.lock)
        return reader and not self.stopped
