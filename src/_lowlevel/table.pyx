# cython: language_level=3, cdivision=True
"""The inode table in C: entries, their indexes, lookup counts, pins, contents, and the graveyard.

Rule 1: lookup counts and pins change in this file only.
Rule 2: nothing here calls Python, apart from `table_reap`, which drops references, with no lock held.
Rule 3: node ids come from a counter and are never given out twice while the table lives.

The invariants of the table are listed, and verified, in `invariants.pyx`.

Life of an entry:

    (none) --begin()--> PINNED --reply--> KNOWN (lookups > 0) --forget--> (graveyard) --reaper--> freed
                           \\--dropped unanswered--------------------------^

Life of a content: published -> (withdrawn, still read) -> last reference dropped -> graveyard -> its owner
released.
"""

from cpython.ref cimport Py_DECREF
from libc.stdlib cimport calloc, free, malloc

from fusetree._lowlevel.libfuse.posix cimport CLOCK_MONOTONIC
from fusetree._lowlevel.libfuse.pthread cimport (
    ft_unref,
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

cdef enum:
    FIRST_INDEX_BITS = 6
    ROOT_ID = 1
    S_IFMT = 0o170000
    S_IFDIR = 0o040000

cdef int64_t NANOS = 1_000_000_000
cdef uint32_t ARMED = ARMED_ATTRIBUTES | ARMED_CONTENT
cdef uint32_t BODY = BODY_CONTENT | BODY_LINK | BODY_DIRECTORY


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
        # Removal moves entries about in the index, so they are linked first; `next` is free while an entry
        # lives.
        for i in range(table.index_mask + 1):
            entry = table.by_id[i]
            if entry != NULL:
                entry.next = victims
                victims = entry
        while victims != NULL:
            entry = victims
            victims = entry.next
            entry.next = NULL
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
    if entry.flags & ARMED:
        table.armed -= 1
    if entry.flags & BODY_DIRECTORY:
        locked_splice_deferred(table, <ft_directory *>entry.body)
    entry.notice = NULL         # the notice finds no entry, and is done
    entry.next = table.dead_entries
    table.dead_entries = entry
    bury(table)
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


# ------------------------------------------------------------------------------------------------ bodies

cdef ft_content *content_new(PyObject *owner, const char *data, size_t size) noexcept nogil:
    cdef ft_content *content = <ft_content *>malloc(sizeof(ft_content))
    if content != NULL:
        content.refs = 1
        content.owner = owner
        content.data = data
        content.size = size
        content.next = NULL
    return content


cdef ft_content *locked_set_body(
        ft_table *table, ft_entry *entry, ft_content *content, uint32_t flags) noexcept nogil:
    cdef ft_content *old = NULL
    if entry.flags & (BODY_CONTENT | BODY_LINK):
        old = <ft_content *>entry.body
    entry.flags = (entry.flags & ~(
        BODY_CONTENT | BODY_LINK | CONTENT_DIRECT_IO | CONTENT_SNAPSHOT | CONTENT_KEEP_CACHE)) | flags
    entry.body = content
    if content != NULL:
        table.contents += 1
    return old


cdef void content_drop(ft_table *table, ft_content *content) noexcept nogil:
    if content == NULL or ft_unref(&content.refs) > 0:
        return
    pthread_mutex_lock(&table.lock)
    content.next = table.dead_contents
    table.dead_contents = content
    bury(table)
    pthread_mutex_unlock(&table.lock)


cdef ft_directory *locked_directory(ft_entry *entry) noexcept nogil:
    cdef ft_directory *directory
    if entry.flags & BODY_DIRECTORY:
        return <ft_directory *>entry.body
    if entry.flags & BODY or (entry.flags & KNOWN_KIND and (entry.attributes.mode & S_IFMT) != S_IFDIR):
        return NULL
    directory = <ft_directory *>calloc(1, sizeof(ft_directory))
    if directory != NULL:
        directory.change = 1
        directory.next_cookie = FIRST_COOKIE
        entry.body = directory
        entry.flags |= BODY_DIRECTORY
    return directory


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


# ---------------------------------------------------------------------------------------------- the graveyard

cdef void bury(ft_table *table) noexcept nogil:
    table.dead += 1
    if table.reaper_sleeps:
        table.reaper_sleeps = 0
        table.reaper_wakeups += 1
        pthread_cond_signal(&table.reaper)


cdef void directory_release(ft_directory *directory) noexcept:
    cdef uint32_t i
    if directory == NULL:
        return
    for i in range(directory.used):
        if directory.slots[i].name != NULL:
            Py_DECREF(<object>directory.slots[i].owner)
            Py_DECREF(<object>directory.slots[i].child)
    free(directory.slots)
    free(directory.index)
    free(directory)


cdef uint64_t table_reap(ft_table *table) noexcept:
    cdef ft_entry *entries
    cdef ft_entry *entry
    cdef ft_content *contents
    cdef ft_content *content
    cdef uint64_t freed_entries = 0
    cdef uint64_t freed_contents = 0
    pthread_mutex_lock(&table.lock)
    entries = table.dead_entries
    contents = table.dead_contents
    table.dead_entries = NULL
    table.dead_contents = NULL
    pthread_mutex_unlock(&table.lock)
    while contents != NULL:
        content = contents
        contents = content.next
        Py_DECREF(<object>content.owner)
        free(content)
        freed_contents += 1
    while entries != NULL:
        entry = entries
        entries = entry.next
        if entry.flags & BODY_DIRECTORY:
            directory_release(<ft_directory *>entry.body)
        elif entry.flags & (BODY_CONTENT | BODY_LINK):
            content_drop(table, <ft_content *>entry.body)       # a reader may still use it
        Py_DECREF(<object>entry.node)
        free(entry)
        freed_entries += 1
    pthread_mutex_lock(&table.lock)
    table.dead -= freed_entries + freed_contents
    table.contents -= freed_contents
    table.reaped += freed_entries
    pthread_mutex_unlock(&table.lock)
    return freed_entries + freed_contents
