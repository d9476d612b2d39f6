# cython: language_level=3
"""INIT: what is asked of the kernel, and what it said."""

from fusetree._lowlevel.libfuse.common cimport fuse_conn_info

# The callback "init" of libfuse; userdata is the SessionState.
cdef void on_init(void *userdata, fuse_conn_info *conn) noexcept nogil
