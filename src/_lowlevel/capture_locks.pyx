# cython: language_level=3
"""Callbacks of the requests on locks: fcntl(2) and flock(2)."""

from fusetree._lowlevel.capture cimport OP_FLOCK, OP_GETLK, OP_SETLK, Captured, current
from fusetree._lowlevel.libfuse.common cimport fuse_file_info
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_ino_t, fuse_lowlevel_ops, fuse_req_t
from fusetree._lowlevel.libfuse.posix cimport c_flock


cdef inline Captured *capture(fuse_req_t req, int opcode, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    cdef Captured *c = current()
    c.opcode = opcode
    c.req = req
    c.ino = ino
    c.fi = fi[0]
    c.has_fi = True
    return c


cdef void on_getlk(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi, c_flock *lock) noexcept nogil:
    capture(req, OP_GETLK, ino, fi).lock = lock[0]


cdef void on_setlk(
        fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi, c_flock *lock, int sleep) noexcept nogil:
    cdef Captured *c = capture(req, OP_SETLK, ino, fi)
    c.lock = lock[0]
    c.number = sleep


cdef void on_flock(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi, int op) noexcept nogil:
    capture(req, OP_FLOCK, ino, fi).number = op


cdef void register_locks(fuse_lowlevel_ops *ops, set wanted):
    """Enter the callbacks of the *wanted* handlers; libfuse asks the kernel for locks when they are there."""
    if "getlk" in wanted:
        ops.getlk = on_getlk
    if "setlk" in wanted:
        ops.setlk = on_setlk
    if "flock" in wanted:
        ops.flock = on_flock
