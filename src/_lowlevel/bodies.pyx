# cython: language_level=3
"""What an entry of the inode table holds (a content, a link target or a directory), and letting go of it.

Rule 1: a content is immutable, and lives while somebody has a reference: the entry, a handle, a reader.
Rule 2: nothing here calls Python, apart from `table_reap`, `content_free` and `directory_release`, which drop
    references and close files, with no lock held.

Life of a content:

    published --> (withdrawn, still read) --> last reference dropped --> graveyard --> its owner released,
                                                                                       its file closed
"""

from cpython.ref cimport Py_DECREF
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free, malloc

from fusetree._lowlevel.libfuse.pthread cimport ft_unref, pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.table cimport (
    BODY_CONTENT,
    BODY_DIRECTORY,
    BODY_LINK,
    CONTENT_DIRECT_IO,
    CONTENT_KEEP_CACHE,
    CONTENT_SNAPSHOT,
    FIRST_COOKIE,
    KNOWN_KIND,
    locked_bury,
)

cdef extern from "<unistd.h>" nogil:
    int close(int fd)

cdef enum:
    S_IFMT = 0o170000
    S_IFDIR = 0o040000

cdef uint32_t BODY = BODY_CONTENT | BODY_LINK | BODY_DIRECTORY


cdef ft_content *content_new(PyObject *owner, const char *data, size_t size) noexcept nogil:
    cdef ft_content *content = <ft_content *>malloc(sizeof(ft_content))
    if content != NULL:
        content.refs = 1
        content.fd = -1
        content.owner = owner
        content.data = data
        content.offset = 0
        content.size = size
        content.next = NULL
    return content


cdef ft_content *content_new_file(int fd, int64_t offset, size_t size) noexcept nogil:
    cdef ft_content *content = content_new(NULL, NULL, size)
    if content != NULL:
        content.fd = fd
        content.offset = offset
    return content


cdef void content_free(ft_content *content) noexcept:
    if content.owner != NULL:
        Py_DECREF(<object>content.owner)        # closes the descriptor, if there is one: it is the owner's
    elif content.fd >= 0:
        with nogil:
            close(content.fd)       # of a file on a network it may take its time
    free(content)


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
    locked_bury(table)
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


# ---------------------------------------------------------------------------------------------- the graveyard

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
        content_free(content)
        freed_contents += 1
    while entries != NULL:
        entry = entries
        entries = entry.end.next
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
