# cython: language_level=3
"""What a handler returned, as the one reply to its request."""

from fusetree._lowlevel.request cimport Request

cdef TypeError wrong_type(Request request, object wanted, object result)
cdef object number_within(Request r, object result, object least, object most, str what)
cdef int reply_success(Request r, object result) except? -1
cdef int reply_access(Request r, object result) except? -1
cdef int reply_data(Request r, object result) except? -1
cdef int reply_attr(Request r, object result) except? -1
cdef int reply_entry(Request r, object result) except? -1
cdef int reply_open(Request r, object result) except? -1
cdef int reply_create(Request r, object result) except? -1
cdef int reply_written(Request r, object result) except? -1
cdef int reply_count(Request r, object result) except? -1
cdef int reply_offset(Request r, object result) except? -1
cdef int reply_directory(Request r, object result) except? -1
cdef int reply_target(Request r, object result) except? -1
cdef int reply_statfs(Request r, object result) except? -1
cdef int reply_xattr(Request r, object result) except? -1
cdef int reply_names(Request r, object result) except? -1
cdef int reply_statx(Request r, object result) except? -1
