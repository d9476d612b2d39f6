# cython: language_level=3
"""The FUSE protocol on a stream socket: libfuse reads and writes messages, a stream has none, so each is a
frame.

A frame is a message as it is: its first four bytes are its length (``struct fuse_in_header.len``,
``fuse_out_header.len``).

A message that is malformed never reaches libfuse, which trusts what it reads (see wellformed.pyx).

Rule: one thread at a time takes a frame out and one puts one in, so that frames are whole; the device does
that by itself.
"""

from fusetree._lowlevel.capture cimport SessionState
from fusetree._lowlevel.libfuse.common cimport FUSE_CAP_SETXATTR_EXT
from fusetree._lowlevel.libfuse.posix cimport iovec
from fusetree._lowlevel.libfuse.pthread cimport pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.wellformed cimport (
    MALFORMED,
    MALFORMED_SILENT,
    WELL_FORMED,
    Verdict,
    disarm,
    judge,
)

cdef extern from "compat.h" nogil:
    """
    #include <poll.h>
    #include <sys/socket.h>
    /* One frame off the stream. Its end is what ENODEV is for a device: the kernel side is gone. */
    static ssize_t ft_read_frame(int fd, void *buf, size_t size, int flags)
    {
        size_t have = 0, want = 4;
        while (have < want) {
            ssize_t n = recv(fd, (char *)buf + have, want - have, flags);
            if (n == 0) { errno = ENODEV; return -1; }
            if (n < 0) {
                if (errno == EINTR && have) continue;
                if (errno == EAGAIN && have) {
                    struct pollfd p = { fd, POLLIN, 0 };
                    poll(&p, 1, -1);
                    continue;
                }
                if (errno == ECONNRESET) errno = ENODEV;
                return -1;
            }
            have += (size_t)n;
            if (have == 4 && want == 4) {
                want = *(uint32_t *)buf;
                if (want < 40 || want > size) { errno = EIO; return -1; }
            }
        }
        return (ssize_t)have;
    }
    static ssize_t ft_write_frame(int fd, struct iovec *iov, int count)
    {
        struct msghdr message = { .msg_iov = iov, .msg_iovlen = (size_t)count };
        ssize_t total = 0;
        size_t left = 0;
        for (int i = 0; i < count; i++) left += iov[i].iov_len;
        while (left) {
            ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
            if (n < 0) {
                if (errno == EINTR) continue;
                if (errno == EAGAIN) {
                    struct pollfd p = { fd, POLLOUT, 0 };
                    poll(&p, 1, -1);
                    continue;
                }
                return -1;
            }
            total += n;
            left -= (size_t)n;
            while (n && message.msg_iovlen) {
                if ((size_t)n >= message.msg_iov->iov_len) {
                    n -= (ssize_t)message.msg_iov->iov_len;
                    message.msg_iov++;
                    message.msg_iovlen--;
                } else {
                    message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + n;
                    message.msg_iov->iov_len -= (size_t)n;
                    n = 0;
                }
            }
        }
        return total;
    }
    """
    ssize_t ft_read_frame(int fd, void *buf, size_t size, int flags)
    ssize_t ft_write_frame(int fd, iovec *iov, int count)
    enum:
        MSG_DONTWAIT


cdef ssize_t read_frame(int fd, void *buf, size_t size, void *userdata) noexcept nogil:
    cdef SessionState *state = <SessionState *>userdata
    cdef ssize_t rc
    cdef Verdict verdict = WELL_FORMED
    pthread_mutex_lock(&state.read_lock)
    while True:
        # A flag for each call: O_NONBLOCK would be set for the caller's own descriptor too, of which ours is
        # a duplicate.
        rc = ft_read_frame(fd, buf, size, MSG_DONTWAIT if state.nonblocking else 0)
        if rc < 0:
            break
        verdict = judge(buf, rc, (state.wanted & FUSE_CAP_SETXATTR_EXT) != 0)
        if verdict == MALFORMED:
            disarm(buf)
        if verdict != MALFORMED_SILENT:
            break
    pthread_mutex_unlock(&state.read_lock)
    return rc


cdef ssize_t write_frame(int fd, iovec *iov, int count, void *userdata) noexcept nogil:
    cdef SessionState *state = <SessionState *>userdata
    cdef ssize_t rc
    pthread_mutex_lock(&state.write_lock)
    rc = ft_write_frame(fd, iov, count)
    pthread_mutex_unlock(&state.write_lock)
    return rc
