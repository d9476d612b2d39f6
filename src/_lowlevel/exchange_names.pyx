# cython: language_level=3
"""Handlers of the requests that name a directory entry, or make an inode."""

from fusetree._lowlevel.capture cimport (
    OP_CREATE,
    OP_LINK,
    OP_LOOKUP,
    OP_MKDIR,
    OP_MKNOD,
    OP_RENAME,
    OP_RMDIR,
    OP_SYMLINK,
    OP_TMPFILE,
    OP_UNLINK,
)
from fusetree._lowlevel.exchange cimport UNDO_CREATE, UNDO_LOOKUP, enter
from fusetree._lowlevel.reply cimport reply_create, reply_entry, reply_success
from fusetree._lowlevel.request cimport Request

cdef enum:
    S_IFMT = 0o170000
    S_IFDIR = 0o040000


cdef object call_lookup(Request r, object handler):
    return handler(r.c_ino, r.name_bytes, r.ctx)


cdef object call_mknod(Request r, object handler):
    return handler(r.c_ino, r.name_bytes, r.c_number, r.c_rdev, r.ctx)


cdef object call_mkdir(Request r, object handler):
    return handler(r.c_ino, r.name_bytes, (r.c_number & ~S_IFMT) | S_IFDIR, r.ctx)


cdef object call_remove(Request r, object handler):
    return handler(r.c_ino, r.name_bytes, r.ctx)


cdef object call_symlink(Request r, object handler):
    return handler(r.c_ino, r.name_bytes, r.other, r.ctx)


cdef object call_rename(Request r, object handler):
    return handler(r.c_ino, r.name_bytes, r.c_other_ino, r.other, r.c_number, r.ctx)


cdef object call_link(Request r, object handler):
    return handler(r.c_ino, r.c_other_ino, r.name_bytes, r.ctx)


cdef object call_create(Request r, object handler):
    return handler(r.c_ino, r.name_bytes, r.c_number, r.c_flags, r.ctx)


cdef object call_tmpfile(Request r, object handler):
    return handler(r.c_ino, r.c_number, r.c_flags, r.ctx)


cdef void enter_names(Exchange *table):
    enter(table, OP_LOOKUP, call_lookup, reply_entry, UNDO_LOOKUP)
    enter(table, OP_MKNOD, call_mknod, reply_entry, UNDO_LOOKUP)
    enter(table, OP_MKDIR, call_mkdir, reply_entry, UNDO_LOOKUP)
    enter(table, OP_UNLINK, call_remove, reply_success)
    enter(table, OP_RMDIR, call_remove, reply_success)
    enter(table, OP_SYMLINK, call_symlink, reply_entry, UNDO_LOOKUP)
    enter(table, OP_RENAME, call_rename, reply_success)
    enter(table, OP_LINK, call_link, reply_entry, UNDO_LOOKUP)
    enter(table, OP_CREATE, call_create, reply_create, UNDO_CREATE)
    enter(table, OP_TMPFILE, call_tmpfile, reply_create, UNDO_CREATE)
