# cython: language_level=3
"""What holds of an inode table at every moment that its lock is free, and the check that it does.

  (1) an entry is present exactly while its lookup count is above zero or it is pinned;
  (2) node id 1 is the root, and is pinned until the table is closed;
  (3) every node id is below the counter, and both indexes lead to the same entries;
  (4) the totals of entries, lookup counts, pins and armed entries are the sums over all entries;
  (5) an open handle belongs to an entry that is present and pinned, and free handles form one list;
  (6) a body is of exactly one kind, and a published content has a reference;
  (7) the pending notice of an entry is about it and is not done; notices are deferred only while a handler
      runs;
  (8) slots ascend by cookie, the index leads to each live slot, and counts agree.

Rule 1: the check takes time proportional to the table and holds its lock: it is for tests and for debugging.
"""

from libc.stdint cimport uint32_t, uint64_t

from fusetree._lowlevel.libfuse.pthread cimport ft_refs
from fusetree._lowlevel.listing cimport slot_find
from fusetree._lowlevel.table cimport (
    ARMED_ATTRIBUTES,
    ARMED_CONTENT,
    BODY_CONTENT,
    BODY_DIRECTORY,
    BODY_LINK,
    FIRST_COOKIE,
    HANDLE_USED,
    NOTICE_DONE,
    ft_content,
    ft_directory,
    ft_entry,
    ft_handle,
    ft_slot,
    locked_find,
    locked_find_node,
)

cdef enum:
    ROOT_ID = 1

cdef uint32_t ARMED = ARMED_ATTRIBUTES | ARMED_CONTENT
cdef uint32_t BODY = BODY_CONTENT | BODY_LINK | BODY_DIRECTORY


cdef const char *locked_check(ft_table *table) noexcept nogil:
    cdef uint64_t entries = 0
    cdef uint64_t by_node = 0
    cdef uint64_t lookups = 0
    cdef uint64_t pins = 0
    cdef uint64_t armed = 0
    cdef ft_entry *entry
    cdef size_t i
    cdef uint32_t body
    cdef const char *broken
    for i in range(table.index_mask + 1):
        if table.by_node[i] != NULL:
            by_node += 1
        entry = table.by_id[i]
        if entry == NULL:
            continue
        entries += 1
        lookups += entry.lookups
        pins += entry.pins
        armed += 1 if entry.flags & ARMED else 0
        if entry.lookups == 0 and entry.pins == 0:
            return "(1) an entry is present without lookup count or pin"
        if entry.node_id >= table.next_id:
            return "(3) a node id is not below the counter"
        if locked_find(table, entry.node_id) != entry or locked_find_node(table, entry.node) != entry:
            return "(3) an index does not lead to an entry"
        body = entry.flags & BODY
        if body & (body - 1) or (body == 0) != (entry.body == NULL):
            return "(6) a body is not of exactly one kind"
        if body & (BODY_CONTENT | BODY_LINK) and ft_refs(&(<ft_content *>entry.body).refs) == 0:
            return "(6) a published content has no reference"
        if entry.notice != NULL:
            if entry.notice.node_id != entry.node_id or entry.notice.state == NOTICE_DONE:
                return "(7) the pending notice of an entry is done, or about another entry"
        if body & BODY_DIRECTORY and (<ft_directory *>entry.body).deferred != NULL:
            if (<ft_directory *>entry.body).handlers == 0:
                return "(7) notices are deferred, and no handler runs"
        if body & BODY_DIRECTORY:
            broken = directory_check(<ft_directory *>entry.body)
            if broken != NULL:
                return broken
    if entries != table.entries or by_node != entries:
        return "(4) the number of entries is wrong"
    if lookups != table.lookups:
        return "(4) the total of lookup counts is wrong"
    if pins != table.pins:
        return "(4) the total of pins is wrong"
    if armed != table.armed:
        return "(4) the number of armed entries is wrong"
    entry = locked_find(table, ROOT_ID)
    if not table.closed and (entry == NULL or entry.pins == 0):
        return "(2) the root is not pinned"
    return check_handles(table)


cdef const char *check_handles(ft_table *table) noexcept nogil:
    cdef uint64_t opened = 0
    cdef uint64_t free_handles = 0
    cdef uint32_t i
    cdef ft_handle *handle
    cdef ft_entry *entry
    for i in range(table.handles_used):
        handle = &table.handles[i]
        if handle.flags & HANDLE_USED:
            opened += 1
            entry = handle.entry
            if entry == NULL or entry.pins == 0 or locked_find(table, entry.node_id) != entry:
                return "(5) an open handle belongs to no pinned entry"
    i = table.handles_free
    while i != 0 and free_handles <= table.handles_used:
        free_handles += 1
        i = table.handles[i - 1].next_free
    if opened != table.handles_open or opened + free_handles != table.handles_used:
        return "(5) the number of open handles is wrong"
    return NULL


cdef const char *directory_check(const ft_directory *directory) noexcept nogil:
    cdef uint64_t last = FIRST_COOKIE - 1
    cdef uint32_t live = 0
    cdef uint32_t indexed = 0
    cdef uint32_t i
    cdef const ft_slot *slot
    if directory.used > directory.capacity:
        return "(8) more slots are in use than there are"
    for i in range(directory.used):
        slot = &directory.slots[i]
        if slot.cookie <= last or slot.cookie >= directory.next_cookie:
            return "(8) cookies do not ascend"
        last = slot.cookie
        if slot.name != NULL:
            live += 1
            if slot.owner == NULL or slot.child == NULL:
                return "(8) a live slot has no name or no child"
            if slot_find(directory, slot.name, slot.length, slot.hash) != slot:
                return "(8) the index does not lead to a slot"
    if directory.index != NULL:
        for i in range(directory.index_mask + 1):
            indexed += 1 if directory.index[i] != 0 else 0
    if live != directory.live or indexed != live:
        return "(8) the number of names is wrong"
    return NULL
