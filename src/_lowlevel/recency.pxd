# cython: language_level=3
"""Which inodes the kernel looked up least recently: kept only where their number is bounded."""

from libc.stdint cimport uint32_t, uint64_t

from fusetree._lowlevel.table cimport ft_known, ft_recency

cdef ft_recency *recency_new(uint64_t limit) noexcept nogil             # NULL: no memory
cdef void recency_free(ft_recency *recency) noexcept nogil
# The kernel was told of an inode under a name (which is copied), or no longer knows it
cdef void recency_seen(
    ft_recency *recency, uint64_t node_id, uint64_t parent_id, const char *name, size_t length,
    uint32_t hash) noexcept nogil
cdef void recency_forgotten(ft_recency *recency, uint64_t node_id) noexcept nogil
# The least recent one of those that are too many; NULL: there are none.  It counts no more, until it is seen.
cdef ft_known *recency_take(ft_recency *recency) noexcept nogil
# The kernel was asked, and may have kept it: if it does not forget it, its turn comes again
cdef void recency_asked(ft_recency *recency, uint64_t node_id) noexcept nogil
# It stays, for now
cdef void recency_keep(ft_recency *recency, ft_known *known) noexcept nogil
