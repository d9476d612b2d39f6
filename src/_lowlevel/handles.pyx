# cython: language_level=3
"""Open files: 64-bit handles that pin their entry.

    fh:  | generation, 32 bits, from 1 | index, 32 bits |

Each release raises the generation of its place, so the handle of a closed file is never taken for that of another one
(after four thousand million reuses of one place it might be).  0 is never a handle.
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport realloc

from fusetree._lowlevel.table cimport HANDLE_USED, locked_pin, locked_unpin

cdef enum:
    FIRST_HANDLES = 16


cdef uint64_t locked_handle_open(
        ft_table *table, ft_entry *entry, ft_content *content, PyObject *state, uint32_t flags) noexcept nogil:
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
