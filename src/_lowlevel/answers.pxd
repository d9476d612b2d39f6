# cython: language_level=3
"""Answers without Python: names and attributes.

``answer_*``: without the GIL; 1: the request was answered (it is gone), 0: Python must answer it.
"""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.coherence cimport (     # so that the request path needs this file alone
    reply_attr_coherent,
    reply_create_coherent,
    reply_entry_coherent,
)
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_ino_t, fuse_req_t
from fusetree._lowlevel.table cimport ft_table

cdef int answer_lookup(ft_table *table, fuse_req_t req, fuse_ino_t parent, const char *name) noexcept nogil
cdef int answer_getattr(ft_table *table, fuse_req_t req, fuse_ino_t ino) noexcept nogil
cdef int answer_readlink(ft_table *table, fuse_req_t req, fuse_ino_t ino) noexcept nogil
cdef int answer_access(ft_table *table, fuse_req_t req, fuse_ino_t ino, int mask) noexcept nogil
cdef int answer_getxattr(
    ft_table *table, fuse_req_t req, fuse_ino_t ino, const char *name, size_t size) noexcept nogil
cdef int answer_listxattr(ft_table *table, fuse_req_t req, fuse_ino_t ino, size_t size) noexcept nogil
cdef int answer_statfs(ft_table *table, fuse_req_t req) noexcept nogil
cdef void table_forget(ft_table *table, fuse_ino_t ino, uint64_t count) noexcept nogil
