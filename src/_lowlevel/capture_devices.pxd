# cython: language_level=3
"""Callbacks of the requests that make a file behave as a device."""

from fusetree._lowlevel.libfuse.lowlevel cimport fuse_lowlevel_ops

cdef void register_devices(fuse_lowlevel_ops *ops, set wanted)
