# cython: language_level=3
"""From a Request to the handler, and from what the handler returns to the reply.

Rule 1: whatever a handler returns or raises, its request is answered exactly once.
Rule 2: a lookup count or an open file that did not reach the kernel (the caller was interrupted, the mount is
    gone) is taken back from the handlers at once: ``forget`` or ``release`` is called for it.
Rule 3: handlers are looked up once, when the session is made; a request costs no attribute look-up.
"""

from libc.errno cimport EACCES, EEXIST, EIO, ENODATA, ENOSYS

from fusetree._lowlevel.answers cimport table_forget
from fusetree._lowlevel.attributes cimport EntryAttributes, SetattrFields
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
from fusetree._lowlevel.reply cimport (
    reply_attr,
    reply_create,
    reply_data,
    reply_directory,
    reply_entry,
    reply_open,
    reply_statfs,
    reply_target,
    reply_write,
    reply_xattr,
)
from fusetree._lowlevel.request cimport Request

from functools import partial
from types import CoroutineType

cdef enum:
    XATTR_CREATE = 1
    XATTR_REPLACE = 2
    S_IFMT = 0o170000
    S_IFDIR = 0o040000

cdef object coroutine_type = CoroutineType

# Handler name -> the opcodes that call it.
HANDLER_OPCODES = {
    "lookup": (OP_LOOKUP,), "forget": (OP_FORGET, OP_BATCH_FORGET), "getattr": (OP_GETATTR,),
    "setattr": (OP_SETATTR,),
    "readlink": (OP_READLINK,), "symlink": (OP_SYMLINK,), "mknod": (OP_MKNOD,), "mkdir": (OP_MKDIR,),
    "unlink": (OP_UNLINK,), "rmdir": (OP_RMDIR,), "rename": (OP_RENAME,), "link": (OP_LINK,),
    "open": (OP_OPEN,), "read": (OP_READ,), "write": (OP_WRITE,), "statfs": (OP_STATFS,),
    "release": (OP_RELEASE,), "fsync": (OP_FSYNC,),
    "setxattr": (OP_SETXATTR,), "getxattr": (OP_GETXATTR,), "listxattr": (OP_LISTXATTR,),
    "removexattr": (OP_REMOVEXATTR,), "flush": (OP_FLUSH,), "opendir": (OP_OPENDIR,),
    "readdir": (OP_READDIR, OP_READDIRPLUS), "releasedir": (OP_RELEASEDIR,), "fsyncdir": (OP_FSYNCDIR,),
    "access": (OP_ACCESS,), "create": (OP_CREATE,),
}


cdef class Dispatcher:
    """Calls the handlers of one session.

    :param handlers: bound handler by name; only these are called.
    :param on_error: called with (request, exception) for an exception that is not an OSError, inside the
        ``except`` block; returns the errno to answer with.  It may raise: then EIO is answered and the
        exception leaves :meth:`call`.
    :param after_error: called after such an exception was answered, or None.
    """

    def __init__(self, dict handlers not None, on_error, after_error=None):
        self.c_handlers = [None] * OP_COUNT
        for name, handler in handlers.items():
            for opcode in HANDLER_OPCODES[name]:
                self.c_handlers[opcode] = handler
        self.on_error = on_error
        self.after_error = after_error
        self.forget = handlers.get("forget")
        self.release = handlers.get("release")
        self.releasedir = handlers.get("releasedir")

    cpdef object call(self, Request request):
        """Run the handler of *request* in this thread and answer.

        :returns: None when it was answered; the coroutine when the handler is ``async``: the caller must run
            it and hand its result to :meth:`finish`, or its exception to :meth:`fail`.
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
        """Answer *request* with what its handler returned; a result of the wrong type is answered with
        EIO."""
        try:
            self.reply(request, result)
        except BaseException as exc:
            self.fail(request, exc)
        return 0

    cpdef int fail(self, Request request, BaseException exc) except -1:
        """Answer *request* with the errno of *exc*."""
        cdef int errno = EIO
        cdef bint is_bug = not isinstance(exc, OSError)
        if isinstance(request.other, ReaddirToken):
            (<ReaddirToken>request.other).c_req = NULL
        try:
            errno = self.on_error(request, exc) if is_bug else errno_of(exc)
        finally:
            request.fail_with(errno)
        if is_bug and self.after_error is not None:
            self.after_error()
        return 0

    cpdef int refuse(self, Request request, object coroutine) except -1:
        """Answer *request*, whose handler is async, where nobody can run its *coroutine*: a bug, so EIO."""
        coroutine.close()
        return self.fail(request, TypeError(
            f"handler {request.operation!r} is async, but the session is served by threads: "
            "serve it with `await session.serve()` under asyncio or trio"))

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
                asking = self.check_xattr_flags(r)
                if asking is not None:
                    if self.ask_first is None:
                        asking.close()
                        raise TypeError("an async getxattr handler needs a session that an event loop serves")
                    return self.ask_first(
                        asking, r.c_number, partial(handler, r.c_ino, r.name_bytes, r.other, r.ctx))
            return handler(r.c_ino, r.name_bytes, r.other, r.ctx)
        # FORGET and BATCH_FORGET: the kernel waits for nothing, so libfuse's request is freed first.
        forgotten = r.other
        r.fail_with(0)
        return handler(forgotten)

    def check_xattr_flags(self, Request r):
        """XATTR_CREATE and XATTR_REPLACE (setxattr(2)), for handlers that are told no flags: ask ``getxattr``
        first.  Its coroutine is returned when it is async."""
        getxattr = self.c_handlers[OP_GETXATTR]
        if getxattr is None or r.c_number & ~(XATTR_CREATE | XATTR_REPLACE):
            raise OSError(ENOSYS, f"setxattr flags {r.c_number} need a getxattr handler")
        try:
            asked = getxattr(r.c_ino, r.name_bytes, r.ctx)
            if type(asked) is coroutine_type:
                return asked
        except OSError as exc:
            if exc.errno != ENODATA:
                raise
            if r.c_number & XATTR_REPLACE:
                raise
        else:
            if r.c_number & XATTR_CREATE:
                raise OSError(EEXIST, "the xattr exists")
        return None

    cdef int undo(self, object handler, object argument) except -1:
        result = handler(argument)
        if type(result) is coroutine_type:
            if self.background is not None:
                self.background(result)
            else:
                result.close()              # no loop serves any more: everything is taken back by destroy()
        return 0

    cdef int undo_lookup(self, Request r, unsigned long long ino) except -1:
        # Where there is a table, it has the counts.
        if r.c_state.table != NULL:
            table_forget(r.c_state.table, ino, 1)
        elif self.forget is not None and ino:
            self.undo(self.forget, [(ino, 1)])
        return 0

    cdef int reply(self, Request r, object result) except -1:
        cdef int op = r.c_opcode
        if op == OP_READ:
            reply_data(r, result)
        elif op == OP_GETATTR or op == OP_SETATTR:
            reply_attr(r, result)
        elif op == OP_LOOKUP or op == OP_MKNOD or op == OP_MKDIR or op == OP_SYMLINK or op == OP_LINK:
            if reply_entry(r, result) < 0 and not isinstance(result, NodeAttributes):
                self.undo_lookup(r, (<EntryAttributes>result).c_entry.ino)
        elif op == OP_OPEN:
            if reply_open(r, result) < 0 and self.release is not None:
                self.undo(self.release, handle_of(result))
        elif op == OP_OPENDIR:
            if reply_open(r, result) < 0 and self.releasedir is not None:
                self.undo(self.releasedir, handle_of(result))
        elif op == OP_WRITE:
            reply_write(r, result)
        elif op == OP_READDIR or op == OP_READDIRPLUS:
            if reply_directory(r) < 0:
                for ino in (<ReaddirToken>r.other).counted:
                    self.undo_lookup(r, ino)
        elif op == OP_CREATE:
            if reply_create(r, result) < 0:
                if self.release is not None:
                    self.undo(self.release, handle_of(result[0]))
                if not isinstance(result[1], NodeAttributes):
                    self.undo_lookup(r, (<EntryAttributes>result[1]).c_entry.ino)
        elif op == OP_READLINK:
            reply_target(r, result)
        elif op == OP_STATFS:
            reply_statfs(r, result)
        elif op == OP_ACCESS:
            r.fail_with(0 if result else EACCES)
        elif op == OP_GETXATTR:
            reply_xattr(r, result)
        elif op == OP_LISTXATTR:
            reply_xattr(r, b"".join([bytes(name) + b"\0" for name in result]))
        else:
            r.fail_with(0)
        return 0


cdef inline object handle_of(object opened):
    return (<FileInfo>opened).fh if isinstance(opened, FileInfo) else opened
