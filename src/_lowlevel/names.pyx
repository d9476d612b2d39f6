# cython: language_level=3
"""Names as Python gives them: looked at without a copy, and put into and taken out of published
directories.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr

from fusetree._lowlevel.bodies cimport directory_release, locked_directory
from fusetree._lowlevel.bounding cimport locked_give_back
from fusetree._lowlevel.contents cimport stale
from fusetree._lowlevel.libfuse.pthread cimport ft_load, pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.listing cimport (
    directory_reserve,
    directory_shrink,
    filter_bit,
    first_behind,
    ft_fill,
    listing_fill,
    name_hash,
    slot_append,
    slot_find,
    slot_remove,
)
from fusetree._lowlevel.notices cimport locked_name_is_back, locked_pending_name, locked_queue_name
from fusetree._lowlevel.table cimport (
    BODY_DIRECTORY,
    FIRST_COOKIE,
    SLOT_ARMED,
    SLOT_ASKED,
    ft_slot,
    locked_find,
    locked_find_node,
    locked_time_left,
)

cdef enum:
    SMALLEST_PLUS = 160         # bytes of a READDIRPLUS record with the shortest name
    MOST_COLD = 1024            # so many slots are looked at with the lock held
    LONGEST_NAME = 65535        # ft_slot.length has 16 bits; the kernel asks for 1024 at most


cdef object view_name(object name, NameView *view):
    """Look at *name* as the bytes that the kernel uses; the result owns them (the str itself where it
    can).
    """
    cdef object owner = name
    if not isinstance(name, str):
        raise TypeError(f"a name must be str, not {type(name).__name__}")
    try:
        view.text = PyUnicode_AsUTF8AndSize(name, &view.length)
    except UnicodeEncodeError:
        owner = name.encode("utf-8", "surrogateescape")
        view.text = PyBytes_AS_STRING(owner)
        view.length = PyBytes_GET_SIZE(owner)
    if view.length == 0 or view.length > LONGEST_NAME:
        raise ValueError(f"a name must have 1 to {LONGEST_NAME} bytes: {name[:100]!r}")
    if memchr(view.text, 0, view.length) != NULL or memchr(view.text, c"/", view.length) != NULL:
        raise ValueError(f"a name can not contain '/' or NUL: {name!r}")
    view.hash = name_hash(view.text, view.length)
    return owner


cdef ft_directory *directory_of(object items) except NULL:
    cdef ft_directory *made = <ft_directory *>calloc(1, sizeof(ft_directory))
    cdef NameView view
    cdef ft_slot *slot
    cdef uint64_t ino
    cdef uint8_t d_type
    if made == NULL:
        raise MemoryError
    made.next_cookie = FIRST_COOKIE
    try:
        if directory_reserve(made, len(items) if hasattr(items, "__len__") else 0) < 0:
            raise MemoryError
        for name, node, st_ino, kind in items:
            owner = view_name(name, &view)
            ino = st_ino
            d_type = kind
            if slot_find(made, view.text, view.length, view.hash) != NULL:
                raise ValueError(f"a name comes twice: {name!r}")
            slot = slot_append(
                made, view.text, view.length, view.hash, <PyObject *>owner, <PyObject *>node, ino, d_type)
            if slot == NULL:
                raise MemoryError
            Py_INCREF(owner)
            Py_INCREF(node)
        directory_shrink(made)
    except BaseException:
        directory_release(made)
        raise
    return made


cdef int store_directory(ft_table *table, uint64_t node_id, ft_directory *made, uint64_t parent_ino) noexcept:
    """1: stored, or there was a listing already; 0: unknown; -1: not a directory.  *made* is left with
    what is not used.
    """
    cdef ft_entry *entry
    cdef ft_directory *directory
    cdef int known = 0
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, node_id)
    if entry != NULL:
        directory = locked_directory(entry)
        known = -1 if directory == NULL else 1
        if directory != NULL and not directory.complete:
            directory.slots, made.slots = made.slots, directory.slots
            directory.index, made.index = made.index, directory.index
            directory.capacity = made.capacity
            directory.used = made.used
            made.used = 0
            directory.live = made.live
            directory.index_mask = made.index_mask
            directory.next_cookie = made.next_cookie
            directory.parent_ino = parent_ino
            directory.complete = 1
    pthread_mutex_unlock(&table.lock)
    return known


cdef bint locked_set_name(
        ft_table *table, ft_entry *entry, const NameView *view, PyObject *owner, PyObject *child, uint64_t
        ino, uint8_t d_type,
        PyObject **replaced, ft_notice **notice) noexcept:
    """False: no memory, and the listing is not complete any more.  *replaced*: a reference that the caller
    drops.
    """
    cdef ft_directory *directory = <ft_directory *>entry.body
    cdef ft_slot *slot = NULL
    cdef bint given = False
    cdef bint stored = True
    directory.change += 1
    if directory.complete:
        slot = slot_find(directory, view.text, view.length, view.hash)
        if slot != NULL and slot.child == child:
            slot.ino = ino
            slot.d_type = d_type
            notice[0] = locked_pending_name(table, entry.node_id, view.text, view.length, view.hash)
            return True
    if slot != NULL:
        given = (slot.flags & SLOT_ARMED) != 0
        slot.flags &= ~SLOT_ARMED
        replaced[0] = slot.child
        slot.child = child
        slot.ino = ino
        slot.d_type = d_type
        Py_INCREF(<object>child)
    elif directory.complete:
        if slot_append(directory, view.text, view.length, view.hash, owner, child, ino, d_type) != NULL:
            Py_INCREF(<object>owner)
            Py_INCREF(<object>child)
        else:
            directory.complete = 0      # Python answers from now on
            stored = False
    if table.told and directory.complete:
        # After a rename the kernel holds the name for as long as it held the old one.
        slot_find(directory, view.text, view.length, view.hash).flags |= SLOT_ARMED
    if given or directory.given & filter_bit(view.hash):
        notice[0] = locked_queue_name(table, entry.node_id, 0, view.text, view.length, view.hash)
    else:
        notice[0] = locked_pending_name(table, entry.node_id, view.text, view.length, view.hash)
        if notice[0] != NULL:
            locked_name_is_back(notice[0])
    return stored


cdef bint locked_remove_name(
        ft_table *table, ft_entry *entry, const NameView *view, PyObject *child, bint deleted,
        PyObject **removed_name, PyObject **removed_child, ft_notice **notice) noexcept:
    """False: another child has the name."""
    cdef ft_directory *directory = <ft_directory *>entry.body
    cdef ft_slot *slot = NULL
    cdef ft_entry *known
    cdef uint64_t child_id = 0
    cdef bint given = (directory.given & filter_bit(view.hash)) != 0
    if directory.complete:
        slot = slot_find(directory, view.text, view.length, view.hash)
        if slot == NULL or slot.child != child:
            return False
        given = given or (slot.flags & SLOT_ARMED) != 0
        removed_name[0] = slot.owner
        removed_child[0] = slot.child
        slot_remove(directory, slot)
    directory.change += 1
    if given:
        if deleted:
            known = locked_find_node(table, child)
            child_id = known.node_id if known != NULL else 0
        notice[0] = locked_queue_name(table, entry.node_id, child_id, view.text, view.length, view.hash)
    else:
        notice[0] = locked_pending_name(table, entry.node_id, view.text, view.length, view.hash)
    return True


cdef int fill_token(ft_table *table, ReaddirToken token, uint64_t node_id, int64_t start_id) except -1:
    """Fill a readdir reply from the published listing."""
    cdef ft_fill fill
    cdef ft_entry *entry
    cdef size_t i
    cdef int result
    if token.c_req == NULL:
        raise ValueError("this readdir request was answered already")
    if not token.c_filled:
        token.c_filled = True
        pthread_mutex_lock(&table.lock)
        entry = locked_find(table, node_id)
        token.c_change = entry.change if entry != NULL else 0
        token.c_changes = ft_load(&table.changes)
        locked_give_back(table, node_id, token.c_size // 64)
        pthread_mutex_unlock(&table.lock)
    fill.buffer = token.c_buffer
    fill.size = token.c_size
    fill.used = token.c_used
    fill.counted_used = 0
    fill.counted = <uint64_t *>malloc((token.c_size // 128 + 1) * sizeof(uint64_t))
    if fill.counted == NULL:
        raise MemoryError
    try:
        with nogil:
            result = listing_fill(table, token.c_req, node_id, start_id, token.c_plus, &fill)
        token.c_used = fill.used
        for i in range(fill.counted_used):
            token.counted.append(fill.counted[i])
    finally:
        free(fill.counted)
    if result < 0:
        raise stale(node_id)
    if result == 0:
        raise ValueError(f"the directory with node id {node_id} is not published")
    return 0


cdef list cold_children(ft_table *table, ReaddirToken token, uint64_t node_id, int64_t start_id):
    """Nodes behind *start_id* that a READDIRPLUS reply has room for, and whose attributes are not
    published.
    """
    cdef list result = []
    cdef size_t room = token.c_size // SMALLEST_PLUS + 1 if token.c_plus else 0
    cdef size_t found = 0
    cdef size_t i
    cdef PyObject **nodes
    cdef ft_entry *entry
    cdef ft_entry *child
    cdef ft_directory *directory
    cdef uint32_t slot
    if room > MOST_COLD:
        room = MOST_COLD
    nodes = <PyObject **>malloc((room + 1) * sizeof(PyObject *))
    if nodes == NULL:
        raise MemoryError
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, node_id)
    if entry != NULL and entry.flags & BODY_DIRECTORY and room:
        directory = <ft_directory *>entry.body
        slot = first_behind(directory, start_id)
        while slot < directory.used and room:
            if directory.slots[slot].name != NULL:
                room -= 1
                child = locked_find_node(table, directory.slots[slot].child)
                if child == NULL or locked_time_left(table, child) < 0:
                    directory.slots[slot].flags |= SLOT_ASKED
                    nodes[found] = directory.slots[slot].child
                    Py_INCREF(<object>nodes[found])
                    found += 1
            slot += 1
    pthread_mutex_unlock(&table.lock)
    try:
        for i in range(found):
            result.append(<object>nodes[i])
    finally:
        for i in range(found):
            Py_DECREF(<object>nodes[i])
        free(nodes)
    return result
