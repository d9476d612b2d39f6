# cython: language_level=3
"""Callbacks of the requests on locks."""

from fusetree._lowlevel.libfuse.lowlevel cimport fuse_lowlevel_ops

cdef void register_locks(fuse_lowlevel_ops *ops, set wanted)
