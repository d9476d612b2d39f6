# cython: language_level=3
"""INIT: what is asked of the kernel, and what it said.

Rule: libfuse calls :func:`on_init` before it writes its answer to INIT; what is changed in there is what the
    kernel is told, and nothing can be changed later.
"""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.capture cimport OP_INIT, Captured, Limits, SessionState, current
from fusetree._lowlevel.libfuse.common cimport (
    ft_capabilities,
    ft_set_request_timeout,
    ft_unwant,
    ft_want,
    ft_wanted,
    fuse_conn_info,
)


cdef inline unsigned int at_most(unsigned int offered, unsigned int asked) noexcept nogil:
    return asked if asked and asked < offered else offered


cdef void settle(fuse_conn_info *conn, const Limits *asked, Limits *agreed) noexcept nogil:
    # These two are lowered only: libfuse has room for what it offers, and the kernel for what it offered.
    conn.max_write = at_most(conn.max_write, asked.max_write)
    conn.max_readahead = at_most(conn.max_readahead, asked.max_readahead)
    conn.max_read = asked.max_read     # libfuse wants it to be what the mount option says
    if asked.max_background:
        conn.max_background = asked.max_background
    if asked.congestion_threshold:
        conn.congestion_threshold = asked.congestion_threshold
    conn.time_gran = asked.time_granularity if asked.time_granularity else 1
    if asked.request_timeout:
        ft_set_request_timeout(conn, asked.request_timeout)
    agreed.max_write = conn.max_write
    agreed.max_read = conn.max_read
    agreed.max_readahead = conn.max_readahead
    agreed.max_background = conn.max_background
    agreed.congestion_threshold = conn.congestion_threshold
    agreed.time_granularity = conn.time_gran
    agreed.request_timeout = asked.request_timeout


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
    settle(conn, &state.asked, &state.agreed)
    state.proto_major = conn.proto_major
    state.proto_minor = conn.proto_minor
    state.capable = ft_capabilities(conn)
    state.wanted = ft_wanted(conn)
    state.initialized = True
    cdef Captured *c = current()
    if c != NULL:
        c.opcode = OP_INIT
        c.req = NULL
