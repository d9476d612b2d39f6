# cython: language_level=3
"""A bound to the number of inodes that the kernel knows: the least recently looked up are given back.

The kernel keeps what it once looked up, and with it the table its entry and the program its node. Beyond the
bound a notice is queued for each that is too many, and leaves as all do (`notifier.pyx`): "let go of this
inode if nobody uses it" (FUSE_NOTIFY_PRUNE of linux/fuse.h, Linux 6.18), or where that is not known "forget
this name", which a file in use survives and the working directory of somebody would not: of directories there
is then nothing to be given back. When the kernel has let go it says so with FORGET, and all else follows.

Rule 1: nothing here blocks: with the table's lock held, notices are queued.
Rule 2: what is open or just being answered (pinned) stays, and is looked at again later.
"""

from fusetree._lowlevel.notices cimport locked_queue_name, locked_queue_prune
from fusetree._lowlevel.libfuse.pthread cimport pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.recency cimport recency_free, recency_keep, recency_new, recency_seen, recency_take
from fusetree._lowlevel.table cimport BODY_DIRECTORY, KNOWN_KIND, ft_known, ft_recency, locked_find

cdef enum:
    MOST_AT_ONCE = 4            # so many are looked at for each one that comes
    S_IFMT = 0o170000
    S_IFDIR = 0o040000


cdef bint may_go(const ft_table *table, const ft_entry *entry) noexcept nogil:
    if entry.pins > 0 or table.gone:
        return False
    if table.prunes:
        return True
    # Under its name alone: not a directory, nor what may be one.
    return (not entry.flags & BODY_DIRECTORY and (entry.flags & KNOWN_KIND) != 0
            and (entry.attributes.mode & S_IFMT) != S_IFDIR)


cdef void locked_looked_up(
        ft_table *table, const ft_entry *entry, uint64_t parent_id, const char *name, size_t length,
        uint32_t hash) noexcept nogil:
    if table.recency != NULL:
        recency_seen(table.recency, entry.node_id, parent_id, name, length, hash)
        locked_give_back(table, entry.node_id, MOST_AT_ONCE)


cdef void locked_give_back(ft_table *table, uint64_t but, int most) noexcept nogil:
    cdef ft_recency *recency = table.recency
    cdef ft_known *known
    cdef ft_entry *least
    if recency == NULL:
        return
    while most > 0:
        most -= 1
        known = recency_take(recency)
        if known == NULL:
            return
        least = locked_find(table, known.node_id)
        if least == NULL or known.node_id == but or not may_go(table, least):
            recency_keep(recency, known)
        elif table.prunes:
            locked_queue_prune(table, known.node_id)
        else:
            locked_queue_name(table, known.parent_id, 0, known.name, known.length, known.hash)


cdef int bound_table(ft_table *table, uint64_t limit) except -1:
    cdef ft_recency *made = recency_new(limit)
    cdef ft_recency *before
    if made == NULL:
        raise MemoryError
    pthread_mutex_lock(&table.lock)
    before = table.recency
    table.recency = made
    pthread_mutex_unlock(&table.lock)
    recency_free(before)
    return 0
