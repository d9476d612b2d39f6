# cython: language_level=3
"""Names as Python gives them, and published directories made of them."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from fusetree._lowlevel.dirents cimport ReaddirToken
from fusetree._lowlevel.table cimport ft_directory, ft_entry, ft_notice, ft_table

cdef struct NameView:           # valid while the object that view_name returned lives
    const char *text
    Py_ssize_t length
    uint32_t hash

cdef object view_name(object name, NameView *view)
cdef ft_directory *directory_of(object items) except NULL
cdef int store_directory(ft_table *table, uint64_t node_id, ft_directory *made, uint64_t parent_ino) noexcept
cdef bint locked_set_name(
    ft_table *table, ft_entry *entry, const NameView *view, PyObject *owner, PyObject *child, uint64_t ino,
    uint8_t d_type, PyObject **replaced, ft_notice **notice) noexcept
cdef bint locked_remove_name(
    ft_table *table, ft_entry *entry, const NameView *view, PyObject *child, bint deleted,
    PyObject **removed_name, PyObject **removed_child, ft_notice **notice) noexcept
cdef list cold_children(ft_table *table, ReaddirToken token, uint64_t node_id, int64_t start_id)
cdef int fill_token(ft_table *table, ReaddirToken token, uint64_t node_id, int64_t start_id) except -1
