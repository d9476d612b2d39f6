# cython: language_level=3
"""The inode table as Python sees it: which node the kernel knows under which id, what is published of it.

What is promised: every method may be called from any thread, none calls a method of a node, and none blocks,
apart from `wait`, `run_notifier` and `run_reaper`, which let go of the GIL.

Where the work is done, from the bottom up:

    table        entries, indexes, lookup counts, pins               bodies     what entries hold
    invariants   what always holds, and the check that it does
    listing      names of a directory in C, readdir replies          names      ... from Python
    handles      open files                                          contents   what is in them, from Python
    statfs       what the file system tells of itself
    notices      what the kernel must be told                        notifier   the loop that tells it
    changes      withdraws and queues, as the program says           reaper     letting go
    suspension   many changes as one
    recency      who was looked up least recently                    bounding   gives back what is too much
    coherence    the rule by which answers leave                     answers    answered without Python
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t, uintptr_t

from fusetree._lowlevel.bodies cimport directory_release, table_reap
from fusetree._lowlevel.bounding cimport bound_table
from fusetree._lowlevel.changes cimport (
    directory_moved,
    name_child,
    name_mistaken,
    name_removed,
    name_set,
    node_changed,
)
from fusetree._lowlevel.contents cimport content_of, content_of_file, publish, stale
from fusetree._lowlevel.dirents cimport ReaddirToken
from fusetree._lowlevel.handles cimport (
    adopt_handle,
    handle_changed,
    node_of_handle,
    open_handle,
    release_handle,
    state_of_handle,
)
from fusetree._lowlevel.invariants cimport locked_check
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_session
from fusetree._lowlevel.libfuse.pthread cimport (
    ft_store,
    pthread_cond_broadcast,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from fusetree._lowlevel.names cimport cold_children, directory_of, fill_token, store_directory
from fusetree._lowlevel.nodeattributes cimport NodeAttributes
from fusetree._lowlevel.notices cimport Ticket
from fusetree._lowlevel.notifier cimport locked_drop_all, send_notices, take_due, wait_for
from fusetree._lowlevel.reaper cimport await_dead, close_table
from fusetree._lowlevel.statfs cimport begin_statfs, publish_statfs, statfs_changed
from fusetree._lowlevel.statistics cimport TableStatistics, statistics_of
from fusetree._lowlevel.statvfs cimport StatvfsData
from fusetree._lowlevel.suspension cimport (
    flip_begins,
    flip_ends,
    hold_links,
    is_held,
    suspend_name,
    suspend_node,
)
from fusetree._lowlevel.table cimport (
    BODY_CONTENT,
    BODY_DIRECTORY,
    BODY_LINK,
    CONTENT_DIRECT_IO,
    CONTENT_KEEP_CACHE,
    CONTENT_SNAPSHOT,
    HAS_XATTRS,
    ft_directory,
    ft_entry,
    locked_create,
    locked_find,
    locked_find_node,
    locked_lower,
    locked_pin,
    locked_store_attributes,
    table_free,
    table_new,
)

import math

from fusetree._lowlevel.request import OPCODE_NAMES as _operation_names


cdef uint32_t content_flags(bint direct_io, bint snapshot, bint keep_cache) noexcept:
    return (
        BODY_CONTENT
        | (CONTENT_DIRECT_IO if direct_io else 0)
        | (CONTENT_SNAPSHOT if snapshot else 0)
        | (CONTENT_KEEP_CACHE if keep_cache else 0))


cdef class InodeTable:
    """Which nodes the kernel knows, what may be answered for them without Python, and what it must be told of
    changes.

    :param root: the node with node id 1.
    :param entry_timeout: seconds for which the kernel may cache names of published directories; ``math.inf``:
        for ever; 0.0: not at all.
    :param attr_timeout: the same for published attributes.

    Any object may be a node; it is compared by identity, and the table holds a reference while the kernel
    knows it. All methods may be called from any thread.  Whatever raises ``OSError(ESTALE)`` did not know the
    node id.
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

    @property
    def tells_closing(self) -> bool:
        """Whether each FLUSH and RELEASE of a file is a request for the handlers; else those of files that
        are open without a state are answered here.  Set it before the session is served."""
        return self.c_table.tells_closing != 0

    @tells_closing.setter
    def tells_closing(self, value: bool) -> None:
        self.c_table.tells_closing = value

    def leave_lookups_of(self, int thread) -> None:
        """Leave lookups by one thread to the handlers, whatever is published.

        :param thread: as the kernel names it in requests; 0: no thread (any more).
        :raises ValueError: *thread* is negative.
        """
        if thread < 0:
            raise ValueError(f"{thread} is no thread")
        ft_store(&self.c_table.left_to_python, thread)

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

        The node gets a node id if it has none, and keeps it while the result lives.  Fill the ``st_*`` fields
        and return the result from the handler.
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
        result.c_table = table
        result.c_pinned = entry
        result.node_id = entry.node_id
        result.change = change
        result.publish = True
        result.ttl = INFINITY
        result.c_entry.ino = entry.node_id
        result.c_entry.attr.st_ino = entry.node_id
        result.c_entry.entry_timeout = table.entry_timeout
        result.c_entry.attr_timeout = table.attr_timeout
        return result

    def bound(self, uint64_t limit) -> None:
        """Let the kernel know *limit* inodes, or not many more: of those that are too many, the ones that it
        looked up least recently, and that are not open, are given back.
        """
        if limit == 0:
            raise ValueError("the bound must be 1 or more")
        bound_table(self.c_table, limit)

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
            self, uint64_t node_id, uint64_t change, object data not None, *, bint direct_io, bint snapshot,
            bint keep_cache=True) -> bool:
        """Let opening for reading, reading and releasing a file be answered without Python, until its next
        change.

        :param change: the change counter that :meth:`begin` told before *data* was made.
        :param data: ``bytes``, or any other contiguous buffer (a memoryview, an mmap, an array): it is not
            copied, and its export ends some time after it was withdrawn and the last reader is gone.  Until
            then its bytes must stay as they are.
        :param direct_io: open the file bypassing the page cache.
        :param snapshot: each open pins the data of that moment; otherwise a read gets what is published then.
        :param keep_cache: an open keeps what the page cache holds (ignored with *direct_io*).
        :returns: False when nothing was stored: the node changed meanwhile, or is not known any more.
        """
        return publish(
            self.c_table, node_id, change, content_of(data), content_flags(direct_io, snapshot, keep_cache))

    def publish_file(
            self, uint64_t node_id, uint64_t change, int fd, *, int64_t offset=0, int64_t size,
            bint direct_io, bint snapshot, bint keep_cache=True) -> bool:
        """The same with a part of an open file for content, which Python never reads.

        Libfuse splices it into the reply where that pays, else it is copied twice in C.  A read waits for
        the file in the thread that serves the request.

        :param fd: a descriptor of a regular file or block device that is open for reading; it is duplicated,
            and the duplicate is closed some time after it was withdrawn and the last reader is gone.
        :param offset: where the content begins, in bytes.
        :param size: how many bytes it has.  If the file ends before, a read gets what there is.
        :raises OSError: EBADF, EMFILE: the descriptor can not be duplicated (dup(2)).
        """
        return publish(
            self.c_table, node_id, change, content_of_file(fd, offset, size),
            content_flags(direct_io, snapshot, keep_cache))

    def publish_link(self, uint64_t node_id, uint64_t change, bytes target not None) -> bool:
        """Let readlink be answered without Python, until the node's next change; see
        :meth:`publish_content`.
        """
        if b"\0" in target:
            raise ValueError("a link target can not contain NUL")
        return publish(self.c_table, node_id, change, content_of(target), BODY_LINK)

    def publish_directory(self, uint64_t node_id, object items not None, *, uint64_t parent_ino=0) -> None:
        """Tell all names of a directory: listings, and lookups of missing names, are then answered without
        Python.

        :param items: for each name, in order: name, node, inode number (0: unknown) and type (``DT_*`` of
            dirent.h).
        :param parent_ino: inode number of the parent, for ``..``; 0: unknown.
        :raises ValueError: a name is not usable, or comes twice.

        From then on :meth:`child_set` and :meth:`child_removed` keep it right, so publishing again does
        nothing.  Call it with the lock held under which children change.
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

    def begin_statfs(self) -> int:
        """Start an answer to statfs: call it before the first value is read; for :meth:`publish_statfs`."""
        return begin_statfs(self.c_table)

    def publish_statfs(self, uint64_t change, StatvfsData data not None) -> bool:
        """Let statfs be answered without Python, until :meth:`statfs_changed`.

        :param change: what :meth:`begin_statfs` returned before the values were read.
        :returns: False when nothing was stored, because they changed meanwhile.
        """
        return publish_statfs(self.c_table, change, data)

    def statfs_changed(self) -> None:
        """Record that what statfs tells has changed; the kernel keeps nothing of it, so nobody is told."""
        statfs_changed(self.c_table)

    def set_xattrs(self, uint64_t node_id, bint present, *, object change=None) -> None:
        """Say whether a node may have extended attributes: if not, that there are none is answered without
        Python, until :meth:`changed` tells of other attributes than the content's.

        :param change: what :meth:`begin` told before it was found out; that there are none counts only if
            nothing has changed since.
        """
        cdef ft_table *table = self.c_table
        cdef ft_entry *entry
        cdef bint any_time = change is None
        cdef uint64_t then = 0 if any_time else change
        pthread_mutex_lock(&table.lock)
        entry = locked_find(table, node_id)
        if entry != NULL:
            if present:
                entry.flags |= HAS_XATTRS
            elif any_time or entry.change == then:
                entry.flags &= ~HAS_XATTRS
        pthread_mutex_unlock(&table.lock)
        if entry == NULL:
            raise stale(node_id)

    def fill(self, ReaddirToken token not None, uint64_t node_id, int64_t start_id) -> None:
        """Fill a readdir reply from a published directory, from the entry behind *start_id* on.

        With READDIRPLUS the lookup counts of children whose attributes are published rise, as the token
        records. OSError(ESTALE) when the directory is not known, ValueError when it is not published.
        """
        fill_token(self.c_table, token, node_id, start_id)

    def cold(self, ReaddirToken token not None, uint64_t node_id, int64_t start_id) -> list:
        """The nodes that a READDIRPLUS reply has room for, from the entry behind *start_id* on, and whose
        attributes are not published; none for READDIR.

        Publish them (:meth:`publish_attributes`) and keep what :meth:`begin` returned until :meth:`fill` is
        done: the reply then brings the attributes along, and the kernel need not ask for each.
        """
        return cold_children(self.c_table, token, node_id, start_id)

    def publish_attributes(self, NodeAttributes attributes not None) -> bool:
        """Store attributes as a reply with them does, without a reply.

        :returns: False when nothing was stored: the node changed since :meth:`begin`, or *attributes* are not
            to be published.
        """
        cdef ft_table *table = self.c_table
        cdef bint stored = False
        if attributes.table is not self:
            raise ValueError("these attributes belong to another table")
        if attributes.publish and attributes.c_pinned != NULL:
            pthread_mutex_lock(&table.lock)
            stored = attributes.c_pinned.change == attributes.change
            if stored:
                locked_store_attributes(attributes.c_pinned, &attributes.c_entry.attr, attributes.ttl)
            pthread_mutex_unlock(&table.lock)
        return stored

    # -------------------------------------------------------------------------------- open files

    def change(self, uint64_t node_id) -> int:
        """The node's change counter, which each change raises: for :meth:`open`, when the content is made
        before it is called.
        """
        cdef ft_entry *entry
        cdef uint64_t result = 0
        pthread_mutex_lock(&self.c_table.lock)
        entry = locked_find(self.c_table, node_id)
        if entry != NULL:
            result = entry.change
        pthread_mutex_unlock(&self.c_table.lock)
        if entry == NULL:
            raise stale(node_id)
        return result

    def open(
            self, uint64_t node_id, *, object content=None, object file=None, object state=None,
            bint direct_io=False, object change=None) -> int:
        """A new file handle; the node keeps its node id until it is released.

        :param content: reads of the handle are answered from it, without Python; ``bytes`` or another buffer,
            as for :meth:`publish_content`.
        :param file: instead of *content*, an object with ``fileno()``: reads are answered from that
            descriptor, at the same offset and as far as it goes.  The object is kept until some time after
            the release.
        :param state: any object, for :meth:`state`; without one the release is answered without Python.
        :param direct_io: the file is opened bypassing the page cache.
        :param change: the node's change counter before *content* was made; None: as it is now.
        """
        return open_handle(self.c_table, node_id, content, file, state, direct_io, change)

    def adopt(self, uint64_t fh, object state not None) -> object:
        """Give an open handle a state if it has none, and let go of the content that it was opened with: from
        now on its reads and its release come to Python.  Returns the state that it has now.
        """
        return adopt_handle(self.c_table, fh, state)

    def changed_since_open(self, uint64_t fh) -> bool:
        """Whether the node of an open handle has changed since the handle was opened."""
        return handle_changed(self.c_table, fh)

    def state(self, uint64_t fh) -> object:
        """The state of an open handle, None if it has none; OSError(EBADF) for a handle that is not open.

        Call it before the content is read on behalf of the handle: from then on changes of the content are
        told to the kernel.
        """
        return state_of_handle(self.c_table, fh)

    def opened(self, uint64_t fh) -> int:
        """The node id that a handle is open on; OSError(EBADF) for a handle that is not open."""
        return node_of_handle(self.c_table, fh)

    def release(self, uint64_t fh) -> object:
        """Close a handle and return its state; OSError(EBADF) for a handle that is not open."""
        return release_handle(self.c_table, fh)

    # -------------------------------------------------------------------------------- changes

    def changed(self, object node, *, bint content, bint told=False) -> Ticket | None:
        """Record that a node changed: call it after the new values are stored.

        Withdraws what is published (the content only if *content*), and queues a notice if the kernel holds
        something of the node.  Next to free for a node that the table does not know.  The result is for
        :meth:`wait`; None: nobody need be told.

        :param told: the kernel of this mount made the change and answers for its own caches (a write through
            the page cache, a name that it made), so no notice is queued.
        """
        return node_changed(self.c_table, node, content, told)

    def child(self, object directory, str name not None) -> object | None:
        """What *name* leads to in the published listing of a directory; None when it is not there, or the
        listing is not published.
        """
        return name_child(self.c_table, directory, name)

    def child_set(
            self, object directory, str name not None, object child, uint64_t st_ino,
            uint8_t d_type, *, bint told=False) -> Ticket | None:
        """Record that *name* leads to *child* in a directory now (new, or instead of another); see
        :meth:`changed`.

        Call it with the lock held under which the children of the directory change.

        :param st_ino: inode number of the child for listings; 0: unknown.
        :param d_type: its type for listings (``DT_*`` of dirent.h).
        :param told: as for :meth:`changed`.
        """
        return name_set(self.c_table, directory, name, child, st_ino, d_type, told)

    def child_removed(
            self, object directory, str name not None, object child, *, bint deleted=False,
            bint told=False) -> Ticket | None:
        """Record that *name* does not lead to *child* any more; see :meth:`changed`.

        Nothing happens if the published listing has another child under that name.  Call it with the lock
        held under which the children of the directory change.

        :param deleted: the child is gone for good, not moved: who watches it (inotify) is told so.
        :param told: as for :meth:`changed`.
        """
        return name_removed(self.c_table, directory, name, child, deleted, told)

    def name_mistaken(self, object directory, str name not None) -> Ticket | None:
        """Record that the kernel holds something else under *name* than is there, as after a rename that it
        was allowed and that was not done as it knows it: it is told to forget the name, whether it was given
        it or not.  See :meth:`changed`.
        """
        return name_mistaken(self.c_table, directory, name)

    def directory_moved(self, object directory, uint64_t parent_ino) -> Ticket | None:
        """Record that a published directory lies in another one now, whose inode number its ``..`` shows;
        see :meth:`changed`.
        """
        return directory_moved(self.c_table, directory, parent_ino)

    def suspend(self, object node) -> Ticket | None:
        """Let nothing of a node be cached until :meth:`flip_ends`, and have the kernel forget what it holds:
        many changes are about to be recorded as one.  What is published stays so.  For :meth:`wait`.
        """
        return suspend_node(self.c_table, node)

    def suspend_name(self, object directory, str name not None) -> Ticket | None:
        """Have the kernel forget a name of a directory that is suspended.  For :meth:`wait`."""
        return suspend_name(self.c_table, directory, name)

    def hold_links(self) -> None:
        """Answer the targets of suspended links no more until :meth:`flip_ends`: the kernel caches whatever
        it gets.  Call it when the kernel has been told to forget them.
        """
        hold_links(self.c_table)

    def is_held(self, uint64_t node_id) -> bool:
        """Whether a node is suspended and links are held: who asks for its target must wait."""
        return is_held(self.c_table, node_id)

    def flip_begins(self) -> None:
        """All changes that are recorded until :meth:`flip_ends` are one: meanwhile nothing that may change is
        answered without Python, whose handlers wait.
        """
        flip_begins(self.c_table)

    def flip_ends(self, object nodes not None) -> None:
        """All is recorded, and *nodes* are suspended no more."""
        flip_ends(self.c_table, list(nodes))

    def wait(self, object tickets not None, double timeout) -> bool:
        """Wait until the kernel was told of all *tickets* (None among them is skipped), or for *timeout*
        seconds.

        Lets go of the GIL.  True when all was delivered, or when there is nobody left to tell.
        """
        return wait_for(self.c_table, tickets, timeout)

    def take_notices(self, int result=0) -> list:
        """Take what is due from the queue instead of sending it: for tests, and for programs that tell the
        kernel by themselves.

        :param result: what the kernel is pretended to have answered: 0, or a negative errno.
        :returns: tuples ``("inode", node_id, offset, length)``, ``("entry", directory_id, name)``,
            ``("delete", directory_id, child_id, name)`` and ``("prune", node_id)``, names as bytes, in the
            order of the queue.
        """
        return take_due(self.c_table, result)

    # -------------------------------------------------------------------------------- threads

    def run_notifier(self, uintptr_t session_pointer, *, bint prunes=False) -> None:
        """Send notices until :meth:`stop`: the body of the notifier's thread, of which there is one per
        table.

        :param session_pointer: address of libfuse's session, which must live until this returns.
        :param prunes: the kernel lets go of single inodes (protocol 7.45, on a session of /dev/fuse).
        """
        self.c_table.prunes = prunes
        with nogil:
            send_notices(self.c_table, <fuse_session *>session_pointer)

    def run_reaper(self) -> None:
        """Let go of forgotten nodes and withdrawn contents, in batches, until :meth:`stop`: the body of
        the reaper's thread.
        """
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
        """End the notifier and the reaper, drop what was not sent, and let all waiters go.  May be called
        twice.
        """
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
        """Counters: entries, sum of lookup counts, pins and open handles now; nodes armed; contents alive;
        notices and reaping so far.
        """
        return statistics_of(self.c_table)

    def answers(self) -> dict[str, int]:
        """How many requests were answered without Python so far, by operation."""
        cdef int opcode
        found = {}
        for opcode in range(64):
            if self.c_table.answered_by[opcode]:
                name = _operation_names.get(opcode, f"opcode {opcode}")
                found[name] = found.get(name, 0) + self.c_table.answered_by[opcode]
        return found

    def check(self) -> None:
        """Verify all invariants (table.pyx lists them); AssertionError says which one is broken.  Takes
        time: for tests and debugging.
        """
        cdef ft_table *table = self.c_table
        cdef const char *broken
        with nogil:
            pthread_mutex_lock(&table.lock)
            broken = locked_check(table)
            pthread_mutex_unlock(&table.lock)
        if broken != NULL:
            raise AssertionError((<bytes>broken).decode())
