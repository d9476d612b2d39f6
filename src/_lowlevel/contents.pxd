# cython: language_level=3
"""Contents and link targets from Python, and the error for node ids that nobody knows."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from fusetree._lowlevel.table cimport ft_content, ft_table

cdef object stale(uint64_t node_id)
# Of bytes, or of any other contiguous buffer, whose export it holds
cdef ft_content *content_of(object data) except NULL
# Of a part of an open file, by a descriptor of its own
cdef ft_content *content_of_file(int fd, int64_t offset, int64_t size) except NULL
# Of a whole open file, by the descriptor of an object, which is kept
cdef ft_content *content_of_open(object file) except NULL
# Takes the content over in any case; True: it is published
cdef bint publish(ft_table *table, uint64_t node_id, uint64_t change, ft_content *content, uint32_t flags)
