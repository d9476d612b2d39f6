# cython: language_level=3
"""Callbacks of the requests that name a directory entry."""

from fusetree._lowlevel.libfuse.lowlevel cimport fuse_lowlevel_ops

cdef void register_names(fuse_lowlevel_ops *ops, set wanted)
