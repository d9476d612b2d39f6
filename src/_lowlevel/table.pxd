# cython: language_level=3
"""The inode table in C: structs, shared by inodes, answers, listing, handles and notices.

Rules for every function that gets an ``ft_table *``:

* Fields are guarded by ``ft_table.lock`` unless marked otherwise.  Functions whose name starts with
  ``locked_`` want the lock held; all others take it themselves.
* Under the lock: no Python call (INCREF of an object that is known to be alive is none), no system call, no
  reply.
* A reference to a Python object is dropped by a thread that holds the GIL (is attached), or put into the
  graveyard, which the reaper drains.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from fusetree._lowlevel.libfuse.posix cimport c_stat, c_statvfs
from fusetree._lowlevel.libfuse.pthread cimport pthread_cond_t, pthread_mutex_t

cdef extern from * nogil:
    """
    /* 2**64 / golden ratio: spreads counters and addresses over the high bits */
    #define FT_GOLDEN 0x9E3779B97F4A7C15ULL
    #define FT_FNV_BASIS 0xCBF29CE484222325ULL
    #define FT_FNV_PRIME 0x100000001B3ULL
    """
    uint64_t FT_GOLDEN
    uint64_t FT_FNV_BASIS
    uint64_t FT_FNV_PRIME

cdef enum:
    # ft_entry.flags
    HAS_ATTRIBUTES = 1          # attributes are current: getattr and lookup are answered from them
    ARMED_ATTRIBUTES = 2        # the kernel was given attributes since it was last told to forget them
    ARMED_CONTENT = 4           # ... content in its page cache, or a listing
    BODY_CONTENT = 8            # body is an ft_content: the bytes of a file
    BODY_LINK = 16              # body is an ft_content: the target of a symlink
    BODY_DIRECTORY = 32         # body is an ft_directory
    CONTENT_DIRECT_IO = 64      # files are opened direct_io
    CONTENT_SNAPSHOT = 128      # OPEN pins the content of that moment
    CONTENT_KEEP_CACHE = 256    # files are opened keep_cache
    HAS_XATTRS = 512            # extended attributes are Python's business (else: there are none)
    KNOWN_KIND = 1024           # attributes hold at least the values of an earlier answer
    SUSPENDED = 2048            # nothing of it may be cached: a transaction is about to show what it changed
    # ft_slot.flags
    SLOT_ARMED = 1              # the kernel was given this name with a timeout
    SLOT_ASKED = 2              # Python was asked for the child's attributes since they were published last
    # ft_handle.flags
    HANDLE_USED = 1
    HANDLE_DIRECT_IO = 2
    # sizes
    PENDING_BUCKETS = 1024
    FIRST_COOKIE = 3            # 1 is ".", 2 is ".."

cdef enum ft_notice_kind:
    NOTICE_INODE
    NOTICE_ENTRY
    NOTICE_DELETE
    NOTICE_PRUNE                # node_id alone: nobody waits for it, and it is found by nobody

cdef enum ft_notice_state:
    NOTICE_QUEUED
    NOTICE_SENDING
    NOTICE_RETRYING
    NOTICE_DEFERRED
    NOTICE_DONE

cdef struct ft_attributes:      # struct stat without its gaps
    uint64_t ino
    uint64_t size
    uint64_t blocks
    int64_t atime_ns
    int64_t mtime_ns
    int64_t ctime_ns
    uint32_t mode
    uint32_t nlink
    uint32_t uid
    uint32_t gid
    uint32_t rdev
    uint32_t blksize

# Immutable bytes, in memory or in a file; lives while refs > 0, then waits in the graveyard to be released
cdef struct ft_content:
    uint32_t refs               # atomic
    int fd                      # the owner's, or owned where there is none; -1: in memory
    const char *data            # NULL: in the file
    int64_t offset              # in the file
    size_t size
    PyObject *owner             # owned: whose memory or descriptor it is; NULL: the descriptor is ours
    ft_content *next            # graveyard

cdef struct ft_slot:            # one name of a directory, 48 bytes
    const char *name            # lives in owner; NULL: removed
    PyObject *owner             # owned: the str (its UTF-8 buffer) or a bytes object
    PyObject *child             # owned: the node
    uint64_t ino                # d_ino
    uint64_t cookie             # ascending along the slots; readdir goes on behind it
    uint32_t hash
    uint16_t length
    uint8_t d_type
    uint8_t flags

cdef struct ft_directory:
    ft_slot *slots
    uint32_t *index             # slot number + 1 by name; 0: free
    uint32_t used               # slots in use, removed ones included
    uint32_t capacity
    uint32_t live               # slots that hold a name
    uint32_t index_mask
    uint64_t next_cookie
    uint64_t change             # counts changes of names
    # filter (64 bits by hash) of names given to the kernel that no slot remembers: missing ones, or before
    # the listing was complete
    uint64_t given
    uint64_t parent_ino         # d_ino of ".."; 0 unknown
    uint32_t handlers           # Python handlers in flight on this directory
    uint8_t complete            # slots are all names there are
    ft_notice *deferred         # INVAL_ENTRY that waits for handlers to end
    ft_notice *deferred_last

cdef union ft_end:              # one word: 144 bytes for an entry and not 152, which malloc would make 160
    int64_t expires_ns          # attributes are current until then (CLOCK_MONOTONIC); 0: until a change
    ft_entry *next              # in the graveyard

cdef struct ft_entry:
    uint64_t node_id
    PyObject *node              # owned
    uint64_t lookups            # how often the kernel was told of the node id, minus forgets
    uint64_t change             # counts changes of the node
    uint32_t pins               # root, open handles, live NodeAttributes
    uint32_t flags
    ft_attributes attributes
    void *body                  # ft_content or ft_directory, see flags
    ft_notice *notice           # the latest INVAL_INODE that is not done (borrowed; the queue owns it)
    ft_end end

cdef struct ft_notice:
    uint32_t refs               # atomic: the queue, and each Ticket
    uint8_t kind
    uint8_t state               # an ft_notice_state; DONE is written and read atomically
    uint8_t content             # NOTICE_INODE: pages (or the listing) too, not attributes alone
    uint16_t tries
    uint16_t length
    uint64_t node_id            # the inode, or the directory
    uint64_t child_id           # NOTICE_DELETE
    int64_t due_ns              # NOTICE_RETRYING
    ft_notice *next             # queue, retry list or ft_directory.deferred
    ft_notice *next_pending     # bucket of ft_table.pending (names)
    uint32_t hash
    char name[1]                # length bytes and a NUL

cdef struct ft_known:           # an inode that the kernel looked up, in order of recency
    uint64_t node_id
    uint64_t parent_id          # under which name it was looked up last
    ft_known *newer
    ft_known *older
    ft_known *chain             # index by node id
    uint32_t hash
    uint16_t length
    uint8_t leaving             # the kernel was asked to let it go
    char name[1]                # length bytes

cdef struct ft_recency:
    uint64_t limit
    uint64_t count              # those in the list
    uint64_t taken              # those that were taken from it so far
    ft_known *newest
    ft_known *oldest
    ft_known **buckets
    int shift

cdef struct ft_handle:
    uint32_t generation         # raised at each release: an old fh is never taken for a new one
    uint32_t flags
    uint32_t next_free
    ft_entry *entry             # pinned
    ft_content *content         # counted reference; NULL: what is published at the time
    uint64_t change             # the entry's, when what was opened was current
    PyObject *state             # owned; any Python object, NULL: none

cdef struct ft_table:
    pthread_mutex_t lock
    pthread_cond_t notifier     # wakes run_notifier
    pthread_cond_t delivered    # wakes wait()
    pthread_cond_t reaper       # wakes run_reaper
    double entry_timeout        # set once
    double attr_timeout         # set once
    # atomic: every change of anything; read without the lock to skip the second look
    uint64_t changes
    # atomic: the thread, as the kernel names it, whose lookups are answered by Python whatever is published;
    # 0: none
    uint64_t left_to_python
    # entries
    ft_entry **by_id
    ft_entry **by_node
    size_t index_mask
    int index_shift
    uint64_t next_id
    uint64_t entries
    uint64_t lookups
    uint64_t pins
    uint64_t armed              # entries with an ARMED_ flag
    # handles
    ft_handle *handles
    uint32_t handles_used       # high water mark
    uint32_t handles_capacity
    uint32_t handles_free       # head of the free list + 1
    uint64_t handles_open
    # the answer to statfs
    c_statvfs statfs
    uint64_t statfs_change      # counts its changes
    int has_statfs
    int tells_closing           # FLUSH and RELEASE always go to Python; set before it is served
    # graveyard
    ft_entry *dead_entries
    ft_content *dead_contents
    uint64_t dead               # entries and contents in the graveyard
    int reaper_sleeps
    # notices
    ft_notice *queue
    ft_notice *queue_last
    ft_notice *retrying
    int64_t next_due_ns         # of retrying
    ft_notice *pending[1024]    # names on their way, by hash; the latest first
    uint64_t pending_names
    uint64_t notices_waiting    # not done
    int notifier_sleeps
    int waiters
    int stopped                 # stop() was called
    int gone                    # nobody takes notices any more: they are dropped
    int closed                  # close() was called: the root is gone too
    int told                    # while a change is recorded: the kernel made it, so no notice is queued
    # odd while many changes are recorded as one: then C answers nothing of what may change
    uint64_t flips
    int holds_links             # targets of links that are suspended are not answered: who asks waits
    # bound of the inodes that are known; NULL: none
    ft_recency *recency
    int prunes                  # the kernel knows FUSE_NOTIFY_PRUNE
    # counters
    uint64_t contents           # ft_content alive
    uint64_t answered
    uint64_t answered_by[64]    # by opcode
    uint64_t sent
    uint64_t retried
    uint64_t deferred
    uint64_t dropped
    uint64_t failed
    uint64_t reaped
    uint64_t reaper_wakeups

cdef ft_table *table_new(double entry_timeout, double attr_timeout) noexcept nogil
cdef void table_close(ft_table *table) noexcept nogil       # everything unpinned goes to the graveyard
# After table_close and table_reap; nobody else uses the table
cdef void table_free(ft_table *table) noexcept nogil

cdef ft_entry *locked_find(ft_table *table, uint64_t node_id) noexcept nogil
cdef ft_entry *locked_find_node(ft_table *table, const PyObject *node) noexcept nogil
# Takes over a reference; NULL: no memory
cdef ft_entry *locked_create(ft_table *table, PyObject *node) noexcept nogil
# The kernel may hold the node id
cdef bint locked_known(const ft_entry *entry) noexcept nogil
cdef void locked_raise(ft_table *table, ft_entry *entry) noexcept nogil         # lookup count + 1
cdef void locked_lower(ft_table *table, ft_entry *entry, uint64_t count) noexcept nogil
# Publish attributes, for *ttl* seconds or (infinite) until the next change
cdef void locked_store_attributes(ft_entry *entry, const c_stat *stat, double ttl) noexcept nogil
# For how many seconds the kernel may keep the published attributes; negative: none are published, or they
# are being changed
cdef double locked_time_left(const ft_table *table, const ft_entry *entry) noexcept nogil
# For how many seconds the kernel may keep names of a directory
cdef double locked_entry_timeout(const ft_table *table, const ft_entry *directory) noexcept nogil
cdef void locked_pin(ft_table *table, ft_entry *entry) noexcept nogil
cdef void locked_unpin(ft_table *table, ft_entry *entry) noexcept nogil
cdef void locked_arm(ft_table *table, ft_entry *entry, uint32_t bits) noexcept nogil
cdef void locked_disarm(ft_table *table, ft_entry *entry, uint32_t bits) noexcept nogil

cdef void locked_splice_deferred(ft_table *table, ft_directory *directory) noexcept nogil
cdef void locked_enqueue(ft_table *table, ft_notice *notice) noexcept nogil
cdef void locked_bury(ft_table *table) noexcept nogil      # one more waits for the reaper


# A request was answered from the table; its lock is held.
cdef inline void count_answer(ft_table *table, int opcode) noexcept nogil:
    table.answered += 1
    table.answered_by[opcode] += 1
