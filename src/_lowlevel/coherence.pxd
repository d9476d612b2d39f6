# cython: language_level=3
"""The rule by which answers leave, and the replies of handlers that keep it.

``reply_*_coherent``: with the GIL, which is released around the send; the request is gone afterwards in any
case; returns what libfuse said (0, or a negative errno: nobody got it, and counts are undone already).
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from fusetree._lowlevel.libfuse.common cimport fuse_file_info
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_ino_t, fuse_req_t
from fusetree._lowlevel.nodeattributes cimport NodeAttributes
from fusetree._lowlevel.table cimport ft_entry, ft_table

# name: NULL for a file that has none (O_TMPFILE).
# stamp: what handler_begins(table, parent) returned before the handler ran (notices.pxd).
cdef int reply_entry_coherent(
    ft_table *table, fuse_req_t req, NodeAttributes attributes, fuse_ino_t parent, const char *name, uint64_t
    stamp) noexcept
cdef int reply_create_coherent(
    ft_table *table, fuse_req_t req, NodeAttributes attributes, fuse_ino_t parent, const char *name, uint64_t
    stamp,
    const fuse_file_info *fi) noexcept
cdef int reply_attr_coherent(ft_table *table, fuse_req_t req, NodeAttributes attributes) noexcept

# After a send: undo what nobody got, or queue a notice for what changed meanwhile.
cdef void undo_lookup(ft_table *table, uint64_t node_id, uint64_t count) noexcept nogil
cdef void look_again(ft_table *table, uint64_t node_id, uint64_t change) noexcept nogil
# ... a child that READDIRPLUS told of: its attributes are taken back if they are not current now.
cdef void look_again_at_child(ft_table *table, uint64_t node_id) noexcept nogil
cdef void look_again_at_name(
    ft_table *table, uint64_t parent, const char *name, size_t length, uint32_t hash, uint64_t child_id,
    uint64_t stamp) noexcept nogil
