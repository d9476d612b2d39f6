# cython: language_level=3
"""Letting go of what was dropped without the GIL, in batches; and of everything, when the table is closed."""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.stdint cimport int64_t, uint32_t

from fusetree._lowlevel.bodies cimport content_drop, table_reap
from fusetree._lowlevel.handles cimport locked_handle_release
from fusetree._lowlevel.libfuse.posix cimport timespec
from fusetree._lowlevel.libfuse.pthread cimport (
    pthread_cond_timedwait,
    pthread_cond_wait,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from fusetree._lowlevel.notifier cimport locked_drop_all
from fusetree._lowlevel.packing cimport monotonic_ns, timespec_of
from fusetree._lowlevel.table cimport HANDLE_USED, ft_content, table_close

cdef int64_t REAPER_BATCH_NS = 10_000_000


cdef bint await_dead(ft_table *table) noexcept nogil:
    """Sleep until there is something to let go of; then a moment longer, so that it is a batch.  True:
    stopped.
    """
    cdef timespec until
    cdef bint stopped
    pthread_mutex_lock(&table.lock)
    while table.dead == 0 and not table.stopped:
        table.reaper_sleeps = 1
        pthread_cond_wait(&table.reaper, &table.lock)
    table.reaper_sleeps = 0
    if not table.stopped:
        until = timespec_of(monotonic_ns() + REAPER_BATCH_NS)
        pthread_cond_timedwait(&table.reaper, &table.lock, &until)
    stopped = table.stopped
    pthread_mutex_unlock(&table.lock)
    return stopped


cdef int close_table(ft_table *table) noexcept:
    """Release all handles and entries; what a live NodeAttributes pins stays until that dies."""
    cdef ft_content *content
    cdef PyObject *state
    cdef uint32_t i = 0
    cdef bint found = True
    while found:
        found = False
        content = NULL
        state = NULL
        pthread_mutex_lock(&table.lock)
        table.stopped = 1
        table.gone = 1
        while i < table.handles_used and not found:
            if table.handles[i].flags & HANDLE_USED:
                content = locked_handle_release(table, &table.handles[i], &state)
                found = True
            i += 1
        pthread_mutex_unlock(&table.lock)
        content_drop(table, content)
        if state != NULL:
            Py_DECREF(<object>state)
    pthread_mutex_lock(&table.lock)
    locked_drop_all(table)
    pthread_mutex_unlock(&table.lock)
    table_close(table)
    while table_reap(table):
        pass
    return 0
