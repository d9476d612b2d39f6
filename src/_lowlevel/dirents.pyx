# cython: language_level=3
"""The buffer of one READDIR or READDIRPLUS reply, and the function that handlers fill it with."""

from libc.stdlib cimport free, malloc
from libc.string cimport memset

from fusetree._lowlevel.attributes cimport EntryAttributes
from fusetree._lowlevel.filetypes cimport has_type
from fusetree._lowlevel.libfuse.lowlevel cimport (
    fuse_add_direntry,
    fuse_add_direntry_plus,
    fuse_entry_param,
    fuse_req_t,
)
from fusetree._lowlevel.libfuse.posix cimport off_t

from _pickle import PicklingError

cdef enum:
    UNKNOWN_INO = 0xFFFFFFFF            # as libfuse has it: 0 would be no entry to readdir(3)


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
        token.c_checks = False
        token.counted = []
        token.inode = inode
        token.c_filled = False
        return token

    def __dealloc__(self):
        free(self.c_buffer)

    def __reduce__(self):
        raise PicklingError("a ReaddirToken belongs to one request and can not be pickled or copied")


cdef int check_place(bytes name, off_t next_id) except -1:
    """The kernel gives up a listing for one bad name (parse_dirfile in fs/fuse/readdir.c), and begins it
    again and again when it is to go on at 0."""
    if not name or b"/" in name or b"\0" in name:
        raise ValueError(f"{name!r} is no name of a directory entry")
    if next_id <= 0:
        raise ValueError(f"next_id={next_id} of {name!r}: it must be above 0")
    return 0


cdef int check_attributes(bytes name, EntryAttributes attr) except -1:
    if attr.c_entry.ino == 0 and name != b"." and name != b"..":
        raise ValueError(f"st_ino of {name!r} is 0, which is no inode")
    if not has_type(attr.c_entry.attr.st_mode):
        raise ValueError(
            f"attributes of {name!r} have no file type (st_mode=0o{attr.st_mode:o}): add stat.S_IFREG, "
            "stat.S_IFDIR or another one")
    return 0


def readdir_reply(
        ReaddirToken token not None, bytes name not None, EntryAttributes attr not None, next_id) -> bool:
    """Add one directory entry to the reply of a ``readdir`` request.

    :param token: the token that the ``readdir`` handler was called with.
    :param name: name of the entry.
    :param attr: its attributes; ``st_ino`` must not be 0, except of ``.`` and ``..``.
    :param next_id: what the handler shall get as ``start_id`` to go on behind this entry; above 0.
    :returns: True when the entry was stored: the handler must then raise the lookup count of ``attr.st_ino``
        by one, except for ``.`` and ``..``.  False when the reply is full: do not raise it, and return.
    :raises ValueError: the token's request was answered already; or the kernel would refuse the entry, and
        with it the listing: a name that is empty or has a "/" or NUL, no file type, *next_id* 0.

    The lookup count **rises** with READDIRPLUS, which is what a session asks for
    (Documentation/filesystems/fuse: READDIRPLUS).
    """
    cdef off_t offset = next_id
    cdef size_t room = token.c_size - token.c_used
    cdef size_t needed
    if token.c_req == NULL:
        raise ValueError(
            "this readdir request was answered already: call readdir_reply only inside the readdir handler")
    if token.c_checks:
        check_place(name, offset)
        check_attributes(name, attr)
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


def readdir_name(
        ReaddirToken token not None, bytes name not None, st_ino, d_type, next_id) -> bool:
    """Add an entry of which only the name is told, and the lookup count of nothing rises: whoever wants the
    attributes looks the name up.

    :param token: the token that the ``readdir`` handler was called with.
    :param name: name of the entry.
    :param st_ino: its inode number, as listings show it; 0: unknown.
    :param d_type: its type (``DT_*`` of dirent.h); 0: unknown.
    :param next_id: what the handler shall get as ``start_id`` to go on behind this entry; above 0.
    :returns: False when the reply is full.
    :raises ValueError: the token's request was answered already; or the name is empty or has a "/" or NUL, or
        *next_id* is 0.

    With READDIRPLUS it is an entry of node id 0, which the kernel lists and enters into no cache
    (fuse_direntplus_link in fs/fuse/readdir.c).
    """
    cdef off_t offset = next_id
    cdef size_t room = token.c_size - token.c_used
    cdef size_t needed
    cdef fuse_entry_param param
    if token.c_req == NULL:
        raise ValueError(
            "this readdir request was answered already: call readdir_name only inside the readdir handler")
    if token.c_checks:
        check_place(name, offset)
    memset(&param, 0, sizeof(param))
    param.attr.st_ino = st_ino if st_ino else UNKNOWN_INO
    param.attr.st_mode = <unsigned int>d_type << 12
    if token.c_plus:
        needed = fuse_add_direntry_plus(
            token.c_req, token.c_buffer + token.c_used, room, name, &param, offset)
    else:
        needed = fuse_add_direntry(
            token.c_req, token.c_buffer + token.c_used, room, name, &param.attr, offset)
    if needed > room:
        return False
    token.c_used += needed
    return True
