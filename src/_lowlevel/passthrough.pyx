# cython: language_level=3
"""Backing files: what the kernel reads and writes by itself, without a request (``fuse_passthrough_*``).

The kernel gives a file that it is told of a number, the *backing id*, which belongs to the connection.  An
answer to open or create that carries it makes reads, writes and maps of that open file go to the backing
file.
"""

from fusetree._lowlevel.connection cimport Connection
from fusetree._lowlevel.errors cimport check
from fusetree._lowlevel.libfuse.common cimport FUSE_CAP_PASSTHROUGH
from fusetree._lowlevel.libfuse.lowlevel cimport ft_backing_close, ft_backing_open

from fusetree._lowlevel.features import compiled_version
from fusetree.errors import SessionClosedError, UnsupportedFeatureError


cdef class Passthrough:
    """The backing files of one connection."""

    cdef Connection connection

    def __init__(self, Connection connection not None):
        self.connection = connection

    cdef int must_have(self, str what) except -1:
        if self.connection.c_state.closed:
            raise SessionClosedError(f"{what}: the session is closed")
        if not FUSE_CAP_PASSTHROUGH:
            raise UnsupportedFeatureError("passthrough", needs=(3, 17), have=compiled_version())
        if not self.connection.c_state.wanted & FUSE_CAP_PASSTHROUGH:
            offered = self.connection.c_state.capable & FUSE_CAP_PASSTHROUGH
            raise UnsupportedFeatureError(
                "passthrough", reason="not asked for" if offered else "the kernel does not offer it")
        return 0

    def open(self, fd: int) -> int:
        """Tell the kernel of the open file *fd*; its backing id, above 0."""
        cdef int c_fd = fd
        cdef int rc
        self.must_have("open_backing")
        with nogil:
            rc = ft_backing_open(self.connection.c_session, c_fd)
        return check(rc, f"open_backing({fd})")

    def close(self, backing_id: int) -> None:
        """Take a backing id back; files that were opened with it go on."""
        cdef int c_id = backing_id
        cdef int rc
        self.must_have("close_backing")
        with nogil:
            rc = ft_backing_close(self.connection.c_session, c_id)
        check(rc, f"close_backing({backing_id})")
