# cython: language_level=3
"""Answers without Python: directories.  See answers.pxd."""

from fusetree._lowlevel.libfuse.common cimport fuse_file_info
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_ino_t, fuse_req_t
from fusetree._lowlevel.libfuse.posix cimport off_t
from fusetree._lowlevel.table cimport ft_table

cdef int answer_opendir(ft_table *table, fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil
cdef int answer_readdir(
    ft_table *table, fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info *fi,
    int plus) noexcept nogil
cdef int answer_releasedir(ft_table *table, fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil
