# cython: language_level=3, cdivision=True
"""The loop that tells the kernel, and waiting for it.

Rule 1: notices leave from one thread, with no lock held, never inside a request.
Rule 2: a notice about a name waits while a Python handler runs on its directory: the kernel takes the
        directory's lock for it, which that request holds, and every later lookup there would queue up behind.
Rule 3: ENOENT for an inode whose lookup count is above zero means "not yet" (the client got the reply and has
        not made its inode): sent again with backoff until it succeeds or the count is zero.

The states of a notice are drawn in `notices.pyx`.
"""

from libc.errno cimport EBADF, ECONNRESET, EINVAL, ENODEV, ENOENT, ENOSYS, ENOTCONN, EPERM, EPIPE
from libc.stdint cimport int64_t, uintptr_t
from libc.stdlib cimport free, malloc

from fusetree._lowlevel.libfuse.lowlevel cimport (
    ft_prune,
    fuse_lowlevel_notify_delete,
    fuse_lowlevel_notify_inval_entry,
    fuse_lowlevel_notify_inval_inode,
)
from fusetree._lowlevel.libfuse.posix cimport timespec
from fusetree._lowlevel.libfuse.pthread cimport (
    ft_store_state,
    pthread_cond_broadcast,
    pthread_cond_timedwait,
    pthread_cond_wait,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from fusetree._lowlevel.notices cimport Ticket, bucket, is_done, notice_unref
from fusetree._lowlevel.packing cimport monotonic_ns, timespec_of
from fusetree._lowlevel.recency cimport recency_asked
from fusetree._lowlevel.table cimport (
    BODY_DIRECTORY,
    NOTICE_DEFERRED,
    NOTICE_DELETE,
    NOTICE_DONE,
    NOTICE_ENTRY,
    NOTICE_INODE,
    NOTICE_PRUNE,
    NOTICE_RETRYING,
    NOTICE_SENDING,
    ft_directory,
    ft_entry,
    ft_notice,
    locked_enqueue,
    locked_find,
    locked_known,
)

cdef int64_t FIRST_BACKOFF = 100_000            # nanoseconds
cdef int64_t LONGEST_BACKOFF = 10_000_000


cdef void done(ft_table *table, ft_notice *notice) noexcept nogil:
    cdef ft_entry *entry
    cdef ft_notice **where
    ft_store_state(&notice.state, NOTICE_DONE)
    if notice.kind == NOTICE_INODE:
        entry = locked_find(table, notice.node_id)
        if entry != NULL and entry.notice == notice:
            entry.notice = NULL
    elif notice.kind == NOTICE_PRUNE:
        if table.recency != NULL:
            recency_asked(table.recency, notice.node_id)
    else:
        where = bucket(table, notice.node_id, notice.hash)
        while where[0] != notice:
            where = &where[0].next_pending
        where[0] = notice.next_pending
        table.pending_names -= 1
    table.notices_waiting -= 1
    notice_unref(notice)
    if table.waiters:
        pthread_cond_broadcast(&table.delivered)


cdef void requeue_due(ft_table *table, int64_t now) noexcept nogil:
    cdef ft_notice *notice = table.retrying
    cdef ft_notice *following
    table.retrying = NULL
    table.next_due_ns = 0
    while notice != NULL:
        following = notice.next
        if notice.due_ns <= now:
            locked_enqueue(table, notice)
        else:
            if table.retrying == NULL or notice.due_ns < table.next_due_ns:
                table.next_due_ns = notice.due_ns
            notice.next = table.retrying
            table.retrying = notice
        notice = following


cdef void defer(ft_table *table, ft_directory *directory, ft_notice *notice) noexcept nogil:
    notice.state = NOTICE_DEFERRED
    notice.next = NULL
    if directory.deferred == NULL:
        directory.deferred = notice
    else:
        directory.deferred_last.next = notice
    directory.deferred_last = notice
    table.deferred += 1


cdef ft_notice *locked_next_notice(ft_table *table) noexcept nogil:
    cdef ft_notice *notice
    cdef ft_entry *entry
    cdef ft_directory *directory
    cdef int64_t now
    if table.retrying != NULL:
        now = monotonic_ns()
        if table.next_due_ns <= now:
            requeue_due(table, now)
    while table.queue != NULL:
        notice = table.queue
        table.queue = notice.next
        notice.next = NULL
        entry = locked_find(table, notice.node_id)
        if entry == NULL or not locked_known(entry):
            done(table, notice)         # forgotten meanwhile: the kernel holds nothing of it
            continue
        if (notice.kind == NOTICE_ENTRY or notice.kind == NOTICE_DELETE) and entry.flags & BODY_DIRECTORY:
            directory = <ft_directory *>entry.body
            if directory.handlers > 0:
                defer(table, directory, notice)
                continue
        notice.state = NOTICE_SENDING
        return notice
    return NULL


cdef void locked_notice_sent(ft_table *table, ft_notice *notice, int result) noexcept nogil:
    cdef ft_entry *entry
    cdef int64_t backoff
    if result == -ENOENT and notice.kind == NOTICE_INODE and not table.gone:
        entry = locked_find(table, notice.node_id)
        if entry != NULL and entry.lookups > 0:
            backoff = FIRST_BACKOFF << (notice.tries if notice.tries < 10 else 10)
            notice.tries += 1 if notice.tries < 1000 else 0
            notice.due_ns = monotonic_ns() + (backoff if backoff < LONGEST_BACKOFF else LONGEST_BACKOFF)
            notice.state = NOTICE_RETRYING
            if table.retrying == NULL or notice.due_ns < table.next_due_ns:
                table.next_due_ns = notice.due_ns
            notice.next = table.retrying
            table.retrying = notice
            table.retried += 1
            return
    if notice.kind == NOTICE_PRUNE and (result == -EINVAL or result == -ENOSYS):
        table.prunes = 0        # names are forgotten instead, from now on
        table.failed += 1
    elif result == 0 or result == -ENOENT:
        table.sent += 1
    elif (result == -ENODEV or result == -ENOTCONN or result == -EBADF or result == -EPERM or result == -EPIPE
            or result == -ECONNRESET):
        table.gone = 1
        table.dropped += 1
    else:
        table.failed += 1
    done(table, notice)
    if table.gone:
        locked_drop_all(table)


cdef void drop_list(ft_table *table, ft_notice *notice) noexcept nogil:
    cdef ft_notice *following
    while notice != NULL:
        following = notice.next
        table.dropped += 1
        done(table, notice)
        notice = following


cdef void locked_drop_all(ft_table *table) noexcept nogil:
    cdef ft_notice *queue = table.queue
    cdef ft_notice *retrying = table.retrying
    cdef ft_notice *deferred
    cdef ft_directory *directory
    cdef size_t i
    table.queue = NULL
    table.retrying = NULL
    drop_list(table, queue)
    drop_list(table, retrying)
    if table.pending_names:
        for i in range(table.index_mask + 1):
            if table.by_id[i] != NULL and table.by_id[i].flags & BODY_DIRECTORY:
                directory = <ft_directory *>table.by_id[i].body
                deferred = directory.deferred
                directory.deferred = NULL
                directory.deferred_last = NULL
                drop_list(table, deferred)
    pthread_cond_broadcast(&table.delivered)


cdef int send(fuse_session *session, const ft_notice *notice) noexcept nogil:
    if notice.kind == NOTICE_INODE:
        return fuse_lowlevel_notify_inval_inode(session, notice.node_id, 0 if notice.content else -1, 0)
    if notice.kind == NOTICE_PRUNE:
        return ft_prune(session, notice.node_id)
    if notice.kind == NOTICE_DELETE:
        return fuse_lowlevel_notify_delete(
            session, notice.node_id, notice.child_id, notice.name, notice.length)
    return fuse_lowlevel_notify_inval_entry(session, notice.node_id, notice.name, notice.length)


cdef void send_notices(ft_table *table, fuse_session *session) noexcept nogil:
    cdef ft_notice *notice
    cdef timespec due
    cdef int result
    pthread_mutex_lock(&table.lock)
    while not table.stopped:
        notice = locked_next_notice(table)
        if notice != NULL:
            pthread_mutex_unlock(&table.lock)
            result = send(session, notice)
            pthread_mutex_lock(&table.lock)
            locked_notice_sent(table, notice, result)
            continue
        table.notifier_sleeps = 1
        if table.retrying != NULL:
            due = timespec_of(table.next_due_ns)
            pthread_cond_timedwait(&table.notifier, &table.lock, &due)
        else:
            pthread_cond_wait(&table.notifier, &table.lock)
        table.notifier_sleeps = 0
    pthread_mutex_unlock(&table.lock)


# ------------------------------------------------------------------------------------------------ waiting

cdef bint await_notices(
        ft_table *table, ft_notice **notices, size_t count, int64_t timeout_ns) noexcept nogil:
    cdef timespec until = timespec_of(monotonic_ns() + timeout_ns)
    cdef size_t settled = 0
    cdef int late = 0
    pthread_mutex_lock(&table.lock)
    table.waiters += 1
    while True:
        while settled < count and is_done(notices[settled]):
            settled += 1
        if settled == count or late != 0:
            break
        late = pthread_cond_timedwait(&table.delivered, &table.lock, &until)
    table.waiters -= 1
    pthread_mutex_unlock(&table.lock)
    return settled == count


cdef bint wait_for(ft_table *table, object tickets, double timeout) except -1:
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
            result = await_notices(table, notices, count, timeout_ns)
    finally:
        free(notices)
    return result


cdef list take_due(ft_table *table, int result):
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
        elif notice.kind == NOTICE_PRUNE:
            taken.append(("prune", notice.node_id))
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
