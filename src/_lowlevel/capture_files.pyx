# cython: language_level=3
"""Callbacks of the requests on open files and open directories."""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.answers_directories cimport answer_opendir, answer_readdir, answer_releasedir
from fusetree._lowlevel.answers_files cimport answer_flush, answer_open, answer_read, answer_release
from fusetree._lowlevel.capture cimport (
    OP_COPY_FILE_RANGE,
    OP_FALLOCATE,
    OP_FLUSH,
    OP_FSYNC,
    OP_FSYNCDIR,
    OP_LSEEK,
    OP_NOTIFY_REPLY,
    OP_OPEN,
    OP_OPENDIR,
    OP_READ,
    OP_READDIR,
    OP_READDIRPLUS,
    OP_RELEASE,
    OP_RELEASEDIR,
    OP_WRITE,
    Captured,
    SessionState,
    current,
)
from fusetree._lowlevel.libfuse.common cimport FUSE_BUF_IS_FD, fuse_bufvec, fuse_file_info
from fusetree._lowlevel.libfuse.lowlevel cimport (
    fuse_ino_t,
    fuse_lowlevel_ops,
    fuse_reply_none,
    fuse_req_t,
    fuse_req_userdata,
)
from fusetree._lowlevel.libfuse.posix cimport off_t


cdef inline Captured *capture(fuse_req_t req, int opcode, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    cdef Captured *c = current()
    c.opcode = opcode
    c.req = req
    c.ino = ino
    c.fi = fi[0]
    c.has_fi = True
    return c


cdef inline SessionState *state_of(fuse_req_t req) noexcept nogil:
    return <SessionState *>fuse_req_userdata(req)


cdef void on_open(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL and answer_open(state.table, req, ino, fi):
        return
    capture(req, OP_OPEN, ino, fi)


cdef void on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, fuse_file_info *fi) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL and answer_read(state.table, req, ino, size, off, fi):
        return
    cdef Captured *c = capture(req, OP_READ, ino, fi)
    c.size = size
    c.off = off


cdef void on_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
                   fuse_file_info *fi) noexcept nogil:
    cdef Captured *c = capture(req, OP_WRITE, ino, fi)
    c.data = buf
    c.size = size
    c.off = off


cdef void on_flush(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL and answer_flush(state.table, req, ino, fi):
        return
    capture(req, OP_FLUSH, ino, fi)


cdef void on_release(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL and answer_release(state.table, req, ino, fi):
        return
    capture(req, OP_RELEASE, ino, fi)


cdef void on_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, fuse_file_info *fi) noexcept nogil:
    capture(req, OP_FSYNC, ino, fi).number = datasync


cdef void on_opendir(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL and answer_opendir(state.table, req, ino, fi):
        return
    capture(req, OP_OPENDIR, ino, fi)


cdef void on_readdir(
        fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, fuse_file_info *fi) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL and answer_readdir(state.table, req, ino, size, off, fi, 0):
        return
    cdef Captured *c = capture(req, OP_READDIR, ino, fi)
    c.size = size
    c.off = off


cdef void on_readdirplus(
        fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, fuse_file_info *fi) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL and answer_readdir(state.table, req, ino, size, off, fi, 1):
        return
    cdef Captured *c = capture(req, OP_READDIRPLUS, ino, fi)
    c.size = size
    c.off = off


cdef void on_releasedir(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL and answer_releasedir(state.table, req, ino, fi):
        return
    capture(req, OP_RELEASEDIR, ino, fi)


cdef void on_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, fuse_file_info *fi) noexcept nogil:
    capture(req, OP_FSYNCDIR, ino, fi).number = datasync


cdef void on_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                       fuse_file_info *fi) noexcept nogil:
    cdef Captured *c = capture(req, OP_FALLOCATE, ino, fi)
    c.number = mode
    c.off = offset
    c.length = length


cdef void on_copy_file_range(
        fuse_req_t req, fuse_ino_t ino_in, off_t off_in, fuse_file_info *fi_in, fuse_ino_t ino_out,
        off_t off_out, fuse_file_info *fi_out, size_t length, int flags) noexcept nogil:
    cdef Captured *c = capture(req, OP_COPY_FILE_RANGE, ino_in, fi_in)
    c.off = off_in
    c.other_ino = ino_out
    c.other_off = off_out
    c.other_fh = fi_out.fh
    c.size = length
    c.number = flags


cdef void on_lseek(
        fuse_req_t req, fuse_ino_t ino, off_t off, int whence, fuse_file_info *fi) noexcept nogil:
    cdef Captured *c = capture(req, OP_LSEEK, ino, fi)
    c.off = off
    c.number = whence


cdef void on_retrieve_reply(
        fuse_req_t req, void *cookie, fuse_ino_t ino, off_t offset, fuse_bufvec *bufv) noexcept nogil:
    cdef Captured *c = current()
    c.opcode = OP_NOTIFY_REPLY
    c.req = NULL
    c.ino = <uint64_t>cookie
    c.off = offset
    # Nobody asks libfuse to splice from the device, so the data is in memory.
    c.data = <const char *>bufv.buf[0].mem
    c.size = 0 if bufv.buf[0].flags & FUSE_BUF_IS_FD else bufv.buf[0].size
    fuse_reply_none(req)


cdef void register_files(fuse_lowlevel_ops *ops, set wanted):
    """Enter the callbacks of the *wanted* handlers; "readdir" and "readdirplus" are the two ways to list."""
    ops.retrieve_reply = on_retrieve_reply
    if "open" in wanted:
        ops.open = on_open
    if "read" in wanted:
        ops.read = on_read
    if "write" in wanted:
        ops.write = on_write
    if "flush" in wanted:
        ops.flush = on_flush
    if "release" in wanted:
        ops.release = on_release
    if "fsync" in wanted:
        ops.fsync = on_fsync
    if "opendir" in wanted:
        ops.opendir = on_opendir
    if "readdir" in wanted:
        ops.readdir = on_readdir
    if "readdirplus" in wanted:
        ops.readdirplus = on_readdirplus
    if "releasedir" in wanted:
        ops.releasedir = on_releasedir
    if "fsyncdir" in wanted:
        ops.fsyncdir = on_fsyncdir
    if "fallocate" in wanted:
        ops.fallocate = on_fallocate
    if "copy_file_range" in wanted:
        ops.copy_file_range = on_copy_file_range
    if "lseek" in wanted:
        ops.lseek = on_lseek
