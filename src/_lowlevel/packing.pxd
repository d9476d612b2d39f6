# cython: language_level=3
"""Attributes in their compact form (ft_attributes is struct stat without its gaps), and times as one
number.
"""

from libc.stdint cimport int64_t

from fusetree._lowlevel.libfuse.posix cimport c_stat, timespec
from fusetree._lowlevel.table cimport ft_attributes

cdef void attributes_pack(ft_attributes *packed, const c_stat *stat) noexcept nogil
cdef void attributes_unpack(const ft_attributes *packed, c_stat *stat) noexcept nogil
cdef timespec timespec_of(int64_t ns) noexcept nogil
cdef int64_t monotonic_ns() noexcept nogil
