# cython: language_level=3
"""The type bits of a file's mode (inode(7))."""

cdef enum:
    TYPE_BITS = 0o170000


cdef inline bint has_type(unsigned int mode) noexcept nogil:
    """Whether it is one that Linux knows (fuse_valid_type in fs/fuse/dir.c)."""
    cdef unsigned int kind = mode & TYPE_BITS
    return (
        kind == 0o100000 or kind == 0o040000 or kind == 0o120000 or kind == 0o020000 or kind == 0o060000
        or kind == 0o010000 or kind == 0o140000
    )
