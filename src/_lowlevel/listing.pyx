# cython: language_level=3, cdivision=True
"""Names of a directory in C: insertion order, stable cookies, an index by name, and filling of readdir
replies.

    slots:  | a 3 | b 4 | (removed) 5 | d 6 |            cookies ascend and are never used twice in a
    directory index:  | 0 | 4 | 1 | 0 | 2 | ...                    slot number + 1 by hash of the name; 0 is
    free

A reader goes on at the first slot behind its cookie, found by binary search.  So an entry that stays is
returned exactly once, whatever comes (always behind) or goes (a gap) meanwhile, and compaction of removed
slots changes nothing for it.

Rule 1: a directory is changed with the table's lock held, or before anybody else can see it.
Rule 2: names and children are owned references; whoever removes a slot gets them, and drops them with no lock
    held.
"""

from libc.errno cimport ESTALE
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memset

from fusetree._lowlevel.libfuse.lowlevel cimport fuse_add_direntry, fuse_add_direntry_plus, fuse_entry_param
from fusetree._lowlevel.libfuse.pthread cimport pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.packing cimport attributes_unpack
from fusetree._lowlevel.recency cimport recency_seen
from fusetree._lowlevel.table cimport (
    ARMED_ATTRIBUTES,
    ARMED_CONTENT,
    BODY_DIRECTORY,
    FT_FNV_BASIS,
    FT_FNV_PRIME,
    FT_GOLDEN,
    SLOT_ARMED,
    SLOT_ASKED,
    ft_entry,
    locked_arm,
    locked_entry_timeout,
    locked_find,
    locked_find_node,
    locked_raise,
    locked_time_left,
)

cdef enum:
    DOT = 1                     # cookie of "."
    DOTDOT = 2                  # cookie of ".."
    DT_DIR = 4
    FIRST_SLOTS = 8
    SLOTS_PER_LOCK = 256        # entries formatted before the lock is let go once
    TOMBSTONES_KEPT = 64

cdef uint64_t UNKNOWN_INO = <uint32_t>-1    # d_ino 0 would hide the entry from readdir(3)


# ------------------------------------------------------------------------------------------------ names

cdef uint32_t name_hash(const char *name, size_t length) noexcept nogil:
    cdef uint64_t h = FT_FNV_BASIS    # FNV-1a, with a final mix so that the high bits count
    cdef size_t i
    for i in range(length):
        h = (h ^ <uint8_t>name[i]) * FT_FNV_PRIME
    h ^= h >> 32
    h *= FT_GOLDEN
    return <uint32_t>(h >> 32)


cdef uint64_t filter_bit(uint32_t hash) noexcept nogil:
    return (<uint64_t>1) << (hash & 63)


cdef ft_slot *slot_find(
        const ft_directory *directory, const char *name, size_t length, uint32_t hash) noexcept nogil:
    cdef uint32_t i
    cdef ft_slot *slot
    if directory.index == NULL:
        return NULL
    i = (hash >> 6) & directory.index_mask
    while directory.index[i] != 0:
        slot = &directory.slots[directory.index[i] - 1]
        if slot.hash == hash and slot.length == length and memcmp(slot.name, name, length) == 0:
            return slot
        i = (i + 1) & directory.index_mask
    return NULL


cdef void index_put(ft_directory *directory, uint32_t number) noexcept nogil:
    cdef uint32_t i = (directory.slots[number].hash >> 6) & directory.index_mask
    while directory.index[i] != 0:
        i = (i + 1) & directory.index_mask
    directory.index[i] = number + 1


cdef int index_rebuild(ft_directory *directory, uint32_t names) noexcept nogil:
    # The hash has 26 bits for the index: enough for 64 million names, beyond that probes get longer.
    cdef uint32_t size = 16
    cdef uint32_t *index
    cdef uint32_t i
    while <uint64_t>size * 3 < <uint64_t>names * 4:
        size *= 2
    if directory.index == NULL or directory.index_mask + 1 != size:
        index = <uint32_t *>calloc(size, sizeof(uint32_t))
        if index == NULL:
            return -1
        free(directory.index)
        directory.index = index
        directory.index_mask = size - 1
    else:
        memset(directory.index, 0, size * sizeof(uint32_t))
    for i in range(directory.used):
        if directory.slots[i].name != NULL:
            index_put(directory, i)
    return 0


# ------------------------------------------------------------------------------------------------ slots

cdef int directory_reserve(ft_directory *directory, uint32_t slots) noexcept nogil:
    cdef ft_slot *moved
    if slots > directory.capacity:
        moved = <ft_slot *>realloc(directory.slots, <size_t>slots * sizeof(ft_slot))
        if moved == NULL:
            return -1
        directory.slots = moved
        directory.capacity = slots
    if directory.index == NULL or <uint64_t>(directory.index_mask + 1) * 3 < <uint64_t>slots * 4:
        return index_rebuild(directory, slots)
    return 0


cdef void directory_shrink(ft_directory *directory) noexcept nogil:
    cdef ft_slot *moved
    if directory.used < directory.capacity and directory.used > 0:
        moved = <ft_slot *>realloc(directory.slots, <size_t>directory.used * sizeof(ft_slot))
        if moved != NULL:
            directory.slots = moved
            directory.capacity = directory.used


cdef void compact(ft_directory *directory) noexcept nogil:
    # Cookies stay with their slots, so readers do not notice.
    cdef uint32_t i
    cdef uint32_t kept = 0
    for i in range(directory.used):
        if directory.slots[i].name != NULL:
            if kept != i:
                directory.slots[kept] = directory.slots[i]
            kept += 1
    directory.used = kept
    memset(directory.index, 0, (<size_t>directory.index_mask + 1) * sizeof(uint32_t))
    for i in range(kept):
        index_put(directory, i)


cdef ft_slot *slot_append(
        ft_directory *directory, const char *name, size_t length, uint32_t hash,
        PyObject *owner, PyObject *child, uint64_t ino, uint8_t d_type) noexcept nogil:
    cdef ft_slot *slot
    cdef uint32_t room
    if directory.used == directory.capacity:
        room = directory.capacity + directory.capacity // 2
        if directory_reserve(directory, room if room > FIRST_SLOTS else FIRST_SLOTS) < 0:
            return NULL
    slot = &directory.slots[directory.used]
    slot.name = name
    slot.owner = owner
    slot.child = child
    slot.ino = ino
    slot.cookie = directory.next_cookie
    slot.hash = hash
    slot.length = length
    slot.d_type = d_type
    slot.flags = 0
    index_put(directory, directory.used)
    directory.next_cookie += 1
    directory.used += 1
    directory.live += 1
    return slot


cdef void slot_remove(ft_directory *directory, ft_slot *slot) noexcept nogil:
    cdef uint32_t mask = directory.index_mask
    cdef uint32_t number = <uint32_t>(slot - directory.slots) + 1
    cdef uint32_t hole = (slot.hash >> 6) & mask
    cdef uint32_t i
    cdef uint32_t home
    while directory.index[hole] != number:
        hole = (hole + 1) & mask
    i = hole
    while True:
        i = (i + 1) & mask
        if directory.index[i] == 0:
            break
        home = (directory.slots[directory.index[i] - 1].hash >> 6) & mask
        if ((i - home) & mask) >= ((i - hole) & mask):
            directory.index[hole] = directory.index[i]
            hole = i
    directory.index[hole] = 0
    slot.name = NULL
    slot.owner = NULL
    slot.child = NULL
    directory.live -= 1
    if directory.used - directory.live > TOMBSTONES_KEPT and directory.live < directory.used // 2:
        compact(directory)


cdef uint32_t first_behind(const ft_directory *directory, uint64_t cookie) noexcept nogil:
    cdef uint32_t low = 0
    cdef uint32_t high = directory.used
    cdef uint32_t middle
    while low < high:
        middle = low + (high - low) // 2
        if directory.slots[middle].cookie <= cookie:
            low = middle + 1
        else:
            high = middle
    return low


cdef bint locked_begins_cold(ft_table *table, const ft_directory *directory, uint64_t cookie) noexcept nogil:
    cdef uint32_t i = first_behind(directory, cookie)
    cdef ft_entry *child
    while i < directory.used:
        if directory.slots[i].name != NULL:
            if directory.slots[i].flags & SLOT_ASKED:
                return False                # in vain: it is computed, perhaps
            child = locked_find_node(table, directory.slots[i].child)
            return child == NULL or locked_time_left(table, child) < 0
        i += 1
    return False


# ------------------------------------------------------------------------------------------------ replies

cdef bint add(
        fuse_req_t req, ft_fill *fill, bint plus, const char *name, fuse_entry_param *param,
        uint64_t cookie) noexcept nogil:
    # libfuse only formats memory here.
    cdef size_t room = fill.size - fill.used
    cdef size_t needed
    if plus:
        needed = fuse_add_direntry_plus(req, fill.buffer + fill.used, room, name, param, cookie)
    else:
        needed = fuse_add_direntry(req, fill.buffer + fill.used, room, name, &param.attr, cookie)
    if needed > room:
        return False
    fill.used += needed
    return True


cdef bint locked_add_slot(
        ft_table *table, fuse_req_t req, ft_fill *fill, bint plus, uint64_t node_id, double entry_timeout,
        ft_slot *slot, fuse_entry_param *param) noexcept nogil:
    # A child whose attributes are not current goes out with node id 0: the kernel then takes the name alone,
    # and no count.
    cdef ft_entry *child = locked_find_node(table, slot.child) if plus else NULL
    cdef double left = locked_time_left(table, child) if child != NULL else -1
    if left >= 0:
        slot.flags &= ~SLOT_ASKED
        attributes_unpack(&child.attributes, &param.attr)
        param.ino = child.node_id
        param.attr_timeout = left
        param.entry_timeout = entry_timeout
    else:
        child = NULL
        memset(param, 0, sizeof(param[0]))
        param.attr.st_ino = slot.ino if slot.ino else UNKNOWN_INO
        param.attr.st_mode = <uint32_t>slot.d_type << 12
    if not add(req, fill, plus, slot.name, param, slot.cookie):
        return False
    if child != NULL:
        locked_raise(table, child)
        if table.recency != NULL:
            recency_seen(table.recency, child.node_id, node_id, slot.name, slot.length, slot.hash)
        fill.counted[fill.counted_used] = child.node_id
        fill.counted_used += 1
        if left > 0:
            locked_arm(table, child, ARMED_ATTRIBUTES)
        if entry_timeout > 0:
            slot.flags |= SLOT_ARMED
    return True


cdef bint locked_add_dots(
        fuse_req_t req, ft_fill *fill, bint plus, const ft_entry *entry, uint64_t *cookie, fuse_entry_param
        *param) noexcept nogil:
    cdef const ft_directory *directory = <const ft_directory *>entry.body
    cdef uint64_t own = entry.attributes.ino
    memset(param, 0, sizeof(param[0]))
    param.attr.st_mode = DT_DIR << 12
    if cookie[0] < DOT:
        param.attr.st_ino = own if own else UNKNOWN_INO
        if not add(req, fill, plus, ".", param, DOT):
            return False
        cookie[0] = DOT
    if cookie[0] < DOTDOT:
        param.attr.st_ino = directory.parent_ino if directory.parent_ino else UNKNOWN_INO
        if not add(req, fill, plus, "..", param, DOTDOT):
            return False
        cookie[0] = DOTDOT
    return True


cdef int listing_fill(
        ft_table *table, fuse_req_t req, uint64_t node_id, off_t offset, bint plus,
        ft_fill *fill) noexcept nogil:
    cdef uint64_t cookie = <uint64_t>offset
    cdef ft_entry *entry
    cdef ft_directory *directory
    cdef fuse_entry_param param
    cdef uint32_t i
    cdef uint32_t stop
    cdef bint more = True
    while more:
        pthread_mutex_lock(&table.lock)
        entry = locked_find(table, node_id)
        if entry == NULL:
            pthread_mutex_unlock(&table.lock)
            return -ESTALE
        directory = <ft_directory *>entry.body if entry.flags & BODY_DIRECTORY else NULL
        if directory == NULL or not directory.complete:
            pthread_mutex_unlock(&table.lock)
            return 0
        if table.attr_timeout > 0:
            locked_arm(table, entry, ARMED_CONTENT)     # the kernel may keep the listing
        more = locked_add_dots(req, fill, plus, entry, &cookie, &param)
        if more:
            i = first_behind(directory, cookie)
            stop = directory.used if directory.used - i < SLOTS_PER_LOCK else i + SLOTS_PER_LOCK
            more = stop < directory.used
            while i < stop:
                if directory.slots[i].name != NULL:
                    if not locked_add_slot(
                            table, req, fill, plus, node_id, locked_entry_timeout(table, entry),
                            &directory.slots[i], &param):
                        more = False
                        break
                cookie = directory.slots[i].cookie
                i += 1
        pthread_mutex_unlock(&table.lock)
    return 1
