# cython: language_level=3
"""From a Request to the handler, and from what the handler returns to the reply.

Rule 1: whatever a handler returns or raises, its request is answered exactly once.
Rule 2: a lookup count or an open file that did not reach the kernel (the caller was interrupted, the mount is
    gone) is taken back from the handlers at once: ``forget`` or ``release`` is called for it.
Rule 3: a handler that returns a ``concurrent.futures.Future`` holds no thread; the future's result is
    answered.
Rule 4: handlers are looked up once, when the session is made; a request costs no attribute look-up.
"""

from libc.errno cimport EEXIST, EIO, ENODATA, ENOSYS
from libc.string cimport memset

from fusetree._lowlevel.acceptable cimport enter_checks
from fusetree._lowlevel.answers cimport table_forget
from fusetree._lowlevel.attributes cimport EntryAttributes
from fusetree._lowlevel.capture cimport (
    OP_ACCESS,
    OP_BATCH_FORGET,
    OP_BMAP,
    OP_COPY_FILE_RANGE,
    OP_COUNT,
    OP_CREATE,
    OP_FALLOCATE,
    OP_FLOCK,
    OP_FLUSH,
    OP_FORGET,
    OP_FSYNC,
    OP_FSYNCDIR,
    OP_GETATTR,
    OP_GETLK,
    OP_GETXATTR,
    OP_INTERRUPT,
    OP_IOCTL,
    OP_LINK,
    OP_LISTXATTR,
    OP_LOOKUP,
    OP_LSEEK,
    OP_MKDIR,
    OP_MKNOD,
    OP_OPEN,
    OP_OPENDIR,
    OP_POLL,
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
    OP_SETLK,
    OP_SETXATTR,
    OP_STATFS,
    OP_STATX,
    OP_SYMLINK,
    OP_SYNCFS,
    OP_TMPFILE,
    OP_UNLINK,
    OP_WRITE,
)
from fusetree._lowlevel.capture_rings cimport come_in, go_out
from fusetree._lowlevel.dirents cimport ReaddirToken
from fusetree._lowlevel.errors cimport errno_of
from fusetree._lowlevel.exchange cimport (
    UNDO_CREATE,
    UNDO_LISTING,
    UNDO_LOOKUP,
    UNDO_NOTHING,
    UNDO_OPEN,
    UNDO_OPENDIR,
    Undo,
    check_t,
)
from fusetree._lowlevel.exchange_devices cimport enter_devices
from fusetree._lowlevel.exchange_files cimport enter_files
from fusetree._lowlevel.exchange_inodes cimport enter_inodes
from fusetree._lowlevel.exchange_locks cimport enter_locks
from fusetree._lowlevel.exchange_names cimport enter_names
from fusetree._lowlevel.fileinfo cimport FileInfo
from fusetree._lowlevel.meter cimport Meter
from fusetree._lowlevel.nodeattributes cimport NodeAttributes
from fusetree._lowlevel.packing cimport monotonic_ns
from fusetree._lowlevel.request cimport Request
from fusetree._lowlevel.running cimport announce, enter, leave

from concurrent.futures import Future
from functools import partial
from itertools import count
from types import CoroutineType

cdef enum:
    XATTR_CREATE = 1
    XATTR_REPLACE = 2

cdef object coroutine_type = CoroutineType

# Tokens of parked requests (see Request.watch) are from here on; those below are the backends'.
cdef object FIRST_PARKED = 1 << 63

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
    "access": (OP_ACCESS,), "create": (OP_CREATE,), "tmpfile": (OP_TMPFILE,), "statx": (OP_STATX,),
    "syncfs": (OP_SYNCFS,), "getlk": (OP_GETLK,), "setlk": (OP_SETLK,), "flock": (OP_FLOCK,),
    "bmap": (OP_BMAP,), "ioctl": (OP_IOCTL,), "poll": (OP_POLL,), "fallocate": (OP_FALLOCATE,),
    "copy_file_range": (OP_COPY_FILE_RANGE,), "lseek": (OP_LSEEK,),
}


cdef class Dispatcher:
    """Calls the handlers of one session.

    :param handlers: bound handler by name; only these are called.
    :param on_error: called with (request, exception) for an exception that is not an OSError, inside the
        ``except`` block; returns the errno to answer with.  It may raise: then EIO is answered and the
        exception leaves :meth:`call`.
    :param after_error: called after such an exception was answered, or None.
    :param checks: what the kernel would refuse of an answer without a word is an exception, too.
    """

    def __init__(self, dict handlers not None, on_error, after_error=None, checks=True):
        self.c_handlers = [None] * OP_COUNT
        memset(self.c_exchanges, 0, sizeof(self.c_exchanges))
        enter_names(self.c_exchanges)
        enter_inodes(self.c_exchanges)
        enter_files(self.c_exchanges, checks)
        enter_locks(self.c_exchanges)
        enter_devices(self.c_exchanges)
        self.checks = checks
        if checks:
            enter_checks(self.c_exchanges)
        for name, handler in handlers.items():
            for opcode in HANDLER_OPCODES[name]:
                self.c_handlers[opcode] = handler
        self.meter = Meter()
        self.c_future_type = Future
        self.c_parked = {}
        self.c_tokens = count(FIRST_PARKED)
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
        cdef void *before
        if handler is None:
            if request.c_opcode == OP_INTERRUPT:
                parked = self.c_parked.get(request.c_ino)
                if parked is not None:
                    parked[1].cancel()
            else:
                request.fail_with(ENOSYS)
            return None
        if self.meter.c_until:
            request.c_began = monotonic_ns()
        before = enter(<void *>request)
        try:
            result = self.run(request, handler)
            if type(result) is coroutine_type:
                announce(request.ctx)
                return result
            if type(result) is self.c_future_type:
                self.park(request, result)
            else:
                self.reply(request, result)
                if self.meter.c_until and request.c_began:
                    self.meter.record(request.c_opcode, request.c_began, False)
        except BaseException as exc:
            self.fail(request, exc)
        finally:
            leave(before)
        return None

    cpdef int park(self, Request request, object future) except -1:
        """Answer *request* when *future* has a result; an interrupt cancels it."""
        cdef object token = next(self.c_tokens)
        self.c_parked[token] = (request, future)
        if request.watch(token):
            future.cancel()
        future.add_done_callback(partial(self.unpark, token))
        return 0

    def unpark(self, token, future):
        """Answer the parked request *token* with what *future* has; called when it is done."""
        cdef Request request = self.c_parked.pop(token)[0]
        if request.c_ring:
            self.later(request, future)
        else:
            self.settle(request, future)

    def settle(self, Request request, future):
        """Answer *request* with what *future* has, which is done."""
        if future.cancelled():
            self.fail(request, InterruptedError())
        elif future.exception() is not None:
            self.fail(request, future.exception())
        else:
            self.finish(request, future.result())

    def cancel_parked(self) -> None:
        """The session ends: cancel what is parked, so that who waits is answered with EINTR."""
        for _, future in list(self.c_parked.values()):
            future.cancel()

    cpdef int finish(self, Request request, object result) except -1:
        """Answer *request* with what its handler returned; a result of the wrong type is answered with
        EIO."""
        try:
            self.reply(request, result)
            if self.meter.c_until and request.c_began:
                self.meter.record(request.c_opcode, request.c_began, False)
        except BaseException as exc:
            self.fail(request, exc)
        return 0

    cpdef int fail(self, Request request, BaseException exc) except -1:
        """Answer *request* with the errno of *exc*."""
        cdef int errno = EIO
        cdef bint is_bug = not isinstance(exc, OSError)
        if isinstance(request.other, ReaddirToken):
            (<ReaddirToken>request.other).c_req = NULL
        elif request.c_opcode == OP_WRITE:
            request.release_view()
        try:
            errno = self.on_error(request, exc) if is_bug else errno_of(exc)
        finally:
            request.fail_with(errno)
            if self.meter.c_until and request.c_began:
                self.meter.record(request.c_opcode, request.c_began, True)
        if isinstance(request.other, ReaddirToken):
            try:
                self.undo_listing(request)
            except Exception as again:
                self.on_error(request, again)
        if is_bug and self.after_error is not None:
            self.after_error()
        return 0

    cpdef int hand_over(self, Request request, object coroutine) except -1:
        """In a thread that runs no loop: let *coroutine*, which the handler of *request* returned, be run
        elsewhere.  Where nobody can it is a bug, so EIO."""
        try:
            if self.elsewhere is not None:
                self.elsewhere(request, coroutine)
                return 0
        finally:
            announce(None)                  # the thread's own context is that of all its requests
        coroutine.close()
        return self.fail(request, TypeError(
            f"handler {request.operation!r} is async, but the session is served by threads: "
            "serve it with `await session.serve()` under asyncio or trio, "
            'or start it with async_handlers="loop"'))

    cdef object run(self, Request r, object handler):
        if r.c_opcode == OP_SETXATTR and r.c_number:
            asking = self.check_xattr_flags(r)
            if asking is not None:
                if self.ask_first is None:
                    asking.close()
                    raise TypeError("an async getxattr handler needs a session that an event loop serves")
                return self.ask_first(
                    asking, r.c_number, partial(handler, r.c_ino, r.name_bytes, r.other, r.ctx))
        return self.c_exchanges[r.c_opcode].call(r, handler)

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

    cdef int undo_listing(self, Request r) except -1:
        cdef list counted = (<ReaddirToken>r.other).counted
        while counted:
            self.undo_lookup(r, counted.pop())
        return 0

    cdef int undo_lookup(self, Request r, unsigned long long ino) except -1:
        # Where there is a table, it has the counts.
        if r.c_state.table != NULL:
            table_forget(r.c_state.table, ino, 1)
        elif self.forget is not None and ino:
            self.undo(self.forget, [(ino, 1)])
        return 0

    cdef int reply(self, Request r, object result) except -1:
        if not r.c_ring:
            return self.answer(r, result)
        come_in(r.c_state)
        try:
            return self.answer(r, result)
        finally:
            go_out(r.c_state)

    cdef int answer(self, Request r, object result) except -1:
        cdef check_t check = self.c_exchanges[r.c_opcode].check
        cdef int rc
        if check != NULL:
            self.check(check, r, result)
        rc = self.c_exchanges[r.c_opcode].reply(r, result)
        if rc < 0 and self.c_exchanges[r.c_opcode].undo != UNDO_NOTHING:
            self.take_back(r, result, self.c_exchanges[r.c_opcode].undo)
        return 0

    cdef int check(self, check_t check, Request r, object result) except -1:
        try:
            check(r, result)
        except (TypeError, ValueError):
            # A listing is taken back by `fail`, as when its handler raises.
            if self.c_exchanges[r.c_opcode].undo in (UNDO_LOOKUP, UNDO_CREATE):
                self.take_back(r, result, self.c_exchanges[r.c_opcode].undo)
            raise
        return 0

    cdef int take_back(self, Request r, object result, Undo undo) except -1:
        """Nobody got the answer."""
        if undo == UNDO_OPENDIR:
            if self.releasedir is not None:
                self.undo(self.releasedir, handle_of(result))
        elif undo == UNDO_LISTING:
            self.undo_listing(r)
        if (undo == UNDO_OPEN or undo == UNDO_CREATE) and self.release is not None:
            self.undo(self.release, handle_of(result[0] if undo == UNDO_CREATE else result))
        if undo == UNDO_LOOKUP or undo == UNDO_CREATE:
            entry = result[1] if undo == UNDO_CREATE else result
            if not isinstance(entry, NodeAttributes):
                self.undo_lookup(r, (<EntryAttributes>entry).c_entry.ino)
        return 0


cdef inline object handle_of(object opened):
    return (<FileInfo>opened).fh if isinstance(opened, FileInfo) else opened
