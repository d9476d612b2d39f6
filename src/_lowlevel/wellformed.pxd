# cython: language_level=3
"""Whether a message of the FUSE protocol holds what its operation needs."""

cdef enum Verdict:
    WELL_FORMED = 0
    MALFORMED = 1              # and it wants an answer
    MALFORMED_SILENT = 2       # nobody waits for one

# *frame* has *size* bytes, which is also the length in its header; *setxattr_ext*: SETXATTR has the longer
# head.
cdef Verdict judge(const void *frame, size_t size, bint setxattr_ext) noexcept nogil
# Make of a malformed message one that libfuse answers with ENOSYS.
cdef void disarm(void *frame) noexcept nogil
