# cython: language_level=3
"""Requests that are answered without Python, from what the inode table has published: names and attributes.

Files are in `answers_files.pyx`, directories in `answers_directories.pyx`.

Rule 1: an answer either takes the request (1) or leaves everything as it was (0).
Rule 2: each keeps the reply rule of `coherence.pyx`.
Rule 3: only what is granted is answered for access; refusing is Python's business.
"""

from libc.errno cimport ENODATA, ENOENT, ESTALE
from libc.stdint cimport uint32_t
from libc.string cimport memset, strlen, strncmp

from fusetree._lowlevel.bodies cimport content_drop
from fusetree._lowlevel.bounding cimport locked_looked_up
from fusetree._lowlevel.capture cimport (
    OP_ACCESS,
    OP_GETATTR,
    OP_GETXATTR,
    OP_LISTXATTR,
    OP_LOOKUP,
    OP_READLINK,
    OP_STATFS,
)
from fusetree._lowlevel.coherence cimport look_again, look_again_at_name, undo_lookup
from fusetree._lowlevel.libfuse.lowlevel cimport (
    fuse_ctx,
    fuse_entry_param,
    fuse_reply_attr,
    fuse_reply_buf,
    fuse_reply_entry,
    fuse_reply_err,
    fuse_reply_readlink,
    fuse_reply_statfs,
    fuse_reply_xattr,
    fuse_req_ctx,
)
from fusetree._lowlevel.libfuse.posix cimport c_stat, c_statvfs
from fusetree._lowlevel.libfuse.pthread cimport ft_load, ft_ref, pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.listing cimport filter_bit, name_hash, slot_find
from fusetree._lowlevel.packing cimport attributes_unpack
from fusetree._lowlevel.table cimport (
    ARMED_ATTRIBUTES,
    ARMED_CONTENT,
    BODY_DIRECTORY,
    BODY_LINK,
    HAS_XATTRS,
    SLOT_ARMED,
    SUSPENDED,
    count_answer,
    ft_content,
    ft_directory,
    ft_entry,
    ft_slot,
    locked_arm,
    locked_entry_timeout,
    locked_find,
    locked_find_node,
    locked_raise,
    locked_time_left,
)

# Names that the adapter answers whatever the node has: what is asked of the mount, and not of a file.
cdef extern from *:
    """
    static const char ft_own_xattrs[] = "fusetree.";
    #define FT_OWN_XATTRS_LENGTH (sizeof(ft_own_xattrs) - 1)
    """
    const char *ft_own_xattrs
    const size_t FT_OWN_XATTRS_LENGTH

cdef enum:
    W_OK = 2
    LONGEST_NAME = 255


cdef bint is_dot(const char *name) noexcept nogil:
    return name[0] == c"." and (name[1] == 0 or (name[1] == c"." and name[2] == 0))


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
    cdef double left
    cdef double entry_timeout
    cdef int result
    cdef uint64_t left_to_python = ft_load(&table.left_to_python)
    if left_to_python != 0 and left_to_python == <uint64_t>fuse_req_ctx(req).pid:
        return 0
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, parent)
    if entry == NULL:
        count_answer(table, OP_LOOKUP)
        pthread_mutex_unlock(&table.lock)
        fuse_reply_err(req, ESTALE)
        return 1
    directory = <ft_directory *>entry.body if entry.flags & BODY_DIRECTORY else NULL
    # "." and ".." come from file servers that export the mount; they are no names of the listing.  What no
    # name can be is refused with an errno of its own, by Python.
    if (directory == NULL or not directory.complete or is_dot(name) or length > LONGEST_NAME
            or table.flips & 1):
        pthread_mutex_unlock(&table.lock)
        return 0
    entry_timeout = locked_entry_timeout(table, entry)
    slot = slot_find(directory, name, length, hash)
    if slot != NULL:
        child = locked_find_node(table, slot.child)
        left = locked_time_left(table, child) if child != NULL else -1
        if left < 0:
            pthread_mutex_unlock(&table.lock)
            return 0
        param.ino = child.node_id
        param.generation = 0
        param.attr_timeout = left
        attributes_unpack(&child.attributes, &param.attr)
        change = child.change
        if left > 0:
            locked_arm(table, child, ARMED_ATTRIBUTES)
        if entry_timeout > 0:
            slot.flags |= SLOT_ARMED
        locked_raise(table, child)
        locked_looked_up(table, child, parent, name, length, hash)
    else:
        memset(&param, 0, sizeof(param))
        if entry_timeout > 0:
            directory.given |= filter_bit(hash)
    param.entry_timeout = entry_timeout
    count_answer(table, OP_LOOKUP)
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
    cdef double left
    cdef uint64_t change
    cdef uint64_t changes
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, ino)
    if entry == NULL:
        count_answer(table, OP_GETATTR)
        pthread_mutex_unlock(&table.lock)
        fuse_reply_err(req, ESTALE)
        return 1
    left = locked_time_left(table, entry)
    if left < 0:
        pthread_mutex_unlock(&table.lock)
        return 0
    attributes_unpack(&entry.attributes, &stat)
    change = entry.change
    if left > 0:
        locked_arm(table, entry, ARMED_ATTRIBUTES)
    count_answer(table, OP_GETATTR)
    changes = ft_load(&table.changes)
    pthread_mutex_unlock(&table.lock)
    fuse_reply_attr(req, &stat, left)
    if ft_load(&table.changes) != changes and left > 0:
        look_again(table, ino, change)
    return 1


cdef int answer_access(ft_table *table, fuse_req_t req, fuse_ino_t ino, int mask) noexcept nogil:
    cdef const fuse_ctx *ctx = fuse_req_ctx(req)
    cdef ft_entry *entry
    cdef uint32_t mode
    cdef uint32_t granted
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, ino)
    if entry == NULL or mask & W_OK or locked_time_left(table, entry) < 0:
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
    count_answer(table, OP_ACCESS)
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
    if (entry == NULL or not entry.flags & BODY_LINK or table.flips & 1
            or (table.holds_links and entry.flags & SUSPENDED)):
        pthread_mutex_unlock(&table.lock)
        return 0
    target = <ft_content *>entry.body
    ft_ref(&target.refs)
    change = entry.change
    locked_arm(table, entry, ARMED_CONTENT)         # the kernel may cache targets of symlinks
    count_answer(table, OP_READLINK)
    changes = ft_load(&table.changes)
    pthread_mutex_unlock(&table.lock)
    fuse_reply_readlink(req, target.data)
    content_drop(table, target)
    if ft_load(&table.changes) != changes:
        look_again(table, ino, change)
    return 1


cdef bint no_xattrs(ft_table *table, fuse_ino_t ino, int opcode) noexcept nogil:
    cdef ft_entry *entry
    cdef bint result
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, ino)
    result = entry != NULL and not entry.flags & HAS_XATTRS
    if result:
        count_answer(table, opcode)
    pthread_mutex_unlock(&table.lock)
    return result


cdef int answer_getxattr(
        ft_table *table, fuse_req_t req, fuse_ino_t ino, const char *name, size_t size) noexcept nogil:
    if strncmp(name, ft_own_xattrs, FT_OWN_XATTRS_LENGTH) == 0:
        return 0
    if not no_xattrs(table, ino, OP_GETXATTR):
        return 0
    fuse_reply_err(req, ENODATA)
    return 1


cdef int answer_listxattr(ft_table *table, fuse_req_t req, fuse_ino_t ino, size_t size) noexcept nogil:
    if not no_xattrs(table, ino, OP_LISTXATTR):
        return 0
    if size == 0:
        fuse_reply_xattr(req, 0)
    else:
        fuse_reply_buf(req, NULL, 0)
    return 1


cdef int answer_statfs(ft_table *table, fuse_req_t req) noexcept nogil:
    cdef c_statvfs statfs
    pthread_mutex_lock(&table.lock)
    if not table.has_statfs:
        pthread_mutex_unlock(&table.lock)
        return 0
    statfs = table.statfs
    count_answer(table, OP_STATFS)
    pthread_mutex_unlock(&table.lock)
    fuse_reply_statfs(req, &statfs)         # which the kernel does not keep
    return 1


cdef void table_forget(ft_table *table, fuse_ino_t ino, uint64_t count) noexcept nogil:
    undo_lookup(table, ino, count)
