# cython: language_level=3
"""Handlers of the requests that make a file behave as a device: ioctl, poll, bmap."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer

from fusetree._lowlevel.capture cimport OP_BMAP, OP_IOCTL, OP_POLL
from fusetree._lowlevel.exchange cimport enter
from fusetree._lowlevel.ioctls cimport IoctlRetry
from fusetree._lowlevel.libfuse.lowlevel cimport (
    fuse_reply_bmap,
    fuse_reply_ioctl,
    fuse_reply_ioctl_retry,
    fuse_reply_poll,
    fuse_req_t,
)
from fusetree._lowlevel.libfuse.posix cimport iovec
from fusetree._lowlevel.reply cimport number_within, wrong_type
from fusetree._lowlevel.request cimport Request

cdef enum:
    MOST_AREAS = 256
    FUSE_IOCTL_UNRESTRICTED = 2

cdef str WHAT_IOCTL = "an int, bytes, a tuple (int, bytes) or IoctlRetry"


cdef object call_bmap(Request r, object handler):
    return handler(r.c_ino, r.c_size, r.c_length, r.ctx)


cdef object call_ioctl(Request r, object handler):
    return handler(
        r.c_ino, r.c_fh, r.c_number, r.c_length, r.other, r.c_other_off, <unsigned int>r.c_flags, r.ctx)


cdef object call_poll(Request r, object handler):
    return handler(r.c_ino, r.c_fh, r.c_number, r.other, r.ctx)


cdef int reply_bmap(Request r, object result) except? -1:
    cdef unsigned long long block = number_within(r, result, 0, (1 << 64) - 1, "the block's number")
    cdef fuse_req_t req = r.take()
    if req == NULL:
        return 0
    with nogil:
        return fuse_reply_bmap(req, block)


cdef int reply_poll(Request r, object result) except? -1:
    cdef unsigned int events = number_within(r, result, 0, 0xFFFFFFFF, "a mask of POLL bits")
    cdef fuse_req_t req
    r.other = None             # the handle is the handler's now, or nobody's
    req = r.take()
    if req == NULL:
        return 0
    with nogil:
        return fuse_reply_poll(req, events)


cdef int fill_areas(iovec *areas, tuple given) except -1:
    cdef int count = 0
    for address, size in given:
        areas[count].iov_base = <void *><size_t>address
        areas[count].iov_len = size
        count += 1
    return count


cdef int reply_retry(Request r, IoctlRetry retry) except? -1:
    cdef iovec inputs[MOST_AREAS]
    cdef iovec outputs[MOST_AREAS]
    cdef int input_count = fill_areas(inputs, retry.inputs)
    cdef int output_count = fill_areas(outputs, retry.outputs)
    cdef fuse_req_t req
    if not r.c_flags & FUSE_IOCTL_UNRESTRICTED:
        raise ValueError("handler 'ioctl' returned IoctlRetry for a restricted ioctl")
    req = r.take()
    if req == NULL:
        return 0
    with nogil:
        return fuse_reply_ioctl_retry(req, inputs, input_count, outputs, output_count)


cdef int reply_ioctl(Request r, object result) except? -1:
    cdef fuse_req_t req
    cdef Py_buffer view
    cdef object data = b""
    cdef int number = 0
    cdef int rc
    if isinstance(result, IoctlRetry):
        return reply_retry(r, <IoctlRetry>result)
    if isinstance(result, int):
        number = number_within(r, result, -(1 << 31), (1 << 31) - 1, "the result")
    elif type(result) is tuple:
        if len(result) != 2 or not isinstance(result[0], int):
            raise wrong_type(r, WHAT_IOCTL, result)
        number = number_within(r, result[0], -(1 << 31), (1 << 31) - 1, "the result")
        data = result[1]
    elif result is not None:
        data = result
    try:
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    except TypeError:
        raise wrong_type(r, WHAT_IOCTL, result) from None
    except (BufferError, ValueError) as exc:
        raise TypeError(
            f"handler {r.operation!r} returned a buffer whose bytes can not be had in one piece ({exc}); "
            "return bytes(...) of it") from exc
    try:
        if view.len > r.c_other_off:
            raise ValueError(f"handler 'ioctl' may hand out {r.c_other_off} bytes and returned {view.len}")
        req = r.take()
        if req == NULL:
            return 0
        with nogil:
            rc = fuse_reply_ioctl(req, number, view.buf, view.len)
        return rc
    finally:
        PyBuffer_Release(&view)


cdef void enter_devices(Exchange *table):
    enter(table, OP_BMAP, call_bmap, reply_bmap)
    enter(table, OP_IOCTL, call_ioctl, reply_ioctl)
    enter(table, OP_POLL, call_poll, reply_poll)
