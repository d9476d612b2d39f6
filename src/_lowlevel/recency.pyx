# cython: language_level=3
"""Which inodes the kernel looked up least recently, for a table with a bound.

    newest <-> ... <-> ... <-> oldest       those that count
    leaving                                  those that the kernel was asked to forget: in the index only

Rule 1: this file knows nothing of the table, and is called with the table's lock held.
Rule 2: without memory an inode is not remembered, and so never given back: the bound is no promise then.
"""

from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from fusetree._lowlevel.table cimport FT_GOLDEN


cdef ft_recency *recency_new(uint64_t limit) noexcept nogil:
    cdef ft_recency *recency = <ft_recency *>calloc(1, sizeof(ft_recency))
    cdef int bits = 8
    if recency == NULL:
        return NULL
    while bits < 22 and (<uint64_t>1 << bits) < 2 * limit:
        bits += 1
    recency.limit = limit
    recency.shift = 64 - bits
    recency.buckets = <ft_known **>calloc(<size_t>1 << bits, sizeof(ft_known *))
    if recency.buckets == NULL:
        free(recency)
        return NULL
    return recency


cdef void recency_free(ft_recency *recency) noexcept nogil:
    cdef ft_known *known
    cdef size_t i
    if recency == NULL:
        return
    for i in range(<size_t>1 << (64 - recency.shift)):
        while recency.buckets[i] != NULL:
            known = recency.buckets[i]
            recency.buckets[i] = known.chain
            free(known)
    free(recency.buckets)
    free(recency)


cdef inline ft_known **place_of(ft_recency *recency, uint64_t node_id) noexcept nogil:
    cdef ft_known **place = &recency.buckets[(node_id * FT_GOLDEN) >> recency.shift]
    while place[0] != NULL and place[0].node_id != node_id:
        place = &place[0].chain
    return place


cdef inline void list_take(ft_recency *recency, ft_known *known) noexcept nogil:
    if known.newer != NULL:
        known.newer.older = known.older
    else:
        recency.newest = known.older
    if known.older != NULL:
        known.older.newer = known.newer
    else:
        recency.oldest = known.newer
    recency.count -= 1


cdef inline void list_put(ft_recency *recency, ft_known *known) noexcept nogil:
    known.newer = NULL
    known.older = recency.newest
    if recency.newest != NULL:
        recency.newest.newer = known
    else:
        recency.oldest = known
    recency.newest = known
    known.leaving = 0
    recency.count += 1


cdef void recency_seen(
        ft_recency *recency, uint64_t node_id, uint64_t parent_id, const char *name, size_t length,
        uint32_t hash) noexcept nogil:
    cdef ft_known **place = place_of(recency, node_id)
    cdef ft_known *known = place[0]
    cdef ft_known *made
    if known != NULL:
        if not known.leaving:
            list_take(recency, known)
        if known.parent_id == parent_id and known.length == length and memcmp(known.name, name, length) == 0:
            list_put(recency, known)
            return
        place[0] = known.chain          # it has another name now
        free(known)
    made = <ft_known *>malloc(sizeof(ft_known) + length)
    if made == NULL:
        return
    made.node_id = node_id
    made.parent_id = parent_id
    made.length = length
    made.hash = hash
    memcpy(made.name, name, length)
    made.chain = place[0]
    place[0] = made
    list_put(recency, made)
    # Whoever is in a directory needs it: it is never older than what was looked up in it.
    known = place_of(recency, parent_id)[0]
    if known != NULL and not known.leaving:
        list_take(recency, known)
        list_put(recency, known)


cdef void recency_forgotten(ft_recency *recency, uint64_t node_id) noexcept nogil:
    cdef ft_known **place = place_of(recency, node_id)
    cdef ft_known *known = place[0]
    if known == NULL:
        return
    if not known.leaving:
        list_take(recency, known)
    place[0] = known.chain
    free(known)


cdef ft_known *recency_take(ft_recency *recency) noexcept nogil:
    cdef ft_known *known = recency.oldest
    if recency.count <= recency.limit or known == NULL:
        return NULL
    list_take(recency, known)
    known.leaving = 1
    recency.taken += 1
    return known


cdef void recency_asked(ft_recency *recency, uint64_t node_id) noexcept nogil:
    cdef ft_known *known = place_of(recency, node_id)[0]
    if known != NULL and known.leaving:
        list_put(recency, known)


cdef void recency_keep(ft_recency *recency, ft_known *known) noexcept nogil:
    recency.taken -= 1
    list_put(recency, known)
