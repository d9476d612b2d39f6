# cython: language_level=3
"""The loop that tells the kernel, and waiting for it."""

from fusetree._lowlevel.libfuse.lowlevel cimport fuse_session
from fusetree._lowlevel.table cimport ft_table

# Until the table is stopped
cdef void send_notices(ft_table *table, fuse_session *session) noexcept nogil
cdef void locked_drop_all(ft_table *table) noexcept nogil
cdef bint wait_for(ft_table *table, object tickets, double timeout) except -1
cdef list take_due(ft_table *table, int result)
