# cython: language_level=3
"""Many changes as one, as a transaction of the program has them.

    suspend    answers of a node go out with timeout 0 from now on, and what the kernel has cached is to be
               forgotten; the answers themselves are those of before
    hold       a link's target is cached whenever it is given: that of a suspended one is not given any more
    flip       while the changes are recorded one by one, nothing that may change is answered in C
    flip ends  C answers again, and timeouts are those of the table

Rule 1: whoever suspends a node says when the flip ends, whatever happened in between.
Rule 2: links are held only when the kernel has been told to forget them. Who asks for a target has its page
    locked, and the notice would wait for that.
"""

from cpython.object cimport PyObject

from fusetree._lowlevel.bodies cimport locked_directory
from fusetree._lowlevel.libfuse.pthread cimport ft_bump, ft_ref, pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.listing cimport filter_bit, slot_find
from fusetree._lowlevel.names cimport NameView, view_name
from fusetree._lowlevel.notices cimport Ticket, locked_pending_name, locked_queue_inode, locked_queue_name
from fusetree._lowlevel.table cimport (
    ARMED_ATTRIBUTES,
    ARMED_CONTENT,
    SLOT_ARMED,
    SUSPENDED,
    ft_directory,
    ft_entry,
    ft_notice,
    ft_slot,
    locked_find,
    locked_find_node,
)


cdef object suspend_node(ft_table *table, object node):
    cdef ft_entry *entry
    cdef ft_notice *notice = NULL
    pthread_mutex_lock(&table.lock)
    entry = locked_find_node(table, <PyObject *>node)
    if entry != NULL:
        entry.flags |= SUSPENDED
        entry.change += 1           # an answer on its way goes out uncached
        ft_bump(&table.changes)
        notice = entry.notice
        if entry.flags & (ARMED_ATTRIBUTES | ARMED_CONTENT):
            notice = locked_queue_inode(table, entry, True)
        if notice != NULL:
            ft_ref(&notice.refs)
    pthread_mutex_unlock(&table.lock)
    return Ticket.wrap(notice, NULL)


cdef object suspend_name(ft_table *table, object directory, str name):
    cdef NameView view
    cdef object _owner = view_name(name, &view)
    cdef ft_entry *entry
    cdef ft_directory *found
    cdef ft_slot *slot = NULL
    cdef ft_notice *notice = NULL
    cdef bint given
    pthread_mutex_lock(&table.lock)
    entry = locked_find_node(table, <PyObject *>directory)
    found = locked_directory(entry) if entry != NULL else NULL
    if found != NULL:
        found.change += 1
        given = (found.given & filter_bit(view.hash)) != 0
        if found.complete:
            slot = slot_find(found, view.text, view.length, view.hash)
        if slot != NULL:
            given = given or (slot.flags & SLOT_ARMED) != 0
            slot.flags &= ~SLOT_ARMED
        if given:
            notice = locked_queue_name(table, entry.node_id, 0, view.text, view.length, view.hash)
        else:
            notice = locked_pending_name(table, entry.node_id, view.text, view.length, view.hash)
        if notice != NULL:
            ft_ref(&notice.refs)
    pthread_mutex_unlock(&table.lock)
    return Ticket.wrap(notice, NULL)


cdef void hold_links(ft_table *table) noexcept:
    pthread_mutex_lock(&table.lock)
    table.holds_links = 1
    pthread_mutex_unlock(&table.lock)


cdef bint is_held(ft_table *table, uint64_t node_id) noexcept:
    cdef ft_entry *entry
    cdef bint result
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, node_id)
    result = entry != NULL and (entry.flags & SUSPENDED) != 0 and table.holds_links
    pthread_mutex_unlock(&table.lock)
    return result


cdef void flip_begins(ft_table *table) noexcept:
    pthread_mutex_lock(&table.lock)
    table.flips += 1
    pthread_mutex_unlock(&table.lock)


cdef void flip_ends(ft_table *table, object nodes):
    cdef ft_entry *entry
    pthread_mutex_lock(&table.lock)
    for node in nodes:
        entry = locked_find_node(table, <PyObject *>node)
        if entry != NULL:
            entry.flags &= ~SUSPENDED
    table.holds_links = 0
    if table.flips & 1:
        table.flips += 1
    pthread_mutex_unlock(&table.lock)
