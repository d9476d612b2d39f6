# cython: language_level=3
"""What statfs tells, from Python: published until it changes.

The kernel keeps nothing of it (each statfs(2) is a request), so a change withdraws it and tells nobody.
"""

from fusetree._lowlevel.libfuse.pthread cimport pthread_mutex_lock, pthread_mutex_unlock


cdef uint64_t begin_statfs(ft_table *table) noexcept:
    cdef uint64_t change
    pthread_mutex_lock(&table.lock)
    change = table.statfs_change
    pthread_mutex_unlock(&table.lock)
    return change


cdef bint publish_statfs(ft_table *table, uint64_t change, StatvfsData data) noexcept:
    cdef bint stored
    pthread_mutex_lock(&table.lock)
    stored = table.statfs_change == change
    if stored:
        table.statfs = data.c_statvfs
        table.has_statfs = 1
    pthread_mutex_unlock(&table.lock)
    return stored


cdef void statfs_changed(ft_table *table) noexcept:
    pthread_mutex_lock(&table.lock)
    table.statfs_change += 1
    table.has_statfs = 0
    pthread_mutex_unlock(&table.lock)
