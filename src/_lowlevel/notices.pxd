# cython: language_level=3
"""What the kernel must be told: recording, coalescing, and Ticket, which stands for it."""

from libc.stdint cimport uint32_t, uint64_t

from fusetree._lowlevel.libfuse.lowlevel cimport fuse_ino_t
from fusetree._lowlevel.table cimport ft_entry, ft_notice, ft_table


cdef class Ticket:
    cdef ft_notice *c_notices[2]    # counted references, or NULL

    @staticmethod
    # takes over both references; None when both are NULL
    cdef Ticket wrap(ft_notice *first, ft_notice *second)


# For the request path. handler_begins: a Python handler starts on this directory (a request during which the
# kernel holds the directory's lock: lookup, mknod, mkdir, create, unlink, rmdir, symlink, link(new parent),
# rename(both), readdir). The result is the stamp for reply_entry_coherent / reply_create_coherent (0 when the
# table does not know the directory; handler_ends is due in any case). Only for directories; what the table
# knows to be something else is ignored.
cdef uint64_t handler_begins(ft_table *table, fuse_ino_t directory) noexcept nogil
cdef void handler_ends(ft_table *table, fuse_ino_t directory) noexcept nogil

# These return a borrowed notice, which covers the change (NULL: the kernel need not be told, or no memory):
# reference it under the lock.
cdef ft_notice *locked_entry_changed(ft_table *table, ft_entry *entry, bint content) noexcept nogil
cdef ft_notice *locked_queue_inode(ft_table *table, ft_entry *entry, bint content) noexcept nogil
cdef ft_notice *locked_queue_name(
    ft_table *table, uint64_t directory_id, uint64_t child_id, const char *name, size_t length,
    uint32_t hash) noexcept nogil
# Let the kernel let go of an inode, if nobody uses it
cdef void locked_queue_prune(ft_table *table, uint64_t node_id) noexcept nogil
# A deletion on its way becomes a mere change
cdef void locked_name_is_back(ft_notice *notice) noexcept nogil
cdef ft_notice *locked_pending_name(
    ft_table *table, uint64_t directory_id, const char *name, size_t length, uint32_t hash) noexcept nogil
cdef void notice_unref(ft_notice *notice) noexcept nogil
cdef bint is_done(const ft_notice *notice) noexcept nogil
# Of ft_table.pending
cdef ft_notice **bucket(ft_table *table, uint64_t directory_id, uint32_t hash) noexcept nogil
