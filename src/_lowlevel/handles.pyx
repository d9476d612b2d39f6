# cython: language_level=3
"""Open files: 64-bit handles that pin their entry.

    fh:  | generation, 32 bits, from 1 | index, 32 bits |

Each release raises the generation of its place, so the handle of a closed file is never taken for that of
another one (after four thousand million reuses of one place it might be).  0 is never a handle.
"""

from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EBADF
from libc.stdlib cimport realloc

from fusetree._lowlevel.bodies cimport content_drop, content_free
from fusetree._lowlevel.contents cimport content_of, content_of_open, stale
from fusetree._lowlevel.libfuse.pthread cimport ft_unref, pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.table cimport (
    ARMED_CONTENT,
    HANDLE_DIRECT_IO,
    HANDLE_USED,
    locked_arm,
    locked_find,
    locked_pin,
    locked_unpin,
)

import os

cdef enum:
    FIRST_HANDLES = 16


cdef uint64_t locked_handle_open(
        ft_table *table, ft_entry *entry, ft_content *content, PyObject *state,
        uint32_t flags) noexcept nogil:
    cdef uint32_t number
    cdef uint32_t capacity
    cdef ft_handle *handles
    cdef ft_handle *handle
    if table.handles_free != 0:
        number = table.handles_free - 1
        table.handles_free = table.handles[number].next_free
    else:
        if table.handles_used == table.handles_capacity:
            capacity = table.handles_capacity * 2 if table.handles_capacity else FIRST_HANDLES
            handles = <ft_handle *>realloc(table.handles, <size_t>capacity * sizeof(ft_handle))
            if handles == NULL:
                return 0
            table.handles = handles
            table.handles_capacity = capacity
        number = table.handles_used
        table.handles_used += 1
        table.handles[number].generation = 1
    handle = &table.handles[number]
    handle.flags = flags | HANDLE_USED
    handle.next_free = 0
    handle.entry = entry
    handle.content = content
    handle.change = entry.change
    handle.state = state
    table.handles_open += 1
    locked_pin(table, entry)
    return <uint64_t>handle.generation << 32 | number


cdef ft_handle *locked_handle(ft_table *table, uint64_t fh) noexcept nogil:
    cdef uint32_t number = <uint32_t>fh
    cdef ft_handle *handle
    if number >= table.handles_used:
        return NULL
    handle = &table.handles[number]
    if not handle.flags & HANDLE_USED or handle.generation != <uint32_t>(fh >> 32):
        return NULL
    return handle


cdef ft_content *locked_handle_release(ft_table *table, ft_handle *handle, PyObject **state) noexcept nogil:
    cdef ft_entry *entry = handle.entry
    cdef ft_content *content = handle.content
    state[0] = handle.state
    handle.flags = 0
    handle.entry = NULL
    handle.content = NULL
    handle.state = NULL
    handle.generation += 1
    if handle.generation == 0:
        handle.generation = 1
    handle.next_free = table.handles_free
    table.handles_free = <uint32_t>(handle - table.handles) + 1
    table.handles_open -= 1
    locked_unpin(table, entry)
    return content


# ------------------------------------------------------------------------------------------------ from Python

cdef object bad_handle(uint64_t fh):
    return OSError(EBADF, f"{os.strerror(EBADF)}: {fh:#x}")


cdef object open_handle(
        ft_table *table, uint64_t node_id, object content, object file, object state, bint direct_io,
        object change):
    cdef uint64_t current = 0 if change is None else change
    cdef bint given = change is not None
    cdef ft_content *pinned = NULL
    cdef PyObject *kept = NULL if state is None else <PyObject *>state
    cdef ft_entry *entry
    cdef uint64_t fh = 0
    if content is not None:
        pinned = content_of(content)
    elif file is not None:
        pinned = content_of_open(file)
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, node_id)
    if entry != NULL:
        fh = locked_handle_open(table, entry, pinned, kept, HANDLE_DIRECT_IO if direct_io else 0)
        if fh != 0:
            if given:
                locked_handle(table, fh).change = current
            if pinned != NULL:
                table.contents += 1
            if kept != NULL:
                Py_INCREF(state)
            if not direct_io:
                locked_arm(table, entry, ARMED_CONTENT)
    pthread_mutex_unlock(&table.lock)
    if fh == 0:
        if pinned != NULL:
            content_free(pinned)
        if entry == NULL:
            raise stale(node_id)
        raise MemoryError
    return fh


cdef object adopt_handle(ft_table *table, uint64_t fh, object state):
    cdef ft_handle *handle
    cdef ft_content *content = NULL
    cdef object result = state
    pthread_mutex_lock(&table.lock)
    handle = locked_handle(table, fh)
    if handle != NULL:
        if handle.state == NULL:
            handle.state = <PyObject *>state
            Py_INCREF(state)
            content = handle.content
            handle.content = NULL
        else:
            result = <object>handle.state
    pthread_mutex_unlock(&table.lock)
    content_drop(table, content)
    if handle == NULL:
        raise bad_handle(fh)
    return result


cdef object handle_changed(ft_table *table, uint64_t fh):
    cdef ft_handle *handle
    cdef bint result = False
    pthread_mutex_lock(&table.lock)
    handle = locked_handle(table, fh)
    if handle != NULL:
        result = handle.entry.change != handle.change
    pthread_mutex_unlock(&table.lock)
    if handle == NULL:
        raise bad_handle(fh)
    return result


cdef object state_of_handle(ft_table *table, uint64_t fh):
    cdef ft_handle *handle
    cdef object result = None
    pthread_mutex_lock(&table.lock)
    handle = locked_handle(table, fh)
    if handle != NULL:
        if handle.state != NULL:
            result = <object>handle.state
        if not handle.flags & HANDLE_DIRECT_IO:
            locked_arm(table, handle.entry, ARMED_CONTENT)
    pthread_mutex_unlock(&table.lock)
    if handle == NULL:
        raise bad_handle(fh)
    return result


cdef object node_of_handle(ft_table *table, uint64_t fh):
    cdef ft_handle *handle
    cdef uint64_t result = 0
    pthread_mutex_lock(&table.lock)
    handle = locked_handle(table, fh)
    if handle != NULL:
        result = handle.entry.node_id
    pthread_mutex_unlock(&table.lock)
    if handle == NULL:
        raise bad_handle(fh)
    return result


cdef object release_handle(ft_table *table, uint64_t fh):
    cdef ft_handle *handle
    cdef ft_content *content = NULL
    cdef PyObject *state = NULL
    cdef object result = None
    pthread_mutex_lock(&table.lock)
    handle = locked_handle(table, fh)
    if handle != NULL:
        content = locked_handle_release(table, handle, &state)
    pthread_mutex_unlock(&table.lock)
    if handle == NULL:
        raise bad_handle(fh)
    if content != NULL and ft_unref(&content.refs) == 0:
        # At once, and not by the reaper: a file that was written may be run now.
        pthread_mutex_lock(&table.lock)
        table.contents -= 1
        pthread_mutex_unlock(&table.lock)
        content_free(content)
    if state != NULL:
        result = <object>state
        Py_DECREF(result)
    return result
