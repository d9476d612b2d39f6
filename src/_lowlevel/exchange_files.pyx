# cython: language_level=3
"""Handlers of the requests on open files and open directories."""

from fusetree._lowlevel.capture cimport (
    OP_COPY_FILE_RANGE,
    OP_FALLOCATE,
    OP_FLUSH,
    OP_FSYNC,
    OP_FSYNCDIR,
    OP_LSEEK,
    OP_OPEN,
    OP_OPENDIR,
    OP_READ,
    OP_READDIR,
    OP_READDIRPLUS,
    OP_RELEASE,
    OP_RELEASEDIR,
    OP_WRITE,
)
from fusetree._lowlevel.dirents cimport ReaddirToken
from fusetree._lowlevel.exchange cimport UNDO_LISTING, UNDO_OPEN, UNDO_OPENDIR, call_t, enter
from fusetree._lowlevel.reply cimport (
    reply_count,
    reply_data,
    reply_directory,
    reply_offset,
    reply_open,
    reply_success,
    reply_written,
)
from fusetree._lowlevel.request cimport Request


cdef object call_open(Request r, object handler):
    return handler(r.c_ino, r.c_flags, r.ctx)


cdef object call_opendir(Request r, object handler):
    return handler(r.c_ino, r.ctx)


cdef object call_read(Request r, object handler):
    return handler(r.c_fh, r.c_off, r.c_size)


cdef object call_write(Request r, object handler):
    return handler(r.c_fh, r.c_off, r.other)


cdef object call_handle(Request r, object handler):
    return handler(r.c_fh)


cdef object call_fsync(Request r, object handler):
    return handler(r.c_fh, (r.c_number & 1) != 0)


cdef object call_readdir(Request r, object handler):
    cdef ReaddirToken token = ReaddirToken.wrap(r.c_req, r.c_size, r.c_opcode == OP_READDIRPLUS, r.c_ino)
    token.c_checks = True
    r.other = token
    return handler(r.c_fh, r.c_off, token)


cdef object call_readdir_unchecked(Request r, object handler):
    r.other = ReaddirToken.wrap(r.c_req, r.c_size, r.c_opcode == OP_READDIRPLUS, r.c_ino)
    return handler(r.c_fh, r.c_off, r.other)


cdef object call_fallocate(Request r, object handler):
    return handler(r.c_ino, r.c_fh, <int>r.c_number, r.c_off, r.c_length, r.ctx)


cdef object call_copy_file_range(Request r, object handler):
    return handler(
        r.c_ino, r.c_fh, r.c_off, r.c_other_ino, r.c_other_fh, r.c_other_off, r.c_size, r.c_number, r.ctx)


cdef object call_lseek(Request r, object handler):
    return handler(r.c_ino, r.c_fh, r.c_off, <int>r.c_number, r.ctx)


cdef void enter_files(Exchange *table, bint checks):
    cdef call_t listing = call_readdir if checks else call_readdir_unchecked
    enter(table, OP_OPEN, call_open, reply_open, UNDO_OPEN)
    enter(table, OP_READ, call_read, reply_data)
    enter(table, OP_WRITE, call_write, reply_written)
    enter(table, OP_FLUSH, call_handle, reply_success)
    enter(table, OP_RELEASE, call_handle, reply_success)
    enter(table, OP_FSYNC, call_fsync, reply_success)
    enter(table, OP_OPENDIR, call_opendir, reply_open, UNDO_OPENDIR)
    enter(table, OP_READDIR, listing, reply_directory, UNDO_LISTING)
    enter(table, OP_READDIRPLUS, listing, reply_directory, UNDO_LISTING)
    enter(table, OP_RELEASEDIR, call_handle, reply_success)
    enter(table, OP_FSYNCDIR, call_fsync, reply_success)
    enter(table, OP_FALLOCATE, call_fallocate, reply_success)
    enter(table, OP_COPY_FILE_RANGE, call_copy_file_range, reply_count)
    enter(table, OP_LSEEK, call_lseek, reply_offset)
