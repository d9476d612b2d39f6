# cython: language_level=3
"""Contents, link targets and directories of entries, and the graveyard; the structs are in table.pxd."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from fusetree._lowlevel.table cimport ft_content, ft_directory, ft_entry, ft_table

# Takes over a reference; NULL: no memory
cdef ft_content *content_new(PyObject *owner, const char *data, size_t size) noexcept nogil
# Takes over a descriptor; NULL: no memory
cdef ft_content *content_new_file(int fd, int64_t offset, size_t size) noexcept nogil
cdef void content_free(ft_content *content) noexcept     # with the GIL: one that nobody else has seen
# Returns the old one: the caller drops it, with no lock held
cdef ft_content *locked_set_body(
    ft_table *table, ft_entry *entry, ft_content *content, uint32_t flags) noexcept nogil
# NULL is fine; locks for the last reference only
cdef void content_drop(ft_table *table, ft_content *content) noexcept nogil
# Made when missing; NULL: not a directory, or no memory
cdef ft_directory *locked_directory(ft_entry *entry) noexcept nogil
# With the GIL: releases what is in the graveyard
cdef uint64_t table_reap(ft_table *table) noexcept
cdef void directory_release(ft_directory *directory) noexcept    # with the GIL
