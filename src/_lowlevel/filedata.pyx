# cython: language_level=3
"""Bytes of a file, as a descriptor and a range: what ``read`` returns so that they never pass through
Python."""

cimport cython
from libc.string cimport memset

from fusetree._lowlevel.libfuse.common cimport (
    FUSE_BUF_FD_RETRY,
    FUSE_BUF_FD_SEEK,
    FUSE_BUF_IS_FD,
    fuse_buf_flags,
)


@cython.final
@cython.freelist(16)
cdef class FileData:
    """*size* bytes of an open file, from *offset* on, as the result of ``Operations.read`` or the data of
    ``Session.notify_store``.

    They go from the file to the kernel without being seen by Python: spliced, where libfuse does that (a
    mount, and 8 KiB at least), else read and written in C.  The file's own position is neither used nor
    moved, as with pread(2).

    :param file: a descriptor, or an object with ``fileno()``, which is kept alive until the bytes are sent.
    :param offset: where to begin, in bytes.
    :param size: how many bytes.  A file that ends before gives what there is.
    :raises ValueError: a negative descriptor, offset or size.
    """

    def __init__(self, file, offset: int, size: int):
        if not isinstance(file, int):
            self.file = file
            file = file.fileno()
        self.fd = file
        self.offset = offset
        self.size = size
        if self.fd < 0 or self.offset < 0 or self.size < 0:
            raise ValueError(f"{self!r}: nothing of that may be negative")

    def __repr__(self) -> str:
        return f"FileData({self.fd}, offset={self.offset}, size={self.size})"

    def __reduce__(self):
        raise TypeError("FileData belongs to an open file and can not be pickled or copied")

    cdef void fill(self, fuse_bufvec *vector) noexcept nogil:
        """Describe the bytes for libfuse."""
        memset(vector, 0, sizeof(vector[0]))
        vector.count = 1
        vector.buf[0].size = self.size
        vector.buf[0].flags = <fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK | FUSE_BUF_FD_RETRY)
        vector.buf[0].fd = self.fd
        vector.buf[0].pos = self.offset
