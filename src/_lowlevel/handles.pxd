# cython: language_level=3
"""Open files: 64-bit handles (index and generation) that pin their entry."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from fusetree._lowlevel.table cimport ft_content, ft_entry, ft_handle, ft_table

# Takes over both references; 0: no memory
cdef uint64_t locked_handle_open(
    ft_table *table, ft_entry *entry, ft_content *content, PyObject *state, uint32_t flags) noexcept nogil
cdef ft_handle *locked_handle(ft_table *table, uint64_t fh) noexcept nogil     # NULL: unknown or stale
# Both references are the caller's now: the content (dropped with no lock held; NULL: none) and the state.
cdef ft_content *locked_handle_release(ft_table *table, ft_handle *handle, PyObject **state) noexcept nogil

cdef object open_handle(
    ft_table *table, uint64_t node_id, object content, object file, object state, bint direct_io,
    object change)
cdef object adopt_handle(ft_table *table, uint64_t fh, object state)
cdef object handle_changed(ft_table *table, uint64_t fh)
cdef object state_of_handle(ft_table *table, uint64_t fh)
cdef object node_of_handle(ft_table *table, uint64_t fh)
cdef object release_handle(ft_table *table, uint64_t fh)
