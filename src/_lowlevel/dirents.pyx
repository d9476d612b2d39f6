# cython: language_level=3
"""The buffer of one READDIR or READDIRPLUS reply, and the function that handlers fill it with."""

from libc.stdlib cimport free, malloc

from fusetree._lowlevel.attributes cimport EntryAttributes
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_add_direntry, fuse_add_direntry_plus, fuse_req_t
from fusetree._lowlevel.libfuse.posix cimport off_t

from _pickle import PicklingError


cdef class ReaddirToken:
    """Belongs to one readdir request; hand it to :func:`readdir_reply` for each entry.

    ``inode`` is the directory that is read: with an inode table, one that was opened in C has file handle 0.
    """

    @staticmethod
    cdef ReaddirToken wrap(fuse_req_t req, size_t size, bint plus, uint64_t inode):
        cdef ReaddirToken token = ReaddirToken.__new__(ReaddirToken)
        token.c_buffer = <char *>malloc(size if size else 1)
        if token.c_buffer == NULL:
            raise MemoryError
        token.c_size = size
        token.c_used = 0
        token.c_req = req
        token.c_plus = plus
        token.counted = []
        token.inode = inode
        token.c_filled = False
        return token

    def __dealloc__(self):
        free(self.c_buffer)

    def __reduce__(self):
        raise PicklingError("a ReaddirToken belongs to one request and can not be pickled or copied")


def readdir_reply(
        ReaddirToken token not None, bytes name not None, EntryAttributes attr not None, next_id) -> bool:
    """Add one directory entry to the reply of a ``readdir`` request.

    :param token: the token that the ``readdir`` handler was called with.
    :param name: name of the entry.
    :param attr: its attributes; ``st_ino`` must not be 0.
    :param next_id: what the handler shall get as ``start_id`` to go on behind this entry; above 0.
    :returns: True when the entry was stored: the handler must then raise the lookup count of ``attr.st_ino``
        by one, except for ``.`` and ``..``.  False when the reply is full: do not raise it, and return.
    :raises ValueError: the token's request was answered already.

    The lookup count **rises** with READDIRPLUS, which is what a session asks for
    (Documentation/filesystems/fuse: READDIRPLUS).
    """
    cdef off_t offset = next_id
    cdef size_t room = token.c_size - token.c_used
    cdef size_t needed
    if token.c_req == NULL:
        raise ValueError(
            "this readdir request was answered already: call readdir_reply only inside the readdir handler")
    if token.c_plus:
        needed = fuse_add_direntry_plus(
            token.c_req, token.c_buffer + token.c_used, room, name, &attr.c_entry, offset)
    else:
        needed = fuse_add_direntry(
            token.c_req, token.c_buffer + token.c_used, room, name, &attr.c_entry.attr, offset)
    if needed > room:
        return False
    token.c_used += needed
    if token.c_plus and attr.c_entry.ino and name != b"." and name != b"..":
        token.counted.append(attr.c_entry.ino)
    return True
