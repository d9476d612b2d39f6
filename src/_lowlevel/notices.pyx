# cython: language_level=3, cdivision=True
"""What the kernel must be told: recorded when something changes, sent by the loop in `notifier.pyx`.

Rule 1: changing threads only record, with the table's lock held; nothing here blocks.
Rule 2: a notice that is queued and not yet being sent covers later changes of the same thing, so there is at
        most one of those per inode and per name; whoever must wait gets a Ticket for it.
Rule 3: a node that the kernel was given nothing of since it was last told (not armed) causes no notice.

States:

                       +--------------- handler ends ----------------+
                       v                                             |
    (change) -----> QUEUED --handlers on the directory--> DEFERRED --+
                     |   ^
                     v   +--due-- RETRYING <--ENOENT--+
                   SENDING ---------------------------+
                     |
                     v
                   DONE (delivered, pointless, or nobody takes notices any more)
"""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from fusetree._lowlevel.bodies cimport locked_directory
from fusetree._lowlevel.libfuse.pthread cimport (
    ft_bump,
    ft_load_state,
    ft_unref,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from fusetree._lowlevel.table cimport (
    ARMED_ATTRIBUTES,
    ARMED_CONTENT,
    BODY_DIRECTORY,
    FT_GOLDEN,
    HAS_ATTRIBUTES,
    NOTICE_DEFERRED,
    NOTICE_DELETE,
    NOTICE_DONE,
    NOTICE_ENTRY,
    NOTICE_INODE,
    NOTICE_PRUNE,
    NOTICE_QUEUED,
    NOTICE_RETRYING,
    PENDING_BUCKETS,
    ft_directory,
    locked_disarm,
    locked_enqueue,
    locked_find,
    locked_known,
    locked_splice_deferred,
)

cdef int64_t FIRST_BACKOFF = 100_000            # nanoseconds
cdef int64_t LONGEST_BACKOFF = 10_000_000


cdef class Ticket:
    """Stands for notices on their way to the kernel; hand it to :meth:`InodeTable.wait`."""

    def __init__(self):
        raise TypeError("a Ticket is made by the inode table that changed")

    @staticmethod
    cdef Ticket wrap(ft_notice *first, ft_notice *second):
        cdef Ticket ticket
        if first == NULL and second == NULL:
            return None
        ticket = Ticket.__new__(Ticket)
        ticket.c_notices[0] = first
        ticket.c_notices[1] = second
        return ticket

    def __dealloc__(self):
        notice_unref(self.c_notices[0])
        notice_unref(self.c_notices[1])

    @property
    def delivered(self) -> bool:
        """Whether the kernel was told, or need not be told any more."""
        return is_done(self.c_notices[0]) and is_done(self.c_notices[1])

    def __reduce__(self):
        raise TypeError("a Ticket belongs to one inode table and can not be pickled or copied")


cdef bint is_done(const ft_notice *notice) noexcept nogil:
    return notice == NULL or ft_load_state(&notice.state) == NOTICE_DONE


cdef void notice_unref(ft_notice *notice) noexcept nogil:
    if notice != NULL and ft_unref(&notice.refs) == 0:
        free(notice)


# ------------------------------------------------------------------------------------------------ recording

cdef ft_notice *notice_new(ft_table *table, int kind, uint64_t node_id, size_t length) noexcept nogil:
    cdef ft_notice *notice
    if table.gone:
        table.dropped += 1
        return NULL
    notice = <ft_notice *>calloc(1, sizeof(ft_notice) + length)
    if notice == NULL:
        table.dropped += 1
        return NULL
    notice.refs = 1
    notice.kind = kind
    notice.node_id = node_id
    notice.length = length
    table.notices_waiting += 1
    return notice


cdef ft_notice *locked_entry_changed(ft_table *table, ft_entry *entry, bint content) noexcept nogil:
    cdef uint32_t armed = ARMED_ATTRIBUTES | (ARMED_CONTENT if content else 0)
    entry.change += 1
    ft_bump(&table.changes)
    entry.flags &= ~HAS_ATTRIBUTES
    if entry.flags & armed:
        return locked_queue_inode(table, entry, content)
    return entry.notice         # what the kernel still holds is covered by the notice on its way


cdef ft_notice *locked_queue_inode(ft_table *table, ft_entry *entry, bint content) noexcept nogil:
    cdef ft_notice *notice = entry.notice
    if table.told:
        return notice           # what was armed stays so
    if not locked_known(entry):
        locked_disarm(table, entry, ARMED_ATTRIBUTES | ARMED_CONTENT)
        return NULL
    # Pages are dropped only if the kernel may have some: for other inodes that would cost it a walk.
    content = content and (entry.flags & ARMED_CONTENT) != 0
    locked_disarm(table, entry, ARMED_ATTRIBUTES | (ARMED_CONTENT if content else 0))
    if notice == NULL or (notice.state != NOTICE_QUEUED and notice.state != NOTICE_RETRYING):
        notice = notice_new(table, NOTICE_INODE, entry.node_id, 0)
        if notice == NULL:
            return NULL
        entry.notice = notice
        locked_enqueue(table, notice)
    if content:
        notice.content = 1
    return notice


cdef ft_notice **bucket(ft_table *table, uint64_t directory_id, uint32_t hash) noexcept nogil:
    return &table.pending[(hash ^ <uint32_t>((directory_id * FT_GOLDEN) >> 32)) & (PENDING_BUCKETS - 1)]


cdef ft_notice *locked_pending_name(
        ft_table *table, uint64_t directory_id, const char *name, size_t length,
        uint32_t hash) noexcept nogil:
    cdef ft_notice *notice
    if table.pending_names == 0:
        return NULL
    notice = bucket(table, directory_id, hash)[0]
    while notice != NULL:
        if notice.hash == hash and notice.node_id == directory_id and notice.length == length:
            if memcmp(notice.name, name, length) == 0:
                return notice
        notice = notice.next_pending
    return NULL


cdef void locked_name_is_back(ft_notice *notice) noexcept nogil:
    # What was deleted under this name is not the last word any more: the name is to be forgotten, and no more
    # than that.
    if notice.state == NOTICE_QUEUED or notice.state == NOTICE_DEFERRED:
        notice.kind = NOTICE_ENTRY
        notice.child_id = 0


cdef ft_notice *locked_queue_name(
        ft_table *table, uint64_t directory_id, uint64_t child_id, const char *name, size_t length, uint32_t
        hash) noexcept nogil:
    # child_id above 0: the child is gone for good, and those who watch it shall hear of that.
    cdef ft_notice *notice = locked_pending_name(table, directory_id, name, length, hash)
    cdef ft_notice **head
    if table.told:
        if notice != NULL:
            locked_name_is_back(notice)
        return notice
    if notice != NULL and (notice.state == NOTICE_QUEUED or notice.state == NOTICE_DEFERRED):
        if notice.child_id != child_id:
            locked_name_is_back(notice)
        return notice
    notice = notice_new(table, NOTICE_DELETE if child_id else NOTICE_ENTRY, directory_id, length)
    if notice == NULL:
        return NULL
    notice.child_id = child_id
    notice.hash = hash
    memcpy(notice.name, name, length)
    head = bucket(table, directory_id, hash)
    notice.next_pending = head[0]
    head[0] = notice
    table.pending_names += 1
    locked_enqueue(table, notice)
    return notice


cdef void locked_queue_prune(ft_table *table, uint64_t node_id) noexcept nogil:
    cdef ft_notice *notice = notice_new(table, NOTICE_PRUNE, node_id, 0)
    if notice != NULL:
        locked_enqueue(table, notice)


# ------------------------------------------------------------------------------------ handlers on directories

cdef uint64_t handler_begins(ft_table *table, fuse_ino_t directory) noexcept nogil:
    cdef ft_entry *entry
    cdef ft_directory *found
    cdef uint64_t stamp = 0
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, directory)
    if entry != NULL:
        found = locked_directory(entry)
        if found != NULL:
            found.handlers += 1
            stamp = found.change
    pthread_mutex_unlock(&table.lock)
    return stamp


cdef void handler_ends(ft_table *table, fuse_ino_t directory) noexcept nogil:
    cdef ft_entry *entry
    cdef ft_directory *found
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, directory)
    if entry != NULL and entry.flags & BODY_DIRECTORY:
        found = <ft_directory *>entry.body
        if found.handlers > 0:
            found.handlers -= 1
        if found.handlers == 0 and found.deferred != NULL:
            locked_splice_deferred(table, found)
    pthread_mutex_unlock(&table.lock)
