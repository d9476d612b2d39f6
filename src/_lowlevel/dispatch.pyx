# cython: language_level=3
"""From a Request to the handler, and from what the handler returns to the reply.

Rule 1: whatever a handler returns or raises, its request is answered exactly once.
Rule 2: a lookup count or an open file that did not reach the kernel (the caller was interrupted, the mount is gone) is taken
        back from the handlers at once: ``forget`` or ``release`` is called for it.
Rule 3: handlers are looked up once, when the session is made; a request costs no attribute look-up.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.errno cimport EACCES, EEXIST, EIO, ENODATA, ENOSYS, ERANGE
from libc.string cimport memset

from fusetree._lowlevel.answers cimport reply_attr_coherent, reply_create_coherent, reply_entry_coherent
from fusetree._lowlevel.attributes cimport EntryAttributes, SetattrFields, StatvfsData
from fusetree._lowlevel.capture cimport (
    OP_ACCESS,
    OP_BATCH_FORGET,
    OP_COUNT,
    OP_CREATE,
    OP_FLUSH,
    OP_FORGET,
    OP_FSYNC,
    OP_FSYNCDIR,
    OP_GETATTR,
    OP_GETXATTR,
    OP_LINK,
    OP_LISTXATTR,
    OP_LOOKUP,
    OP_MKDIR,
    OP_MKNOD,
    OP_OPEN,
    OP_OPENDIR,
    OP_READ,
    OP_READDIR,
    OP_READDIRPLUS,
    OP_READLINK,
    OP_RELEASE,
    OP_RELEASEDIR,
    OP_REMOVEXATTR,
    OP_RENAME,
    OP_RMDIR,
    OP_SETATTR,
    OP_SETXATTR,
    OP_STATFS,
    OP_SYMLINK,
    OP_UNLINK,
    OP_WRITE,
)
from fusetree._lowlevel.dirents cimport ReaddirToken
from fusetree._lowlevel.errors cimport errno_of
from fusetree._lowlevel.fileinfo cimport FileInfo
from fusetree._lowlevel.inodes cimport NodeAttributes
from fusetree._lowlevel.libfuse.common cimport fuse_file_info
from fusetree._lowlevel.libfuse.lowlevel cimport (
    fuse_reply_attr,
    fuse_reply_buf,
    fuse_reply_create,
    fuse_reply_entry,
    fuse_reply_err,
    fuse_reply_none,
    fuse_reply_open,
    fuse_reply_readlink,
    fuse_reply_statfs,
    fuse_reply_write,
    fuse_reply_xattr,
    fuse_req_t,
)
from fusetree._lowlevel.request cimport Request

from types import CoroutineType

cdef enum:
    XATTR_CREATE = 1
    XATTR_REPLACE = 2
    S_IFMT = 0o170000
    S_IFDIR = 0o040000

cdef object coroutine_type = CoroutineType

# Handler name -> the opcodes that call it.
HANDLER_OPCODES = {
    "lookup": (OP_LOOKUP,), "forget": (OP_FORGET, OP_BATCH_FORGET), "getattr": (OP_GETATTR,), "setattr": (OP_SETATTR,),
    "readlink": (OP_READLINK,), "symlink": (OP_SYMLINK,), "mknod": (OP_MKNOD,), "mkdir": (OP_MKDIR,),
    "unlink": (OP_UNLINK,), "rmdir": (OP_RMDIR,), "rename": (OP_RENAME,), "link": (OP_LINK,), "open": (OP_OPEN,),
    "read": (OP_READ,), "write": (OP_WRITE,), "statfs": (OP_STATFS,), "release": (OP_RELEASE,), "fsync": (OP_FSYNC,),
    "setxattr": (OP_SETXATTR,), "getxattr": (OP_GETXATTR,), "listxattr": (OP_LISTXATTR,),
    "removexattr": (OP_REMOVEXATTR,), "flush": (OP_FLUSH,), "opendir": (OP_OPENDIR,),
    "readdir": (OP_READDIR, OP_READDIRPLUS), "releasedir": (OP_RELEASEDIR,), "fsyncdir": (OP_FSYNCDIR,),
    "access": (OP_ACCESS,), "create": (OP_CREATE,),
}


cdef TypeError wrong_type(Request request, object wanted, object result):
    return TypeError(f"handler {request.operation!r} must return {wanted}, not {type(result).__name__}")


cdef class Dispatcher:
    """Calls the handlers of one session.

    :param handlers: bound handler by name; only these are called.
    :param on_error: called with (request, exception) for an exception that is not an OSError, inside the ``except`` block; returns the errno
        to answer with.  It may raise: then EIO is answered and the exception leaves :meth:`call`.
    """

    def __init__(self, dict handlers not None, on_error):
        self.c_handlers = [None] * OP_COUNT
        for name, handler in handlers.items():
            for opcode in HANDLER_OPCODES[name]:
                self.c_handlers[opcode] = handler
        self.on_error = on_error
        self.forget = handlers.get("forget")
        self.release = handlers.get("release")
        self.releasedir = handlers.get("releasedir")

    cpdef object call(self, Request request):
        """Run the handler of *request* in this thread and answer.

        :returns: None when it was answered; the coroutine when the handler is ``async``: the caller must run it and
            hand its result to :meth:`finish`, or its exception to :meth:`fail`.
        """
        cdef object handler = self.c_handlers[request.c_opcode]
        cdef object result
        if handler is None:
            request.fail_with(ENOSYS)
            return None
        try:
            result = self.run(request, handler)
            if type(result) is coroutine_type:
                return result
            self.reply(request, result)
        except BaseException as exc:
            self.fail(request, exc)
        return None

    cpdef int finish(self, Request request, object result) except -1:
        """Answer *request* with what its handler returned; a result of the wrong type is answered with EIO."""
        try:
            self.reply(request, result)
        except BaseException as exc:
            self.fail(request, exc)
        return 0

    cpdef int fail(self, Request request, BaseException exc) except -1:
        """Answer *request* with the errno of *exc*."""
        cdef int errno = EIO
        if isinstance(request.other, ReaddirToken):
            (<ReaddirToken>request.other).c_req = NULL
        try:
            errno = errno_of(exc) if isinstance(exc, OSError) else self.on_error(request, exc)
        finally:
            request.fail_with(errno)
        return 0

    cdef object run(self, Request r, object handler):
        cdef int op = r.c_opcode
        if op == OP_READ:
            return handler(r.c_fh, r.c_off, r.c_size)
        if op == OP_GETATTR:
            return handler(r.c_ino, r.ctx)
        if op == OP_LOOKUP:
            return handler(r.c_ino, r.name_bytes, r.ctx)
        if op == OP_OPEN:
            return handler(r.c_ino, r.c_flags, r.ctx)
        if op == OP_RELEASE or op == OP_FLUSH or op == OP_RELEASEDIR:
            return handler(r.c_fh)
        if op == OP_WRITE:
            return handler(r.c_fh, r.c_off, r.other)
        if op == OP_READDIR or op == OP_READDIRPLUS:
            r.other = ReaddirToken.wrap(r.c_req, r.c_size, op == OP_READDIRPLUS)
            return handler(r.c_fh, r.c_off, r.other)
        if op == OP_OPENDIR or op == OP_READLINK or op == OP_LISTXATTR:
            return handler(r.c_ino, r.ctx)
        if op == OP_CREATE:
            return handler(r.c_ino, r.name_bytes, r.c_number, r.c_flags, r.ctx)
        if op == OP_SETATTR:
            return handler(
                r.c_ino, r.other, SetattrFields.wrap(r.c_number), r.c_fh if r.c_has_fi else None, r.ctx)
        if op == OP_UNLINK or op == OP_RMDIR:
            return handler(r.c_ino, r.name_bytes, r.ctx)
        if op == OP_MKDIR:
            return handler(r.c_ino, r.name_bytes, (r.c_number & ~S_IFMT) | S_IFDIR, r.ctx)
        if op == OP_MKNOD:
            return handler(r.c_ino, r.name_bytes, r.c_number, r.c_rdev, r.ctx)
        if op == OP_SYMLINK:
            return handler(r.c_ino, r.name_bytes, r.other, r.ctx)
        if op == OP_RENAME:
            return handler(r.c_ino, r.name_bytes, r.c_other_ino, r.other, r.c_number, r.ctx)
        if op == OP_LINK:
            return handler(r.c_ino, r.c_other_ino, r.name_bytes, r.ctx)
        if op == OP_FSYNC or op == OP_FSYNCDIR:
            return handler(r.c_fh, (r.c_number & 1) != 0)
        if op == OP_STATFS:
            return handler(r.ctx)
        if op == OP_ACCESS:
            return handler(r.c_ino, r.c_number, r.ctx)
        if op == OP_GETXATTR or op == OP_REMOVEXATTR:
            return handler(r.c_ino, r.name_bytes, r.ctx)
        if op == OP_SETXATTR:
            if r.c_number:
                self.check_xattr_flags(r)
            return handler(r.c_ino, r.name_bytes, r.other, r.ctx)
        # FORGET and BATCH_FORGET: the kernel waits for nothing, so libfuse's request is freed first.
        forgotten = r.other
        r.fail_with(0)
        return handler(forgotten)

    def check_xattr_flags(self, Request r):
        """XATTR_CREATE and XATTR_REPLACE (setxattr(2)), for handlers that are told no flags: ask ``getxattr`` first."""
        getxattr = self.c_handlers[OP_GETXATTR]
        if getxattr is None or r.c_number & ~(XATTR_CREATE | XATTR_REPLACE):
            raise OSError(ENOSYS, f"setxattr flags {r.c_number} need a getxattr handler")
        try:
            getxattr(r.c_ino, r.name_bytes, r.ctx)
        except OSError as exc:
            if exc.errno != ENODATA:
                raise
            if r.c_number & XATTR_REPLACE:
                raise
        else:
            if r.c_number & XATTR_CREATE:
                raise OSError(EEXIST, "the xattr exists")

    cdef int undo_lookup(self, unsigned long long ino) except -1:
        if self.forget is not None and ino:
            self.forget([(ino, 1)])
        return 0

    cdef int reply(self, Request r, object result) except -1:
        cdef int op = r.c_opcode
        if op == OP_READ:
            return reply_data(r, result)
        if op == OP_GETATTR or op == OP_SETATTR:
            return reply_attr(r, result)
        if op == OP_LOOKUP or op == OP_MKNOD or op == OP_MKDIR or op == OP_SYMLINK or op == OP_LINK:
            return reply_entry(self, r, result)
        if op == OP_OPEN or op == OP_OPENDIR:
            return reply_open(self, r, result)
        if op == OP_WRITE:
            return reply_write(r, result)
        if op == OP_READDIR or op == OP_READDIRPLUS:
            return reply_directory(self, r)
        if op == OP_CREATE:
            return reply_create(self, r, result)
        if op == OP_READLINK:
            return reply_target(r, result)
        if op == OP_STATFS:
            return reply_statfs(r, result)
        if op == OP_ACCESS:
            r.fail_with(0 if result else EACCES)
            return 0
        if op == OP_GETXATTR:
            return reply_xattr(r, result)
        if op == OP_LISTXATTR:
            return reply_xattr(r, b"".join([bytes(name) + b"\0" for name in result]))
        r.fail_with(0)
        return 0


cdef int reply_data(Request r, object result) except -1:
    """Data of a read, straight from the handler's buffer: the kernel makes the only copy."""
    cdef fuse_req_t req
    cdef Py_buffer view
    cdef Py_ssize_t size
    cdef const char *data
    if type(result) is bytes:
        size = PyBytes_GET_SIZE(result)
        if size > <Py_ssize_t>r.c_size:
            raise ValueError(f"handler 'read' was asked for {r.c_size} bytes and returned {size}")
        data = PyBytes_AS_STRING(result)
        req = r.take()
        if req != NULL:
            with nogil:
                fuse_reply_buf(req, data, size)
        return 0
    try:
        PyObject_GetBuffer(result, &view, PyBUF_SIMPLE)
    except TypeError:
        raise wrong_type(r, "bytes or another contiguous buffer", result) from None
    try:
        if view.len > <Py_ssize_t>r.c_size:
            raise ValueError(f"handler 'read' was asked for {r.c_size} bytes and returned {view.len}")
        req = r.take()
        if req != NULL:
            with nogil:
                fuse_reply_buf(req, <const char *>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)
    return 0


cdef int reply_attr(Request r, object result) except -1:
    cdef EntryAttributes attr
    cdef fuse_req_t req
    if not isinstance(result, EntryAttributes):
        raise wrong_type(r, "EntryAttributes", result)
    attr = <EntryAttributes>result
    req = r.take()
    if req == NULL:
        return 0
    if r.c_state.table != NULL and isinstance(result, NodeAttributes):
        reply_attr_coherent(r.c_state.table, req, <NodeAttributes>result)
    else:
        with nogil:
            fuse_reply_attr(req, &attr.c_entry.attr, attr.c_entry.attr_timeout)
    return 0


cdef int reply_entry(Dispatcher self, Request r, object result) except -1:
    cdef EntryAttributes attr
    cdef fuse_req_t req
    cdef int rc
    if not isinstance(result, EntryAttributes):
        raise wrong_type(r, "EntryAttributes", result)
    attr = <EntryAttributes>result
    req = r.take()
    if r.c_state.table != NULL and isinstance(result, NodeAttributes):
        if req != NULL:
            # The table raises the count, and undoes it by itself.
            reply_entry_coherent(
                r.c_state.table, req, <NodeAttributes>result,
                r.c_other_ino if r.c_opcode == OP_LINK else r.c_ino, r.name_bytes, r.c_stamp)
        return 0
    if req == NULL:
        return self.undo_lookup(attr.c_entry.ino)
    with nogil:
        rc = fuse_reply_entry(req, &attr.c_entry)
    if rc < 0:
        self.undo_lookup(attr.c_entry.ino)
    return 0


cdef int fill_open(Request r, fuse_file_info *fi, object result) except -1:
    memset(fi, 0, sizeof(fi[0]))
    fi.flags = r.c_flags
    if isinstance(result, FileInfo):
        (<FileInfo>result).apply(fi)
    elif isinstance(result, int):
        fi.fh = result
    else:
        raise wrong_type(r, "FileInfo or an int (the file handle)", result)
    return 0


cdef int reply_open(Dispatcher self, Request r, object result) except -1:
    cdef fuse_file_info fi
    cdef fuse_req_t req
    cdef int rc = -1
    fill_open(r, &fi, result)
    req = r.take()
    if req != NULL:
        with nogil:
            rc = fuse_reply_open(req, &fi)
    if rc < 0:
        undo = self.releasedir if r.c_opcode == OP_OPENDIR else self.release
        if undo is not None:
            undo(fi.fh)
    return 0


cdef int reply_create(Dispatcher self, Request r, object result) except -1:
    cdef fuse_file_info fi
    cdef EntryAttributes attr
    cdef fuse_req_t req
    cdef int rc = -1
    if type(result) is not tuple or len(result) != 2 or not isinstance(result[1], EntryAttributes):
        raise wrong_type(r, "a tuple (FileInfo, EntryAttributes)", result)
    attr = <EntryAttributes>result[1]
    fill_open(r, &fi, result[0])
    req = r.take()
    if r.c_state.table != NULL and isinstance(attr, NodeAttributes):
        if req != NULL:
            rc = reply_create_coherent(r.c_state.table, req, <NodeAttributes>attr, r.c_ino, r.name_bytes, r.c_stamp, &fi)
        if rc < 0 and self.release is not None:
            self.release(fi.fh)
        return 0
    if req != NULL:
        with nogil:
            rc = fuse_reply_create(req, &attr.c_entry, &fi)
    if rc < 0:
        if self.release is not None:
            self.release(fi.fh)
        self.undo_lookup(attr.c_entry.ino)
    return 0


cdef int reply_write(Request r, object result) except -1:
    cdef size_t count
    cdef fuse_req_t req
    if not isinstance(result, int):
        raise wrong_type(r, "int (the number of bytes written)", result)
    if result < 0 or result > r.c_size:
        raise ValueError(f"handler 'write' was given {r.c_size} bytes and returned {result}")
    count = result
    req = r.take()
    if req != NULL:
        with nogil:
            fuse_reply_write(req, count)
    return 0


cdef int reply_directory(Dispatcher self, Request r) except -1:
    cdef ReaddirToken token = <ReaddirToken>r.other
    cdef fuse_req_t req = r.take()
    cdef int rc = -1
    token.c_req = NULL
    if req != NULL:
        with nogil:
            rc = fuse_reply_buf(req, token.c_buffer, token.c_used)
    if rc < 0:
        for ino in token.counted:
            self.undo_lookup(ino)
    return 0


cdef int reply_target(Request r, object result) except -1:
    cdef const char *target
    cdef fuse_req_t req
    if not isinstance(result, bytes):
        raise wrong_type(r, "bytes (the link target)", result)
    target = result
    req = r.take()
    if req != NULL:
        with nogil:
            fuse_reply_readlink(req, target)
    return 0


cdef int reply_statfs(Request r, object result) except -1:
    cdef StatvfsData data
    cdef fuse_req_t req
    if not isinstance(result, StatvfsData):
        raise wrong_type(r, "StatvfsData", result)
    data = <StatvfsData>result
    req = r.take()
    if req != NULL:
        with nogil:
            fuse_reply_statfs(req, &data.c_statvfs)
    return 0


cdef int reply_xattr(Request r, object result) except -1:
    """The size when asked with size 0, ERANGE when the caller's buffer is too small (getxattr(2)), else the value."""
    cdef fuse_req_t req
    cdef bytes value
    cdef size_t size
    cdef const char *data
    try:
        value = bytes(memoryview(result))
    except TypeError:
        raise wrong_type(r, "bytes", result) from None
    size = len(value)
    data = PyBytes_AS_STRING(value)
    req = r.take()
    if req == NULL:
        return 0
    with nogil:
        if r.c_size == 0:
            fuse_reply_xattr(req, size)
        elif size > r.c_size:
            fuse_reply_err(req, ERANGE)
        else:
            fuse_reply_buf(req, data, size)
    return 0
