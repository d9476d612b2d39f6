# cython: language_level=3
"""Answers without Python: open files.  See answers.pxd."""

from fusetree._lowlevel.libfuse.common cimport fuse_file_info
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_ino_t, fuse_req_t
from fusetree._lowlevel.libfuse.posix cimport off_t
from fusetree._lowlevel.table cimport ft_table

cdef int answer_open(ft_table *table, fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil
cdef int answer_read(
    ft_table *table, fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
    fuse_file_info *fi) noexcept nogil
cdef int answer_flush(ft_table *table, fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil
cdef int answer_release(ft_table *table, fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil
