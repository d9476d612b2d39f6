# cython: language_level=3
"""The thread that serves without Python while an event loop is busy or blocked."""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.capture cimport Captured
from fusetree._lowlevel.connection cimport Connection
from fusetree._lowlevel.libfuse.common cimport fuse_buf
from fusetree._lowlevel.libfuse.pthread cimport pthread_mutex_t
from fusetree._lowlevel.request cimport Request

# A request that needs Python, with the buffer that its arguments lie in.
cdef struct ft_handed:
    Captured captured
    fuse_buf buf               # mem: allocated by libfuse at the first receive
    ft_handed *next


cdef class Standby:
    cdef Connection connection
    cdef int c_handed_fd       # eventfd: readable while `first` is not NULL
    cdef int c_stop_fd         # eventfd: readable after stop()
    cdef pthread_mutex_t lock
    cdef ft_handed *first      # guarded by lock
    cdef ft_handed *last       # guarded by lock
    cdef ft_handed *spare      # guarded by lock; a buffer to use again
    cdef uint64_t c_takeovers  # atomic

    cdef ft_handed *pop(self) noexcept nogil
    cdef ft_handed *blank(self) noexcept nogil
    cdef void push(self, ft_handed *handed) noexcept nogil
    cdef Request unpack(self, ft_handed *handed)
    cdef void keep_watch(self) noexcept nogil
    cdef ft_handed *take_over(self, ft_handed *handed, uint64_t seen) noexcept nogil
