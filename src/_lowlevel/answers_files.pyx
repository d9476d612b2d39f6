# cython: language_level=3
"""Open files that are answered without Python: opening for reading, reads, and closing.

The rules are those of `answers.pyx`.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from fusetree._lowlevel.bodies cimport content_drop
from fusetree._lowlevel.capture cimport OP_FLUSH, OP_OPEN, OP_READ, OP_RELEASE
from fusetree._lowlevel.coherence cimport look_again
from fusetree._lowlevel.handles cimport locked_handle, locked_handle_open, locked_handle_release
from fusetree._lowlevel.libfuse.common cimport (
    FUSE_BUF_FD_RETRY,
    FUSE_BUF_FD_SEEK,
    FUSE_BUF_IS_FD,
    ft_noflush,
    fuse_buf_copy_flags,
    fuse_buf_flags,
    fuse_bufvec,
)
from fusetree._lowlevel.libfuse.lowlevel cimport (
    fuse_reply_buf,
    fuse_reply_data,
    fuse_reply_err,
    fuse_reply_open,
)
from fusetree._lowlevel.libfuse.pthread cimport ft_load, ft_ref, pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.table cimport (
    ARMED_CONTENT,
    BODY_CONTENT,
    CONTENT_DIRECT_IO,
    CONTENT_KEEP_CACHE,
    CONTENT_SNAPSHOT,
    HANDLE_DIRECT_IO,
    SUSPENDED,
    count_answer,
    ft_content,
    ft_entry,
    ft_handle,
    locked_arm,
    locked_find,
)

cdef extern from "<fcntl.h>" nogil:
    int O_TRUNC
    int O_ACCMODE
    int O_RDONLY


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
    if entry == NULL or not entry.flags & BODY_CONTENT or table.flips & 1:
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
    ft_noflush(fi, not table.tells_closing)     # nothing was written, so close(2) has nothing to bring
    # While a notice is on its way the page cache may still hold what it is about.
    fi.keep_cache = not direct_io and entry.flags & CONTENT_KEEP_CACHE and entry.notice == NULL
    if entry.flags & SUSPENDED:
        fi.keep_cache = 0
    if not direct_io:
        locked_arm(table, entry, ARMED_CONTENT)
    count_answer(table, OP_OPEN)
    pthread_mutex_unlock(&table.lock)
    if fuse_reply_open(req, fi) < 0:
        pthread_mutex_lock(&table.lock)
        handle = locked_handle(table, fh)
        pinned = locked_handle_release(table, handle, &state) if handle != NULL else NULL
        pthread_mutex_unlock(&table.lock)
        content_drop(table, pinned)
    return 1


cdef void reply_from_file(
        fuse_req_t req, const ft_content *content, size_t start, size_t size) noexcept nogil:
    """libfuse splices if that pays and INIT allowed it; else it reads into a buffer of its own.  A file that
    has become shorter gives what there is, and an error of reading is the answer.
    """
    cdef fuse_bufvec source
    memset(&source, 0, sizeof(source))
    source.count = 1
    source.buf[0].size = size
    source.buf[0].flags = <fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK | FUSE_BUF_FD_RETRY)
    source.buf[0].fd = content.fd
    source.buf[0].pos = content.offset + <int64_t>start
    fuse_reply_data(req, &source, <fuse_buf_copy_flags>0)


cdef int answer_read(
        ft_table *table, fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
        fuse_file_info *fi) noexcept nogil:
    cdef ft_handle *handle
    cdef ft_entry *entry
    cdef ft_content *content
    cdef uint64_t change
    cdef uint64_t changes
    cdef bint cached
    cdef bint published
    cdef size_t start = <size_t>offset
    pthread_mutex_lock(&table.lock)
    handle = locked_handle(table, fi.fh)
    if handle == NULL or handle.entry.node_id != ino:
        pthread_mutex_unlock(&table.lock)
        return 0
    entry = handle.entry
    content = handle.content
    published = content == NULL
    cached = not handle.flags & HANDLE_DIRECT_IO
    if content == NULL:
        if not entry.flags & BODY_CONTENT or entry.flags & CONTENT_SNAPSHOT or table.flips & 1:
            pthread_mutex_unlock(&table.lock)
            return 0
        content = <ft_content *>entry.body
    ft_ref(&content.refs)
    change = entry.change
    if cached:
        locked_arm(table, entry, ARMED_CONTENT)
    count_answer(table, OP_READ)
    changes = ft_load(&table.changes)
    pthread_mutex_unlock(&table.lock)
    if start >= content.size:
        fuse_reply_buf(req, NULL, 0)
    else:
        if size > content.size - start:
            size = content.size - start
        if content.fd < 0:
            fuse_reply_buf(req, content.data + start, size)
        else:
            reply_from_file(req, content, start, size)
    content_drop(table, content)
    if cached and published and ft_load(&table.changes) != changes:
        look_again(table, ino, change)
    return 1


cdef bint has_no_state(ft_table *table, fuse_ino_t ino, uint64_t fh) noexcept nogil:
    cdef ft_handle *handle
    cdef bint result
    if table.tells_closing:
        return False
    pthread_mutex_lock(&table.lock)
    handle = locked_handle(table, fh)
    result = handle != NULL and handle.state == NULL and handle.entry.node_id == ino
    if result:
        count_answer(table, OP_FLUSH)
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
    if table.tells_closing:
        return 0
    pthread_mutex_lock(&table.lock)
    handle = locked_handle(table, fi.fh)
    if handle == NULL or handle.state != NULL or handle.entry.node_id != ino:
        pthread_mutex_unlock(&table.lock)
        return 0
    content = locked_handle_release(table, handle, &state)
    count_answer(table, OP_RELEASE)
    pthread_mutex_unlock(&table.lock)
    content_drop(table, content)
    fuse_reply_err(req, 0)
    return 1
