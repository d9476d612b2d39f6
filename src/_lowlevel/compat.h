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

#ifndef FUSE_CAP_EXPIRE_ONLY
#define FUSE_CAP_EXPIRE_ONLY 0
#endif
#ifndef FUSE_CAP_CACHE_SYMLINKS
#define FUSE_CAP_CACHE_SYMLINKS 0
#endif
#ifndef FUSE_CAP_EXPLICIT_INVAL_DATA
#define FUSE_CAP_EXPLICIT_INVAL_DATA 0
#endif

#endif
