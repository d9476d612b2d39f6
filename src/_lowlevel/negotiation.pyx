# cython: language_level=3
"""INIT: what is asked of the kernel, and what it said.

Rule: libfuse calls :func:`on_init` before it writes its answer to INIT; what is changed in there is what the
    kernel is told, and nothing can be changed later.
"""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.capture cimport OP_INIT, Captured, SessionState, current
from fusetree._lowlevel.libfuse.common cimport (
    ft_capabilities,
    ft_unwant,
    ft_want,
    ft_wanted,
    fuse_conn_info,
)


cdef void on_init(void *userdata, fuse_conn_info *conn) noexcept nogil:
    # Capabilities go one by one: a bit that the kernel does not offer must not be wanted (libfuse then fails
    # the INIT).
    cdef SessionState *state = <SessionState *>userdata
    cdef int bit
    for bit in range(64):
        if state.unwant & (<uint64_t>1 << bit):
            ft_unwant(conn, <uint64_t>1 << bit)
        elif state.want & (<uint64_t>1 << bit):
            ft_want(conn, <uint64_t>1 << bit)
    if state.max_readahead and conn.max_readahead > state.max_readahead:
        conn.max_readahead = state.max_readahead
    conn.time_gran = 1
    state.proto_major = conn.proto_major
    state.proto_minor = conn.proto_minor
    state.max_write = conn.max_write
    state.capable = ft_capabilities(conn)
    state.wanted = ft_wanted(conn)
    state.initialized = True
    cdef Captured *c = current()
    if c != NULL:
        c.opcode = OP_INIT
        c.req = NULL
