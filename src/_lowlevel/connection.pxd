# cython: language_level=3
"""One FUSE connection: libfuse's session, mounted or on a descriptor."""

from fusetree._lowlevel.capture cimport SessionState
from fusetree._lowlevel.inodes cimport InodeTable
from fusetree._lowlevel.libfuse.common cimport fuse_buf
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_session
from fusetree._lowlevel.request cimport Request


cdef class ReceiveBuffer:
    cdef fuse_buf c_buf            # mem: allocated by libfuse at the first receive, freed with us


cdef class Connection:
    cdef fuse_session *c_session   # owned; destroyed when the last Request is gone
    cdef SessionState c_state
    cdef InodeTable table
    cdef bint mounted
    cdef bint is_socket

    cdef int detach_device(self) except -1
    cdef int notified(self, int rc, str what) except -1
    cdef Request next_request(self, ReceiveBuffer buffer)
