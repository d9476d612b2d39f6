# cython: language_level=3
"""Directories that are answered without Python, from their complete listing.

The rules are those of `answers.pyx`.
"""

from libc.errno cimport ENOMEM
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc

from fusetree._lowlevel.answers_files cimport answer_release
from fusetree._lowlevel.bounding cimport locked_give_back
from fusetree._lowlevel.capture cimport OP_OPENDIR, OP_READDIR, OP_READDIRPLUS, OP_RELEASEDIR
from fusetree._lowlevel.coherence cimport look_again, look_again_at_child, undo_lookup
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_reply_buf, fuse_reply_err, fuse_reply_open
from fusetree._lowlevel.libfuse.pthread cimport ft_load, pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.listing cimport ft_fill, listing_fill, locked_begins_cold
from fusetree._lowlevel.table cimport (
    ARMED_CONTENT,
    BODY_DIRECTORY,
    SUSPENDED,
    count_answer,
    ft_directory,
    ft_entry,
    locked_arm,
    locked_find,
)


cdef int answer_opendir(ft_table *table, fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    cdef ft_entry *entry
    cdef ft_directory *directory
    cdef bint cached
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, ino)
    directory = <ft_directory *>entry.body if entry != NULL and entry.flags & BODY_DIRECTORY else NULL
    if directory == NULL or not directory.complete:
        pthread_mutex_unlock(&table.lock)
        return 0
    # No handle: cookies say all that a reader needs, and the kernel keeps the inode while the directory is
    # open.
    fi.fh = 0
    cached = table.attr_timeout > 0 and not entry.flags & SUSPENDED
    fi.cache_readdir = cached
    fi.keep_cache = cached and entry.notice == NULL
    if cached:
        locked_arm(table, entry, ARMED_CONTENT)
    count_answer(table, OP_OPENDIR)
    pthread_mutex_unlock(&table.lock)
    fuse_reply_open(req, fi)
    return 1


cdef int answer_readdir(
        ft_table *table, fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info *fi, int
        plus) noexcept nogil:
    cdef ft_fill fill
    cdef uint64_t change = 0
    cdef uint64_t changes
    cdef ft_entry *entry
    cdef uint64_t flips = 0
    cdef size_t i
    cdef int result
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, ino)
    if entry != NULL:
        change = entry.change
        if not entry.flags & BODY_DIRECTORY or not (<ft_directory *>entry.body).complete:
            pthread_mutex_unlock(&table.lock)
            return 0
        if plus and locked_begins_cold(table, <ft_directory *>entry.body, offset):
            # Python makes the attributes of as many children as fit, and then answers.
            pthread_mutex_unlock(&table.lock)
            return 0
    # Those of the replies before, which have arrived by now.
    locked_give_back(table, ino, size // 64)
    changes = ft_load(&table.changes)
    flips = table.flips
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
    if table.flips != flips or flips & 1:
        # A part of it may be of before: Python, which waits until all is changed, answers.
        pthread_mutex_unlock(&table.lock)
        for i in range(fill.counted_used):
            undo_lookup(table, fill.counted[i], 1)
        free(fill.counted)
        return 0
    count_answer(table, OP_READDIRPLUS if plus else OP_READDIR)
    pthread_mutex_unlock(&table.lock)
    if result < 0:
        fuse_reply_err(req, -result)
    elif fuse_reply_buf(req, fill.buffer, fill.used) < 0:
        for i in range(fill.counted_used):
            undo_lookup(table, fill.counted[i], 1)
    elif ft_load(&table.changes) != changes:
        look_again(table, ino, change)
        for i in range(fill.counted_used):
            look_again_at_child(table, fill.counted[i])
    free(fill.counted)
    return 1


cdef int answer_releasedir(
        ft_table *table, fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil:
    if fi.fh != 0:
        return answer_release(table, req, ino, fi)
    pthread_mutex_lock(&table.lock)
    count_answer(table, OP_RELEASEDIR)
    pthread_mutex_unlock(&table.lock)
    fuse_reply_err(req, 0)
    return 1
