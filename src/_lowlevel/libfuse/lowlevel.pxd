# fuse_lowlevel.h

from libc.stdint cimport uint32_t, uint64_t

from fusetree._lowlevel.libfuse.common cimport (
    fuse_buf,
    fuse_buf_copy_flags,
    fuse_bufvec,
    fuse_conn_info,
    fuse_file_info,
)
from fusetree._lowlevel.libfuse.opt cimport fuse_args
from fusetree._lowlevel.libfuse.posix cimport (
    c_flock,
    c_stat,
    c_statvfs,
    dev_t,
    gid_t,
    iovec,
    mode_t,
    off_t,
    pid_t,
    timespec,
    uid_t,
)

cdef extern from "compat.h" nogil:
    ctypedef uint64_t fuse_ino_t
    cdef struct fuse_req:
        pass
    ctypedef fuse_req *fuse_req_t
    cdef struct fuse_session:
        pass
    cdef struct fuse_pollhandle:
        pass

    uint64_t FUSE_ROOT_ID

    int FUSE_SET_ATTR_MODE
    int FUSE_SET_ATTR_UID
    int FUSE_SET_ATTR_GID
    int FUSE_SET_ATTR_SIZE
    int FUSE_SET_ATTR_ATIME
    int FUSE_SET_ATTR_MTIME
    int FUSE_SET_ATTR_ATIME_NOW
    int FUSE_SET_ATTR_MTIME_NOW
    int FUSE_SET_ATTR_CTIME

    cdef struct fuse_entry_param:
        fuse_ino_t ino
        uint64_t generation
        c_stat attr
        double attr_timeout
        double entry_timeout

    cdef struct fuse_ctx:
        uid_t uid
        gid_t gid
        pid_t pid
        mode_t umask

    cdef struct fuse_forget_data:
        fuse_ino_t ino
        uint64_t nlookup

    cdef struct fuse_custom_io:
        ssize_t (*writev)(int fd, iovec *iov, int count, void *userdata) noexcept nogil
        ssize_t (*read)(int fd, void *buf, size_t buf_len, void *userdata) noexcept nogil

    cdef struct fuse_lowlevel_ops:
        void (*init)(void *userdata, fuse_conn_info *conn) noexcept nogil
        void (*destroy)(void *userdata) noexcept nogil
        void (*lookup)(fuse_req_t req, fuse_ino_t parent, const char *name) noexcept nogil
        void (*forget)(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup) noexcept nogil
        void (*getattr)(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil
        void (*setattr)(
            fuse_req_t req, fuse_ino_t ino, c_stat *attr, int to_set, fuse_file_info *fi) noexcept nogil
        void (*readlink)(fuse_req_t req, fuse_ino_t ino) noexcept nogil
        void (*mknod)(
            fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev) noexcept nogil
        void (*mkdir)(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode) noexcept nogil
        void (*unlink)(fuse_req_t req, fuse_ino_t parent, const char *name) noexcept nogil
        void (*rmdir)(fuse_req_t req, fuse_ino_t parent, const char *name) noexcept nogil
        void (*symlink)(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name) noexcept nogil
        void (*rename)(
            fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent, const char *newname,
            unsigned int flags) noexcept nogil
        void (*link)(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname) noexcept nogil
        void (*open)(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil
        void (*read)(
            fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, fuse_file_info *fi) noexcept nogil
        void (*write)(
            fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
            fuse_file_info *fi) noexcept nogil
        void (*flush)(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil
        void (*release)(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil
        void (*fsync)(fuse_req_t req, fuse_ino_t ino, int datasync, fuse_file_info *fi) noexcept nogil
        void (*opendir)(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil
        void (*readdir)(
            fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, fuse_file_info *fi) noexcept nogil
        void (*releasedir)(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi) noexcept nogil
        void (*fsyncdir)(fuse_req_t req, fuse_ino_t ino, int datasync, fuse_file_info *fi) noexcept nogil
        void (*statfs)(fuse_req_t req, fuse_ino_t ino) noexcept nogil
        void (*setxattr)(
            fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
            int flags) noexcept nogil
        void (*getxattr)(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size) noexcept nogil
        void (*listxattr)(fuse_req_t req, fuse_ino_t ino, size_t size) noexcept nogil
        void (*removexattr)(fuse_req_t req, fuse_ino_t ino, const char *name) noexcept nogil
        void (*access)(fuse_req_t req, fuse_ino_t ino, int mask) noexcept nogil
        void (*create)(
            fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
            fuse_file_info *fi) noexcept nogil
        void (*forget_multi)(fuse_req_t req, size_t count, fuse_forget_data *forgets) noexcept nogil
        void (*retrieve_reply)(
            fuse_req_t req, void *cookie, fuse_ino_t ino, off_t offset,
            fuse_bufvec *bufv) noexcept nogil
        void (*readdirplus)(
            fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, fuse_file_info *fi) noexcept nogil
        void (*getlk)(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi, c_flock *lock) noexcept nogil
        void (*setlk)(
            fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi, c_flock *lock, int sleep) noexcept nogil
        void (*flock)(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi, int op) noexcept nogil
        void (*bmap)(fuse_req_t req, fuse_ino_t ino, size_t blocksize, uint64_t idx) noexcept nogil
        void (*ioctl)(
            fuse_req_t req, fuse_ino_t ino, unsigned int cmd, void *arg, fuse_file_info *fi, unsigned flags,
            const void *in_buf, size_t in_bufsz, size_t out_bufsz) noexcept nogil
        void (*poll)(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi, fuse_pollhandle *ph) noexcept nogil
        void (*fallocate)(
            fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
            fuse_file_info *fi) noexcept nogil
        void (*copy_file_range)(
            fuse_req_t req, fuse_ino_t ino_in, off_t off_in, fuse_file_info *fi_in, fuse_ino_t ino_out,
            off_t off_out, fuse_file_info *fi_out, size_t len, int flags) noexcept nogil
        void (*lseek)(
            fuse_req_t req, fuse_ino_t ino, off_t off, int whence, fuse_file_info *fi) noexcept nogil

    # Members of newer versions are entered through compat.h, which does nothing where they are missing.
    int FT_HAVE_TMPFILE
    int FT_HAVE_STATX
    int FT_HAVE_SYNCFS
    ctypedef void (*ft_tmpfile_t)(
        fuse_req_t req, fuse_ino_t parent, mode_t mode, fuse_file_info *fi) noexcept nogil
    ctypedef void (*ft_statx_t)(
        fuse_req_t req, fuse_ino_t ino, int flags, int mask, fuse_file_info *fi) noexcept nogil
    ctypedef void (*ft_syncfs_t)(fuse_req_t req, fuse_ino_t ino) noexcept nogil
    void ft_register_tmpfile(fuse_lowlevel_ops *ops, ft_tmpfile_t callback)
    void ft_register_statx(fuse_lowlevel_ops *ops, ft_statx_t callback)
    void ft_register_syncfs(fuse_lowlevel_ops *ops, ft_syncfs_t callback)

    int fuse_reply_err(fuse_req_t req, int err)
    void fuse_reply_none(fuse_req_t req)
    int fuse_reply_entry(fuse_req_t req, const fuse_entry_param *e)
    int fuse_reply_create(fuse_req_t req, const fuse_entry_param *e, const fuse_file_info *fi)
    int fuse_reply_attr(fuse_req_t req, const c_stat *attr, double attr_timeout)
    int fuse_reply_readlink(fuse_req_t req, const char *link)
    int fuse_reply_open(fuse_req_t req, const fuse_file_info *fi)
    int fuse_reply_write(fuse_req_t req, size_t count)
    int fuse_reply_buf(fuse_req_t req, const char *buf, size_t size)
    int fuse_reply_data(fuse_req_t req, fuse_bufvec *bufv, fuse_buf_copy_flags flags)
    int fuse_reply_statfs(fuse_req_t req, const c_statvfs *stbuf)
    int fuse_reply_xattr(fuse_req_t req, size_t count)
    int fuse_reply_lock(fuse_req_t req, const c_flock *lock)
    int fuse_reply_bmap(fuse_req_t req, uint64_t idx)
    int fuse_reply_ioctl(fuse_req_t req, int result, const void *buf, size_t size)
    int fuse_reply_ioctl_retry(
        fuse_req_t req, const iovec *in_iov, size_t in_count, const iovec *out_iov, size_t out_count)
    int fuse_reply_poll(fuse_req_t req, unsigned revents)
    int fuse_reply_lseek(fuse_req_t req, off_t off)
    # birth: NULL when it is not known
    int ft_reply_statx(
        fuse_req_t req, const c_stat *stat, const timespec *birth, uint64_t attributes,
        uint64_t attributes_mask, double timeout)

    size_t fuse_add_direntry(fuse_req_t req, char *buf, size_t bufsize, const char *name,
                             const c_stat *stbuf, off_t off)
    size_t fuse_add_direntry_plus(fuse_req_t req, char *buf, size_t bufsize, const char *name,
                                  const fuse_entry_param *e, off_t off)

    int fuse_lowlevel_notify_poll(fuse_pollhandle *ph)
    void fuse_pollhandle_destroy(fuse_pollhandle *ph)
    int fuse_lowlevel_notify_inval_inode(fuse_session *se, fuse_ino_t ino, off_t off, off_t len)
    int fuse_lowlevel_notify_inval_entry(
        fuse_session *se, fuse_ino_t parent, const char *name, size_t namelen)
    int fuse_lowlevel_notify_delete(
        fuse_session *se, fuse_ino_t parent, fuse_ino_t child, const char *name, size_t namelen)
    int fuse_lowlevel_notify_store(
        fuse_session *se, fuse_ino_t ino, off_t offset, fuse_bufvec *bufv, fuse_buf_copy_flags flags)
    int fuse_lowlevel_notify_retrieve(
        fuse_session *se, fuse_ino_t ino, size_t size, off_t offset, void *cookie)
    int ft_backing_open(fuse_session *se, int fd)
    int ft_backing_close(fuse_session *se, int backing_id)
    int ft_notify_expire_entry(fuse_session *se, fuse_ino_t parent, const char *name, size_t length)
    int fuse_lowlevel_notify_increment_epoch(fuse_session *se)
    # Of compat.h, with every libfuse
    int ft_prune(fuse_session *se, fuse_ino_t inode)
    int fuse_lowlevel_notify_prune(fuse_session *se, fuse_ino_t *inodes, uint32_t count)

    void *fuse_req_userdata(fuse_req_t req)
    const fuse_ctx *fuse_req_ctx(fuse_req_t req)
    ctypedef void (*fuse_interrupt_func_t)(fuse_req_t req, void *data) noexcept nogil
    void fuse_req_interrupt_func(fuse_req_t req, fuse_interrupt_func_t func, void *data)
    int fuse_req_interrupted(fuse_req_t req)

    fuse_session *fuse_session_new(
        fuse_args *args, const fuse_lowlevel_ops *op, size_t op_size, void *userdata)
    int fuse_session_custom_io(fuse_session *se, const fuse_custom_io *io, int fd)
    int fuse_session_mount(fuse_session *se, const char *mountpoint)
    void fuse_session_exit(fuse_session *se)
    int fuse_session_exited(fuse_session *se)
    void fuse_session_unmount(fuse_session *se)
    void fuse_session_destroy(fuse_session *se)
    int fuse_session_fd(fuse_session *se)
    int fuse_session_loop(fuse_session *se)
    int fuse_session_receive_buf(fuse_session *se, fuse_buf *buf)
    void fuse_session_process_buf(fuse_session *se, const fuse_buf *buf)
