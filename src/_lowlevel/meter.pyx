# cython: language_level=3
"""How long handlers take, while somebody wants to know.

Each dispatcher has a meter, and asks one number of it for each request: as long as nobody has asked for
figures, that is all. Who asks keeps it on for a while; it goes off by itself with the first request after
that.

Invariants: `c_until` is 0 exactly while it is off; what it has counted only grows.
"""

from libc.string cimport memset

from fusetree._lowlevel.libfuse.pthread cimport (
    pthread_mutex_destroy,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from fusetree._lowlevel.packing cimport monotonic_ns
from fusetree._lowlevel.request import OPCODE_NAMES as _operation_names


cdef class Meter:
    """Counts requests that handlers have answered, and how long each took: since it was first switched on, as
    long as it was on."""

    def __cinit__(self):
        pthread_mutex_init(&self.c_lock, NULL)
        memset(self.c_timings, 0, sizeof(self.c_timings))

    def __dealloc__(self):
        pthread_mutex_destroy(&self.c_lock)

    @property
    def on(self) -> bool:
        """Whether it times requests."""
        return self.c_until != 0

    def keep_on(self, double seconds) -> None:
        """Time the requests that begin from now on, for so many seconds more."""
        cdef int64_t until = monotonic_ns() + <int64_t>(seconds * 1e9)
        if until > self.c_until:
            self.c_until = until

    cdef void record(self, int opcode, int64_t began, bint failed) noexcept nogil:
        """A request that began at *began* was answered just now."""
        cdef int64_t now = monotonic_ns()
        cdef int64_t taken = now - began
        cdef int64_t left = taken
        cdef int bucket = 0
        cdef ft_timing *timing = &self.c_timings[opcode]
        if now > self.c_until:
            self.c_until = 0
        while left > 0 and bucket < BUCKETS - 1:
            left >>= 1
            bucket += 1
        pthread_mutex_lock(&self.c_lock)
        timing.count += 1
        timing.errors += failed
        timing.total_ns += taken
        timing.buckets[bucket] += 1
        if <uint64_t>taken > timing.longest_ns:
            timing.longest_ns = taken
        pthread_mutex_unlock(&self.c_lock)

    def timings(self) -> dict[str, tuple[int, int, int, int, list[int]]]:
        """By operation: how many were answered, how many of them with an error, nanoseconds of all, of the
        longest, and how many took up to 2**n nanoseconds, by n (and longer than half of that)."""
        cdef int opcode, bucket
        cdef ft_timing timing
        found = {}
        for opcode in range(OP_COUNT):
            pthread_mutex_lock(&self.c_lock)
            timing = self.c_timings[opcode]
            pthread_mutex_unlock(&self.c_lock)
            if not timing.count:
                continue
            name = _operation_names.get(opcode, f"opcode {opcode}")
            count, errors, total, longest, buckets = found.get(name, (0, 0, 0, 0, [0] * BUCKETS))
            found[name] = (         # some operations have two opcodes
                count + timing.count, errors + timing.errors, total + timing.total_ns,
                max(longest, timing.longest_ns),
                [buckets[bucket] + timing.buckets[bucket] for bucket in range(BUCKETS)],
            )
        return found
