/* The C headers of libfuse, and what an older libfuse lacks.
 *
 * Every .pxd below libfuse/ includes this file and nothing else, so the generated C is the same
 * for every libfuse from 3.10 on: what is missing is stubbed here by the preprocessor and
 * answers -ENOSYS (or NULL), and features.pyx tells Python which ones are stubs.
 */
#ifndef FUSETREE_COMPAT_H
#define FUSETREE_COMPAT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define FUSE_USE_VERSION 312

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <fuse_lowlevel.h>

#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 10)
#error "fusetree needs libfuse 3.10 or newer"
#endif

/* fuse_session_custom_io: libfuse 3.14 */
#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 14)
#define FT_HAVE_CUSTOM_IO 0
struct fuse_custom_io {
    ssize_t (*writev)(int fd, struct iovec *iov, int count, void *userdata);
    ssize_t (*read)(int fd, void *buf, size_t buf_len, void *userdata);
    ssize_t (*splice_receive)(int, off_t *, int, off_t *, size_t, unsigned int, void *);
    ssize_t (*splice_send)(int, off_t *, int, off_t *, size_t, unsigned int, void *);
};
#define fuse_session_custom_io(se, io, fd) (-ENOSYS)
#else
#define FT_HAVE_CUSTOM_IO 1
#endif

/* FOPEN_NOFLUSH: libfuse 3.11. Without it close(2) costs a request more. */
static inline void ft_noflush(struct fuse_file_info *fi, int on)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 11)
    fi->noflush = on != 0;
#else
    (void)fi;
    (void)on;
#endif
}

/* Passthrough: libfuse 3.17. The ioctls are the kernel's (linux/fuse.h, Linux 6.9); libfuse wraps them for who has a
 * request at hand. */
#define FT_BACKING_OPEN _IOW(229, 1, struct ft_backing_map)
#define FT_BACKING_CLOSE _IOW(229, 2, uint32_t)
struct ft_backing_map {
    int32_t fd;
    uint32_t flags;
    uint64_t padding;
};

static inline int ft_backing_open(struct fuse_session *se, int fd)
{
    struct ft_backing_map map = { fd, 0, 0 };
    int id = ioctl(fuse_session_fd(se), FT_BACKING_OPEN, &map);
    return id < 0 ? -errno : id;
}

static inline int ft_backing_close(struct fuse_session *se, int id)
{
    uint32_t number = (uint32_t)id;
    return ioctl(fuse_session_fd(se), FT_BACKING_CLOSE, &number) < 0 ? -errno : 0;
}

static inline void ft_set_backing(struct fuse_file_info *fi, int id)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    fi->backing_id = id;
#else
    (void)fi;
    (void)id;
#endif
}

/* Handlers of newer versions: tmpfile 3.17, statx 3.18, syncfs 3.19. Where they are missing the kernel is told ENOSYS. */
typedef void (*ft_tmpfile_t)(fuse_req_t, fuse_ino_t, mode_t, struct fuse_file_info *);
typedef void (*ft_statx_t)(fuse_req_t, fuse_ino_t, int, int, struct fuse_file_info *);
typedef void (*ft_syncfs_t)(fuse_req_t, fuse_ino_t);

static inline void ft_register_tmpfile(struct fuse_lowlevel_ops *ops, ft_tmpfile_t callback)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
#define FT_HAVE_TMPFILE 1
    ops->tmpfile = callback;
#else
#define FT_HAVE_TMPFILE 0
    (void)ops;
    (void)callback;
#endif
}

static inline void ft_register_statx(struct fuse_lowlevel_ops *ops, ft_statx_t callback)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
#define FT_HAVE_STATX 1
    ops->statx = callback;
#else
#define FT_HAVE_STATX 0
    (void)ops;
    (void)callback;
#endif
}

static inline void ft_register_syncfs(struct fuse_lowlevel_ops *ops, ft_syncfs_t callback)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 19)
#define FT_HAVE_SYNCFS 1
    ops->syncfs = callback;
#else
#define FT_HAVE_SYNCFS 0
    (void)ops;
    (void)callback;
#endif
}

static inline int ft_reply_statx(fuse_req_t req, const struct stat *st, const struct timespec *birth,
                                 uint64_t attributes, uint64_t attributes_mask, double timeout)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
    struct statx x = {
        .stx_mask = STATX_BASIC_STATS | (birth ? STATX_BTIME : 0),
        .stx_blksize = (uint32_t)st->st_blksize, .stx_nlink = (uint32_t)st->st_nlink,
        .stx_uid = st->st_uid, .stx_gid = st->st_gid, .stx_mode = (uint16_t)st->st_mode,
        .stx_ino = st->st_ino, .stx_size = (uint64_t)st->st_size, .stx_blocks = (uint64_t)st->st_blocks,
        .stx_attributes = attributes, .stx_attributes_mask = attributes_mask,
        .stx_atime = { .tv_sec = st->st_atim.tv_sec, .tv_nsec = (uint32_t)st->st_atim.tv_nsec },
        .stx_mtime = { .tv_sec = st->st_mtim.tv_sec, .tv_nsec = (uint32_t)st->st_mtim.tv_nsec },
        .stx_ctime = { .tv_sec = st->st_ctim.tv_sec, .tv_nsec = (uint32_t)st->st_ctim.tv_nsec },
        .stx_rdev_major = major(st->st_rdev), .stx_rdev_minor = minor(st->st_rdev),
    };
    if (birth)
        x.stx_btime = (struct statx_timestamp){ .tv_sec = birth->tv_sec, .tv_nsec = (uint32_t)birth->tv_nsec };
    return fuse_reply_statx(req, 0, &x, timeout);
#else
    (void)st;
    (void)birth;
    (void)attributes;
    (void)attributes_mask;
    (void)timeout;
    return fuse_reply_err(req, ENOSYS);
#endif
}

/* Capabilities are asked for by name; from 3.17 they are 64 bits wide and set by a function. */
static inline int ft_capable(const struct fuse_conn_info *conn, uint64_t flag)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    return (conn->capable_ext & flag) != 0;
#else
    return (conn->capable & flag) != 0;
#endif
}

static inline int ft_want(struct fuse_conn_info *conn, uint64_t flag)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    return fuse_set_feature_flag(conn, flag);
#else
    if (!(conn->capable & flag))
        return 0;
    conn->want |= flag;
    return 1;
#endif
}

static inline void ft_unwant(struct fuse_conn_info *conn, uint64_t flag)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    fuse_unset_feature_flag(conn, flag);
#else
    conn->want &= ~flag;
#endif
}

static inline uint64_t ft_wanted(const struct fuse_conn_info *conn)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    return conn->want_ext | conn->want;
#else
    return conn->want;
#endif
}

static inline uint64_t ft_capabilities(const struct fuse_conn_info *conn)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    return conn->capable_ext;
#else
    return conn->capable;
#endif
}

/* Telling the kernel that a name is to be looked up again: libfuse 3.12; its first releases take flags besides. */
#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 12)
#define FT_HAVE_EXPIRE_ENTRY 0
static inline int ft_notify_expire_entry(struct fuse_session *se, fuse_ino_t parent, const char *name, size_t length)
{
    (void)se;
    (void)parent;
    (void)name;
    (void)length;
    return -ENOSYS;
}
#else
#define FT_HAVE_EXPIRE_ENTRY 1
typedef int (*ft_expire_entry)(struct fuse_session *, fuse_ino_t, const char *, size_t);
typedef int (*ft_expire_entry_flags)(struct fuse_session *, fuse_ino_t, const char *, size_t, int);
static inline int ft_notify_expire_entry(struct fuse_session *se, fuse_ino_t parent, const char *name, size_t length)
{
    void *function = (void *)fuse_lowlevel_notify_expire_entry;
    if (__builtin_types_compatible_p(__typeof__(&fuse_lowlevel_notify_expire_entry), ft_expire_entry))
        return ((ft_expire_entry)function)(se, parent, name, length);
    return ((ft_expire_entry_flags)function)(se, parent, name, length, 1 /* FUSE_LL_EXPIRE_ONLY */);
}
#endif

/* Making all names be looked up again at once: libfuse 3.18 */
#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 18)
#define FT_HAVE_INCREMENT_EPOCH 0
#define fuse_lowlevel_notify_increment_epoch(se) ((void)(se), -ENOSYS)
#else
#define FT_HAVE_INCREMENT_EPOCH 1
#endif

/* Making the kernel let go of inodes that nobody uses: libfuse 3.19 */
#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 19)
#define FT_HAVE_PRUNE 0
#define fuse_lowlevel_notify_prune(se, inodes, count) ((void)(se), (void)(inodes), (void)(count), -ENOSYS)
#else
#define FT_HAVE_PRUNE 1
#endif

/* The same for one inode with every libfuse, on a session of /dev/fuse: FUSE_NOTIFY_PRUNE of linux/fuse.h, protocol 7.45 */
static inline int ft_prune(struct fuse_session *se, fuse_ino_t inode)
{
#if FT_HAVE_PRUNE
	return fuse_lowlevel_notify_prune(se, &inode, 1);
#else
	struct {
		uint32_t len;
		int32_t error;
		uint64_t unique;
		uint32_t count;
		uint32_t padding;
		uint64_t spare;
		uint64_t nodeid;
	} message = { sizeof(message), 9, 0, 1, 0, 0, inode };
	return write(fuse_session_fd(se), &message, sizeof(message)) < 0 ? -errno : 0;
#endif
}

/* A capability that the headers do not name is 0: never offered, never wanted. */
#ifndef FUSE_CAP_CACHE_SYMLINKS
#define FUSE_CAP_CACHE_SYMLINKS 0
#endif
#ifndef FUSE_CAP_DIRECT_IO_ALLOW_MMAP
#define FUSE_CAP_DIRECT_IO_ALLOW_MMAP 0
#endif
#ifndef FUSE_CAP_EXPIRE_ONLY
#define FUSE_CAP_EXPIRE_ONLY 0
#endif
#ifndef FUSE_CAP_EXPLICIT_INVAL_DATA
#define FUSE_CAP_EXPLICIT_INVAL_DATA 0
#endif
#ifndef FUSE_CAP_HANDLE_KILLPRIV_V2
#define FUSE_CAP_HANDLE_KILLPRIV_V2 0
#endif
#ifndef FUSE_CAP_NO_EXPORT_SUPPORT
#define FUSE_CAP_NO_EXPORT_SUPPORT 0
#endif
#ifndef FUSE_CAP_NO_OPENDIR_SUPPORT
#define FUSE_CAP_NO_OPENDIR_SUPPORT 0
#endif
#ifndef FUSE_CAP_OVER_IO_URING
#define FUSE_CAP_OVER_IO_URING 0
#endif
#ifndef FUSE_CAP_PASSTHROUGH
#define FUSE_CAP_PASSTHROUGH 0
#endif
#ifndef FUSE_CAP_SETXATTR_EXT
#define FUSE_CAP_SETXATTR_EXT 0
#endif

/* fuse_conn_info.request_timeout (seconds): libfuse 3.18 */
#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 18)
#define FT_HAVE_REQUEST_TIMEOUT 0
static inline void ft_set_request_timeout(struct fuse_conn_info *conn, unsigned int seconds)
{
    (void)conn;
    (void)seconds;
}
#else
#define FT_HAVE_REQUEST_TIMEOUT 1
static inline void ft_set_request_timeout(struct fuse_conn_info *conn, unsigned int seconds)
{
    conn->request_timeout = (uint16_t)seconds;
}
#endif

#endif
