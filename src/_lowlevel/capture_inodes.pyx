# cython: language_level=3
"""Callbacks of the requests on an inode or on the whole file system: attributes, link target, xattrs, access,
forget."""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.answers cimport (
    answer_access,
    answer_getattr,
    answer_getxattr,
    answer_listxattr,
    answer_readlink,
    answer_statfs,
    table_forget,
)
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
    Captured,
    SessionState,
    current,
)
from fusetree._lowlevel.libfuse.common cimport fuse_file_info
from fusetree._lowlevel.libfuse.lowlevel cimport (
    ft_register_statx,
    ft_register_syncfs,
    fuse_forget_data,
    fuse_ino_t,
    fuse_lowlevel_ops,
    fuse_reply_none,
    fuse_req_t,
    fuse_req_userdata,
)
from fusetree._lowlevel.libfuse.posix cimport c_stat
from fusetree._lowlevel.negotiation cimport on_init


cdef inline Captured *capture(fuse_req_t req, int opcode, fuse_ino_t ino) noexcept nogil:
    cdef Captured *c = current()
    c.opcode = opcode
    c.req = req
    c.ino = ino
    return c


cdef inline SessionState *state_of(fuse_req_t req) noexcept nogil:
    return <SessionState *>fuse_req_userdata(req)


cdef void on_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL:
        table_forget(state.table, ino, nlookup)
    if not state.python_forget:
        fuse_reply_none(req)
        return
    cdef Captured *c = capture(req, OP_FORGET, ino)
    c.single_forget.ino = ino
    c.single_forget.nlookup = nlookup
    c.forgets = &c.single_forget
    c.size = 1


cdef void on_forget_multi(fuse_req_t req, size_t count, fuse_forget_data *forgets) noexcept nogil:
    cdef SessionState *state = state_of(req)
    cdef size_t i
    if state.table != NULL:
        for i in range(count):
            table_forget(state.table, forgets[i].ino, forgets[i].nlookup)
    if not state.python_forget:
        fuse_reply_none(req)
        return
    cdef Captured *c = capture(req, OP_BATCH_FORGET, 0)
    c.forgets = forgets
    c.size = count


cdef void on_getattr(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL and answer_getattr(state.table, req, ino):
        return
    capture(req, OP_GETATTR, ino)


cdef void on_setattr(
        fuse_req_t req, fuse_ino_t ino, c_stat *attr, int to_set, fuse_file_info *fi) noexcept nogil:
    cdef Captured *c = capture(req, OP_SETATTR, ino)
    c.attr = attr[0]
    c.number = to_set
    c.has_fi = fi != NULL
    if fi != NULL:
        c.fi = fi[0]


cdef void on_readlink(fuse_req_t req, fuse_ino_t ino) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL and answer_readlink(state.table, req, ino):
        return
    capture(req, OP_READLINK, ino)


cdef void on_statfs(fuse_req_t req, fuse_ino_t ino) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL and answer_statfs(state.table, req):
        return
    capture(req, OP_STATFS, ino)


cdef void on_access(fuse_req_t req, fuse_ino_t ino, int mask) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL and answer_access(state.table, req, ino, mask):
        return
    capture(req, OP_ACCESS, ino).number = mask


cdef void on_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
                      int flags) noexcept nogil:
    cdef Captured *c = capture(req, OP_SETXATTR, ino)
    c.name = name
    c.data = value
    c.size = size
    c.number = flags


cdef void on_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL and answer_getxattr(state.table, req, ino, name, size):
        return
    cdef Captured *c = capture(req, OP_GETXATTR, ino)
    c.name = name
    c.size = size


cdef void on_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size) noexcept nogil:
    cdef SessionState *state = state_of(req)
    if state.table != NULL and answer_listxattr(state.table, req, ino, size):
        return
    capture(req, OP_LISTXATTR, ino).size = size


cdef void on_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name) noexcept nogil:
    capture(req, OP_REMOVEXATTR, ino).name = name


cdef void on_statx(fuse_req_t req, fuse_ino_t ino, int flags, int mask, fuse_file_info *fi) noexcept nogil:
    cdef Captured *c = capture(req, OP_STATX, ino)
    c.number = flags
    c.size = mask
    c.has_fi = fi != NULL
    if fi != NULL:
        c.fi = fi[0]


cdef void on_syncfs(fuse_req_t req, fuse_ino_t ino) noexcept nogil:
    capture(req, OP_SYNCFS, ino)


cdef void register_inodes(fuse_lowlevel_ops *ops, set wanted):
    """Enter the callbacks of the *wanted* handlers; INIT and FORGET are always ours."""
    ops.init = on_init
    ops.forget = on_forget
    ops.forget_multi = on_forget_multi
    if "getattr" in wanted:
        ops.getattr = on_getattr
    if "setattr" in wanted:
        ops.setattr = on_setattr
    if "readlink" in wanted:
        ops.readlink = on_readlink
    if "statfs" in wanted:
        ops.statfs = on_statfs
    if "access" in wanted:
        ops.access = on_access
    if "setxattr" in wanted:
        ops.setxattr = on_setxattr
    if "getxattr" in wanted:
        ops.getxattr = on_getxattr
    if "listxattr" in wanted:
        ops.listxattr = on_listxattr
    if "removexattr" in wanted:
        ops.removexattr = on_removexattr
    if "statx" in wanted:
        ft_register_statx(ops, on_statx)
    if "syncfs" in wanted:
        ft_register_syncfs(ops, on_syncfs)
