# cython: language_level=3, cdivision=True
"""The inode table in C: entries, their indexes, lookup counts and pins.

Rule 1: lookup counts and pins change in this file only.
Rule 2: nothing here calls Python; what entries hold, and how it is let go of, is in `bodies.pyx`.
Rule 3: node ids come from a counter and are never given out twice while the table lives.

The invariants of the table are listed, and verified, in `invariants.pyx`.

Life of an entry:

    (none) --begin()--> PINNED --reply--> KNOWN (lookups > 0) --forget--> (graveyard) --reaper--> freed
                           \\--dropped unanswered--------------------------^
"""

from libc.stdlib cimport calloc, free

from fusetree._lowlevel.libfuse.posix cimport CLOCK_MONOTONIC
from fusetree._lowlevel.libfuse.pthread cimport (
    pthread_cond_destroy,
    pthread_cond_init,
    pthread_cond_signal,
    pthread_condattr_destroy,
    pthread_condattr_init,
    pthread_condattr_setclock,
    pthread_condattr_t,
    pthread_mutex_destroy,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from fusetree._lowlevel.packing cimport attributes_pack, monotonic_ns
from fusetree._lowlevel.recency cimport recency_forgotten, recency_free

cdef enum:
    FIRST_INDEX_BITS = 6
    ROOT_ID = 1

cdef double LONGEST_TTL = 1e9           # 30 years are for ever, and fit into nanoseconds
cdef uint32_t ARMED = ARMED_ATTRIBUTES | ARMED_CONTENT


# ------------------------------------------------------------------------------------------------ the table

cdef ft_table *table_new(double entry_timeout, double attr_timeout) noexcept nogil:
    cdef ft_table *table = <ft_table *>calloc(1, sizeof(ft_table))
    cdef pthread_condattr_t monotonic
    if table == NULL:
        return NULL
    table.index_mask = (1 << FIRST_INDEX_BITS) - 1
    table.index_shift = 64 - FIRST_INDEX_BITS
    table.by_id = <ft_entry **>calloc(table.index_mask + 1, sizeof(ft_entry *))
    table.by_node = <ft_entry **>calloc(table.index_mask + 1, sizeof(ft_entry *))
    if table.by_id == NULL or table.by_node == NULL:
        free(table.by_id)
        free(table.by_node)
        free(table)
        return NULL
    table.entry_timeout = entry_timeout
    table.attr_timeout = attr_timeout
    table.next_id = ROOT_ID
    pthread_mutex_init(&table.lock, NULL)
    pthread_condattr_init(&monotonic)
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC)
    pthread_cond_init(&table.notifier, &monotonic)
    pthread_cond_init(&table.delivered, &monotonic)
    pthread_cond_init(&table.reaper, &monotonic)
    pthread_condattr_destroy(&monotonic)
    return table


cdef void table_close(ft_table *table) noexcept nogil:
    cdef ft_entry *entry
    cdef ft_entry *victims = NULL
    cdef size_t i
    pthread_mutex_lock(&table.lock)
    if not table.closed:
        table.closed = 1
        # Removal moves entries about in the index, so they are linked first.  Nobody asks any more until
        # when attributes are current, so that word is free.
        for i in range(table.index_mask + 1):
            entry = table.by_id[i]
            if entry != NULL:
                entry.end.next = victims
                victims = entry
        while victims != NULL:
            entry = victims
            victims = entry.end.next
            entry.end.next = NULL
            table.lookups -= entry.lookups
            entry.lookups = 0
            if entry.node_id == ROOT_ID:
                locked_unpin(table, entry)
            else:
                settle(table, entry)
    pthread_mutex_unlock(&table.lock)


cdef void table_free(ft_table *table) noexcept nogil:
    pthread_cond_destroy(&table.notifier)
    pthread_cond_destroy(&table.delivered)
    pthread_cond_destroy(&table.reaper)
    pthread_mutex_destroy(&table.lock)
    recency_free(table.recency)
    free(table.handles)
    free(table.by_id)
    free(table.by_node)
    free(table)


# ------------------------------------------------------------------------------------------------ indexes
# Open addressing, linear probing, removal by shifting back: no tombstones, so a table that breathes does not
# age.

cdef inline size_t home_of_id(const ft_table *table, uint64_t node_id) noexcept nogil:
    return (node_id * FT_GOLDEN) >> table.index_shift


cdef inline size_t home_of_node(const ft_table *table, const PyObject *node) noexcept nogil:
    return ((<uint64_t><size_t>node >> 4) * FT_GOLDEN) >> table.index_shift


cdef ft_entry *locked_find(ft_table *table, uint64_t node_id) noexcept nogil:
    cdef size_t i = home_of_id(table, node_id)
    cdef ft_entry *entry = table.by_id[i]
    while entry != NULL and entry.node_id != node_id:
        i = (i + 1) & table.index_mask
        entry = table.by_id[i]
    return entry


cdef ft_entry *locked_find_node(ft_table *table, const PyObject *node) noexcept nogil:
    cdef size_t i = home_of_node(table, node)
    cdef ft_entry *entry = table.by_node[i]
    while entry != NULL and entry.node != node:
        i = (i + 1) & table.index_mask
        entry = table.by_node[i]
    return entry


cdef void index_add(ft_table *table, ft_entry *entry) noexcept nogil:
    cdef size_t i = home_of_id(table, entry.node_id)
    while table.by_id[i] != NULL:
        i = (i + 1) & table.index_mask
    table.by_id[i] = entry
    i = home_of_node(table, entry.node)
    while table.by_node[i] != NULL:
        i = (i + 1) & table.index_mask
    table.by_node[i] = entry


cdef void index_take(ft_table *table, ft_entry **index, size_t hole, bint by_id) noexcept nogil:
    # Every entry behind the hole whose home is not behind the hole moves into it, and leaves a hole itself.
    cdef size_t mask = table.index_mask
    cdef size_t i = hole
    cdef size_t home
    while True:
        i = (i + 1) & mask
        if index[i] == NULL:
            break
        home = home_of_id(table, index[i].node_id) if by_id else home_of_node(table, index[i].node)
        if ((i - home) & mask) >= ((i - hole) & mask):
            index[hole] = index[i]
            hole = i
    index[hole] = NULL


cdef void index_remove(ft_table *table, ft_entry *entry) noexcept nogil:
    cdef size_t i = home_of_id(table, entry.node_id)
    while table.by_id[i] != entry:
        i = (i + 1) & table.index_mask
    index_take(table, table.by_id, i, True)
    i = home_of_node(table, entry.node)
    while table.by_node[i] != entry:
        i = (i + 1) & table.index_mask
    index_take(table, table.by_node, i, False)


cdef int index_resize(ft_table *table, int shift) noexcept nogil:
    cdef size_t size = (<size_t>1) << (64 - shift)
    cdef ft_entry **by_id = <ft_entry **>calloc(size, sizeof(ft_entry *))
    cdef ft_entry **by_node = <ft_entry **>calloc(size, sizeof(ft_entry *))
    cdef ft_entry **old = table.by_id
    cdef size_t old_size = table.index_mask + 1
    cdef size_t i
    if by_id == NULL or by_node == NULL:
        free(by_id)
        free(by_node)
        return -1
    free(table.by_node)
    table.by_id = by_id
    table.by_node = by_node
    table.index_mask = size - 1
    table.index_shift = shift
    for i in range(old_size):
        if old[i] != NULL:
            index_add(table, old[i])
    free(old)
    return 0


# ------------------------------------------------------------------------------------------------ entries

cdef ft_entry *locked_create(ft_table *table, PyObject *node) noexcept nogil:
    cdef ft_entry *entry
    if (table.entries + 1) * 4 > (table.index_mask + 1) * 3:
        if index_resize(table, table.index_shift - 1) < 0:
            return NULL
    entry = <ft_entry *>calloc(1, sizeof(ft_entry))
    if entry == NULL:
        return NULL
    entry.node_id = table.next_id
    entry.node = node
    entry.change = 1
    table.next_id += 1
    table.entries += 1
    index_add(table, entry)
    return entry


cdef bint locked_known(const ft_entry *entry) noexcept nogil:
    return entry.lookups > 0 or entry.node_id == ROOT_ID


cdef void settle(ft_table *table, ft_entry *entry) noexcept nogil:
    if entry.lookups > 0 or entry.pins > 0:
        return
    index_remove(table, entry)
    table.entries -= 1
    if table.recency != NULL:
        recency_forgotten(table.recency, entry.node_id)
    if entry.flags & ARMED:
        table.armed -= 1
    if entry.flags & BODY_DIRECTORY:
        locked_splice_deferred(table, <ft_directory *>entry.body)
    entry.notice = NULL         # the notice finds no entry, and is done
    entry.end.next = table.dead_entries
    table.dead_entries = entry
    locked_bury(table)
    # A quarter of the load at which the index doubled last: an index that breathes does not flap.
    if table.index_shift < 64 - FIRST_INDEX_BITS and table.entries * 16 < table.index_mask:
        index_resize(table, table.index_shift + 1)


cdef void locked_raise(ft_table *table, ft_entry *entry) noexcept nogil:
    entry.lookups += 1
    table.lookups += 1


cdef void locked_lower(ft_table *table, ft_entry *entry, uint64_t count) noexcept nogil:
    if count > entry.lookups:
        count = entry.lookups
    entry.lookups -= count
    table.lookups -= count
    settle(table, entry)


cdef void locked_pin(ft_table *table, ft_entry *entry) noexcept nogil:
    entry.pins += 1
    table.pins += 1


cdef void locked_unpin(ft_table *table, ft_entry *entry) noexcept nogil:
    entry.pins -= 1
    table.pins -= 1
    settle(table, entry)


cdef void locked_arm(ft_table *table, ft_entry *entry, uint32_t bits) noexcept nogil:
    if not entry.flags & ARMED:
        table.armed += 1
    entry.flags |= bits


cdef void locked_disarm(ft_table *table, ft_entry *entry, uint32_t bits) noexcept nogil:
    if entry.flags & ARMED and not entry.flags & ARMED & ~bits:
        table.armed -= 1
    entry.flags &= ~bits


cdef void locked_store_attributes(ft_entry *entry, const c_stat *stat, double ttl) noexcept nogil:
    attributes_pack(&entry.attributes, stat)
    entry.flags |= KNOWN_KIND | HAS_ATTRIBUTES
    entry.end.expires_ns = 0 if ttl > LONGEST_TTL else monotonic_ns() + <int64_t>(ttl * 1e9)


cdef double locked_time_left(const ft_table *table, const ft_entry *entry) noexcept nogil:
    cdef double left
    if not entry.flags & HAS_ATTRIBUTES or table.flips & 1:
        return -1
    if entry.flags & SUSPENDED:
        return 0
    if entry.end.expires_ns == 0:
        return table.attr_timeout
    left = (entry.end.expires_ns - monotonic_ns()) / 1e9
    if left <= 0:
        return -1
    return left if left < table.attr_timeout else table.attr_timeout


cdef double locked_entry_timeout(const ft_table *table, const ft_entry *directory) noexcept nogil:
    return 0 if directory.flags & SUSPENDED else table.entry_timeout


cdef void locked_bury(ft_table *table) noexcept nogil:
    table.dead += 1
    if table.reaper_sleeps:
        table.reaper_sleeps = 0
        table.reaper_wakeups += 1
        pthread_cond_signal(&table.reaper)


# ------------------------------------------------------------------------------------------------ notices

cdef void locked_enqueue(ft_table *table, ft_notice *notice) noexcept nogil:
    notice.state = NOTICE_QUEUED
    notice.next = NULL
    if table.queue == NULL:
        table.queue = notice
    else:
        table.queue_last.next = notice
    table.queue_last = notice
    if table.notifier_sleeps:
        pthread_cond_signal(&table.notifier)


cdef void locked_splice_deferred(ft_table *table, ft_directory *directory) noexcept nogil:
    cdef ft_notice *notice = directory.deferred
    cdef ft_notice *following
    directory.deferred = NULL
    directory.deferred_last = NULL
    while notice != NULL:
        following = notice.next
        locked_enqueue(table, notice)
        notice = following
