# cython: language_level=3
"""What a C callback leaves behind for Python: one request's arguments, in the receiving thread's own slot."""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.libfuse.common cimport fuse_file_info
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_forget_data, fuse_ino_t, fuse_pollhandle, fuse_req_t
from fusetree._lowlevel.libfuse.posix cimport c_flock, c_stat, dev_t, off_t
from fusetree._lowlevel.libfuse.pthread cimport pthread_cond_t, pthread_mutex_t
from fusetree._lowlevel.table cimport ft_table

# Numbers of linux/fuse.h, enum fuse_opcode.
cdef enum Opcode:
    OP_NONE = 0
    OP_LOOKUP = 1
    OP_FORGET = 2
    OP_GETATTR = 3
    OP_SETATTR = 4
    OP_READLINK = 5
    OP_SYMLINK = 6
    OP_MKNOD = 8
    OP_MKDIR = 9
    OP_UNLINK = 10
    OP_RMDIR = 11
    OP_RENAME = 12
    OP_LINK = 13
    OP_OPEN = 14
    OP_READ = 15
    OP_WRITE = 16
    OP_STATFS = 17
    OP_RELEASE = 18
    OP_FSYNC = 20
    OP_SETXATTR = 21
    OP_GETXATTR = 22
    OP_LISTXATTR = 23
    OP_REMOVEXATTR = 24
    OP_FLUSH = 25
    OP_INIT = 26
    OP_OPENDIR = 27
    OP_READDIR = 28
    OP_RELEASEDIR = 29
    OP_FSYNCDIR = 30
    OP_GETLK = 31
    OP_SETLK = 32             # SETLKW too: number says whether to wait
    OP_ACCESS = 34
    OP_CREATE = 35
    OP_INTERRUPT = 36          # ino: the token that Request.watch was given; there is nothing to answer
    OP_BMAP = 37
    OP_IOCTL = 39
    OP_POLL = 40
    OP_NOTIFY_REPLY = 41       # ino: the number that retrieve gave out; never answered
    OP_BATCH_FORGET = 42
    OP_FALLOCATE = 43
    OP_READDIRPLUS = 44
    OP_LSEEK = 46
    OP_COPY_FILE_RANGE = 47
    OP_SYNCFS = 50
    OP_TMPFILE = 51
    OP_STATX = 52
    OP_FLOCK = 63              # ours: on the wire it is a SETLK with a flag
    OP_COUNT = 64

# All pointers point into the receive buffer or the stack of libfuse: they are good until the thread that
# filled this
# struct receives again, and libfuse's stack is copied (fi, attr) because it ends with the callback.
cdef struct Captured:
    int opcode
    fuse_req_t req
    fuse_ino_t ino             # the inode, or the parent where a name follows
    fuse_ino_t other_ino       # new parent of rename and link, where copy_file_range writes
    const char *name
    const char *other_name     # new name of rename, target of symlink
    const char *data           # written bytes, value of an xattr, what an ioctl hands in
    size_t size                # of data, or how much is asked for, or a block's size, or the mask of statx
    off_t off
    unsigned int number        # mode, mask, flags, datasync, to_set, events, command, whence, whether to wait
    dev_t rdev
    uint64_t length            # of a range; the block of bmap, the argument of ioctl
    uint64_t other_fh          # where copy_file_range writes
    off_t other_off            # ... and at which offset; how much an ioctl may hand out
    c_flock lock
    fuse_pollhandle *poll_handle   # owned by the request that is made of this; NULL: nobody wants to be woken
    bint has_fi
    bint ring                  # it came over a ring
    bint counted               # handler_begins was called for the directory (and the other one)
    uint64_t stamp             # what it said
    fuse_file_info fi
    c_stat attr
    const fuse_forget_data *forgets
    fuse_forget_data single_forget

# What of fuse_conn_info is a number.
cdef struct Limits:
    unsigned int max_write             # bytes
    unsigned int max_read              # bytes
    unsigned int max_readahead         # bytes
    unsigned int max_background        # requests
    unsigned int congestion_threshold  # requests
    unsigned int time_granularity      # nanoseconds
    unsigned int request_timeout       # seconds

# What fuse_session_new was given as userdata: one per session, lives as long as the session.
cdef struct SessionState:
    ft_table *table            # NULL: everything is Python's business
    bint python_forget         # the handlers want FORGET
    # asked for at INIT
    unsigned long long want
    unsigned long long unwant
    Limits asked               # 0: as libfuse and the kernel have it
    # told at INIT
    bint initialized
    bint leaving               # who receives is to return; libfuse is told too, unless with rings
    bint ending                # handlers are asked to give up, see running.pyx
    bint closed                # no answer may be written any more
    bint nonblocking           # an event loop serves: nobody waits inside libfuse
    uint64_t visits            # atomic: how often the loop came to look for requests (see standby.pyx)
    unsigned int proto_major
    unsigned int proto_minor
    Limits agreed
    unsigned long long capable
    unsigned long long wanted
    # a session on a socket: one thread at a time takes a frame out, one at a time puts one in
    pthread_mutex_t read_lock
    pthread_mutex_t write_lock
    # a session whose requests come over rings, see capture_rings.pyx and rings.pyx
    bint ask_rings             # libfuse was told to
    bint rings                 # told at INIT: it does; False again when they have ended
    int ring_gate              # atomic
    uint64_t ring_inside       # atomic: threads in a callback, or answering from elsewhere
    pthread_mutex_t ring_lock
    pthread_cond_t ring_changed    # the gate, or nobody is inside any more
    void *ring_server          # borrowed from rings.pyx
    void (*ring_handle)(void *server, Captured *captured) noexcept nogil

cdef inline void reset(Captured *captured) noexcept nogil:
    captured.opcode = OP_NONE
    captured.name = NULL
    captured.other_name = NULL
    captured.data = NULL
    captured.has_fi = False
    captured.ring = False
    captured.counted = False
    captured.other_ino = 0
    captured.poll_handle = NULL


cdef Captured *current() noexcept nogil
cdef void set_current(Captured *captured) noexcept nogil
