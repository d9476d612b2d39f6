# cython: language_level=3
"""Names of a directory in C: order, stable cookies, an index by name, and filling of readdir replies."""

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from fusetree._lowlevel.libfuse.lowlevel cimport fuse_req_t
from fusetree._lowlevel.libfuse.posix cimport off_t
from fusetree._lowlevel.table cimport ft_directory, ft_slot, ft_table

cdef struct ft_fill:            # one reply being filled
    char *buffer
    size_t size
    size_t used
    uint64_t *counted           # node ids whose lookup count was raised; room for size // 128 + 1
    size_t counted_used

cdef uint32_t name_hash(const char *name, size_t length) noexcept nogil
cdef uint64_t filter_bit(uint32_t hash) noexcept nogil
cdef ft_slot *slot_find(
    const ft_directory *directory, const char *name, size_t length, uint32_t hash) noexcept nogil
cdef int directory_reserve(ft_directory *directory, uint32_t slots) noexcept nogil       # 0, or -1: no memory
cdef void directory_shrink(ft_directory *directory) noexcept nogil      # no room behind the last slot
# Takes over both references; NULL: no memory
cdef ft_slot *slot_append(
    ft_directory *directory, const char *name, size_t length, uint32_t hash,
    PyObject *owner, PyObject *child, uint64_t ino, uint8_t d_type) noexcept nogil
# Both references are the caller's now
cdef void slot_remove(ft_directory *directory, ft_slot *slot) noexcept nogil
# The number of the first slot behind a cookie; directory.used: there is none
cdef uint32_t first_behind(const ft_directory *directory, uint64_t cookie) noexcept nogil
# The first name behind a cookie leads to a child whose attributes are not published, and Python was not asked
# for them yet
cdef bint locked_begins_cold(ft_table *table, const ft_directory *directory, uint64_t cookie) noexcept nogil
# 1; 0: not published, nothing done; or a negative errno
cdef int listing_fill(
    ft_table *table, fuse_req_t req, uint64_t node_id, off_t offset, bint plus, ft_fill *fill) noexcept nogil
