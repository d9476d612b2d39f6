# cython: language_level=3
"""Callbacks that run in libfuse's ring threads: a slot before, its request handed over afterwards."""

from fusetree._lowlevel.capture cimport SessionState
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_lowlevel_ops

# What a ring thread finds.
cdef enum Gate:
    GATE_SHUT = 0              # the session does not serve yet: wait
    GATE_OPEN = 1
    GATE_REFUSING = 2          # it ends: ENOTCONN

# Has callbacks in ring threads handed over; for a session that asks for rings.
cdef void route(fuse_lowlevel_ops *ops) noexcept nogil
cdef void set_gate(SessionState *state, Gate gate) noexcept nogil
# Around whatever answers a request of a ring in another thread.
cdef void come_in(SessionState *state) noexcept nogil
cdef void go_out(SessionState *state) noexcept nogil
# Wait until nobody is inside, or that long; whether nobody is.
cdef bint wait_until_empty(SessionState *state, double seconds) noexcept nogil
