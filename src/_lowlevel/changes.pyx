# cython: language_level=3
"""Changes, as the program tells of them: what is published is withdrawn, listings follow, notices are queued.

Rule 1: a change is recorded after the new values are stored, and before the change is said to have happened.
Rule 2: nothing here blocks, or calls Python with the lock held; references are dropped after it.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

from fusetree._lowlevel.bodies cimport content_drop, locked_set_body
from fusetree._lowlevel.libfuse.pthread cimport ft_bump, ft_ref, pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.listing cimport slot_find
from fusetree._lowlevel.names cimport NameView, locked_remove_name, locked_set_name, view_name
from fusetree._lowlevel.notices cimport Ticket, locked_entry_changed, locked_queue_inode, locked_queue_name
from fusetree._lowlevel.table cimport (
    ARMED_CONTENT,
    BODY_CONTENT,
    BODY_DIRECTORY,
    BODY_LINK,
    HAS_XATTRS,
    SLOT_ARMED,
    ft_content,
    ft_directory,
    ft_entry,
    ft_notice,
    ft_slot,
    locked_find_node,
)


cdef inline ft_notice *referenced(ft_notice *notice) noexcept nogil:
    if notice != NULL:
        ft_ref(&notice.refs)
    return notice


cdef object node_changed(ft_table *table, object node, bint content, bint told):
    cdef ft_entry *entry
    cdef ft_content *withdrawn = NULL
    cdef ft_notice *notice = NULL
    pthread_mutex_lock(&table.lock)
    entry = locked_find_node(table, <PyObject *>node)
    if entry != NULL:
        if content and entry.flags & (BODY_CONTENT | BODY_LINK):
            withdrawn = locked_set_body(table, entry, NULL, 0)
        if not content and not told:
            entry.flags |= HAS_XATTRS       # there may be some now: Python is asked, and says so again
        table.told = told
        notice = referenced(locked_entry_changed(table, entry, content))
        table.told = 0
    pthread_mutex_unlock(&table.lock)
    content_drop(table, withdrawn)
    if notice == NULL:
        return None
    return Ticket.wrap(notice, NULL)


cdef object name_set(
        ft_table *table, object directory, str name, object child, uint64_t st_ino, uint8_t d_type,
        bint told):
    cdef NameView view
    cdef object owner = view_name(name, &view)
    cdef ft_entry *entry
    cdef PyObject *replaced = NULL
    cdef ft_notice *of_name = NULL
    cdef ft_notice *of_directory = NULL
    cdef bint short_of_memory = False
    pthread_mutex_lock(&table.lock)
    entry = locked_find_node(table, <PyObject *>directory)
    if entry != NULL:
        table.told = told
        if entry.flags & BODY_DIRECTORY:
            short_of_memory = not locked_set_name(
                table, entry, &view, <PyObject *>owner, <PyObject *>child, st_ino, d_type, &replaced,
                &of_name)
        referenced(of_name)
        of_directory = referenced(locked_entry_changed(table, entry, True))
        table.told = 0
    pthread_mutex_unlock(&table.lock)
    if replaced != NULL:
        Py_DECREF(<object>replaced)
    if short_of_memory:
        Ticket.wrap(of_name, of_directory)
        raise MemoryError
    if of_name == NULL and of_directory == NULL:
        return None
    return Ticket.wrap(of_name, of_directory)


cdef object name_removed(
        ft_table *table, object directory, str name, object child, bint deleted, bint told):
    cdef NameView view
    cdef object _owner = view_name(name, &view)
    cdef ft_entry *entry
    cdef PyObject *removed_name = NULL
    cdef PyObject *removed_child = NULL
    cdef ft_notice *of_name = NULL
    cdef ft_notice *of_directory = NULL
    pthread_mutex_lock(&table.lock)
    entry = locked_find_node(table, <PyObject *>directory)
    if entry != NULL:
        table.told = told
        if not entry.flags & BODY_DIRECTORY or locked_remove_name(
                table, entry, &view, <PyObject *>child, deleted, &removed_name, &removed_child, &of_name):
            referenced(of_name)
            of_directory = referenced(locked_entry_changed(table, entry, True))
        table.told = 0
    pthread_mutex_unlock(&table.lock)
    if removed_name != NULL:
        Py_DECREF(<object>removed_name)
        Py_DECREF(<object>removed_child)
    if of_name == NULL and of_directory == NULL:
        return None
    return Ticket.wrap(of_name, of_directory)


cdef object name_child(ft_table *table, object directory, str name):
    cdef NameView view
    cdef object _owner = view_name(name, &view)
    cdef ft_entry *entry
    cdef ft_slot *slot = NULL
    cdef object child = None
    pthread_mutex_lock(&table.lock)
    entry = locked_find_node(table, <PyObject *>directory)
    if entry != NULL and entry.flags & BODY_DIRECTORY:
        slot = slot_find(<ft_directory *>entry.body, view.text, view.length, view.hash)
    if slot != NULL:
        child = <object>slot.child
    pthread_mutex_unlock(&table.lock)
    return child


cdef object name_mistaken(ft_table *table, object directory, str name):
    cdef NameView view
    cdef object _owner = view_name(name, &view)
    cdef ft_entry *entry
    cdef ft_directory *found
    cdef ft_slot *slot
    cdef ft_notice *notice = NULL
    pthread_mutex_lock(&table.lock)
    entry = locked_find_node(table, <PyObject *>directory)
    if entry != NULL and entry.flags & BODY_DIRECTORY:
        found = <ft_directory *>entry.body
        found.change += 1
        slot = slot_find(found, view.text, view.length, view.hash) if found.complete else NULL
        if slot != NULL:
            slot.flags &= ~SLOT_ARMED
        notice = referenced(locked_queue_name(table, entry.node_id, 0, view.text, view.length, view.hash))
    pthread_mutex_unlock(&table.lock)
    if notice == NULL:
        return None
    return Ticket.wrap(notice, NULL)


cdef object directory_moved(ft_table *table, object node, uint64_t parent_ino):
    cdef ft_entry *entry
    cdef ft_directory *directory
    cdef ft_notice *notice = NULL
    pthread_mutex_lock(&table.lock)
    entry = locked_find_node(table, <PyObject *>node)
    if entry != NULL and entry.flags & BODY_DIRECTORY:
        directory = <ft_directory *>entry.body
        if directory.complete and directory.parent_ino != parent_ino:
            directory.parent_ino = parent_ino
            entry.change += 1       # a listing on its way has the number of before
            ft_bump(&table.changes)
            if entry.flags & ARMED_CONTENT:
                notice = referenced(locked_queue_inode(table, entry, True))
    pthread_mutex_unlock(&table.lock)
    if notice == NULL:
        return None
    return Ticket.wrap(notice, NULL)
