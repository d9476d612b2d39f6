# cython: language_level=3
"""Callbacks of the requests that make a file behave as a device: ioctl, poll, bmap."""

from libc.stdint cimport uint64_t

from fusetree._lowlevel.capture cimport OP_BMAP, OP_IOCTL, OP_POLL, Captured, current
from fusetree._lowlevel.libfuse.common cimport fuse_file_info
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_ino_t, fuse_lowlevel_ops, fuse_pollhandle, fuse_req_t


cdef inline Captured *capture(fuse_req_t req, int opcode, fuse_ino_t ino) noexcept nogil:
    cdef Captured *c = current()
    c.opcode = opcode
    c.req = req
    c.ino = ino
    return c


cdef void on_bmap(fuse_req_t req, fuse_ino_t ino, size_t blocksize, uint64_t idx) noexcept nogil:
    cdef Captured *c = capture(req, OP_BMAP, ino)
    c.size = blocksize
    c.length = idx


cdef void on_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int cmd, void *arg, fuse_file_info *fi,
                   unsigned flags, const void *in_buf, size_t in_bufsz, size_t out_bufsz) noexcept nogil:
    cdef Captured *c = capture(req, OP_IOCTL, ino)
    c.fi = fi[0]
    c.fi.flags = <int>flags          # libfuse has none of the open file to tell
    c.has_fi = True
    c.number = cmd
    c.length = <uint64_t>arg
    c.data = <const char *>in_buf if in_bufsz else NULL
    c.size = in_bufsz
    c.other_off = out_bufsz


cdef void on_poll(fuse_req_t req, fuse_ino_t ino, fuse_file_info *fi, fuse_pollhandle *ph) noexcept nogil:
    cdef Captured *c = capture(req, OP_POLL, ino)
    c.fi = fi[0]
    c.has_fi = True
    c.number = fi.poll_events
    c.poll_handle = ph


cdef void register_devices(fuse_lowlevel_ops *ops, set wanted):
    """Enter the callbacks of the *wanted* handlers."""
    if "bmap" in wanted:
        ops.bmap = on_bmap
    if "ioctl" in wanted:
        ops.ioctl = on_ioctl
    if "poll" in wanted:
        ops.poll = on_poll
