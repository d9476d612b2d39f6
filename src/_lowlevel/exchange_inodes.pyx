# cython: language_level=3
"""Handlers of the requests on an inode or on the whole file system."""

from fusetree._lowlevel.attributes cimport SetattrFields
from fusetree._lowlevel.capture cimport (
    OP_ACCESS,
    OP_BATCH_FORGET,
    OP_FORGET,
    OP_GETATTR,
    OP_GETXATTR,
    OP_LISTXATTR,
    OP_READLINK,
    OP_REMOVEXATTR,
    OP_SETATTR,
    OP_SETXATTR,
    OP_STATFS,
    OP_STATX,
    OP_SYNCFS,
)
from fusetree._lowlevel.exchange cimport enter
from fusetree._lowlevel.reply cimport (
    reply_access,
    reply_attr,
    reply_names,
    reply_statfs,
    reply_statx,
    reply_success,
    reply_target,
    reply_xattr,
)
from fusetree._lowlevel.request cimport Request


cdef object call_forget(Request r, object handler):
    # The kernel waits for nothing, so libfuse's request is freed first.
    cdef object forgotten = r.other
    r.fail_with(0)
    return handler(forgotten)


cdef object call_inode(Request r, object handler):
    return handler(r.c_ino, r.ctx)


cdef object call_setattr(Request r, object handler):
    return handler(r.c_ino, r.other, SetattrFields.wrap(r.c_number), r.c_fh if r.c_has_fi else None, r.ctx)


cdef object call_statfs(Request r, object handler):
    return handler(r.ctx)


cdef object call_access(Request r, object handler):
    return handler(r.c_ino, r.c_number, r.ctx)


cdef object call_setxattr(Request r, object handler):
    return handler(r.c_ino, r.name_bytes, r.other, r.ctx)


cdef object call_xattr(Request r, object handler):
    return handler(r.c_ino, r.name_bytes, r.ctx)


cdef object call_statx(Request r, object handler):
    return handler(r.c_ino, r.c_fh if r.c_has_fi else None, r.c_number, r.c_size, r.ctx)


cdef void enter_inodes(Exchange *table):
    enter(table, OP_FORGET, call_forget, reply_success)
    enter(table, OP_BATCH_FORGET, call_forget, reply_success)
    enter(table, OP_GETATTR, call_inode, reply_attr)
    enter(table, OP_SETATTR, call_setattr, reply_attr)
    enter(table, OP_READLINK, call_inode, reply_target)
    enter(table, OP_STATFS, call_statfs, reply_statfs)
    enter(table, OP_ACCESS, call_access, reply_access)
    enter(table, OP_SETXATTR, call_setxattr, reply_success)
    enter(table, OP_GETXATTR, call_xattr, reply_xattr)
    enter(table, OP_LISTXATTR, call_inode, reply_names)
    enter(table, OP_REMOVEXATTR, call_xattr, reply_success)
    enter(table, OP_STATX, call_statx, reply_statx)
    enter(table, OP_SYNCFS, call_inode, reply_success)
