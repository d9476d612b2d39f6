# cython: language_level=3
"""What the kernel must be told: the queue, its coalescing, and the loop that sends."""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.libfuse.lowlevel cimport fuse_ino_t, fuse_session
from fusetree._lowlevel.table cimport ft_directory, ft_entry, ft_notice, ft_table


cdef class Ticket:
    cdef ft_table *c_table
    cdef ft_notice *c_notices[3]    # counted references
    cdef int c_count

    cdef void add(self, ft_notice *notice) noexcept


# For the request path. handler_begins: a Python handler starts on this directory (a request during which the kernel holds the directory's
# lock: lookup, mknod, mkdir, create, unlink, rmdir, symlink, link(new parent), rename(both), readdir). The result is the stamp for
# reply_entry_coherent / reply_create_coherent (0 when the table does not know the directory; handler_ends is due in any case).
# Other inodes may be passed too: what is not a directory is ignored.
cdef uint64_t handler_begins(ft_table *table, fuse_ino_t directory) noexcept nogil
cdef void handler_ends(ft_table *table, fuse_ino_t directory) noexcept nogil

# Both return a borrowed notice that covers the change (NULL: the kernel need not be told, or no memory).
cdef ft_notice *locked_entry_changed(ft_table *table, ft_entry *entry, bint content) noexcept nogil
cdef ft_notice *locked_queue_inode(ft_table *table, ft_entry *entry, bint content) noexcept nogil
cdef ft_notice *locked_queue_name(
    ft_table *table, uint64_t directory_id, uint64_t child_id, const char *name, size_t length, bint deleted) noexcept nogil
cdef ft_notice *locked_pending_name(ft_table *table, uint64_t directory_id, const char *name, size_t length) noexcept nogil
cdef void locked_drop_all(ft_table *table) noexcept nogil
cdef void locked_directory_dies(ft_table *table, ft_directory *directory) noexcept nogil
cdef void notice_unref(ft_notice *notice) noexcept nogil
cdef ft_notice *locked_next_notice(ft_table *table) noexcept nogil       # to be sent now; NULL: none
cdef void locked_notice_sent(ft_table *table, ft_notice *notice, int result) noexcept nogil
cdef void send_notices(ft_table *table, fuse_session *session) noexcept nogil
