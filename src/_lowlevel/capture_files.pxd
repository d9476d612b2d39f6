# cython: language_level=3
"""Callbacks of the requests on open files and open directories."""

from fusetree._lowlevel.libfuse.lowlevel cimport fuse_lowlevel_ops

cdef void register_files(fuse_lowlevel_ops *ops, set wanted)
