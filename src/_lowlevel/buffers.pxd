# cython: language_level=3
"""Where requests are received, and the written data in there as Python sees them."""

from cpython.ref cimport PyObject

from fusetree._lowlevel.libfuse.common cimport fuse_buf
from fusetree._lowlevel.libfuse.pthread cimport pthread_mutex_t


cdef class Storage:
    cdef fuse_buf c_buf            # mem: allocated by libfuse at the first receive, freed with us
    cdef PyObject *c_borrower      # the WrittenData that looks into mem, borrowed; guarded by c_lock
    cdef pthread_mutex_t c_lock

    cdef void let_go(self) noexcept


cdef class WrittenData:
    cdef Storage home              # whose memory it is, unless it is ours
    cdef void *c_owned             # guarded by home's c_lock; NULL: home's
    cdef const char *c_data
    cdef Py_ssize_t c_size

# A memoryview of *size* bytes of home's memory.
cdef object view_of(Storage home, const char *data, Py_ssize_t size)
