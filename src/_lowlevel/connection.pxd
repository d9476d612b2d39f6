# cython: language_level=3
"""One FUSE connection: libfuse's session, mounted or on a descriptor."""

from libc.stdint cimport int64_t

from fusetree._lowlevel.buffers cimport Storage
from fusetree._lowlevel.capture cimport SessionState
from fusetree._lowlevel.inodes cimport InodeTable
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_session
from fusetree._lowlevel.request cimport Request
from fusetree._lowlevel.retrieves cimport Retrieves


cdef class ReceiveBuffer(Storage):
    pass


cdef class Connection:
    cdef fuse_session *c_session   # owned; destroyed when the last Request is gone
    cdef SessionState c_state
    cdef InodeTable table
    cdef Retrieves retrieves       # cached data that the kernel was asked for
    cdef str c_refused             # why libfuse has no rings
    cdef bint mounted
    cdef bint is_socket
    # how a loop drains; used by its thread only, see `take`
    cdef int64_t c_until           # when to stop lingering, monotonic
    cdef int c_linger              # nanoseconds; 0: do not
    cdef int c_vain                # how many drains not to linger in, after lingering was in vain
    cdef int c_rest                # ... of these, how many are left

    cdef int detach_device(self) except -1
    cdef void leave(self) noexcept
    cdef Request next_request(self, ReceiveBuffer buffer)
