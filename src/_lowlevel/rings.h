/* The callbacks of requests that come over rings (io_uring, libfuse 3.18).
 *
 * libfuse's ring threads call the same callbacks as a thread that reads the device, but there is nobody whom they
 * return to: whoever reads looks into its slot afterwards, a ring thread goes back to its ring. So each callback that
 * is entered for a session that asks for rings is put into one of these, which gives a ring thread a slot before and
 * looks into it afterwards (capture_rings.pyx). In a thread that reads the device it does nothing.
 *
 * INIT and FORGET never come over a ring.
 */
#ifndef FUSETREE_RINGS_H
#define FUSETREE_RINGS_H

#include "compat.h"

/* Set once, when capture_rings is imported. */
enum { FT_BY_DEVICE, FT_BY_RING, FT_REFUSED };
static int (*ft_ring_begins)(fuse_req_t req);
static void (*ft_ring_ends)(fuse_req_t req);

/* What is put in: the callbacks are the same functions for every session. */
static struct fuse_lowlevel_ops ft_inner;

#define FT_FI struct fuse_file_info *fi

#define FT_RING_CALLBACKS(X)                                                                                           \
    X(lookup, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))                              \
    X(getattr, (fuse_req_t req, fuse_ino_t ino, FT_FI), (req, ino, fi))                                                \
    X(setattr, (fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, FT_FI), (req, ino, attr, to_set, fi))   \
    X(readlink, (fuse_req_t req, fuse_ino_t ino), (req, ino))                                                          \
    X(mknod, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev),                           \
      (req, parent, name, mode, rdev))                                                                                 \
    X(mkdir, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode), (req, parent, name, mode))            \
    X(unlink, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))                              \
    X(rmdir, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))                               \
    X(symlink, (fuse_req_t req, const char *target, fuse_ino_t parent, const char *name), (req, target, parent, name)) \
    X(rename,                                                                                                          \
      (fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,               \
       unsigned int flags),                                                                                            \
      (req, parent, name, new_parent, new_name, flags))                                                                \
    X(link, (fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name), (req, ino, parent, name))           \
    X(open, (fuse_req_t req, fuse_ino_t ino, FT_FI), (req, ino, fi))                                                   \
    X(read, (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, FT_FI), (req, ino, size, off, fi))                \
    X(write, (fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off, FT_FI),                        \
      (req, ino, data, size, off, fi))                                                                                 \
    X(flush, (fuse_req_t req, fuse_ino_t ino, FT_FI), (req, ino, fi))                                                  \
    X(release, (fuse_req_t req, fuse_ino_t ino, FT_FI), (req, ino, fi))                                                \
    X(fsync, (fuse_req_t req, fuse_ino_t ino, int datasync, FT_FI), (req, ino, datasync, fi))                          \
    X(opendir, (fuse_req_t req, fuse_ino_t ino, FT_FI), (req, ino, fi))                                                \
    X(readdir, (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, FT_FI), (req, ino, size, off, fi))             \
    X(readdirplus, (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, FT_FI), (req, ino, size, off, fi))         \
    X(releasedir, (fuse_req_t req, fuse_ino_t ino, FT_FI), (req, ino, fi))                                             \
    X(fsyncdir, (fuse_req_t req, fuse_ino_t ino, int datasync, FT_FI), (req, ino, datasync, fi))                       \
    X(statfs, (fuse_req_t req, fuse_ino_t ino), (req, ino))                                                            \
    X(setxattr, (fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags),         \
      (req, ino, name, value, size, flags))                                                                            \
    X(getxattr, (fuse_req_t req, fuse_ino_t ino, const char *name, size_t size), (req, ino, name, size))               \
    X(listxattr, (fuse_req_t req, fuse_ino_t ino, size_t size), (req, ino, size))                                      \
    X(removexattr, (fuse_req_t req, fuse_ino_t ino, const char *name), (req, ino, name))                               \
    X(access, (fuse_req_t req, fuse_ino_t ino, int mask), (req, ino, mask))                                            \
    X(create, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, FT_FI),                               \
      (req, parent, name, mode, fi))                                                                                   \
    X(getlk, (fuse_req_t req, fuse_ino_t ino, FT_FI, struct flock *lock), (req, ino, fi, lock))                        \
    X(setlk, (fuse_req_t req, fuse_ino_t ino, FT_FI, struct flock *lock, int sleep), (req, ino, fi, lock, sleep))      \
    X(flock, (fuse_req_t req, fuse_ino_t ino, FT_FI, int op), (req, ino, fi, op))                                      \
    X(bmap, (fuse_req_t req, fuse_ino_t ino, size_t block_size, uint64_t block), (req, ino, block_size, block))        \
    X(ioctl,                                                                                                           \
      (fuse_req_t req, fuse_ino_t ino, unsigned int command, void *arg, FT_FI, unsigned flags, const void *data,       \
       size_t size, size_t out_size),                                                                                  \
      (req, ino, command, arg, fi, flags, data, size, out_size))                                                       \
    X(poll, (fuse_req_t req, fuse_ino_t ino, FT_FI, struct fuse_pollhandle *handle), (req, ino, fi, handle))           \
    X(retrieve_reply, (fuse_req_t req, void *cookie, fuse_ino_t ino, off_t off, struct fuse_bufvec *data),             \
      (req, cookie, ino, off, data))                                                                                   \
    X(fallocate, (fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t length, FT_FI),                           \
      (req, ino, mode, off, length, fi))                                                                               \
    X(copy_file_range,                                                                                                 \
      (fuse_req_t req, fuse_ino_t ino, off_t off, FT_FI, fuse_ino_t to, off_t to_off, struct fuse_file_info *to_fi,    \
       size_t size, int flags),                                                                                        \
      (req, ino, off, fi, to, to_off, to_fi, size, flags))                                                             \
    X(lseek, (fuse_req_t req, fuse_ino_t ino, off_t off, int whence, FT_FI), (req, ino, off, whence, fi))

#if FT_HAVE_TMPFILE
#define FT_RING_TMPFILE(X)                                                                                             \
    X(tmpfile, (fuse_req_t req, fuse_ino_t parent, mode_t mode, FT_FI), (req, parent, mode, fi))
#else
#define FT_RING_TMPFILE(X)
#endif
#if FT_HAVE_STATX
#define FT_RING_STATX(X)                                                                                               \
    X(statx, (fuse_req_t req, fuse_ino_t ino, int flags, int mask, FT_FI), (req, ino, flags, mask, fi))
#else
#define FT_RING_STATX(X)
#endif
#if FT_HAVE_SYNCFS
#define FT_RING_SYNCFS(X) X(syncfs, (fuse_req_t req, fuse_ino_t ino), (req, ino))
#else
#define FT_RING_SYNCFS(X)
#endif

#define FT_ALL_RING_CALLBACKS(X) FT_RING_CALLBACKS(X) FT_RING_TMPFILE(X) FT_RING_STATX(X) FT_RING_SYNCFS(X)

#define FT_AROUND(name, parameters, arguments)                                                                         \
    static void ft_around_##name parameters                                                                            \
    {                                                                                                                  \
        int how = ft_ring_begins(req);                                                                                 \
        if (how == FT_REFUSED)                                                                                         \
            return;                                                                                                    \
        ft_inner.name arguments;                                                                                       \
        if (how == FT_BY_RING)                                                                                         \
            ft_ring_ends(req);                                                                                         \
    }
FT_ALL_RING_CALLBACKS(FT_AROUND)
#undef FT_AROUND

/* Puts each callback in *ops* into its wrapper. */
static void ft_put_into_wrappers(struct fuse_lowlevel_ops *ops)
{
#define FT_PUT(name, parameters, arguments)                                                                            \
    if (ops->name) {                                                                                                   \
        ft_inner.name = ops->name;                                                                                     \
        ops->name = ft_around_##name;                                                                                  \
    }
    FT_ALL_RING_CALLBACKS(FT_PUT)
#undef FT_PUT
}

#endif
