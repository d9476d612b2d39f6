# cython: language_level=3
"""Contents and link targets from Python: published for the current change only.

Rule 1: the memory of a content is not moved or freed while somebody may read it: `bytes` are kept, any other
    buffer is exported to us. That it does not change either is its owner's promise.
Rule 2: a descriptor that comes as a number is duplicated, so the caller may close its own; one that comes
    by an object is the object's, which is kept.
"""

from cpython.buffer cimport PyBuffer_IsContiguous
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromObject, PyMemoryView_GET_BUFFER
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.errno cimport ESTALE
from libc.stdint cimport INT64_MAX

from fusetree._lowlevel.bodies cimport (
    content_drop,
    content_free,
    content_new,
    content_new_file,
    locked_set_body,
)
from fusetree._lowlevel.libfuse.pthread cimport pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.notices cimport locked_queue_inode
from fusetree._lowlevel.table cimport (
    ARMED_CONTENT,
    BODY_DIRECTORY,
    CONTENT_DIRECT_IO,
    ft_entry,
    locked_arm,
    locked_find,
)

import os


cdef object stale(uint64_t node_id):
    return OSError(ESTALE, f"{os.strerror(ESTALE)}: node id {node_id}")


cdef ft_content *content_of(object data) except NULL:
    cdef object owner = data
    cdef const char *memory
    cdef size_t size
    cdef Py_buffer *view
    cdef ft_content *content
    if isinstance(data, bytes):
        memory = PyBytes_AS_STRING(data)
        size = PyBytes_GET_SIZE(data)
    else:
        # A view of our own: it holds the export, so the memory stays where it is, until the view is dropped.
        owner = PyMemoryView_FromObject(data)
        view = PyMemoryView_GET_BUFFER(owner)
        if not PyBuffer_IsContiguous(view, b"C"):
            raise BufferError("a content must be contiguous")
        memory = <const char *>view.buf
        size = view.len
    content = content_new(<PyObject *>owner, memory, size)
    if content == NULL:
        raise MemoryError
    Py_INCREF(owner)
    return content


cdef ft_content *content_of_file(int fd, int64_t offset, int64_t size) except NULL:
    cdef ft_content *content
    cdef int own
    if offset < 0 or size < 0 or offset > INT64_MAX - size:
        raise ValueError(f"{size} bytes from offset {offset} on are no part of a file")
    own = os.dup(fd)
    content = content_new_file(own, offset, size)
    if content == NULL:
        os.close(own)
        raise MemoryError
    return content


cdef ft_content *content_of_open(object file) except NULL:
    cdef int fd = file.fileno()
    cdef ft_content *content
    if fd < 0:
        raise ValueError(f"{file!r} has no descriptor")
    content = content_new(<PyObject *>file, NULL, <size_t>INT64_MAX)     # it gives what there is
    if content == NULL:
        raise MemoryError
    Py_INCREF(file)
    content.fd = fd
    return content


cdef bint publish(ft_table *table, uint64_t node_id, uint64_t change, ft_content *content, uint32_t flags):
    cdef ft_content *old = NULL
    cdef ft_entry *entry
    cdef bint stored = False
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, node_id)
    if entry != NULL and not entry.flags & BODY_DIRECTORY:
        if not flags & CONTENT_DIRECT_IO:
            # The caller goes on to answer from the data, and the kernel may keep the answer.
            locked_arm(table, entry, ARMED_CONTENT)
        if entry.change == change:
            old = locked_set_body(table, entry, content, flags)
            stored = True
        elif not flags & CONTENT_DIRECT_IO:
            locked_queue_inode(table, entry, True)
    pthread_mutex_unlock(&table.lock)
    content_drop(table, old)
    if not stored:
        content_free(content)
    return stored
