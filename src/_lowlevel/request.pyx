# cython: language_level=3
"""One request of the kernel: its arguments, and the right to answer it once.

Rule 1: ``take()`` hands libfuse's handle out exactly once; whoever got it must answer.
Rule 2: a request that is dropped without an answer is answered with EIO, so no client waits for ever.
Rule 3: a request holds its session, so libfuse's session outlives every request.  Once the session is closed,
    a late answer is swallowed (``fuse_reply_none`` frees the request without writing to a descriptor that may
    be somebody else's by now).
"""

cimport cython
from cpython.bytes cimport PyBytes_FromString, PyBytes_FromStringAndSize
from libc.errno cimport EIO, ESRCH

from fusetree._lowlevel.attributes cimport attributes_to_set
from fusetree._lowlevel.buffers cimport view_of
from fusetree._lowlevel.capture cimport (
    OP_ACCESS,
    OP_BATCH_FORGET,
    OP_BMAP,
    OP_COPY_FILE_RANGE,
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
    Captured,
    SessionState,
    current,
)
from fusetree._lowlevel.capture_rings cimport come_in, go_out
from fusetree._lowlevel.filelock cimport FileLock
from fusetree._lowlevel.libfuse.lowlevel cimport (
    fuse_ctx,
    fuse_reply_err,
    fuse_reply_none,
    fuse_req_ctx,
    fuse_req_interrupt_func,
    fuse_req_interrupted,
    fuse_req_t,
)
from fusetree._lowlevel.libfuse.posix cimport LOCK_NB, LOCK_UN
from fusetree._lowlevel.notices cimport handler_begins, handler_ends
from fusetree._lowlevel.polling cimport PollHandle

from _pickle import PicklingError

cdef extern from *:
    """
    /* One exchange decides who answers, whether or not a GIL orders the threads. */
    static inline struct fuse_req *ft_take(struct fuse_req **slot)
    { return __atomic_exchange_n(slot, NULL, __ATOMIC_ACQ_REL); }
    """
    fuse_req_t ft_take(fuse_req_t *slot) nogil

OPCODE_NAMES = {
    OP_LOOKUP: "lookup", OP_FORGET: "forget", OP_GETATTR: "getattr", OP_SETATTR: "setattr",
    OP_READLINK: "readlink",
    OP_SYMLINK: "symlink", OP_MKNOD: "mknod", OP_MKDIR: "mkdir", OP_UNLINK: "unlink", OP_RMDIR: "rmdir",
    OP_RENAME: "rename", OP_LINK: "link", OP_OPEN: "open", OP_READ: "read", OP_WRITE: "write",
    OP_STATFS: "statfs",
    OP_RELEASE: "release", OP_FSYNC: "fsync", OP_SETXATTR: "setxattr", OP_GETXATTR: "getxattr",
    OP_LISTXATTR: "listxattr", OP_REMOVEXATTR: "removexattr", OP_FLUSH: "flush", OP_OPENDIR: "opendir",
    OP_READDIR: "readdir", OP_READDIRPLUS: "readdir", OP_RELEASEDIR: "releasedir", OP_FSYNCDIR: "fsyncdir",
    OP_ACCESS: "access", OP_CREATE: "create", OP_BATCH_FORGET: "forget", OP_INTERRUPT: "interrupt",
    OP_GETLK: "getlk", OP_SETLK: "setlk", OP_FLOCK: "flock", OP_BMAP: "bmap", OP_IOCTL: "ioctl",
    OP_POLL: "poll", OP_FALLOCATE: "fallocate", OP_LSEEK: "lseek", OP_COPY_FILE_RANGE: "copy_file_range",
    OP_SYNCFS: "syncfs", OP_TMPFILE: "tmpfile", OP_STATX: "statx",
}


@cython.freelist(64)
cdef class RequestContext:
    """Who asks: user id, group id, thread id and umask of the calling process, as the kernel tells them.

    The ids are 0 where the kernel has none to tell, such as write-back from the page cache.  ``inode`` is the
    inode of the request, or the directory where it has a name.  ``lock_owner`` is who holds or held locks by
    it, where the request has to do with them: ``flush`` (fcntl(2)), ``release`` (flock(2)), ``flock``,
    ``getlk``, ``setlk``; else 0.  ``flags`` are those of the open file at this moment (open(2), and what
    fcntl(2) made of them), in ``open``, ``create``, ``read``, ``write`` and ``release``; else 0.
    """

    @property
    def groups(self) -> tuple[int, ...]:
        """The caller's supplementary groups, from /proc; they are asked for each time.

        :raises ProcessLookupError: there is no such process here: it has ended, or the kernel itself asks.
        """
        try:
            with open(f"/proc/{self.pid}/status", "rb") as status:
                for line in status:
                    if line.startswith(b"Groups:"):
                        return tuple([int(group) for group in line.split()[1:]])
        except (FileNotFoundError, ProcessLookupError):
            pass
        raise ProcessLookupError(ESRCH, f"no process {self.pid} to tell the groups of")

    def __reduce__(self):
        raise PicklingError("a RequestContext belongs to one request and can not be pickled or copied")

    def __repr__(self) -> str:
        return f"<RequestContext uid={self.uid} gid={self.gid} pid={self.pid} umask=0o{self.umask:o}>"


cdef bint waits_for_a_lock(Request request) noexcept:
    return (
        request.c_opcode == OP_SETLK and request.c_number != 0
        or request.c_opcode == OP_FLOCK and not request.c_number & (LOCK_NB | LOCK_UN)
    )


cdef inline bint holds_directory(int opcode) noexcept nogil:
    # The client holds the lock of the directory while the kernel waits for these.
    return (
        opcode == OP_LOOKUP or opcode == OP_CREATE or opcode == OP_MKNOD or opcode == OP_MKDIR
        or opcode == OP_UNLINK or opcode == OP_RMDIR or opcode == OP_SYMLINK or opcode == OP_RENAME
        or opcode == OP_READDIR
        or opcode == OP_READDIRPLUS
    )


cdef void count_handler(Captured *c, SessionState *state) noexcept nogil:
    cdef int op = c.opcode
    if c.counted or state.table == NULL or not (holds_directory(op) or op == OP_LINK):
        return
    c.counted = True
    c.stamp = handler_begins(state.table, c.other_ino if op == OP_LINK else c.ino)
    if op == OP_RENAME:
        handler_begins(state.table, c.other_ino)


cdef void on_interrupt(fuse_req_t req, void *data) noexcept nogil:
    # Called by libfuse for a FUSE_INTERRUPT, in the thread that received it, with the lock of the request
    # held: it must not take the GIL.  Or by `watch` itself, whose thread receives nothing at that time: it
    # looks afterwards.
    cdef Captured *c = current()
    if c != NULL:
        c.opcode = OP_INTERRUPT
        c.req = NULL
        c.ino = <uint64_t>data


@cython.final
@cython.no_gc_clear
@cython.freelist(64)
cdef class Request:
    """A request that waits for its answer; made by the session only.

    What may be asked of it are its arguments; it is answered through a
    :class:`~fusetree._lowlevel.dispatch.Dispatcher`.
    """

    @staticmethod
    cdef Request wrap(Captured *c, SessionState *state, object session, Storage storage):
        cdef Request self = Request.__new__(Request)
        cdef const fuse_ctx *ctx
        cdef RequestContext context
        cdef int op = c.opcode
        cdef size_t i
        self.c_req = c.req
        self.c_state = state
        self.session = session
        self.c_opcode = op
        self.c_ino = c.ino
        self.c_other_ino = c.other_ino
        self.c_size = c.size
        self.c_off = c.off
        self.c_number = c.number
        self.c_has_fi = c.has_fi
        self.c_ring = c.ring
        self.c_length = c.length
        self.c_other_fh = c.other_fh
        self.c_other_off = c.other_off
        self.c_counted = False
        if op == OP_INTERRUPT:
            return self
        if c.has_fi:
            self.c_fh = c.fi.fh
            self.c_flags = c.fi.flags
        ctx = fuse_req_ctx(c.req)
        context = RequestContext.__new__(RequestContext)
        context.uid = ctx.uid
        context.gid = ctx.gid
        context.pid = ctx.pid
        context.umask = ctx.umask
        context.inode = c.ino
        if c.has_fi:
            context.lock_owner = c.fi.lock_owner
            context.flags = c.fi.flags
        self.ctx = context
        if c.name != NULL:
            self.name_bytes = PyBytes_FromString(c.name)
        if op == OP_WRITE:
            if storage is None:
                self.other = memoryview(PyBytes_FromStringAndSize(c.data, c.size))
            else:
                self.other = view_of(storage, c.data, c.size)
        elif c.data != NULL:
            self.other = PyBytes_FromStringAndSize(c.data, c.size)
        elif c.other_name != NULL:
            self.other = PyBytes_FromString(c.other_name)
        elif op == OP_SETATTR:
            self.other = attributes_to_set(&c.attr, c.number)
        elif op == OP_FORGET or op == OP_BATCH_FORGET:
            self.other = [(c.forgets[i].ino, c.forgets[i].nlookup) for i in range(c.size)]
        elif op == OP_MKNOD:
            self.c_rdev = c.rdev
        elif op == OP_SETXATTR or op == OP_IOCTL:
            self.other = b""
        elif op == OP_GETLK or op == OP_SETLK:
            self.other = FileLock.wrap(&c.lock, c.fi.lock_owner)
        elif op == OP_POLL and c.poll_handle != NULL:
            self.other = PollHandle.wrap(c.poll_handle, state, session)
        count_handler(c, state)
        self.c_counted = c.counted
        self.c_stamp = c.stamp
        return self

    cdef fuse_req_t take(self) noexcept:
        """libfuse's handle, once; NULL when the request was answered before, or its session is closed."""
        cdef fuse_req_t req = ft_take(&self.c_req)
        if req != NULL:
            if self.c_counted:
                self.c_counted = False
                handler_ends(self.c_state.table, self.c_other_ino if self.c_opcode == OP_LINK else self.c_ino)
                if self.c_opcode == OP_RENAME:
                    handler_ends(self.c_state.table, self.c_other_ino)
            if self.c_ring:
                # The request is part of the ring, and may be gone with it.
                return NULL if self.c_state.closed or not self.c_state.rings else req
            if self.c_state.closed:
                fuse_reply_none(req)
                return NULL
        return req

    cdef int fail_with(self, int errno) noexcept:
        cdef fuse_req_t req
        if self.c_ring:
            return self.fail_ring(errno)
        req = self.take()
        if req == NULL:
            return 0
        if self.c_opcode == OP_FORGET or self.c_opcode == OP_BATCH_FORGET:
            fuse_reply_none(req)
            return 0
        return fuse_reply_err(req, errno)

    cdef int fail_ring(self, int errno) noexcept:
        # Without the GIL: the thread of the ring may have the ring's lock and wait for the GIL.
        cdef fuse_req_t req
        cdef int rc = 0
        come_in(self.c_state)
        req = self.take()
        if req != NULL:
            with nogil:
                rc = fuse_reply_err(req, errno)
        go_out(self.c_state)
        return rc

    cdef bint gives_up(self) noexcept:
        """Whether nobody waits for the answer any more: the caller was interrupted, or the session ends."""
        cdef fuse_req_t req = self.c_req
        if self.c_state.ending or self.c_state.closed:
            return True
        return req != NULL and not self.c_ring and fuse_req_interrupted(req) != 0

    cdef int release_view(self) except -1:
        """The handler of a WRITE is done: its data are not to be looked at any more."""
        cdef object view = self.other
        self.other = None
        if view is not None:
            try:
                view.release()
            except BufferError:
                pass            # somebody works with them right now; they stay valid for him, see buffers.pyx
        return 0

    def __init__(self):
        raise TypeError("a Request is made by the session that received it")

    def __dealloc__(self):
        if self.c_req != NULL:
            self.fail_with(EIO)

    def watch(self, token: int) -> bool:
        """Have interrupts of this request received as a request "interrupt" whose ``inode`` is *token*.

        It costs two locks, so it is for requests that are not answered at once.

        :param token: a number above 0 that names this request to whoever receives.
        :returns: whether it was interrupted before; then nothing will be received.
        """
        cdef fuse_req_t req = self.c_req
        cdef void *data = <void *><uint64_t>token
        cdef int interrupted
        if req == NULL or self.c_ring:        # libfuse knows no interrupts of them
            return False
        with nogil:
            fuse_req_interrupt_func(req, on_interrupt, data)
            interrupted = fuse_req_interrupted(req)
        return interrupted != 0

    @property
    def opcode(self) -> int:
        """Number of the operation in linux/fuse.h."""
        return self.c_opcode

    @property
    def operation(self) -> str:
        """Name of the handler that answers it."""
        return OPCODE_NAMES.get(self.c_opcode, f"opcode {self.c_opcode}")

    @property
    def inode(self) -> int:
        """The inode, or the directory where the request has a name."""
        return self.c_ino

    @property
    def name(self) -> bytes | None:
        """The name of the directory entry or xattr that the request speaks of."""
        return self.name_bytes

    @property
    def context(self) -> RequestContext:
        """Who asks."""
        return self.ctx

    @property
    def replied(self) -> bool:
        """Whether it was answered."""
        return self.c_req == NULL

    @property
    def began(self) -> float:
        """When its handler began, in seconds of :func:`time.monotonic`; 0.0 where no watchdog asks."""
        return self.c_began / 1e9

    @property
    def interrupted(self) -> bool:
        """Whether the caller gave up waiting (a signal arrived); False once answered."""
        cdef fuse_req_t req = self.c_req
        return req != NULL and not self.c_ring and fuse_req_interrupted(req) != 0

    def __repr__(self) -> str:
        return (
            f"<Request {self.operation} inode={self.c_ino} name={self.name_bytes!r} replied={self.replied}>"
        )
