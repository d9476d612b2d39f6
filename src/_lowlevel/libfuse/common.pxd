# fuse_common.h: open files, connection, buffers

from libc.stdint cimport uint32_t, uint64_t

from fusetree._lowlevel.libfuse.posix cimport off_t

cdef extern from "compat.h" nogil:
    int FUSE_VERSION
    int FT_HAVE_CUSTOM_IO
    int FT_HAVE_REQUEST_TIMEOUT
    int FT_HAVE_EXPIRE_ENTRY
    int FT_HAVE_INCREMENT_EPOCH
    int FT_HAVE_PRUNE

    cdef struct fuse_file_info:
        int flags
        unsigned int writepage
        unsigned int direct_io
        unsigned int keep_cache
        unsigned int flush
        unsigned int nonseekable
        unsigned int flock_release
        unsigned int cache_readdir
        uint64_t fh
        uint64_t lock_owner
        uint32_t poll_events

    cdef struct fuse_conn_info:
        unsigned int proto_major
        unsigned int proto_minor
        unsigned int max_write
        unsigned int max_read
        unsigned int max_readahead
        unsigned int max_background
        unsigned int congestion_threshold
        unsigned int time_gran

    void ft_noflush(fuse_file_info *fi, int on)
    void ft_set_backing(fuse_file_info *fi, int backing_id)

    int ft_capable(const fuse_conn_info *conn, uint64_t flag)
    int ft_want(fuse_conn_info *conn, uint64_t flag)
    void ft_unwant(fuse_conn_info *conn, uint64_t flag)
    uint64_t ft_wanted(const fuse_conn_info *conn)
    uint64_t ft_capabilities(const fuse_conn_info *conn)
    void ft_set_request_timeout(fuse_conn_info *conn, unsigned int seconds)

    uint64_t FUSE_CAP_ASYNC_READ
    uint64_t FUSE_CAP_POSIX_LOCKS
    uint64_t FUSE_CAP_ATOMIC_O_TRUNC
    uint64_t FUSE_CAP_EXPORT_SUPPORT
    uint64_t FUSE_CAP_DONT_MASK
    uint64_t FUSE_CAP_SPLICE_WRITE
    uint64_t FUSE_CAP_SPLICE_MOVE
    uint64_t FUSE_CAP_SPLICE_READ
    uint64_t FUSE_CAP_FLOCK_LOCKS
    uint64_t FUSE_CAP_IOCTL_DIR
    uint64_t FUSE_CAP_AUTO_INVAL_DATA
    uint64_t FUSE_CAP_READDIRPLUS
    uint64_t FUSE_CAP_READDIRPLUS_AUTO
    uint64_t FUSE_CAP_ASYNC_DIO
    uint64_t FUSE_CAP_WRITEBACK_CACHE
    uint64_t FUSE_CAP_NO_OPEN_SUPPORT
    uint64_t FUSE_CAP_PARALLEL_DIROPS
    uint64_t FUSE_CAP_POSIX_ACL
    uint64_t FUSE_CAP_HANDLE_KILLPRIV
    uint64_t FUSE_CAP_CACHE_SYMLINKS
    uint64_t FUSE_CAP_NO_OPENDIR_SUPPORT
    uint64_t FUSE_CAP_EXPLICIT_INVAL_DATA
    uint64_t FUSE_CAP_EXPIRE_ONLY
    uint64_t FUSE_CAP_HANDLE_KILLPRIV_V2
    uint64_t FUSE_CAP_SETXATTR_EXT
    uint64_t FUSE_CAP_DIRECT_IO_ALLOW_MMAP
    uint64_t FUSE_CAP_PASSTHROUGH
    uint64_t FUSE_CAP_NO_EXPORT_SUPPORT
    uint64_t FUSE_CAP_OVER_IO_URING

    int fuse_version()
    const char *fuse_pkgversion()

    cdef enum fuse_buf_flags:
        FUSE_BUF_IS_FD
        FUSE_BUF_FD_SEEK
        FUSE_BUF_FD_RETRY

    cdef enum fuse_buf_copy_flags:
        FUSE_BUF_NO_SPLICE
        FUSE_BUF_FORCE_SPLICE
        FUSE_BUF_SPLICE_MOVE
        FUSE_BUF_SPLICE_NONBLOCK

    cdef struct fuse_buf:
        size_t size
        fuse_buf_flags flags
        void *mem
        int fd
        off_t pos

    cdef struct fuse_bufvec:
        size_t count
        size_t idx
        size_t off
        fuse_buf buf[1]
