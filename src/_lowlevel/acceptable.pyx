# cython: language_level=3
"""What the kernel would refuse of an answer, or take for something else, without a word.

A file type that is missing, a node id that is the root's, a value where none belongs: the kernel turns the
one into EIO, marks an inode as bad for ever, and never sees the other. Whoever wrote the handler would learn
nothing, so each is a TypeError or ValueError here that names the handler, and the answer is not sent.

Rule: a check raises only where the types of the result are right; reply.pyx says what types those are.
Sources: fuse_invalid_attr, invalid_nodeid, create_new_entry and fuse_create_open in fs/fuse/dir.c.
"""

from fusetree._lowlevel.attributes cimport EntryAttributes
from fusetree._lowlevel.capture cimport (
    OP_ACCESS,
    OP_BATCH_FORGET,
    OP_CREATE,
    OP_FALLOCATE,
    OP_FLOCK,
    OP_FLUSH,
    OP_FORGET,
    OP_FSYNC,
    OP_FSYNCDIR,
    OP_GETATTR,
    OP_LINK,
    OP_LISTXATTR,
    OP_LOOKUP,
    OP_MKDIR,
    OP_MKNOD,
    OP_READDIR,
    OP_READDIRPLUS,
    OP_READLINK,
    OP_RELEASE,
    OP_RELEASEDIR,
    OP_REMOVEXATTR,
    OP_RENAME,
    OP_RMDIR,
    OP_SETATTR,
    OP_SETLK,
    OP_SETXATTR,
    OP_STATX,
    OP_SYMLINK,
    OP_SYNCFS,
    OP_TMPFILE,
    OP_UNLINK,
)
from fusetree._lowlevel.exchange cimport check_t
from fusetree._lowlevel.filetypes cimport TYPE_BITS, has_type
from fusetree._lowlevel.nodeattributes cimport NodeAttributes
from fusetree._lowlevel.reply cimport wrong_type
from fusetree._lowlevel.request cimport Request

import stat

cdef enum:
    ROOT = 1
    LONGEST_TARGET = 4095               # PATH_MAX without the NUL

cdef dict TYPES = {
    stat.S_IFREG: "regular file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symbolic link",
    stat.S_IFCHR: "character device", stat.S_IFBLK: "block device", stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


cdef inline bint is_plain(object result):
    # A node's attributes come from the inode table, which knows what they must be.
    return isinstance(result, EntryAttributes) and not isinstance(result, NodeAttributes)


cdef int check_values(Request r, EntryAttributes attr) except -1:
    if not has_type(attr.c_entry.attr.st_mode):
        raise ValueError(
            f"handler {r.operation!r} returned attributes without a file type (st_mode=0o{attr.st_mode:o}): "
            "add stat.S_IFREG, stat.S_IFDIR or another one")
    if attr.c_entry.attr.st_size < 0:
        raise ValueError(f"handler {r.operation!r} returned st_size {attr.st_size}; it must not be negative")
    return 0


cdef int check_identity(Request r, EntryAttributes attr) except -1:
    if attr.c_entry.ino == 0:
        raise ValueError(f"handler {r.operation!r} returned st_ino 0, which is no inode")
    if attr.c_entry.ino == ROOT:
        raise ValueError(f"handler {r.operation!r} returned st_ino {ROOT}, which is the root's")
    return 0


cdef int check_kind(Request r, EntryAttributes attr, unsigned int kind) except -1:
    cdef unsigned int found = attr.c_entry.attr.st_mode & TYPE_BITS
    if found != kind:
        raise ValueError(
            f"handler {r.operation!r} returned attributes of a {TYPES[found]} (st_mode=0o{attr.st_mode:o}) "
            f"where a {TYPES.get(kind)} was asked for")
    return 0


cdef int check_lookup(Request r, object result) except -1:
    cdef EntryAttributes attr
    if not is_plain(result):
        return 0
    attr = <EntryAttributes>result
    if attr.c_entry.ino == 0:               # no such name
        return 0
    if attr.c_entry.ino == ROOT and r.name_bytes != b"." and r.name_bytes != b"..":
        return check_identity(r, attr)
    return check_values(r, attr)


cdef int check_made(Request r, object result) except -1:
    cdef EntryAttributes attr
    cdef int op = r.c_opcode
    if not is_plain(result):
        return 0
    attr = <EntryAttributes>result
    if op != OP_LINK or attr.c_entry.ino == 0:
        check_identity(r, attr)
    check_values(r, attr)
    if op == OP_MKDIR:
        check_kind(r, attr, 0o040000)
    elif op == OP_SYMLINK:
        check_kind(r, attr, 0o120000)
    elif op == OP_MKNOD:
        check_kind(r, attr, r.c_number & TYPE_BITS or 0o100000)
    return 0


cdef int check_created(Request r, object result) except -1:
    cdef EntryAttributes attr
    if type(result) is not tuple or len(result) != 2 or not is_plain(result[1]):
        return 0
    attr = <EntryAttributes>result[1]
    check_identity(r, attr)
    check_values(r, attr)
    return check_kind(r, attr, 0o100000)


cdef int check_attributes(Request r, object result) except -1:
    cdef EntryAttributes attr
    if not is_plain(result):
        return 0
    attr = <EntryAttributes>result
    if attr.c_entry.ino != r.c_ino:
        raise ValueError(
            f"handler {r.operation!r} was asked for inode {r.c_ino} and returned attributes with st_ino "
            f"{attr.st_ino}")
    return check_values(r, attr)


cdef int check_nothing(Request r, object result) except -1:
    if result is not None:
        raise TypeError(
            f"handler {r.operation!r} must return None, not {type(result).__name__}; what went wrong is told "
            "by an OSError that it raises")
    return 0


cdef int check_listed(Request r, object result) except -1:
    if result is not None:
        raise TypeError(
            f"handler {r.operation!r} must list by calls of readdir_reply(token, ...) and return None, not "
            f"{type(result).__name__}")
    return 0


cdef int check_access(Request r, object result) except -1:
    if not isinstance(result, int):
        raise wrong_type(r, "True or False", result)
    return 0


cdef int check_target(Request r, object result) except -1:
    if not isinstance(result, bytes):
        return 0
    if len(result) > LONGEST_TARGET:
        raise ValueError(f"handler {r.operation!r} returned a link target of {len(result)} bytes; "
                         f"{LONGEST_TARGET} is the most")
    if b"\0" in result:
        raise ValueError(f"handler {r.operation!r} returned a link target with a NUL in it")
    return 0


cdef int check_names(Request r, object result) except -1:
    # A list or tuple may be looked at twice; of other iterables the kernel says what it thinks.
    if type(result) is list or type(result) is tuple:
        for name in result:
            if isinstance(name, bytes) and (not name or b"\0" in name):
                raise ValueError(f"handler {r.operation!r} returned {name!r}, which is no name of an xattr")
    return 0


cdef inline void enter(Exchange *table, int opcode, check_t check) noexcept:
    table[opcode].check = check


cdef void enter_checks(Exchange *table):
    for opcode in (
        OP_UNLINK, OP_RMDIR, OP_RENAME, OP_SETXATTR, OP_REMOVEXATTR, OP_FLUSH, OP_RELEASE, OP_FSYNC,
        OP_RELEASEDIR, OP_FSYNCDIR, OP_FALLOCATE, OP_SETLK, OP_FLOCK, OP_SYNCFS, OP_FORGET, OP_BATCH_FORGET,
    ):
        enter(table, opcode, check_nothing)
    enter(table, OP_READDIR, check_listed)
    enter(table, OP_READDIRPLUS, check_listed)
    enter(table, OP_LOOKUP, check_lookup)
    for opcode in (OP_MKNOD, OP_MKDIR, OP_SYMLINK, OP_LINK):
        enter(table, opcode, check_made)
    for opcode in (OP_CREATE, OP_TMPFILE):
        enter(table, opcode, check_created)
    for opcode in (OP_GETATTR, OP_SETATTR, OP_STATX):
        enter(table, opcode, check_attributes)
    enter(table, OP_ACCESS, check_access)
    enter(table, OP_READLINK, check_target)
    enter(table, OP_LISTXATTR, check_names)
