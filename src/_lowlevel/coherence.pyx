# cython: language_level=3
"""The one rule by which answers leave, and the replies of Python handlers that keep it.

The reply rule, for answers from the table and for replies of handlers alike:

    lock     is the change counter the one that the values belong to?  yes: arm, let the timeouts stand; no:
             timeout 0 entry replies: raise the lookup count; a name is armed only if it leads there now
    unlock
    send     failed (the caller was interrupted, the mount is gone): undo the count
    look     did anything change meanwhile?  then queue a notice: the kernel may have got it before the answer

So no answer that is older than a change outlives the notice of that change.
"""

from libc.errno cimport EIO
from libc.string cimport strlen

from fusetree._lowlevel.bodies cimport locked_directory
from fusetree._lowlevel.bounding cimport locked_looked_up
from fusetree._lowlevel.libfuse.lowlevel cimport (
    fuse_entry_param,
    fuse_reply_attr,
    fuse_reply_create,
    fuse_reply_entry,
    fuse_reply_err,
)
from fusetree._lowlevel.libfuse.pthread cimport ft_load, pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.listing cimport filter_bit, name_hash, slot_find
from fusetree._lowlevel.notices cimport locked_queue_inode, locked_queue_name
from fusetree._lowlevel.packing cimport attributes_pack
from fusetree._lowlevel.table cimport (
    ARMED_ATTRIBUTES,
    HAS_ATTRIBUTES,
    KNOWN_KIND,
    SLOT_ARMED,
    SUSPENDED,
    ft_directory,
    ft_slot,
    locked_arm,
    locked_find,
    locked_lower,
    locked_raise,
    locked_store_attributes,
)


cdef void undo_lookup(ft_table *table, uint64_t node_id, uint64_t count) noexcept nogil:
    cdef ft_entry *entry
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, node_id)
    if entry != NULL:
        locked_lower(table, entry, count)
    pthread_mutex_unlock(&table.lock)


cdef void look_again(ft_table *table, uint64_t node_id, uint64_t change) noexcept nogil:
    cdef ft_entry *entry
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, node_id)
    if entry != NULL and entry.change != change:
        locked_queue_inode(table, entry, True)
    pthread_mutex_unlock(&table.lock)


cdef void look_again_at_child(ft_table *table, uint64_t node_id) noexcept nogil:
    cdef ft_entry *entry
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, node_id)
    if entry != NULL and (not entry.flags & HAS_ATTRIBUTES or entry.flags & SUSPENDED):
        locked_queue_inode(table, entry, False)
    pthread_mutex_unlock(&table.lock)


cdef bint locked_name_leads(
        ft_entry *directory_entry, const char *name, size_t length, uint32_t hash, const PyObject *child,
        uint64_t stamp,
        bint arm) noexcept nogil:
    """Whether a name leads to *child* (NULL: nowhere) now; if so, and *arm*, remember that the kernel is
    given that.

    A published listing knows.  Without one, the answer stands if no name of the directory changed since
    *stamp*.
    """
    cdef ft_directory *directory = locked_directory(directory_entry)
    cdef ft_slot *slot = NULL
    if directory == NULL:
        return False
    if directory.complete:
        slot = slot_find(directory, name, length, hash)
        if (slot == NULL) != (child == NULL) or (slot != NULL and slot.child != child):
            return False
    elif directory.change != stamp:
        return False
    if arm:
        if slot != NULL:
            slot.flags |= SLOT_ARMED
        else:
            directory.given |= filter_bit(hash)
    return True


cdef void look_again_at_name(
        ft_table *table, uint64_t parent, const char *name, size_t length, uint32_t hash, uint64_t child_id,
        uint64_t stamp) noexcept nogil:
    cdef ft_entry *entry
    cdef ft_entry *child
    cdef const PyObject *node = NULL
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, parent)
    if entry != NULL:
        if child_id != 0:
            child = locked_find(table, child_id)
            # an address that is no node: leads nowhere
            node = child.node if child != NULL else <PyObject *>entry
        if not locked_name_leads(entry, name, length, hash, node, stamp, False):
            locked_queue_name(table, parent, 0, name, length, hash)
    pthread_mutex_unlock(&table.lock)


# ---------------------------------------------------------------------------------------- replies of handlers

cdef bint locked_current(
        ft_table *table, ft_entry *entry, uint64_t change, bint publish, double ttl,
        fuse_entry_param *param) noexcept nogil:
    """The first half of the reply rule: publish and arm what is current, give everything else no time."""
    if publish:
        param.attr_timeout = ttl if ttl < table.attr_timeout else table.attr_timeout
        param.entry_timeout = table.entry_timeout
    if entry.change != change:
        param.attr_timeout = 0
        return False
    if publish:
        locked_store_attributes(entry, &param.attr, ttl)
    else:
        attributes_pack(&entry.attributes, &param.attr)
        entry.flags |= KNOWN_KIND
    if entry.flags & SUSPENDED:
        param.attr_timeout = 0
    if param.attr_timeout > 0:
        locked_arm(table, entry, ARMED_ATTRIBUTES)
    return True


cdef int send_entry(
        ft_table *table, fuse_req_t req, ft_entry *entry, uint64_t change, bint publish, double ttl,
        fuse_entry_param *param,
        fuse_ino_t parent, const char *name, uint64_t stamp, const fuse_file_info *fi) noexcept nogil:
    cdef size_t length = 0
    cdef uint32_t hash = 0
    cdef ft_entry *directory
    cdef uint64_t changes
    cdef int result
    if name != NULL:
        length = strlen(name)
        hash = name_hash(name, length)
    pthread_mutex_lock(&table.lock)
    locked_current(table, entry, change, publish, ttl, param)
    if name == NULL:
        param.entry_timeout = 0
    if param.entry_timeout > 0:
        directory = locked_find(table, parent)
        if directory == NULL or directory.flags & SUSPENDED or not locked_name_leads(
                directory, name, length, hash, entry.node, stamp, True):
            param.entry_timeout = 0
    param.ino = entry.node_id
    locked_raise(table, entry)
    if name != NULL:
        locked_looked_up(table, entry, parent, name, length, hash)
    changes = ft_load(&table.changes)
    pthread_mutex_unlock(&table.lock)
    result = fuse_reply_entry(req, param) if fi == NULL else fuse_reply_create(req, param, fi)
    if result < 0:
        undo_lookup(table, param.ino, 1)
    elif ft_load(&table.changes) != changes:
        if param.attr_timeout > 0:
            look_again(table, param.ino, change)
        if param.entry_timeout > 0:
            look_again_at_name(table, parent, name, length, hash, param.ino, stamp)
    return result


cdef int reply_entry_coherent(
        ft_table *table, fuse_req_t req, NodeAttributes attributes, fuse_ino_t parent, const char *name,
        uint64_t stamp) noexcept:
    return reply_create_coherent(table, req, attributes, parent, name, stamp, NULL)


cdef int reply_create_coherent(
        ft_table *table, fuse_req_t req, NodeAttributes attributes, fuse_ino_t parent, const char *name,
        uint64_t stamp,
        const fuse_file_info *fi) noexcept:
    cdef fuse_entry_param param = attributes.c_entry
    cdef ft_entry *entry = attributes.c_pinned
    cdef uint64_t change = attributes.change
    cdef bint publish = attributes.publish
    cdef double ttl = attributes.ttl
    cdef int result
    with nogil:
        if entry == NULL or attributes.c_table != table:
            fuse_reply_err(req, EIO)        # of another session's table
            result = -EIO
        else:
            result = send_entry(table, req, entry, change, publish, ttl, &param, parent, name, stamp, fi)
    return result


cdef int reply_attr_coherent(ft_table *table, fuse_req_t req, NodeAttributes attributes) noexcept:
    cdef fuse_entry_param param = attributes.c_entry
    cdef ft_entry *entry = attributes.c_pinned
    cdef uint64_t change = attributes.change
    cdef bint publish = attributes.publish
    cdef double ttl = attributes.ttl
    cdef uint64_t changes
    cdef int result
    if entry == NULL or attributes.c_table != table:
        with nogil:
            fuse_reply_err(req, EIO)
        return -EIO
    with nogil:
        pthread_mutex_lock(&table.lock)
        locked_current(table, entry, change, publish, ttl, &param)
        changes = ft_load(&table.changes)
        pthread_mutex_unlock(&table.lock)
        result = fuse_reply_attr(req, &param.attr, param.attr_timeout)
        if ft_load(&table.changes) != changes and param.attr_timeout > 0:
            look_again(table, entry.node_id, change)
    return result
