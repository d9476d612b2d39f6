# cython: language_level=3
"""One request of the kernel: its arguments, and the right to answer it once."""

from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from fusetree._lowlevel.buffers cimport Storage
from fusetree._lowlevel.capture cimport Captured, SessionState
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_ino_t, fuse_req_t
from fusetree._lowlevel.libfuse.posix cimport dev_t, gid_t, mode_t, off_t, pid_t, uid_t


cdef class RequestContext:
    cdef readonly uid_t uid
    cdef readonly gid_t gid
    cdef readonly pid_t pid
    cdef readonly mode_t umask
    cdef readonly fuse_ino_t inode
    cdef readonly uint64_t lock_owner
    cdef readonly int flags


cdef class Request:
    cdef fuse_req_t c_req          # NULL once answered; taken by take() only
    cdef SessionState *c_state     # borrowed from session
    cdef object session            # keeps libfuse's session alive until this request is answered
    cdef int c_opcode
    cdef fuse_ino_t c_ino
    cdef fuse_ino_t c_other_ino
    cdef size_t c_size
    cdef off_t c_off
    cdef unsigned int c_number
    cdef dev_t c_rdev
    cdef uint64_t c_length         # these three: see Captured
    cdef uint64_t c_other_fh
    cdef off_t c_other_off
    cdef bint c_has_fi
    cdef bint c_ring               # it came over a ring, and is part of it
    cdef uint64_t c_fh
    cdef int c_flags
    cdef uint64_t c_stamp          # state of the directory when the handler began, see reply_entry_coherent
    cdef bint c_counted            # handler_begins was called for the directory (and the other one)
    cdef RequestContext ctx
    cdef bytes name_bytes
    cdef object other              # second name, data, new attributes, forget list, lock, poll handle
    cdef int64_t c_began           # when its handler began, monotonic, where a watchdog wants to know; else 0
    cdef public bint reported      # the watchdog has named it
    cdef PyObject *c_next          # used by rotation.pyx while the request waits for a worker

    @staticmethod
    cdef Request wrap(Captured *captured, SessionState *state, object session, Storage storage)
    cdef fuse_req_t take(self) noexcept
    cdef int fail_with(self, int errno) noexcept
    cdef int fail_ring(self, int errno) noexcept
    cdef bint gives_up(self) noexcept
    cdef int release_view(self) except -1

# Tells the table of the directories of a captured request that a handler is in flight there; Request.wrap
# does it, and who keeps captured requests waiting does it before.  Once it was done, the request must be
# wrapped.
cdef void count_handler(Captured *captured, SessionState *state) noexcept nogil

# Whether its handler waits by nature, for a lock.
cdef bint waits_for_a_lock(Request request) noexcept
