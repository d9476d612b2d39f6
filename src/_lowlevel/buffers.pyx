# cython: language_level=3
"""Where requests are received, and the written data in there as Python sees them.

A WRITE is handed over where it was received, nothing is copied::

    Storage.c_buf.mem --> | header | offset, size | the data ............ |
                                                    ^
    memoryview --> WrittenData.c_data --------------+

The view is released when the handler has answered, so that who keeps it gets a ValueError and not other data.
What was made of it meanwhile (a slice, an array) stays valid: whoever receives next into this storage leaves
the memory to those who look at it (:meth:`Storage.let_go`), and libfuse allocates anew.  So a handler that
has to wait keeps its data, too.

Invariant: memory is freed by its Storage, or if that let go of it by the WrittenData; never by both.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.memoryview cimport PyMemoryView_FromObject
from libc.stdlib cimport free
from libc.string cimport memset

from fusetree._lowlevel.libfuse.pthread cimport (
    pthread_mutex_destroy,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)


@cython.no_gc
cdef class Storage:
    """Room for one request (1 MiB and a header); every thread that receives has its own."""

    def __cinit__(self):
        memset(&self.c_buf, 0, sizeof(self.c_buf))
        self.c_borrower = NULL
        pthread_mutex_init(&self.c_lock, NULL)

    def __dealloc__(self):
        free(self.c_buf.mem)
        pthread_mutex_destroy(&self.c_lock)

    cdef void let_go(self) noexcept:
        """Before something is received: who still looks at the memory gets it."""
        pthread_mutex_lock(&self.c_lock)
        if self.c_borrower != NULL:
            (<WrittenData>self.c_borrower).c_owned = self.c_buf.mem
            self.c_buf.mem = NULL
            self.c_borrower = NULL
        pthread_mutex_unlock(&self.c_lock)


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class WrittenData:
    # Reached through memoryviews only.

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, <void *>self.c_data, self.c_size, True, flags)

    def __dealloc__(self):
        if self.home is not None:
            pthread_mutex_lock(&self.home.c_lock)
            if self.home.c_borrower == <PyObject *>self:
                self.home.c_borrower = NULL
            pthread_mutex_unlock(&self.home.c_lock)
        free(self.c_owned)


cdef object view_of(Storage home, const char *data, Py_ssize_t size):
    cdef WrittenData self = WrittenData.__new__(WrittenData)
    self.home = home
    self.c_data = data
    self.c_size = size
    pthread_mutex_lock(&home.c_lock)
    home.c_borrower = <PyObject *>self
    pthread_mutex_unlock(&home.c_lock)
    return PyMemoryView_FromObject(self)
