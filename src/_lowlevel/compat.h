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
