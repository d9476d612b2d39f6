# cython: language_level=3
"""What a handler returned, as the one reply to its request."""

from fusetree._lowlevel.request cimport Request

cdef int reply_data(Request r, object result) except? -1
cdef int reply_attr(Request r, object result) except? -1
cdef int reply_entry(Request r, object result) except? -1
cdef int reply_open(Request r, object result) except? -1
cdef int reply_create(Request r, object result) except? -1
cdef int reply_write(Request r, object result) except? -1
cdef int reply_directory(Request r) except? -1
cdef int reply_target(Request r, object result) except? -1
cdef int reply_statfs(Request r, object result) except? -1
cdef int reply_xattr(Request r, object result) except? -1
