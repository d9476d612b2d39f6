# cython: language_level=3
"""Callbacks of the requests on an inode or on the whole file system."""

from fusetree._lowlevel.libfuse.lowlevel cimport fuse_lowlevel_ops

cdef void register_inodes(fuse_lowlevel_ops *ops, set wanted)
