# cython: language_level=3
"""What a handler returned, as the one reply to its request: the ``fuse_reply_*`` family.

Each function checks the type of the result first (TypeError or ValueError that names the handler; the request
is then still open), then answers, and returns what libfuse said: 0, or a negative errno when nobody got the
answer.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.errno cimport EACCES, ENOENT, ERANGE
from libc.stdint cimport uint64_t
from libc.string cimport memset

from fusetree._lowlevel.answers cimport reply_attr_coherent, reply_create_coherent, reply_entry_coherent
from fusetree._lowlevel.attributes cimport EntryAttributes
from fusetree._lowlevel.capture cimport OP_LINK
from fusetree._lowlevel.coherence cimport look_again, look_again_at_child
from fusetree._lowlevel.dirents cimport ReaddirToken
from fusetree._lowlevel.filedata cimport FileData
from fusetree._lowlevel.fileinfo cimport FileInfo
from fusetree._lowlevel.libfuse.common cimport fuse_buf_copy_flags, fuse_bufvec, fuse_file_info
from fusetree._lowlevel.statx cimport StatxAttributes
from fusetree._lowlevel.libfuse.lowlevel cimport (
    ft_reply_statx,
    fuse_reply_attr,
    fuse_reply_buf,
    fuse_reply_create,
    fuse_reply_data,
    fuse_reply_entry,
    fuse_reply_err,
    fuse_reply_lseek,
    fuse_reply_open,
    fuse_reply_readlink,
    fuse_reply_statfs,
    fuse_reply_write,
    fuse_reply_xattr,
    fuse_req_t,
)
from fusetree._lowlevel.libfuse.posix cimport timespec
from fusetree._lowlevel.libfuse.pthread cimport ft_load
from fusetree._lowlevel.nodeattributes cimport NodeAttributes
from fusetree._lowlevel.request cimport Request
from fusetree._lowlevel.statvfs cimport StatvfsData
from fusetree._lowlevel.table cimport ft_table


cdef extern from * nogil:
    """
    #include "compat.h"
    #include <stdlib.h>
    #include <unistd.h>
    /* Over a ring libfuse copies the data itself. Of a mapping that lost its file that is a SIGBUS;
     * the kernel, where it copies, tells an error instead, so it does. */
    static void ft_reply_mapped(fuse_req_t req, const void *data, size_t size)
    {
        char *copy = malloc(size ? size : 1);
        struct iovec to = { copy, size }, from = { (void *)data, size };
        ssize_t rc = copy ? process_vm_readv(getpid(), &to, 1, &from, 1, 0) : -1;
        if (!copy)
            fuse_reply_err(req, ENOMEM);
        else if (rc == (ssize_t)size)
            fuse_reply_buf(req, copy, size);
        else if (rc < 0 && (errno == ENOSYS || errno == EPERM)) /* forbidden here */
            fuse_reply_buf(req, data, size);
        else
            fuse_reply_err(req, EIO);
        free(copy);
    }
    """
    void ft_reply_mapped(fuse_req_t req, const void *data, size_t size)


cdef str WHAT_NAMES = "names of xattrs, each as bytes"


cdef TypeError wrong_type(Request request, object wanted, object result):
    cdef str found = type(result).__name__
    if type(result) is tuple:
        found = f"a tuple ({', '.join([type(one).__name__ for one in result])})"
    return TypeError(f"handler {request.operation!r} must return {wanted}, not {found}")


cdef object number_within(Request r, object result, object least, object most, str what):
    """*result*, if it is an int from *least* to *most*."""
    if not isinstance(result, int):
        raise wrong_type(r, f"int ({what})", result)
    if not least <= result <= most:
        raise ValueError(f"handler {r.operation!r} returned {result}; {what} is from {least} to {most}")
    return result


cdef int reply_success(Request r, object result) except? -1:
    """For handlers whose return says that all went well; what they return does not matter."""
    r.fail_with(0)
    return 0


cdef int reply_access(Request r, object result) except? -1:
    r.fail_with(0 if result else EACCES)
    return 0


cdef int reply_data(Request r, object result) except? -1:
    """Data of a read, straight from the handler's buffer or file: the kernel makes the only copy."""
    cdef fuse_req_t req
    cdef Py_buffer view
    cdef const char *data
    cdef Py_ssize_t size
    cdef bint type_may_be_mapped = type(result) is not bytearray
    if type(result) is bytes:
        size = PyBytes_GET_SIZE(result)
        check_size(r, size)
        data = PyBytes_AS_STRING(result)
        req = r.take()
        if req != NULL:
            with nogil:
                fuse_reply_buf(req, data, size)
        return 0
    if type(result) is FileData:
        return reply_file_data(r, <FileData>result)
    try:
        PyObject_GetBuffer(result, &view, PyBUF_SIMPLE)
    except TypeError:
        raise wrong_type(r, "bytes, FileData or a contiguous buffer", result) from None
    except (BufferError, ValueError) as exc:    # memoryview, array and mmap say the one, NumPy says the other
        raise TypeError(
            f"handler {r.operation!r} returned a {type(result).__name__} whose bytes can not be had "
            f"in one piece ({exc}); return bytes(...) of it") from exc
    try:
        check_size(r, view.len)
        req = r.take()
        if req != NULL:
            with nogil:
                if r.c_ring and type_may_be_mapped:
                    ft_reply_mapped(req, view.buf, view.len)
                else:
                    fuse_reply_buf(req, <const char *>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)
    return 0


cdef inline int check_size(Request r, Py_ssize_t size) except -1:
    if size > <Py_ssize_t>r.c_size:
        raise ValueError(f"handler {r.operation!r} was asked for {r.c_size} bytes and returned {size}")
    return 0


cdef int reply_file_data(Request r, FileData data) except? -1:
    # What can not be read is answered by libfuse with the errno of pread(2).
    cdef fuse_bufvec vector
    cdef fuse_req_t req
    check_size(r, data.size)
    data.fill(&vector)
    req = r.take()
    if req != NULL:
        with nogil:
            fuse_reply_data(req, &vector, <fuse_buf_copy_flags>0)
    return 0


cdef int reply_attr(Request r, object result) except? -1:
    cdef EntryAttributes attr
    cdef fuse_req_t req
    if not isinstance(result, EntryAttributes):
        raise wrong_type(r, "EntryAttributes", result)
    attr = <EntryAttributes>result
    req = r.take()
    if req == NULL:
        return 0
    if r.c_state.table != NULL and isinstance(result, NodeAttributes):
        reply_attr_coherent(r.c_state.table, req, <NodeAttributes>result)
    else:
        with nogil:
            fuse_reply_attr(req, &attr.c_entry.attr, attr.c_entry.attr_timeout)
    return 0


cdef int reply_entry(Request r, object result) except? -1:
    cdef EntryAttributes attr
    cdef fuse_req_t req
    cdef int rc
    if not isinstance(result, EntryAttributes):
        raise wrong_type(r, "EntryAttributes", result)
    attr = <EntryAttributes>result
    req = r.take()
    if r.c_state.table != NULL and isinstance(result, NodeAttributes):
        if req != NULL:
            # The table raises the count, and takes it back when nobody got the answer.
            reply_entry_coherent(
                r.c_state.table, req, <NodeAttributes>result,
                r.c_other_ino if r.c_opcode == OP_LINK else r.c_ino, r.name_bytes, r.c_stamp)
        return 0
    if req == NULL:
        return -ENOENT
    with nogil:
        rc = fuse_reply_entry(req, &attr.c_entry)
    return rc


cdef int fill_open(Request r, fuse_file_info *fi, object result) except? -1:
    memset(fi, 0, sizeof(fi[0]))
    fi.flags = r.c_flags
    if isinstance(result, FileInfo):
        (<FileInfo>result).apply(fi)
    elif isinstance(result, int):
        try:
            fi.fh = result
        except OverflowError:
            raise ValueError(
                f"handler {r.operation!r} returned {result}; a file handle is from 0 to 2**64 - 1") from None
    else:
        raise wrong_type(r, "FileInfo or an int (the file handle)", result)
    return 0


cdef int reply_open(Request r, object result) except? -1:
    cdef fuse_file_info fi
    cdef fuse_req_t req
    cdef int rc = -ENOENT
    fill_open(r, &fi, result)
    req = r.take()
    if req != NULL:
        with nogil:
            rc = fuse_reply_open(req, &fi)
    return rc


cdef int reply_create(Request r, object result) except? -1:
    cdef fuse_file_info fi
    cdef EntryAttributes attr
    cdef fuse_req_t req
    cdef const char *name = NULL
    cdef int rc = -ENOENT
    if r.name_bytes is not None:
        name = r.name_bytes
    if type(result) is not tuple or len(result) != 2 or not isinstance(result[1], EntryAttributes):
        raise wrong_type(r, "a tuple (FileInfo, EntryAttributes)", result)
    attr = <EntryAttributes>result[1]
    fill_open(r, &fi, result[0])
    req = r.take()
    if req == NULL:
        return rc
    if r.c_state.table != NULL and isinstance(attr, NodeAttributes):
        return reply_create_coherent(
            r.c_state.table, req, <NodeAttributes>attr, r.c_ino, name, r.c_stamp, &fi)
    with nogil:
        rc = fuse_reply_create(req, &attr.c_entry, &fi)
    return rc


cdef int reply_count(Request r, object result) except? -1:
    cdef size_t count = number_within(r, result, 0, r.c_size, "the number of bytes that were copied")
    cdef fuse_req_t req = r.take()
    if req != NULL:
        with nogil:
            fuse_reply_write(req, count)
    return 0


cdef int reply_written(Request r, object result) except? -1:
    cdef size_t count = number_within(r, result, 0, r.c_size, "the number of bytes that were written")
    cdef fuse_req_t req
    r.release_view()
    req = r.take()
    if req != NULL:
        with nogil:
            fuse_reply_write(req, count)
    return 0


cdef int reply_offset(Request r, object result) except? -1:
    cdef long long offset = number_within(r, result, 0, (1 << 63) - 1, "an offset")
    cdef fuse_req_t req = r.take()
    if req != NULL:
        with nogil:
            fuse_reply_lseek(req, offset)
    return 0


cdef int reply_directory(Request r, object result) except? -1:
    cdef ReaddirToken token = <ReaddirToken>r.other
    cdef ft_table *table = r.c_state.table
    cdef fuse_req_t req = r.take()
    cdef int rc = -ENOENT
    token.c_req = NULL
    if req != NULL:
        with nogil:
            rc = fuse_reply_buf(req, token.c_buffer, token.c_used)
    if rc == 0 and token.c_filled and table != NULL and ft_load(&table.changes) != token.c_changes:
        look_again(table, token.inode, token.c_change)
        for child in token.counted:
            look_again_at_child(table, child)
    return rc


cdef int reply_target(Request r, object result) except? -1:
    cdef const char *target
    cdef fuse_req_t req
    if not isinstance(result, bytes):
        raise wrong_type(r, "bytes (the link target)", result)
    target = result
    req = r.take()
    if req != NULL:
        with nogil:
            fuse_reply_readlink(req, target)
    return 0


cdef int reply_statfs(Request r, object result) except? -1:
    cdef StatvfsData data
    cdef fuse_req_t req
    if not isinstance(result, StatvfsData):
        raise wrong_type(r, "StatvfsData", result)
    data = <StatvfsData>result
    req = r.take()
    if req != NULL:
        with nogil:
            fuse_reply_statfs(req, &data.c_statvfs)
    return 0


cdef int reply_xattr(Request r, object result) except? -1:
    """The size when asked with size 0, ERANGE when the caller's buffer is too small (getxattr(2)), else the
    value."""
    cdef fuse_req_t req
    cdef bytes value
    cdef size_t size
    cdef const char *data
    try:
        value = bytes(memoryview(result))
    except TypeError:
        raise wrong_type(r, "bytes", result) from None
    size = len(value)
    data = PyBytes_AS_STRING(value)
    req = r.take()
    if req == NULL:
        return 0
    with nogil:
        if r.c_size == 0:
            fuse_reply_xattr(req, size)
        elif size > r.c_size:
            fuse_reply_err(req, ERANGE)
        else:
            fuse_reply_buf(req, data, size)
    return 0


cdef int reply_names(Request r, object result) except? -1:
    """Names of xattrs, each ended by a NUL (listxattr(2))."""
    cdef list names = []
    if isinstance(result, (bytes, str, bytearray)):
        raise wrong_type(r, WHAT_NAMES, result)
    try:
        found = iter(result)
    except TypeError:
        raise wrong_type(r, WHAT_NAMES, result) from None
    for name in found:
        if not isinstance(name, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"handler {r.operation!r} must return {WHAT_NAMES}; {name!r} is a {type(name).__name__}")
        names.append(bytes(name) + b"\0")
    return reply_xattr(r, b"".join(names))


cdef int reply_statx(Request r, object result) except? -1:
    cdef EntryAttributes attr
    cdef StatxAttributes more
    cdef fuse_req_t req
    cdef const timespec *birth = NULL
    cdef uint64_t attributes = 0
    cdef uint64_t mask = 0
    if not isinstance(result, EntryAttributes):
        raise wrong_type(r, "StatxAttributes or EntryAttributes", result)
    attr = <EntryAttributes>result
    if isinstance(result, StatxAttributes):
        more = <StatxAttributes>result
        attributes = more.attributes
        mask = more.attributes_mask
        if more.c_has_birth:
            birth = &more.c_birth
    req = r.take()
    if req != NULL:
        with nogil:
            ft_reply_statx(req, &attr.c_entry.attr, birth, attributes, mask, attr.c_entry.attr_timeout)
    return 0
