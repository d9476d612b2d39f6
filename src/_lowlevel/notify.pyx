# cython: language_level=3
"""What a session tells the kernel by itself: the ``fuse_lowlevel_notify_*`` family, one method for each.

Rule 1: each method writes one message, with the GIL released, and returns when the kernel has acted on it.
Rule 2: `inode`, `entry`, `expire`, `delete`, `store` and `prune` take locks that the kernel may hold for a
    request that is being handled: who calls them from a handler may wait for itself.  Who may call when is
    the business of `fusetree.server.outbox`.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.errno cimport EINVAL, ENOSYS
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from fusetree._lowlevel.connection cimport Connection
from fusetree._lowlevel.errors cimport check
from fusetree._lowlevel.filedata cimport FileData
from fusetree._lowlevel.libfuse.common cimport (
    FT_HAVE_EXPIRE_ENTRY,
    FT_HAVE_INCREMENT_EPOCH,
    FT_HAVE_PRUNE,
    FUSE_CAP_EXPIRE_ONLY,
    fuse_buf_copy_flags,
    fuse_bufvec,
)
from fusetree._lowlevel.libfuse.lowlevel cimport (
    ft_notify_expire_entry,
    fuse_ino_t,
    fuse_lowlevel_notify_delete,
    fuse_lowlevel_notify_increment_epoch,
    fuse_lowlevel_notify_inval_entry,
    fuse_lowlevel_notify_inval_inode,
    fuse_lowlevel_notify_prune,
    fuse_lowlevel_notify_retrieve,
    fuse_lowlevel_notify_store,
)

from fusetree._lowlevel.features import compiled_version
from fusetree.errors import SessionClosedError, UnsupportedFeatureError


cdef class Notifications:
    """The notifications of one connection.

    All methods raise OSError with what the kernel says: ENOENT (FileNotFoundError) when it has nothing of
    the kind, ENOSYS when it does not know this notification; and SessionClosedError after the session's end.
    """

    cdef Connection connection

    def __init__(self, Connection connection not None):
        self.connection = connection

    cdef int told(self, int rc, str what) except -1:
        if self.connection.c_state.closed:
            raise SessionClosedError(f"{what}: the session is closed")
        return check(rc, what)

    def inode(self, inode: int, offset: int, length: int) -> None:
        """Forget the attributes of *inode* and, unless *offset* is negative, cached content from there on.

        :param length: how many bytes, 0 for all that follow.
        """
        cdef fuse_ino_t c_inode = inode
        cdef int64_t c_offset = offset
        cdef int64_t c_length = length
        cdef int rc
        with nogil:
            rc = fuse_lowlevel_notify_inval_inode(self.connection.c_session, c_inode, c_offset, c_length)
        self.told(rc, f"invalidate_inode({inode})")

    def entry(self, parent: int, bytes name not None) -> None:
        """Forget what *name* in *parent* leads to."""
        cdef fuse_ino_t c_parent = parent
        cdef const char *c_name = name
        cdef size_t length = len(name)
        cdef int rc
        with nogil:
            rc = fuse_lowlevel_notify_inval_entry(self.connection.c_session, c_parent, c_name, length)
        self.told(rc, f"invalidate_entry({parent}, {name!r})")

    def expire(self, parent: int, bytes name not None) -> None:
        """Look *name* in *parent* up again at its next use."""
        cdef fuse_ino_t c_parent = parent
        cdef const char *c_name = name
        cdef size_t length = len(name)
        cdef int rc
        self.must_have(FT_HAVE_EXPIRE_ENTRY, "expire_only", (3, 12))
        if not self.connection.c_state.capable & FUSE_CAP_EXPIRE_ONLY:
            # An older kernel ignores the flag, and would take the name away.
            raise OSError(ENOSYS, "expire_entry: the kernel is older than 6.2")
        with nogil:
            rc = ft_notify_expire_entry(self.connection.c_session, c_parent, c_name, length)
        self.told(rc, f"expire_entry({parent}, {name!r})")

    def delete(self, parent: int, child: int, bytes name not None) -> None:
        """Forget *name*, and tell watchers that *child* was removed."""
        cdef fuse_ino_t c_parent = parent
        cdef fuse_ino_t c_child = child
        cdef const char *c_name = name
        cdef size_t length = len(name)
        cdef int rc
        with nogil:
            rc = fuse_lowlevel_notify_delete(self.connection.c_session, c_parent, c_child, c_name, length)
        self.told(rc, f"notify_delete({parent}, {child}, {name!r})")

    def store(self, inode: int, offset: int, data) -> None:
        """Put *data*, a contiguous buffer or a FileData, into the page cache of *inode* at *offset*.

        Nothing is copied but by the kernel.
        """
        cdef fuse_bufvec vector
        cdef Py_buffer view
        if isinstance(data, FileData):
            (<FileData>data).fill(&vector)
            self.store_vector(inode, offset, &vector)
            return
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            memset(&vector, 0, sizeof(vector))
            vector.count = 1
            vector.buf[0].size = view.len
            vector.buf[0].mem = view.buf
            self.store_vector(inode, offset, &vector)
        finally:
            PyBuffer_Release(&view)

    cdef int store_vector(self, object inode, object offset, fuse_bufvec *vector) except -1:
        cdef fuse_ino_t c_inode = inode
        cdef int64_t c_offset = offset
        cdef int rc
        if c_offset < 0:
            raise OSError(EINVAL, f"notify_store({inode}): the offset {offset} is negative")
        with nogil:
            rc = fuse_lowlevel_notify_store(
                self.connection.c_session, c_inode, c_offset, vector, <fuse_buf_copy_flags>0)
        # A source that can not be read is told as a positive number.
        return self.told(-rc if rc > 0 else rc, f"notify_store({inode})")

    def retrieve(self, inode: int, offset: int, size: int):
        """Ask for what the page cache has of *inode*; the future's result is bytes."""
        cdef fuse_ino_t c_inode = inode
        cdef int64_t c_offset = offset
        cdef size_t c_size = size
        cdef uint64_t c_number
        cdef int rc
        if c_offset < 0:
            raise OSError(EINVAL, f"retrieve({inode}): the offset {offset} is negative")
        if self.connection.c_state.rings:
            # libfuse 3.18 takes the data that come over a ring for their header, sizes included.
            raise UnsupportedFeatureError(
                "retrieve", reason="libfuse misreads cached data that come over rings")
        number, future = self.connection.retrieves.begin()
        c_number = number
        with nogil:
            rc = fuse_lowlevel_notify_retrieve(
                self.connection.c_session, c_inode, c_size, c_offset, <void *>c_number)
        if rc < 0 or self.connection.c_state.closed:
            self.connection.retrieves.withdraw(number)
        self.told(rc, f"retrieve({inode})")
        return future

    def increment_epoch(self) -> None:
        """Look every name up again at its next use."""
        cdef int rc
        self.must_have(FT_HAVE_INCREMENT_EPOCH, "increment_epoch", (3, 18))
        with nogil:
            rc = fuse_lowlevel_notify_increment_epoch(self.connection.c_session)
        self.told(rc, "increment_epoch()")

    def prune(self, inodes) -> None:
        """Let go of those of *inodes* that nobody uses."""
        cdef list numbers = list(inodes)
        cdef uint32_t count = len(numbers)
        cdef uint32_t i
        cdef fuse_ino_t *c_inodes
        cdef int rc
        self.must_have(FT_HAVE_PRUNE, "prune", (3, 19))
        c_inodes = <fuse_ino_t *>malloc((count + 1) * sizeof(fuse_ino_t))
        if c_inodes == NULL:
            raise MemoryError
        try:
            for i in range(count):
                c_inodes[i] = numbers[i]
            with nogil:
                rc = fuse_lowlevel_notify_prune(self.connection.c_session, c_inodes, count)
        finally:
            free(c_inodes)
        self.told(rc, f"prune({numbers})")

    cdef int must_have(self, bint have, str feature, tuple needs) except -1:
        if not have:
            raise UnsupportedFeatureError(feature, needs=needs, have=compiled_version())
        return 0
