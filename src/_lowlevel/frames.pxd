# cython: language_level=3
"""The FUSE protocol on a stream socket, as ``fuse_session_custom_io`` wants it."""

from fusetree._lowlevel.libfuse.posix cimport iovec

# userdata is the SessionState.
cdef ssize_t read_frame(int fd, void *buf, size_t size, void *userdata) noexcept nogil
cdef ssize_t write_frame(int fd, iovec *iov, int count, void *userdata) noexcept nogil
