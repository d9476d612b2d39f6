# cython: language_level=3
"""Answers without Python, and the one place where coherent replies leave.

The reply rule, for answers from the table and for replies of handlers alike:

    lock     the change counter is the one the values belong to?  yes: arm, and let the timeouts stand; no: timeout 0
             entry replies: raise the lookup count; a name is armed only if it leads there now
    unlock
    send     failed (the caller was interrupted, the mount is gone): undo the count
    look     did anything change meanwhile?  then queue a notice: the kernel may have got it before the answer

So no answer that is older than a change outlives the notice of that change.

Rule 1: an answer either takes the request (1) or leaves everything as it was (0).
Rule 2: only what is granted is answered for access; refusing is Python's business.
"""

from cpython.object cimport PyObject
from libc.errno cimport EIO, ENODATA, ENOENT, ENOMEM, ESTALE
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset, strlen

from fusetree._lowlevel.handles cimport locked_handle, locked_handle_open, locked_handle_release
from fusetree._lowlevel.libfuse.common cimport ft_noflush
from fusetree._lowlevel.libfuse.lowlevel cimport (
    fuse_ctx,
    fuse_entry_param,
    fuse_reply_attr,
    fuse_reply_buf,
    fuse_reply_create,
    fuse_reply_entry,
    fuse_reply_err,
    fuse_reply_open,
    fuse_reply_readlink,
    fuse_reply_xattr,
    fuse_req_ctx,
)
from fusetree._lowlevel.libfuse.posix cimport c_stat
from fusetree._lowlevel.libfuse.pthread cimport ft_load, ft_ref, pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.listing cimport filter_bit, ft_fill, listing_fill, name_hash, slot_find
from fusetree._lowlevel.notices cimport locked_queue_inode, locked_queue_name
from fusetree._lowlevel.table cimport (
    ARMED_ATTRIBUTES,
    ARMED_CONTENT,
    BODY_CONTENT,
    BODY_DIRECTORY,
    BODY_LINK,
    CONTENT_DIRECT_IO,
    CONTENT_KEEP_CACHE,
    CONTENT_SNAPSHOT,
    HANDLE_DIRECT_IO,
    HAS_ATTRIBUTES,
    HAS_XATTRS,
    KNOWN_KIND,
    SLOT_ARMED,
    attributes_pack,
    attributes_unpack,
    content_drop,
    ft_content,
    ft_directory,
    ft_entry,
    ft_handle,
    ft_slot,
    locked_arm,
    locked_directory,
    locked_find,
    locked_find_node,
    locked_lower,
    locked_raise,
)

cdef extern from "<fcntl.h>" nogil:
    int O_TRUNC
    int O_ACCMODE
    int O_RDONLY

cdef enum:
    W_OK = 2


# ------------------------------------------------------------------------------------------------ names and attributes

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


cdef bint locked_name_leads(
        ft_entry *directory_entry, const char *name, size_t length, uint32_t hash, const PyObject *child, uint64_t stamp,
        bint arm) noexcept nogil:
    """Whether a name leads to *child* (NULL: nowhere) now; if so, and *arm*, remember that the kernel is given that.

    A published listing knows.  Without one, the answer stands if no name of the directory changed since *stamp*.
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
            node = child.node if child != NULL else <PyObject *>entry     # an address that is no node: leads nowhere
        if not locked_name_leads(entry, name, length, hash, node, stamp, False):
            locked_queue_name(table, parent, 0, name, length, hash)
    pthread_mutex_unlock(&table.lock)


cdef int answer_lookup(ft_table *table, fuse_req_t req, fuse_ino_t parent, const char *name) noexcept nogil:
    cdef size_t length = strlen(name)
    cdef uint32_t hash = name_hash(name, length)
    cdef ft_entry *entry
    cdef ft_entry *child = NULL
    cdef ft_directory *directory
    cdef ft_slot *slot
    cdef fuse_entry_param param
    cdef uint64_t changes
    cdef uint64_t change = 0
    cdef int result
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, parent)
    if entry == NULL:
        table.answered += 1
        pthread_mutex_unlock(&table.lock)
        fuse_reply_err(req, ESTALE)
        return 1
    directory = <ft_directory *>entry.body if entry.flags & BODY_DIRECTORY else NULL
    # "." and ".." come from file servers that export the mount; they are no names of the listing.
    if directory == NULL or not directory.complete or (name[0] == c"." and (length == 1 or (length == 2 and name[1] == c"."))):
        pthread_mutex_unlock(&table.lock)
        return 0
    slot = slot_find(directory, name, length, hash)
    if slot != NULL:
        child = locked_find_node(table, slot.child)
        if child == NULL or not child.flags & HAS_ATTRIBUTES:
            pthread_mutex_unlock(&table.lock)
            return 0
        param.ino = child.node_id
        param.generation = 0
        param.attr_timeout = table.attr_timeout
        attributes_unpack(&child.attributes, &param.attr)
        change = child.change
        if table.attr_timeout > 0:
            locked_arm(table, child, ARMED_ATTRIBUTES)
        if table.entry_timeout > 0:
            slot.flags |= SLOT_ARMED
        locked_raise(table, child)
    else:
        memset(&param, 0, sizeof(param))
        if table.entry_timeout > 0:
            directory.given |= filter_bit(hash)
    param.entry_timeout = table.entry_timeout
    table.answered += 1
    changes = ft_load(&table.changes)
    pthread_mutex_unlock(&table.lock)
    if param.ino == 0 and param.entry_timeout <= 0:
        fuse_reply_err(req, ENOENT)
        return 1
    result = fuse_reply_entry(req, &param)
    if result < 0 and param.ino != 0:
        undo_lookup(table, param.ino, 1)
    elif ft_load(&table.changes) != changes:
        if param.attr_timeout > 0:
            look_again(table, param.ino, change)
        if param.entry_timeout > 0:
            look_again_at_name(table, parent, name, length, hash, param.ino, 0)
    return 1


cdef int answer_getattr(ft_table *table, fuse_req_t req, fuse_ino_t ino) noexcept nogil:
    cdef ft_entry *entry
    cdef c_stat stat
    cdef uint64_t change
    cdef uint64_t changes
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, ino)
    if entry == NULL:
        table.answered += 1
        pthread_mutex_unlock(&table.lock)
        fuse_reply_err(req, ESTALE)
        return 1
    if not entry.flags & HAS_ATTRIBUTES:
        pthread_mutex_unlock(&table.lock)
        return 0
    attributes_unpack(&entry.attributes, &stat)
    change = entry.change
    if table.attr_timeout > 0:
        locked_arm(table, entry, ARMED_ATTRIBUTES)
    table.answered += 1
    changes = ft_load(&table.changes)
    pthread_mutex_unlock(&table.lock)
    fuse_reply_attr(req, &stat, table.attr_timeout)
    if ft_load(&table.changes) != changes and table.attr_timeout > 0:
        look_again(table, ino, change)
    return 1


cdef int answer_access(ft_table *table, fuse_req_t req, fuse_ino_t ino, int mask) noexcept nogil:
    cdef const fuse_ctx *ctx = fuse_req_ctx(req)
    cdef ft_entry *entry
    cdef uint32_t mode
    cdef uint32_t granted
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, ino)
    if entry == NULL or mask & W_OK or not entry.flags & HAS_ATTRIBUTES:
        pthread_mutex_unlock(&table.lock)
        return 0
    mode = entry.attributes.mode
    if ctx.uid == 0:
        granted = (mode | mode >> 3 | mode >> 6) & 7        # root too may not read what nobody may
    elif ctx.uid == entry.attributes.uid:
        granted = mode >> 6
    elif ctx.gid == entry.attributes.gid:
        granted = mode >> 3
    else:
        granted = mode          # of a group that the request does not tell, perhaps: then Python finds out
    if mask & ~granted & 7:
        pthread_mutex_unlock(&table.lock)
        return 0
    table.answered += 1
    pthread_mutex_unlock(&table.lock)
    fuse_reply_err(req, 0)
    return 1


cdef int answer_readlink(ft_table *table, fuse_req_t req, fuse_ino_t ino) noexcept nogil:
    cdef ft_entry *entry
    cdef ft_content *target
    cdef uint64_t change
    cdef uint64_t changes
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, ino)
    if entry == NULL or not entry.flags & BODY_LINK:
        pthread_mutex_unlock(&table.lock)
        return 0
    target = <ft_content *>entry.body
    ft_ref(&target.refs)
    change = entry.change
    locked_arm(table, entry, ARMED_CONTENT)         # the kernel may cache targets of symlinks
    table.answered += 1
    changes = ft_load(&table.changes)
    pthread_mutex_unlock(&table.lock)
    fuse_reply_readlink(req, target.data)
    content_drop(table, target)
    if ft_load(&table.changes) != changes:
        look_again(table, ino, change)
    return 1


cdef bint no_xattrs(ft_table *table, fuse_ino_t ino) noexcept nogil:
    cdef ft_entry *entry
    cdef bint result
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, ino)
    result = entry != NULL and not entry.flags & HAS_XATTRS
    if result:
        table.answered += 1
    pthread_mutex_unlock(&table.lock)
    return result


cdef int answer_getxattr(ft_table *table, fuse_req_t req, fuse_ino_t ino, const char *name, size_t size) noexcept nogil:
    if not no_xattrs(table, ino):
        return 0
    fuse_reply_err(req, ENODATA)
    return 1


cdef int answer_listxattr(ft_table *table, fuse_req_t req, fuse_ino_t ino, size_t size) noexcept nogil:
    if not no_xattrs(table, ino):
        return 0
    if size == 0:
        fuse_reply_xattr(req, 0)
    else:
        fuse_reply_buf(req, NULL, 0)
    return 1


cdef void table_forget(ft_table *table, fuse_ino_t ino, uint64_t count) noexcept nogil:
    undo_lookup(table, ino, count)


# ------------------------------------------------------------------------------------------------ files

cdef int answer_open(ft_table *table, fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    cdef ft_entry *entry
    cdef ft_content *content
    cdef ft_content *pinned = NULL
    cdef ft_handle *handle
    cdef PyObject *state = NULL
    cdef uint64_t fh
    cdef bint direct_io
    if (fi.flags & O_ACCMODE) != O_RDONLY or fi.flags & O_TRUNC:
        return 0
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, ino)
    if entry == NULL or not entry.flags & BODY_CONTENT:
        pthread_mutex_unlock(&table.lock)
        return 0
    content = <ft_content *>entry.body
    direct_io = (entry.flags & CONTENT_DIRECT_IO) != 0      # one bit of fuse_file_info: 64 would become 0
    if entry.flags & CONTENT_SNAPSHOT:
        pinned = content
    fh = locked_handle_open(table, entry, pinned, NULL, HANDLE_DIRECT_IO if direct_io else 0)
    if fh == 0:
        pthread_mutex_unlock(&table.lock)
        return 0
    if pinned != NULL:
        ft_ref(&pinned.refs)
    fi.fh = fh
    fi.direct_io = direct_io
    ft_noflush(fi, True)                # nothing was written, so close(2) has nothing to bring
    # While a notice is on its way the page cache may still hold what it is about.
    fi.keep_cache = not direct_io and entry.flags & CONTENT_KEEP_CACHE and entry.notice == NULL
    if not direct_io:
        locked_arm(table, entry, ARMED_CONTENT)
    table.answered += 1
    pthread_mutex_unlock(&table.lock)
    if fuse_reply_open(req, fi) < 0:
        pthread_mutex_lock(&table.lock)
        handle = locked_handle(table, fh)
        pinned = locked_handle_release(table, handle, &state) if handle != NULL else NULL
        pthread_mutex_unlock(&table.lock)
        content_drop(table, pinned)
    return 1


cdef int answer_read(
        ft_table *table, fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info *fi) noexcept nogil:
    cdef ft_handle *handle
    cdef ft_entry *entry
    cdef ft_content *content
    cdef uint64_t change
    cdef uint64_t changes
    cdef bint cached
    cdef size_t start = <size_t>offset
    pthread_mutex_lock(&table.lock)
    handle = locked_handle(table, fi.fh)
    if handle == NULL or handle.entry.node_id != ino:
        pthread_mutex_unlock(&table.lock)
        return 0
    entry = handle.entry
    content = handle.content
    cached = content == NULL and not handle.flags & HANDLE_DIRECT_IO
    if content == NULL:
        if not entry.flags & BODY_CONTENT or entry.flags & CONTENT_SNAPSHOT:
            pthread_mutex_unlock(&table.lock)
            return 0
        content = <ft_content *>entry.body
    ft_ref(&content.refs)
    change = entry.change
    if cached:
        locked_arm(table, entry, ARMED_CONTENT)
    table.answered += 1
    changes = ft_load(&table.changes)
    pthread_mutex_unlock(&table.lock)
    if start >= content.size:
        fuse_reply_buf(req, NULL, 0)
    else:
        fuse_reply_buf(req, content.data + start, size if size < content.size - start else content.size - start)
    content_drop(table, content)
    if cached and ft_load(&table.changes) != changes:
        look_again(table, ino, change)
    return 1


cdef bint has_no_state(ft_table *table, fuse_ino_t ino, uint64_t fh) noexcept nogil:
    cdef ft_handle *handle
    cdef bint result
    pthread_mutex_lock(&table.lock)
    handle = locked_handle(table, fh)
    result = handle != NULL and handle.state == NULL and handle.entry.node_id == ino
    if result:
        table.answered += 1
    pthread_mutex_unlock(&table.lock)
    return result


cdef int answer_flush(ft_table *table, fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    if not has_no_state(table, ino, fi.fh):
        return 0
    fuse_reply_err(req, 0)
    return 1


cdef int answer_release(ft_table *table, fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    cdef ft_handle *handle
    cdef ft_content *content
    cdef PyObject *state = NULL
    pthread_mutex_lock(&table.lock)
    handle = locked_handle(table, fi.fh)
    if handle == NULL or handle.state != NULL or handle.entry.node_id != ino:
        pthread_mutex_unlock(&table.lock)
        return 0
    content = locked_handle_release(table, handle, &state)
    table.answered += 1
    pthread_mutex_unlock(&table.lock)
    content_drop(table, content)
    fuse_reply_err(req, 0)
    return 1


# ------------------------------------------------------------------------------------------------ directories

cdef int answer_opendir(ft_table *table, fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    cdef ft_entry *entry
    cdef ft_directory *directory
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, ino)
    directory = <ft_directory *>entry.body if entry != NULL and entry.flags & BODY_DIRECTORY else NULL
    if directory == NULL or not directory.complete:
        pthread_mutex_unlock(&table.lock)
        return 0
    # No handle: cookies say all that a reader needs, and the kernel keeps the inode while the directory is open.
    fi.fh = 0
    fi.cache_readdir = table.attr_timeout > 0
    fi.keep_cache = table.attr_timeout > 0 and entry.notice == NULL
    if table.attr_timeout > 0:
        locked_arm(table, entry, ARMED_CONTENT)
    table.answered += 1
    pthread_mutex_unlock(&table.lock)
    fuse_reply_open(req, fi)
    return 1


cdef int answer_readdir(
        ft_table *table, fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info *fi, int plus) noexcept nogil:
    cdef ft_fill fill
    cdef uint64_t change = 0
    cdef uint64_t changes
    cdef ft_entry *entry
    cdef size_t i
    cdef int result
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, ino)
    if entry != NULL:
        change = entry.change
        if not entry.flags & BODY_DIRECTORY or not (<ft_directory *>entry.body).complete:
            pthread_mutex_unlock(&table.lock)
            return 0
    changes = ft_load(&table.changes)
    pthread_mutex_unlock(&table.lock)
    # The smallest READDIRPLUS record has 152 bytes.
    fill.size = size
    fill.used = 0
    fill.counted_used = 0
    fill.counted = <uint64_t *>malloc((size // 128 + 1) * sizeof(uint64_t) + size)
    if fill.counted == NULL:
        fuse_reply_err(req, ENOMEM)
        return 1
    fill.buffer = <char *>(fill.counted + size // 128 + 1)
    result = listing_fill(table, req, ino, offset, plus, &fill)
    if result == 0:
        free(fill.counted)
        return 0
    pthread_mutex_lock(&table.lock)
    table.answered += 1
    pthread_mutex_unlock(&table.lock)
    if result < 0:
        fuse_reply_err(req, -result)
    elif fuse_reply_buf(req, fill.buffer, fill.used) < 0:
        for i in range(fill.counted_used):
            undo_lookup(table, fill.counted[i], 1)
    elif ft_load(&table.changes) != changes:
        look_again(table, ino, change)
        look_again_at_entries(table, ino, &fill)
    free(fill.counted)
    return 1


cdef void look_again_at_entries(ft_table *table, fuse_ino_t directory, const ft_fill *fill) noexcept nogil:
    """READDIRPLUS told attributes and names, and something changed: children that are not current now are taken back."""
    cdef ft_entry *entry
    cdef size_t i
    for i in range(fill.counted_used):
        pthread_mutex_lock(&table.lock)
        entry = locked_find(table, fill.counted[i])
        if entry != NULL and not entry.flags & HAS_ATTRIBUTES:
            locked_queue_inode(table, entry, False)
        pthread_mutex_unlock(&table.lock)


cdef int answer_releasedir(ft_table *table, fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    if fi.fh != 0:
        return answer_release(table, req, ino, fi)
    pthread_mutex_lock(&table.lock)
    table.answered += 1
    pthread_mutex_unlock(&table.lock)
    fuse_reply_err(req, 0)
    return 1


# ------------------------------------------------------------------------------------------------ replies of handlers

cdef bint locked_current(
        ft_table *table, ft_entry *entry, uint64_t change, bint publish, fuse_entry_param *param) noexcept nogil:
    """The first half of the reply rule: publish and arm what is current, give everything else no time."""
    if publish:
        param.attr_timeout = table.attr_timeout
        param.entry_timeout = table.entry_timeout
    if entry.change != change:
        param.attr_timeout = 0
        return False
    attributes_pack(&entry.attributes, &param.attr)
    entry.flags |= KNOWN_KIND
    if publish:
        entry.flags |= HAS_ATTRIBUTES
    if param.attr_timeout > 0:
        locked_arm(table, entry, ARMED_ATTRIBUTES)
    return True


cdef int send_entry(
        ft_table *table, fuse_req_t req, ft_entry *entry, uint64_t change, bint publish, fuse_entry_param *param,
        fuse_ino_t parent, const char *name, uint64_t stamp, const fuse_file_info *fi) noexcept nogil:
    cdef size_t length = strlen(name)
    cdef uint32_t hash = name_hash(name, length)
    cdef ft_entry *directory
    cdef uint64_t changes
    cdef int result
    pthread_mutex_lock(&table.lock)
    locked_current(table, entry, change, publish, param)
    if param.entry_timeout > 0:
        directory = locked_find(table, parent)
        if directory == NULL or not locked_name_leads(directory, name, length, hash, entry.node, stamp, True):
            param.entry_timeout = 0
    param.ino = entry.node_id
    locked_raise(table, entry)
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
        ft_table *table, fuse_req_t req, NodeAttributes attributes, fuse_ino_t parent, const char *name, uint64_t stamp) noexcept:
    return reply_create_coherent(table, req, attributes, parent, name, stamp, NULL)


cdef int reply_create_coherent(
        ft_table *table, fuse_req_t req, NodeAttributes attributes, fuse_ino_t parent, const char *name, uint64_t stamp,
        const fuse_file_info *fi) noexcept:
    cdef fuse_entry_param param = attributes.c_entry
    cdef ft_entry *entry = attributes.c_pinned
    cdef uint64_t change = attributes.change
    cdef bint publish = attributes.publish
    cdef int result
    with nogil:
        if entry == NULL or attributes.table.c_table != table:
            fuse_reply_err(req, EIO)        # of another session's table
            result = -EIO
        else:
            result = send_entry(table, req, entry, change, publish, &param, parent, name, stamp, fi)
    return result


cdef int reply_attr_coherent(ft_table *table, fuse_req_t req, NodeAttributes attributes) noexcept:
    cdef fuse_entry_param param = attributes.c_entry
    cdef ft_entry *entry = attributes.c_pinned
    cdef uint64_t change = attributes.change
    cdef bint publish = attributes.publish
    cdef uint64_t changes
    cdef int result
    if entry == NULL or attributes.table.c_table != table:
        fuse_reply_err(req, EIO)
        return -EIO
    with nogil:
        pthread_mutex_lock(&table.lock)
        locked_current(table, entry, change, publish, &param)
        changes = ft_load(&table.changes)
        pthread_mutex_unlock(&table.lock)
        result = fuse_reply_attr(req, &param.attr, param.attr_timeout)
        if ft_load(&table.changes) != changes and param.attr_timeout > 0:
            look_again(table, entry.node_id, change)
    return result
