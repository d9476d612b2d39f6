# cython: language_level=3
"""How long handlers take, while somebody wants to know."""

from libc.stdint cimport int64_t, uint64_t

from fusetree._lowlevel.capture cimport OP_COUNT
from fusetree._lowlevel.libfuse.pthread cimport pthread_mutex_t

cdef enum:
    BUCKETS = 40            # bucket n: from 2**(n-1) to 2**n nanoseconds; the last has what is longer

ctypedef struct ft_timing:
    uint64_t count
    uint64_t errors
    uint64_t total_ns
    uint64_t longest_ns
    uint64_t buckets[BUCKETS]


cdef class Meter:
    cdef pthread_mutex_t c_lock             # guards the timings
    cdef int64_t c_until                    # monotonic; 0 while nobody asks. Read without the lock
    cdef ft_timing c_timings[OP_COUNT]      # by opcode

    cdef void record(self, int opcode, int64_t began, bint failed) noexcept nogil
