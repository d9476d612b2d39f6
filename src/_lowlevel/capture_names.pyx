# cython: language_level=3
"""Callbacks of the requests that name a directory entry: lookup and what makes, moves or removes names."""

from fusetree._lowlevel.answers cimport answer_lookup
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
    Captured,
    SessionState,
    current,
)
from fusetree._lowlevel.libfuse.common cimport fuse_file_info
from fusetree._lowlevel.libfuse.lowlevel cimport (
    ft_register_tmpfile,
    fuse_ino_t,
    fuse_lowlevel_ops,
    fuse_req_t,
    fuse_req_userdata,
)
from fusetree._lowlevel.libfuse.posix cimport dev_t, mode_t


cdef inline Captured *capture(fuse_req_t req, int opcode, fuse_ino_t parent, const char *name) noexcept nogil:
    cdef Captured *c = current()
    c.opcode = opcode
    c.req = req
    c.ino = parent
    c.name = name
    return c


cdef void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) noexcept nogil:
    cdef SessionState *state = <SessionState *>fuse_req_userdata(req)
    if state.table != NULL and answer_lookup(state.table, req, parent, name):
        return
    capture(req, OP_LOOKUP, parent, name)


cdef void on_mknod(
        fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev) noexcept nogil:
    cdef Captured *c = capture(req, OP_MKNOD, parent, name)
    c.number = mode
    c.rdev = rdev


cdef void on_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode) noexcept nogil:
    capture(req, OP_MKDIR, parent, name).number = mode


cdef void on_unlink(fuse_req_t req, fuse_ino_t parent, const char *name) noexcept nogil:
    capture(req, OP_UNLINK, parent, name)


cdef void on_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name) noexcept nogil:
    capture(req, OP_RMDIR, parent, name)


cdef void on_symlink(
        fuse_req_t req, const char *link, fuse_ino_t parent, const char *name) noexcept nogil:
    capture(req, OP_SYMLINK, parent, name).other_name = link


cdef void on_rename(
        fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent, const char *newname,
        unsigned int flags) noexcept nogil:
    cdef Captured *c = capture(req, OP_RENAME, parent, name)
    c.other_ino = newparent
    c.other_name = newname
    c.number = flags


cdef void on_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname) noexcept nogil:
    cdef Captured *c = capture(req, OP_LINK, ino, newname)
    c.other_ino = newparent


cdef void on_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                    fuse_file_info *fi) noexcept nogil:
    cdef Captured *c = capture(req, OP_CREATE, parent, name)
    c.number = mode
    c.fi = fi[0]
    c.has_fi = True


cdef void on_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, fuse_file_info *fi) noexcept nogil:
    cdef Captured *c = capture(req, OP_TMPFILE, parent, NULL)
    c.number = mode
    c.fi = fi[0]
    c.has_fi = True


cdef void register_names(fuse_lowlevel_ops *ops, set wanted):
    """Enter the callbacks of the *wanted* handlers; libfuse answers for the others by itself."""
    if "lookup" in wanted:
        ops.lookup = on_lookup
    if "mknod" in wanted:
        ops.mknod = on_mknod
    if "mkdir" in wanted:
        ops.mkdir = on_mkdir
    if "unlink" in wanted:
        ops.unlink = on_unlink
    if "rmdir" in wanted:
        ops.rmdir = on_rmdir
    if "symlink" in wanted:
        ops.symlink = on_symlink
    if "rename" in wanted:
        ops.rename = on_rename
    if "link" in wanted:
        ops.link = on_link
    if "create" in wanted:
        ops.create = on_create
    if "tmpfile" in wanted:
        ft_register_tmpfile(ops, on_tmpfile)
