# cython: language_level=3
"""One FUSE connection: libfuse's session, mounted or on a descriptor.

::

    NEW --mount()/attach()--> CONNECTED --handshake()--> SERVING --exit()--> EXITED --close()--> CLOSED
                                   \\____________ unmounted from outside ______/

Either threads receive, and wait in libfuse; or an event loop does, which waits by its own means and is never
blocked in here (:meth:`Connection.set_nonblocking`).

Rule 1: waits for nobody's thread: who calls :meth:`Connection.receive`, and when, is the backends' business.
Rule 2: libfuse's session is destroyed with this object, and every Request holds this object: no use after
    free.
Rule 3: after CLOSED nothing is written any more: late answers are swallowed (see request.pyx).
"""

import os

from cpython.bytes cimport PyBytes_AS_STRING
from libc.errno cimport EAGAIN, EOPNOTSUPP, errno
from libc.stdint cimport int64_t
from libc.string cimport memset

from fusetree._lowlevel.capture cimport (
    OP_INIT,
    OP_NOTIFY_REPLY,
    Captured,
    Limits,
)
from fusetree._lowlevel.capture_devices cimport register_devices
from fusetree._lowlevel.capture_files cimport register_files
from fusetree._lowlevel.capture_inodes cimport register_inodes
from fusetree._lowlevel.capture_locks cimport register_locks
from fusetree._lowlevel.capture_names cimport register_names
from fusetree._lowlevel.capture_rings cimport route
from fusetree._lowlevel.errors cimport check
from fusetree._lowlevel.frames cimport read_frame, write_frame
from fusetree._lowlevel.inodes cimport InodeTable
from fusetree._lowlevel.libfuse.common cimport (
    FT_HAVE_CUSTOM_IO,
    FUSE_CAP_OVER_IO_URING,
    FUSE_CAP_PARALLEL_DIROPS,
    FUSE_CAP_READDIRPLUS,
    FUSE_CAP_READDIRPLUS_AUTO,
    FUSE_CAP_SPLICE_READ,
    FUSE_CAP_SPLICE_WRITE,
)
from fusetree._lowlevel.libfuse.lowlevel cimport (
    fuse_custom_io,
    fuse_lowlevel_ops,
    fuse_session_custom_io,
    fuse_session_destroy,
    fuse_session_exit,
    fuse_session_fd,
    fuse_session_mount,
    fuse_session_new,
    fuse_session_unmount,
)
from fusetree._lowlevel.libfuse.opt cimport fuse_args, fuse_opt_free_args
from fusetree._lowlevel.libfuse.pthread cimport (
    ft_bump,
    pthread_cond_destroy,
    pthread_cond_init,
    pthread_condattr_destroy,
    pthread_condattr_init,
    pthread_condattr_setclock,
    pthread_condattr_t,
    pthread_mutex_destroy,
    pthread_mutex_init,
)
from fusetree._lowlevel.libfuse.posix cimport CLOCK_MONOTONIC
from fusetree._lowlevel.receiving cimport has_exited, receive
from fusetree._lowlevel.request cimport Request
from fusetree._lowlevel.retrieves cimport Retrieves
from fusetree._lowlevel.packing cimport monotonic_ns

from fusetree._lowlevel import log
from fusetree._lowlevel.features import CAPABILITIES as _CAPABILITIES
from fusetree._lowlevel.features import compiled_version
from fusetree.errors import MountError, SessionClosedError, UnsupportedFeatureError

cdef extern from "compat.h" nogil:
    """
    #include <fcntl.h>
    #include <poll.h>
    #include <sys/socket.h>
    #include <unistd.h>
    static int ft_set_nonblocking(int fd)
    {
        int flags = fcntl(fd, F_GETFL);
        return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
    }
    /* Whether fd gets readable within so many nanoseconds. */
    static int ft_readable_within(int fd, int64_t ns)
    {
        struct pollfd p = { fd, POLLIN, 0 };
        struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
        return ppoll(&p, 1, &t, NULL) > 0;
    }
    """
    int ft_set_nonblocking(int fd)
    int ft_readable_within(int fd, int64_t ns)
    int c_shutdown "shutdown"(int fd, int how)
    enum:
        SHUT_RDWR


cdef enum:
    LINGER_NS = 50_000       # how long a loop waits in here for the next request, while they come quickly
    DRAIN_NS = 1_000_000     # ... and how long this may go on, before the loop sees to its other business
    MOST_IN_VAIN = 63


cdef class ReceiveBuffer:
    """Room for one request (1 MiB and a header); every thread that receives has its own."""


cdef Limits limits_of(limits):
    cdef Limits result
    memset(&result, 0, sizeof(result))
    result.max_write = limits.get("max_write", 0)
    result.max_read = limits.get("max_read", 0)
    result.max_readahead = limits.get("max_readahead", 0)
    result.max_background = limits.get("max_background", 0)
    result.congestion_threshold = limits.get("congestion_threshold", 0)
    result.time_granularity = limits.get("time_granularity", 0)
    result.request_timeout = limits.get("request_timeout", 0)
    return result


cdef class Connection:
    """libfuse's session for a set of handlers.

    :param wanted: names of the handlers that exist; libfuse answers everything else by itself.
    :param options: mount options, each one ``-o`` argument ("ro", "fsname=x").
    :param table: the inode table that may answer in C, or None.
    :param capabilities: what to ask the kernel for (True) and what not (False), by the names of
        :data:`~fusetree._lowlevel.features.CAPABILITIES`; what is not named is as libfuse has it.
    :param readdirplus: False lists by plain READDIR, whose entries raise no lookup count.
    :param limits: the numbers of ``struct fuse_conn_info`` to ask for, by the names of ``Limits``
        (capture.pxd). A ``max_read`` must be among the mount options too.
    :param rings: ask libfuse, which must be 3.18 or newer, for requests over rings; whether it does,
        :attr:`rings` says after the handshake.
    :raises MountError: libfuse refused the options; its own words are in the message.
    """

    def __init__(
        self, wanted, options, InodeTable table=None, capabilities=None, readdirplus=True, limits=None,
        rings=False,
    ):
        cdef fuse_lowlevel_ops ops
        cdef fuse_args args
        cdef set names = set(wanted)
        cdef list encoded
        cdef char *argv[256]
        cdef int i
        cdef pthread_condattr_t attr
        memset(&self.c_state, 0, sizeof(self.c_state))
        pthread_mutex_init(&self.c_state.read_lock, NULL)
        pthread_mutex_init(&self.c_state.write_lock, NULL)
        pthread_mutex_init(&self.c_state.ring_lock, NULL)
        pthread_condattr_init(&attr)
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC)
        pthread_cond_init(&self.c_state.ring_changed, &attr)
        pthread_condattr_destroy(&attr)
        self.c_state.ask_rings = rings
        self.table = table
        self.retrieves = Retrieves()
        if table is not None:
            self.c_state.table = table.c_table
        self.c_state.python_forget = "forget" in names
        self.c_state.want = FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_SPLICE_WRITE
        self.c_state.unwant = FUSE_CAP_SPLICE_READ
        if not readdirplus:
            self.c_state.unwant |= FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO
        elif "readdir" in names:
            self.c_state.want |= FUSE_CAP_READDIRPLUS
            names.add("readdirplus")
            if table is None:
                # Entries of readdir_reply carry attributes and raise lookup counts, always.
                names.discard("readdir")
                self.c_state.unwant |= FUSE_CAP_READDIRPLUS_AUTO
            else:
                self.c_state.want |= FUSE_CAP_READDIRPLUS_AUTO
        for name, on in (capabilities or {}).items():
            if on:
                self.c_state.want |= <unsigned long long>_CAPABILITIES[name][0]
            else:
                self.c_state.unwant |= <unsigned long long>_CAPABILITIES[name][0]
        self.c_state.want &= ~self.c_state.unwant
        self.c_state.asked = limits_of(limits or {})
        memset(&ops, 0, sizeof(ops))
        register_names(&ops, names)
        register_inodes(&ops, names)
        register_files(&ops, names)
        register_locks(&ops, names)
        register_devices(&ops, names)
        encoded = [b"fusetree"]
        if rings:
            route(&ops)
            encoded += [b"-o", b"io_uring"]
        for option in options:
            encoded += [b"-o", os.fsencode(option)]
        if len(encoded) > 255:
            raise ValueError(f"too many mount options ({len(options)}): at most 126")
        for i in range(len(encoded)):
            argv[i] = PyBytes_AS_STRING(encoded[i])
        argv[len(encoded)] = NULL
        args.argc = len(encoded)
        args.argv = argv
        args.allocated = 0
        with log.collect() as lines:
            self.c_session = fuse_session_new(&args, &ops, sizeof(ops), &self.c_state)
        fuse_opt_free_args(&args)
        if self.c_session == NULL:
            reason = "; ".join(lines) or ", ".join(options)
            raise MountError(22, f"libfuse refused the mount options: {reason}")

    def __dealloc__(self):
        if self.c_session != NULL:
            fuse_session_destroy(self.c_session)
            pthread_mutex_destroy(&self.c_state.read_lock)
            pthread_mutex_destroy(&self.c_state.write_lock)
            pthread_mutex_destroy(&self.c_state.ring_lock)
            pthread_cond_destroy(&self.c_state.ring_changed)

    def mount(self, mountpoint: str) -> None:
        """Mount at the absolute path *mountpoint*.  :raises MountError: with libfuse's own words."""
        cdef bytes path = os.fsencode(mountpoint)
        cdef const char *c_path = path
        cdef int rc
        with log.collect() as lines:
            with nogil:
                rc = fuse_session_mount(self.c_session, c_path)
                saved = errno
        if rc != 0:
            reason = "; ".join(lines) or "libfuse gave no reason"
            raise MountError(saved or 5, f"can not mount at {mountpoint}: {reason}")
        self.mounted = True

    def attach(self, fd: int) -> None:
        """Serve the stream socket *fd* instead of a mount; a duplicate is kept, so *fd* stays the caller's.

        :raises UnsupportedFeatureError: libfuse is older than 3.14, or was built without this.
        """
        cdef fuse_custom_io io
        cdef int own, rc
        if not FT_HAVE_CUSTOM_IO:
            raise UnsupportedFeatureError("custom_io", needs=(3, 14), have=compiled_version())
        memset(&io, 0, sizeof(io))
        io.read = read_frame
        io.writev = write_frame
        own = os.dup(fd)
        rc = fuse_session_custom_io(self.c_session, &io, own)
        if rc:
            os.close(own)
        if rc == -EOPNOTSUPP:
            raise UnsupportedFeatureError(
                "custom_io", reason="this libfuse was built without sessions on a descriptor")
        check(rc, "fuse_session_custom_io")
        self.is_socket = True
        # It would go by the frames' lock, and between the parts of another one.
        self.c_state.want &= ~<unsigned long long>FUSE_CAP_SPLICE_WRITE
        self.c_state.unwant |= FUSE_CAP_SPLICE_WRITE

    def fileno(self) -> int:
        """The descriptor to wait on before :meth:`receive`."""
        return fuse_session_fd(self.c_session)

    @property
    def pointer(self) -> int:
        """Address of libfuse's ``struct fuse_session``, for the notifier thread."""
        return <size_t>self.c_session

    @property
    def initialized(self) -> bool:
        """Whether the INIT handshake is done."""
        return self.c_state.initialized

    @property
    def protocol(self) -> tuple[int, int]:
        """Protocol version that was agreed on, (0, 0) before the handshake."""
        return (self.c_state.proto_major, self.c_state.proto_minor)

    @property
    def prunes(self) -> bool:
        """Whether the kernel knows FUSE_NOTIFY_PRUNE (protocol 7.45, Linux 6.18); a client on a socket does
        not.
        """
        return not self.is_socket and self.c_state.proto_minor >= 45

    @property
    def max_write(self) -> int:
        """Largest write in bytes, as agreed at INIT."""
        return self.c_state.agreed.max_write

    @property
    def limits(self) -> dict[str, int]:
        """What was agreed at INIT, by the names of the argument *limits*; all 0 before."""
        return self.c_state.agreed

    @property
    def capable(self) -> int:
        """FUSE_CAP_* bits that the kernel offered at INIT."""
        return self.c_state.capable

    @property
    def capabilities_wanted(self) -> int:
        """FUSE_CAP_* bits that are on."""
        return self.c_state.wanted

    @property
    def rings(self) -> bool:
        """Whether requests come over rings: True from the handshake on, until the rings are ended."""
        return self.c_state.rings

    @property
    def rings_refused(self) -> str:
        """Why libfuse has no rings although the kernel offers them, in its own words; else empty."""
        return self.c_refused or ""

    def without_rings(self) -> None:
        """Before the handshake: let requests come over the device after all."""
        self.c_state.ask_rings = False
        self.c_state.want &= ~<unsigned long long>FUSE_CAP_OVER_IO_URING
        self.c_state.unwant |= FUSE_CAP_OVER_IO_URING

    @property
    def exited(self) -> bool:
        """Whether the connection ended: unmounted from outside, the other end closed, or :meth:`exit`."""
        return has_exited(self.c_session, &self.c_state)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` or :meth:`abandon` was called."""
        return self.c_state.closed

    def set_nonblocking(self) -> None:
        """From now on an event loop receives: nobody waits inside libfuse any more."""
        self.c_state.nonblocking = True
        if not self.is_socket:
            check(ft_set_nonblocking(fuse_session_fd(self.c_session)), "fcntl of the FUSE device")

    def handshake(self, ReceiveBuffer buffer not None) -> None:
        """Receive until INIT was answered.

        :raises MountError: the connection ended before.
        :raises BlockingIOError: it is non-blocking, and INIT did not come yet.
        """
        cdef Captured captured
        cdef int rc = 1
        with log.listen() as lines:
            while not self.c_state.initialized:
                with nogil:
                    rc = receive(self.c_session, &self.c_state, &buffer.c_buf, &captured)
                if rc == -EAGAIN:
                    raise BlockingIOError(EAGAIN, "the INIT request did not come yet")
                if rc <= 0 and not self.c_state.initialized:
                    raise MountError(
                        -rc if rc else 107, "the connection ended before the INIT handshake was done")
        if self.c_state.ask_rings and self.c_state.wanted & FUSE_CAP_OVER_IO_URING:
            # Where they can not be started libfuse says so in its log, and goes on without.
            self.c_refused = "; ".join([line for line in lines if "failed to start io-uring" in line])
            self.c_state.rings = not self.c_refused

    cdef Request next_request(self, ReceiveBuffer buffer):
        cdef Captured captured
        cdef int rc
        buffer.let_go()
        while True:
            with nogil:
                rc = receive(self.c_session, &self.c_state, &buffer.c_buf, &captured)
            if rc == 0:
                return None
            if rc < 0:
                if self.c_state.closed or has_exited(self.c_session, &self.c_state):
                    return None
                raise OSError(-rc, f"reading from the FUSE connection failed: {os.strerror(-rc)}")
            if captured.opcode == OP_NOTIFY_REPLY:
                self.retrieves.deliver(&captured)
            elif captured.opcode != OP_INIT:
                return Request.wrap(&captured, &self.c_state, self, buffer)

    def receive(self, ReceiveBuffer buffer not None) -> Request | None:
        """Wait, without the GIL, for a request that needs Python.

        :returns: the request, or None when the connection ended.
        :raises BlockingIOError: the descriptor is non-blocking and there is no request now.
        """
        return self.next_request(buffer)

    def begin_drain(self, linger: bool) -> None:
        """The event loop begins to :meth:`take` requests.

        :param linger: whether *take* may wait a moment for the next request: where requests come one after
            the other, a turn of the loop for each costs more than the requests.  It does so for 50 us at
            most, and for 1 ms in all, and not if that was in vain lately.
        """
        if not linger:
            self.c_linger = 0
        elif self.c_rest > 0:
            self.c_rest -= 1
            self.c_linger = 0
        else:
            self.c_linger = LINGER_NS
            self.c_until = monotonic_ns() + DRAIN_NS

    def take(self, ReceiveBuffer buffer not None) -> Request | None:
        """The next request that needs Python, for an event loop; None when there is none now, or
        :attr:`exited`.
        """
        cdef Captured captured
        cdef int rc
        cdef int64_t left
        cdef int fd = fuse_session_fd(self.c_session)
        buffer.let_go()
        while True:
            with nogil:
                while True:
                    ft_bump(&self.c_state.visits)
                    rc = receive(self.c_session, &self.c_state, &buffer.c_buf, &captured)
                    if rc != -EAGAIN or self.c_linger == 0:
                        break
                    left = self.c_until - monotonic_ns()
                    if left <= 0:
                        break
                    if not ft_readable_within(fd, left if left < LINGER_NS else LINGER_NS):
                        if left >= LINGER_NS:
                            self.c_vain = min(2 * self.c_vain + 1, MOST_IN_VAIN)
                            self.c_rest = self.c_vain
                        break
                    self.c_vain = 0
            if rc == 1:
                if captured.opcode == OP_NOTIFY_REPLY:
                    self.retrieves.deliver(&captured)
                elif captured.opcode != OP_INIT:
                    return Request.wrap(&captured, &self.c_state, self, buffer)
                continue
            ended = self.c_state.closed or has_exited(self.c_session, &self.c_state)
            if rc < 0 and rc != -EAGAIN and not ended:
                raise OSError(-rc, f"reading from the FUSE connection failed: {os.strerror(-rc)}")
            return None

    def wind_up(self) -> None:
        """Have handlers told that nobody waits for them: :func:`~fusetree._lowlevel.running.interrupted` is
        True from now on."""
        self.c_state.ending = True

    def let_go(self) -> None:
        """Close the device without unmounting, so that the kernel ends the connection when nobody else has it
        open; like :meth:`exit` besides."""
        self.leave()
        self.detach_device()
        self.c_state.ending = True     # handlers that give up must not answer before that

    def exit(self) -> None:
        """Make whoever receives return None: sets libfuse's exit flag, and ends the stream of a socket.

        A thread that is blocked reading the device must be interrupted besides (see wakeup.pyx).
        """
        cdef int fd = fuse_session_fd(self.c_session)
        self.leave()
        if self.is_socket:
            c_shutdown(fd, SHUT_RDWR)
        self.c_state.ending = True

    def close(self, unmount: bool = True) -> None:
        """End the connection, answer nothing any more and, unless *unmount* is False, unmount (lazily).
        Idempotent.

        *unmount* must be False when the mount is gone already: what is at the mountpoint now may be somebody
        else's.
        """
        if self.c_state.closed:
            return
        self.c_state.closed = True
        self.leave()
        self.detach_device()
        if self.mounted and unmount:
            with nogil:
                fuse_session_unmount(self.c_session)
        self.retrieves.fail_all(SessionClosedError("the session was closed before the kernel answered"))

    def abandon(self) -> None:
        """In the child of a fork: let go of the device, without unmounting what belongs to the parent."""
        if self.c_state.closed:
            return
        self.c_state.closed = True
        self.detach_device()

    cdef void leave(self) noexcept:
        self.c_state.leaving = True
        if not self.c_state.rings:
            fuse_session_exit(self.c_session)

    cdef int detach_device(self) except -1:
        # The number stays taken (by /dev/null) until libfuse closes it, so that a late write can not hit a
        # stranger's file.
        cdef int fd = fuse_session_fd(self.c_session)
        if fd < 0:
            return 0
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.dup2(null, fd, inheritable=False)
        finally:
            os.close(null)
        return 0
