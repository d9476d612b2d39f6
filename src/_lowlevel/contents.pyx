# cython: language_level=3
"""Contents and link targets from Python: published for the current change only."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.errno cimport ESTALE
from libc.stdlib cimport free

from fusetree._lowlevel.bodies cimport content_drop, content_new, locked_set_body
from fusetree._lowlevel.libfuse.pthread cimport pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.notices cimport locked_queue_inode
from fusetree._lowlevel.table cimport (
    ARMED_CONTENT,
    BODY_DIRECTORY,
    CONTENT_DIRECT_IO,
    ft_content,
    ft_entry,
    locked_arm,
    locked_find,
)

import os


cdef object stale(uint64_t node_id):
    return OSError(ESTALE, f"{os.strerror(ESTALE)}: node id {node_id}")


cdef bint publish_bytes(
        ft_table *table, uint64_t node_id, uint64_t change, bytes data, uint32_t flags) except -1:
    cdef ft_content *content = content_new(<PyObject *>data, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    cdef ft_content *old = NULL
    cdef ft_entry *entry
    cdef bint stored = False
    if content == NULL:
        raise MemoryError
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, node_id)
    if entry != NULL and not entry.flags & BODY_DIRECTORY:
        if not flags & CONTENT_DIRECT_IO:
            # The caller goes on to answer from the data, and the kernel may keep the answer.
            locked_arm(table, entry, ARMED_CONTENT)
        if entry.change == change:
            Py_INCREF(data)
            old = locked_set_body(table, entry, content, flags)
            stored = True
        elif not flags & CONTENT_DIRECT_IO:
            locked_queue_inode(table, entry, True)
    pthread_mutex_unlock(&table.lock)
    content_drop(table, old)
    if not stored:
        free(content)
    return stored
