# cython: language_level=3
"""The Python face of the inode table: which node the kernel knows under which node id, and what is published of it.

What is promised: every method may be called from any thread, none calls a method of a node, and none blocks, apart from
`wait`, `run_notifier` and `run_reaper`, which let go of the GIL.  The tables, their locking and the invariants are in
`table.pyx`; names of directories in `listing.pyx`; what the kernel is told in `notices.pyx`; answers in `answers.pyx`.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.errno cimport EBADF, ESTALE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr

from fusetree._lowlevel.dirents cimport ReaddirToken
from fusetree._lowlevel.handles cimport locked_handle, locked_handle_open, locked_handle_release
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_session
from fusetree._lowlevel.libfuse.posix cimport timespec
from fusetree._lowlevel.libfuse.pthread cimport (
    ft_ref,
    pthread_cond_broadcast,
    pthread_cond_timedwait,
    pthread_cond_wait,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from fusetree._lowlevel.listing cimport (
    directory_check,
    directory_reserve,
    directory_shrink,
    filter_bit,
    ft_fill,
    listing_fill,
    name_hash,
    slot_append,
    slot_find,
    slot_remove,
)
from fusetree._lowlevel.notices cimport (
    Ticket,
    await_notices,
    locked_drop_all,
    locked_entry_changed,
    locked_name_is_back,
    locked_next_notice,
    locked_notice_sent,
    locked_pending_name,
    locked_queue_inode,
    locked_queue_name,
    send_notices,
)
from fusetree._lowlevel.table cimport (
    ARMED_CONTENT,
    BODY_CONTENT,
    BODY_DIRECTORY,
    BODY_LINK,
    CONTENT_DIRECT_IO,
    CONTENT_KEEP_CACHE,
    CONTENT_SNAPSHOT,
    FIRST_COOKIE,
    HANDLE_DIRECT_IO,
    HANDLE_USED,
    HAS_XATTRS,
    NOTICE_DELETE,
    NOTICE_INODE,
    SLOT_ARMED,
    content_drop,
    content_new,
    directory_release,
    ft_content,
    ft_directory,
    ft_handle,
    ft_notice,
    ft_slot,
    locked_arm,
    locked_check,
    locked_create,
    locked_directory,
    locked_find,
    locked_find_node,
    locked_lower,
    locked_pin,
    locked_set_body,
    locked_unpin,
    monotonic_ns,
    table_close,
    table_free,
    table_new,
    table_reap,
    timespec_of,
)

import math
import os

cdef enum:
    LONGEST_NAME = 65535        # ft_slot.length has 16 bits; the kernel asks for 1024 at most

cdef int64_t REAPER_BATCH_NS = 10_000_000


cdef object stale(uint64_t node_id):
    return OSError(ESTALE, f"{os.strerror(ESTALE)}: node id {node_id}")


cdef object bad_handle(uint64_t fh):
    return OSError(EBADF, f"{os.strerror(EBADF)}: {fh:#x}")


cdef struct NameView:
    const char *text
    Py_ssize_t length
    uint32_t hash


cdef object view_name(object name, NameView *view):
    """Look at *name* as the bytes that the kernel uses; the result owns them (the str itself where it can)."""
    cdef object owner = name
    if not isinstance(name, str):
        raise TypeError(f"a name must be str, not {type(name).__name__}")
    try:
        view.text = PyUnicode_AsUTF8AndSize(name, &view.length)
    except UnicodeEncodeError:
        owner = name.encode("utf-8", "surrogateescape")
        view.text = PyBytes_AS_STRING(owner)
        view.length = PyBytes_GET_SIZE(owner)
    if view.length == 0 or view.length > LONGEST_NAME:
        raise ValueError(f"a name must have 1 to {LONGEST_NAME} bytes: {name[:100]!r}")
    if memchr(view.text, 0, view.length) != NULL or memchr(view.text, c"/", view.length) != NULL:
        raise ValueError(f"a name can not contain '/' or NUL: {name!r}")
    view.hash = name_hash(view.text, view.length)
    return owner


cdef inline ft_notice *referenced(ft_notice *notice) noexcept nogil:
    if notice != NULL:
        ft_ref(&notice.refs)
    return notice


cdef class TableStatistics:
    """Counters of one inode table at one moment."""

    cdef readonly uint64_t entries
    cdef readonly uint64_t lookups
    cdef readonly uint64_t pins
    cdef readonly uint64_t handles
    cdef readonly uint64_t armed
    cdef readonly uint64_t contents
    cdef readonly uint64_t dead
    cdef readonly uint64_t reaped
    cdef readonly uint64_t reaper_wakeups
    cdef readonly uint64_t answered_in_c
    cdef readonly uint64_t notices_waiting
    cdef readonly uint64_t notices_sent
    cdef readonly uint64_t notices_retried
    cdef readonly uint64_t notices_deferred
    cdef readonly uint64_t notices_dropped
    cdef readonly uint64_t notices_failed

    def __init__(self):
        raise TypeError("TableStatistics are made by InodeTable.statistics()")

    def __reduce__(self):
        raise TypeError("TableStatistics can not be pickled")

    def __repr__(self) -> str:
        return f"<TableStatistics {' '.join(f'{name}={getattr(self, name)}' for name in STATISTICS)}>"


STATISTICS = (
    "entries", "lookups", "pins", "handles", "armed", "contents", "dead", "reaped", "reaper_wakeups", "answered_in_c",
    "notices_waiting", "notices_sent", "notices_retried", "notices_deferred", "notices_dropped", "notices_failed",
)


@cython.no_gc
cdef class NodeAttributes(EntryAttributes):
    """Attributes of a node, made by :meth:`InodeTable.begin`; returned from a handler they make a coherent answer.

    ``st_ino`` is the number that stat(2) shows and says nothing of identity: that is ``node_id``.  While the object lives
    the node keeps its node id.  With ``publish`` (the default) the reply stores the attributes, later requests are
    answered without Python until the node changes, and the table's timeouts go out; without, nothing is stored and
    the object's own ``entry_timeout`` and ``attr_timeout`` (seconds) go out.  If the node changed since ``begin`` the
    attributes go out with a timeout of 0 and are not stored.
    """

    def __init__(self):
        raise TypeError("NodeAttributes are made by InodeTable.begin()")

    def __dealloc__(self):
        cdef ft_table *table
        if self.c_pinned != NULL:
            table = self.table.c_table
            pthread_mutex_lock(&table.lock)
            locked_unpin(table, self.c_pinned)
            pthread_mutex_unlock(&table.lock)

    @property
    def st_ino(self) -> int:
        """Inode number, as stat(2) shows it."""
        return self.c_entry.attr.st_ino

    @st_ino.setter
    def st_ino(self, value: int) -> None:
        self.c_entry.attr.st_ino = value

    def __reduce__(self):
        raise TypeError("NodeAttributes belong to one inode table and can not be pickled or copied")

    def __repr__(self) -> str:
        return f"<NodeAttributes node_id={self.node_id} change={self.change} ino={self.st_ino} mode=0o{self.st_mode:o}>"


cdef class InodeTable:
    """Which nodes the kernel knows, what may be answered for them without Python, and what it must be told of changes.

    :param root: the node with node id 1.
    :param entry_timeout: seconds for which the kernel may cache names of published directories; ``math.inf``: for ever; 0.0: not at all.
    :param attr_timeout: the same for published attributes.

    Any object may be a node; it is compared by identity, and the table holds a reference while the kernel knows it.
    All methods may be called from any thread.  Whatever raises ``OSError(ESTALE)`` did not know the node id.
    """

    def __cinit__(self, object root, *, double entry_timeout, double attr_timeout):
        cdef ft_entry *entry
        for timeout in (entry_timeout, attr_timeout):
            if math.isnan(timeout) or timeout < 0:
                raise ValueError(f"a timeout must be 0 or more seconds, not {timeout}")
        self.c_table = table_new(entry_timeout, attr_timeout)
        if self.c_table == NULL:
            raise MemoryError
        entry = locked_create(self.c_table, <PyObject *>root)
        if entry == NULL:
            raise MemoryError
        Py_INCREF(root)
        locked_pin(self.c_table, entry)

    def __dealloc__(self):
        if self.c_table != NULL:
            close_table(self.c_table)
            table_free(self.c_table)

    def __reduce__(self):
        raise TypeError("an InodeTable belongs to one session and can not be pickled or copied")

    # -------------------------------------------------------------------------------- identity

    def node(self, uint64_t node_id) -> object:
        """The node with this node id; OSError(ESTALE) when there is none."""
        cdef ft_table *table = self.c_table
        cdef ft_entry *entry
        cdef object found = None
        pthread_mutex_lock(&table.lock)
        entry = locked_find(table, node_id)
        if entry != NULL:
            found = <object>entry.node
        pthread_mutex_unlock(&table.lock)
        if entry == NULL:
            raise stale(node_id)
        return found

    def node_id(self, object node) -> int:
        """The node id of *node*; 0 when the table does not know it."""
        cdef ft_table *table = self.c_table
        cdef ft_entry *entry
        cdef uint64_t result = 0
        pthread_mutex_lock(&table.lock)
        entry = locked_find_node(table, <PyObject *>node)
        if entry != NULL:
            result = entry.node_id
        pthread_mutex_unlock(&table.lock)
        return result

    def lookup_count(self, uint64_t node_id) -> int:
        """How often the kernel was told of this node id, minus what it forgot; 0 when it is unknown."""
        cdef ft_table *table = self.c_table
        cdef ft_entry *entry
        cdef uint64_t result = 0
        pthread_mutex_lock(&table.lock)
        entry = locked_find(table, node_id)
        if entry != NULL:
            result = entry.lookups
        pthread_mutex_unlock(&table.lock)
        return result

    def begin(self, object node) -> NodeAttributes:
        """Start an answer about *node*: call it before the first value of the node is read.

        The node gets a node id if it has none, and keeps it while the result lives.  Fill the ``st_*`` fields and return
        the result from the handler.
        """
        cdef ft_table *table = self.c_table
        cdef NodeAttributes result = NodeAttributes.__new__(NodeAttributes)
        cdef ft_entry *entry
        cdef uint64_t change = 0
        pthread_mutex_lock(&table.lock)
        entry = locked_find_node(table, <PyObject *>node)
        if entry == NULL and not table.closed:
            entry = locked_create(table, <PyObject *>node)
            if entry != NULL:
                Py_INCREF(node)
        if entry != NULL:
            locked_pin(table, entry)
            change = entry.change
        pthread_mutex_unlock(&table.lock)
        if entry == NULL:
            if table.closed:
                raise stale(0)
            raise MemoryError
        result.table = self
        result.c_pinned = entry
        result.node_id = entry.node_id
        result.change = change
        result.publish = True
        result.c_entry.ino = entry.node_id
        result.c_entry.attr.st_ino = entry.node_id
        result.c_entry.entry_timeout = table.entry_timeout
        result.c_entry.attr_timeout = table.attr_timeout
        return result

    def forget(self, uint64_t node_id, uint64_t count) -> None:
        """Lower a lookup count, as the kernel's FORGET does; unknown node ids are ignored."""
        cdef ft_table *table = self.c_table
        cdef ft_entry *entry
        pthread_mutex_lock(&table.lock)
        entry = locked_find(table, node_id)
        if entry != NULL:
            locked_lower(table, entry, count)
        pthread_mutex_unlock(&table.lock)

    # -------------------------------------------------------------------------------- what is published

    def publish_content(
            self, uint64_t node_id, uint64_t change, bytes data not None, *, bint direct_io, bint snapshot,
            bint keep_cache=True) -> bool:
        """Let opening for reading, reading and releasing a file be answered without Python, until its next change.

        :param change: the change counter that :meth:`begin` told before *data* was made.
        :param direct_io: open the file bypassing the page cache.
        :param snapshot: each open pins the data of that moment; otherwise a read gets what is published then.
        :param keep_cache: an open keeps what the page cache holds (ignored with *direct_io*).
        :returns: False when nothing was stored: the node changed meanwhile, or is not known any more.
        """
        cdef uint32_t flags = BODY_CONTENT
        if direct_io:
            flags |= CONTENT_DIRECT_IO
        if snapshot:
            flags |= CONTENT_SNAPSHOT
        if keep_cache:
            flags |= CONTENT_KEEP_CACHE
        return publish_bytes(self.c_table, node_id, change, data, flags)

    def publish_link(self, uint64_t node_id, uint64_t change, bytes target not None) -> bool:
        """Let readlink be answered without Python, until the node's next change; see :meth:`publish_content`."""
        if b"\0" in target:
            raise ValueError("a link target can not contain NUL")
        return publish_bytes(self.c_table, node_id, change, target, BODY_LINK)

    def publish_directory(self, uint64_t node_id, object items not None, *, uint64_t parent_ino=0) -> None:
        """Tell all names of a directory: listings, and lookups of missing names, are then answered without Python.

        :param items: for each name, in order: name, node, inode number (0: unknown) and type (``DT_*`` of dirent.h).
        :param parent_ino: inode number of the parent, for ``..``; 0: unknown.
        :raises ValueError: a name is not usable, or comes twice.

        From then on :meth:`child_set` and :meth:`child_removed` keep it right, so publishing again does nothing.  Call it with the
        lock held under which children change.
        """
        cdef ft_table *table = self.c_table
        cdef ft_directory *made
        cdef int known
        if self.is_published(node_id):
            return
        made = directory_of(items)
        known = store_directory(table, node_id, made, parent_ino)
        directory_release(made)
        if known == 0:
            raise stale(node_id)
        if known < 0:
            raise ValueError(f"node id {node_id} is not a directory")

    def is_published(self, uint64_t node_id) -> bool:
        """Whether all names of this directory are published."""
        cdef ft_table *table = self.c_table
        cdef ft_entry *entry
        cdef bint result = False
        pthread_mutex_lock(&table.lock)
        entry = locked_find(table, node_id)
        if entry != NULL and entry.flags & BODY_DIRECTORY:
            result = (<ft_directory *>entry.body).complete
        pthread_mutex_unlock(&table.lock)
        return result

    def set_xattrs(self, uint64_t node_id, bint present) -> None:
        """Say whether a node may have extended attributes (else "there are none" is answered without Python)."""
        cdef ft_table *table = self.c_table
        cdef ft_entry *entry
        pthread_mutex_lock(&table.lock)
        entry = locked_find(table, node_id)
        if entry != NULL:
            entry.flags = (entry.flags | HAS_XATTRS) if present else (entry.flags & ~HAS_XATTRS)
        pthread_mutex_unlock(&table.lock)
        if entry == NULL:
            raise stale(node_id)

    def fill(self, ReaddirToken token not None, uint64_t node_id, int64_t start_id) -> None:
        """Fill a readdir reply from a published directory, from the entry behind *start_id* on.

        With READDIRPLUS the lookup counts of children whose attributes are published rise, as the token records.
        OSError(ESTALE) when the directory is not known, ValueError when it is not published.
        """
        cdef ft_table *table = self.c_table
        cdef ft_fill fill
        cdef size_t i
        cdef int result
        if token.c_req == NULL:
            raise ValueError("this readdir request was answered already")
        fill.buffer = token.c_buffer
        fill.size = token.c_size
        fill.used = token.c_used
        fill.counted_used = 0
        fill.counted = <uint64_t *>malloc((token.c_size // 128 + 1) * sizeof(uint64_t))
        if fill.counted == NULL:
            raise MemoryError
        try:
            with nogil:
                result = listing_fill(table, token.c_req, node_id, start_id, token.c_plus, &fill)
            token.c_used = fill.used
            for i in range(fill.counted_used):
                token.counted.append(fill.counted[i])
        finally:
            free(fill.counted)
        if result < 0:
            raise stale(node_id)
        if result == 0:
            raise ValueError(f"the directory with node id {node_id} is not published")

    # -------------------------------------------------------------------------------- open files

    def open(self, uint64_t node_id, *, bytes content=None, object state=None, bint direct_io=False) -> int:
        """A new file handle; the node keeps its node id until it is released.

        :param content: reads of the handle are answered from it, without Python.
        :param state: any object, for :meth:`state`; without one the release is answered without Python.
        :param direct_io: the file is opened bypassing the page cache.
        """
        cdef ft_table *table = self.c_table
        cdef ft_content *pinned = NULL
        cdef PyObject *kept = NULL if state is None else <PyObject *>state
        cdef ft_entry *entry
        cdef uint64_t fh = 0
        if content is not None:
            pinned = content_new(<PyObject *>content, PyBytes_AS_STRING(content), PyBytes_GET_SIZE(content))
            if pinned == NULL:
                raise MemoryError
        pthread_mutex_lock(&table.lock)
        entry = locked_find(table, node_id)
        if entry != NULL:
            fh = locked_handle_open(table, entry, pinned, kept, HANDLE_DIRECT_IO if direct_io else 0)
            if fh != 0:
                if pinned != NULL:
                    Py_INCREF(content)
                    table.contents += 1
                if kept != NULL:
                    Py_INCREF(state)
                if not direct_io:
                    locked_arm(table, entry, ARMED_CONTENT)
        pthread_mutex_unlock(&table.lock)
        if fh == 0:
            free(pinned)
            if entry == NULL:
                raise stale(node_id)
            raise MemoryError
        return fh

    def state(self, uint64_t fh) -> object:
        """The state of an open handle, None if it has none; OSError(EBADF) for a handle that is not open.

        Call it before the content is read on behalf of the handle: from then on changes of the content are told to the kernel.
        """
        cdef ft_table *table = self.c_table
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

    def opened(self, uint64_t fh) -> int:
        """The node id that a handle is open on; OSError(EBADF) for a handle that is not open."""
        cdef ft_table *table = self.c_table
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

    def release(self, uint64_t fh) -> object:
        """Close a handle and return its state; OSError(EBADF) for a handle that is not open."""
        cdef ft_table *table = self.c_table
        cdef ft_handle *handle
        cdef ft_content *content = NULL
        cdef PyObject *state = NULL
        cdef object result = None
        pthread_mutex_lock(&table.lock)
        handle = locked_handle(table, fh)
        if handle != NULL:
            content = locked_handle_release(table, handle, &state)
        pthread_mutex_unlock(&table.lock)
        content_drop(table, content)
        if handle == NULL:
            raise bad_handle(fh)
        if state != NULL:
            result = <object>state
            Py_DECREF(result)
        return result

    # -------------------------------------------------------------------------------- changes

    def changed(self, object node, *, bint content) -> Ticket | None:
        """Record that a node changed: call it after the new values are stored.

        Withdraws what is published (the content only if *content*), and queues a notice if the kernel holds something of the node.  Next
        to free for a node that the table does not know.  The result is for :meth:`wait`; None: nobody need be told.
        """
        cdef ft_table *table = self.c_table
        cdef ft_entry *entry
        cdef ft_content *withdrawn = NULL
        cdef ft_notice *notice = NULL
        pthread_mutex_lock(&table.lock)
        entry = locked_find_node(table, <PyObject *>node)
        if entry != NULL:
            if content and entry.flags & (BODY_CONTENT | BODY_LINK):
                withdrawn = locked_set_body(table, entry, NULL, 0)
            notice = referenced(locked_entry_changed(table, entry, content))
        pthread_mutex_unlock(&table.lock)
        content_drop(table, withdrawn)
        if notice == NULL:
            return None
        return Ticket.wrap(notice, NULL)

    def child_set(self, object directory, str name not None, object child, uint64_t st_ino, uint8_t d_type) -> Ticket | None:
        """Record that *name* leads to *child* in a directory now (new, or instead of another); see :meth:`changed`.

        Call it with the lock held under which the children of the directory change.

        :param st_ino: inode number of the child for listings; 0: unknown.
        :param d_type: its type for listings (``DT_*`` of dirent.h).
        """
        cdef ft_table *table = self.c_table
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
            if entry.flags & BODY_DIRECTORY:
                short_of_memory = not locked_set_name(
                    table, entry, &view, <PyObject *>owner, <PyObject *>child, st_ino, d_type, &replaced, &of_name)
            referenced(of_name)
            of_directory = referenced(locked_entry_changed(table, entry, True))
        pthread_mutex_unlock(&table.lock)
        if replaced != NULL:
            Py_DECREF(<object>replaced)
        if short_of_memory:
            Ticket.wrap(of_name, of_directory)
            raise MemoryError
        if of_name == NULL and of_directory == NULL:
            return None
        return Ticket.wrap(of_name, of_directory)

    def child_removed(self, object directory, str name not None, object child, *, bint deleted=False) -> Ticket | None:
        """Record that *name* does not lead to *child* any more; see :meth:`changed`.

        Nothing happens if the published listing has another child under that name.  Call it with the lock held under which
        the children of the directory change.

        :param deleted: the child is gone for good, not moved: who watches it (inotify) is told so.
        """
        cdef ft_table *table = self.c_table
        cdef NameView view
        cdef object owner = view_name(name, &view)
        cdef ft_entry *entry
        cdef PyObject *removed_name = NULL
        cdef PyObject *removed_child = NULL
        cdef ft_notice *of_name = NULL
        cdef ft_notice *of_directory = NULL
        pthread_mutex_lock(&table.lock)
        entry = locked_find_node(table, <PyObject *>directory)
        if entry != NULL:
            if not entry.flags & BODY_DIRECTORY or locked_remove_name(
                    table, entry, &view, <PyObject *>child, deleted, &removed_name, &removed_child, &of_name):
                referenced(of_name)
                of_directory = referenced(locked_entry_changed(table, entry, True))
        pthread_mutex_unlock(&table.lock)
        if removed_name != NULL:
            Py_DECREF(<object>removed_name)
            Py_DECREF(<object>removed_child)
        if of_name == NULL and of_directory == NULL:
            return None
        return Ticket.wrap(of_name, of_directory)

    def wait(self, object tickets not None, double timeout) -> bool:
        """Wait until the kernel was told of all *tickets* (None among them is skipped), or for *timeout* seconds.

        Lets go of the GIL.  True when all was delivered, or when there is nobody left to tell.
        """
        cdef list kept = [ticket for ticket in tickets if ticket is not None]
        cdef ft_notice **notices
        cdef size_t count = 0
        cdef Ticket ticket
        cdef bint result
        cdef int64_t timeout_ns = <int64_t>(min(max(timeout, 0.0), 1e9) * 1e9)
        if not kept:
            return True
        notices = <ft_notice **>malloc(2 * len(kept) * sizeof(ft_notice *))
        if notices == NULL:
            raise MemoryError
        try:
            for each in kept:
                ticket = <Ticket?>each
                notices[count] = ticket.c_notices[0]
                notices[count + 1] = ticket.c_notices[1]
                count += 2
            with nogil:
                result = await_notices(self.c_table, notices, count, timeout_ns)
        finally:
            free(notices)
        return result

    def take_notices(self, int result=0) -> list:
        """Take what is due from the queue instead of sending it: for tests, and for programs that tell the kernel by themselves.

        :param result: what the kernel is pretended to have answered: 0, or a negative errno.
        :returns: tuples ``("inode", node_id, offset, length)``, ``("entry", directory_id, name)`` and
            ``("delete", directory_id, child_id, name)``, names as bytes, in the order of the queue.
        """
        cdef ft_table *table = self.c_table
        cdef ft_notice *notice
        cdef list taken = []
        cdef size_t count = 0
        cdef list sent = []
        while True:
            pthread_mutex_lock(&table.lock)
            notice = locked_next_notice(table)
            pthread_mutex_unlock(&table.lock)
            if notice == NULL:
                break
            if notice.kind == NOTICE_INODE:
                taken.append(("inode", notice.node_id, 0 if notice.content else -1, 0))
            elif notice.kind == NOTICE_DELETE:
                taken.append(("delete", notice.node_id, notice.child_id, notice.name[:notice.length]))
            else:
                taken.append(("entry", notice.node_id, notice.name[:notice.length]))
            sent.append(<uintptr_t>notice)
        pthread_mutex_lock(&table.lock)
        for count in range(len(sent)):
            locked_notice_sent(table, <ft_notice *><uintptr_t>sent[count], result)
        pthread_mutex_unlock(&table.lock)
        return taken

    # -------------------------------------------------------------------------------- threads

    def run_notifier(self, uintptr_t session_pointer) -> None:
        """Send notices until :meth:`stop`: the body of the notifier's thread, of which there is one per table.

        :param session_pointer: address of libfuse's session, which must live until this returns.
        """
        with nogil:
            send_notices(self.c_table, <fuse_session *>session_pointer)

    def run_reaper(self) -> None:
        """Let go of forgotten nodes and withdrawn contents, in batches, until :meth:`stop`: the body of the reaper's thread."""
        cdef ft_table *table = self.c_table
        cdef bint stopped = False
        while not stopped:
            with nogil:
                stopped = await_dead(table)
            while table_reap(table):
                pass

    def reap(self) -> int:
        """Let go of what waits for the reaper, now; returns how much that was."""
        return table_reap(self.c_table)

    def stop(self) -> None:
        """End the notifier and the reaper, drop what was not sent, and let all waiters go.  May be called twice."""
        cdef ft_table *table = self.c_table
        pthread_mutex_lock(&table.lock)
        table.stopped = 1
        table.gone = 1
        locked_drop_all(table)
        table.reaper_sleeps = 0
        pthread_cond_broadcast(&table.notifier)
        pthread_cond_broadcast(&table.reaper)
        pthread_mutex_unlock(&table.lock)

    def close(self) -> None:
        """Stop, and let go of all nodes: for a table whose session has ended.  May be called twice."""
        self.stop()
        close_table(self.c_table)

    # -------------------------------------------------------------------------------- looking at it

    def statistics(self) -> TableStatistics:
        """Counters: entries, sum of lookup counts, pins and open handles now; nodes armed; contents alive; notices and reaping so far."""
        cdef ft_table *table = self.c_table
        cdef TableStatistics result = TableStatistics.__new__(TableStatistics)
        pthread_mutex_lock(&table.lock)
        result.entries = table.entries
        result.lookups = table.lookups
        result.pins = table.pins
        result.handles = table.handles_open
        result.armed = table.armed
        result.contents = table.contents
        result.dead = table.dead
        result.reaped = table.reaped
        result.reaper_wakeups = table.reaper_wakeups
        result.answered_in_c = table.answered
        result.notices_waiting = table.notices_waiting
        result.notices_sent = table.sent
        result.notices_retried = table.retried
        result.notices_deferred = table.deferred
        result.notices_dropped = table.dropped
        result.notices_failed = table.failed
        pthread_mutex_unlock(&table.lock)
        return result

    def check(self) -> None:
        """Verify all invariants (table.pyx lists them); AssertionError says which one is broken.  Takes time: for tests and debugging."""
        cdef ft_table *table = self.c_table
        cdef const char *broken
        cdef size_t i
        with nogil:
            pthread_mutex_lock(&table.lock)
            broken = locked_check(table)
            i = 0
            while broken == NULL and i <= table.index_mask:
                if table.by_id[i] != NULL and table.by_id[i].flags & BODY_DIRECTORY:
                    broken = directory_check(<ft_directory *>table.by_id[i].body)
                i += 1
            pthread_mutex_unlock(&table.lock)
        if broken != NULL:
            raise AssertionError((<bytes>broken).decode())


# ------------------------------------------------------------------------------------------------ behind the methods

cdef bint publish_bytes(ft_table *table, uint64_t node_id, uint64_t change, bytes data, uint32_t flags) except -1:
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


cdef ft_directory *directory_of(object items) except NULL:
    cdef ft_directory *made = <ft_directory *>calloc(1, sizeof(ft_directory))
    cdef NameView view
    cdef uint64_t ino
    cdef uint8_t d_type
    if made == NULL:
        raise MemoryError
    made.next_cookie = FIRST_COOKIE
    try:
        if directory_reserve(made, len(items) if hasattr(items, "__len__") else 0) < 0:
            raise MemoryError
        for name, node, st_ino, kind in items:
            owner = view_name(name, &view)
            ino = st_ino
            d_type = kind
            if slot_find(made, view.text, view.length, view.hash) != NULL:
                raise ValueError(f"a name comes twice: {name!r}")
            if slot_append(
                    made, view.text, view.length, view.hash, <PyObject *>owner, <PyObject *>node, ino, d_type) == NULL:
                raise MemoryError
            Py_INCREF(owner)
            Py_INCREF(node)
        directory_shrink(made)
    except BaseException:
        directory_release(made)
        raise
    return made


cdef int store_directory(ft_table *table, uint64_t node_id, ft_directory *made, uint64_t parent_ino) noexcept:
    """1: stored, or there was a listing already; 0: unknown; -1: not a directory.  *made* is left with what is not used."""
    cdef ft_entry *entry
    cdef ft_directory *directory
    cdef int known = 0
    pthread_mutex_lock(&table.lock)
    entry = locked_find(table, node_id)
    if entry != NULL:
        directory = locked_directory(entry)
        known = -1 if directory == NULL else 1
        if directory != NULL and not directory.complete:
            directory.slots, made.slots = made.slots, directory.slots
            directory.index, made.index = made.index, directory.index
            directory.capacity = made.capacity
            directory.used = made.used
            made.used = 0
            directory.live = made.live
            directory.index_mask = made.index_mask
            directory.next_cookie = made.next_cookie
            directory.parent_ino = parent_ino
            directory.complete = 1
    pthread_mutex_unlock(&table.lock)
    return known


cdef bint locked_set_name(
        ft_table *table, ft_entry *entry, const NameView *view, PyObject *owner, PyObject *child, uint64_t ino, uint8_t d_type,
        PyObject **replaced, ft_notice **notice) noexcept:
    """False: no memory, and the listing is not complete any more.  *replaced*: a reference that the caller drops."""
    cdef ft_directory *directory = <ft_directory *>entry.body
    cdef ft_slot *slot = NULL
    cdef bint given = False
    cdef bint stored = True
    directory.change += 1
    if directory.complete:
        slot = slot_find(directory, view.text, view.length, view.hash)
        if slot != NULL and slot.child == child:
            slot.ino = ino
            slot.d_type = d_type
            notice[0] = locked_pending_name(table, entry.node_id, view.text, view.length, view.hash)
            return True
    if slot != NULL:
        given = (slot.flags & SLOT_ARMED) != 0
        slot.flags &= ~SLOT_ARMED
        replaced[0] = slot.child
        slot.child = child
        slot.ino = ino
        slot.d_type = d_type
        Py_INCREF(<object>child)
    elif directory.complete:
        if slot_append(directory, view.text, view.length, view.hash, owner, child, ino, d_type) != NULL:
            Py_INCREF(<object>owner)
            Py_INCREF(<object>child)
        else:
            directory.complete = 0      # Python answers from now on
            stored = False
    if given or directory.given & filter_bit(view.hash):
        notice[0] = locked_queue_name(table, entry.node_id, 0, view.text, view.length, view.hash)
    else:
        notice[0] = locked_pending_name(table, entry.node_id, view.text, view.length, view.hash)
        if notice[0] != NULL:
            locked_name_is_back(notice[0])
    return stored


cdef bint locked_remove_name(
        ft_table *table, ft_entry *entry, const NameView *view, PyObject *child, bint deleted,
        PyObject **removed_name, PyObject **removed_child, ft_notice **notice) noexcept:
    """False: another child has the name."""
    cdef ft_directory *directory = <ft_directory *>entry.body
    cdef ft_slot *slot = NULL
    cdef ft_entry *known
    cdef uint64_t child_id = 0
    cdef bint given = (directory.given & filter_bit(view.hash)) != 0
    if directory.complete:
        slot = slot_find(directory, view.text, view.length, view.hash)
        if slot == NULL or slot.child != child:
            return False
        given = given or (slot.flags & SLOT_ARMED) != 0
        removed_name[0] = slot.owner
        removed_child[0] = slot.child
        slot_remove(directory, slot)
    directory.change += 1
    if given:
        if deleted:
            known = locked_find_node(table, child)
            child_id = known.node_id if known != NULL else 0
        notice[0] = locked_queue_name(table, entry.node_id, child_id, view.text, view.length, view.hash)
    else:
        notice[0] = locked_pending_name(table, entry.node_id, view.text, view.length, view.hash)
    return True


cdef bint await_dead(ft_table *table) noexcept nogil:
    """Sleep until there is something to let go of; then a moment longer, so that it is a batch.  True: stopped."""
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
