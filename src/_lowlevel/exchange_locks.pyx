# cython: language_level=3
"""Handlers of the requests on locks."""

from fusetree._lowlevel.capture cimport OP_FLOCK, OP_GETLK, OP_SETLK
from fusetree._lowlevel.exchange cimport enter
from fusetree._lowlevel.filelock cimport FileLock
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_reply_lock, fuse_req_t
from fusetree._lowlevel.libfuse.posix cimport F_UNLCK, c_flock
from fusetree._lowlevel.reply cimport reply_success, wrong_type
from fusetree._lowlevel.request cimport Request


cdef object call_getlk(Request r, object handler):
    return handler(r.c_ino, r.c_fh, r.other, r.ctx)


cdef object call_setlk(Request r, object handler):
    return handler(r.c_ino, r.c_fh, r.other, r.c_number != 0, r.ctx)


cdef object call_flock(Request r, object handler):
    return handler(r.c_ino, r.c_fh, <int>r.c_number, r.ctx)


cdef int reply_lock(Request r, object result) except? -1:
    cdef fuse_req_t req
    cdef c_flock lock
    if result is None:
        lock = (<FileLock>r.other).c_lock
        lock.l_type = F_UNLCK
    elif isinstance(result, FileLock):
        lock = (<FileLock>result).c_lock
    else:
        raise wrong_type(r, "FileLock or None", result)
    req = r.take()
    if req == NULL:
        return 0
    with nogil:
        return fuse_reply_lock(req, &lock)


cdef void enter_locks(Exchange *table):
    enter(table, OP_GETLK, call_getlk, reply_lock)
    enter(table, OP_SETLK, call_setlk, reply_success)
    enter(table, OP_FLOCK, call_flock, reply_success)
