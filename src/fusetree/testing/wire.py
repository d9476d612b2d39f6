r"""Messages of the FUSE kernel protocol: the layouts of plain C structures, and both directions of packing.

A message is a header and a body.  Layouts are those of ``<linux/fuse.h>`` 7.38, in the machine's own byte
order, as named tuples with a layout beside them (`pack`, `unpack`).  Those of the rarer requests are in
`fusetree.testing.wire_special`, what a reply tells of inodes is in `fusetree.testing.values`.

Nothing here knows a socket, a session or a cache.

    request:  | InHeader 40 bytes | body | name\0 ... or data |
    reply:    | OutHeader 16 bytes | body |          error is 0 or -errno
    notice:   | OutHeader 16 bytes, unique 0, error = code | body |
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple, TypeVar

T = TypeVar("T", bound=tuple[object, ...])

_LAYOUTS: dict[type, struct.Struct] = {}


def layout(fmt: str) -> Callable[[type[T]], type[T]]:
    """Give a named tuple its layout, in the words of `struct`."""

    def register(kind: type[T]) -> type[T]:
        _LAYOUTS[kind] = struct.Struct("=" + fmt)
        return kind

    return register


def size_of(kind: type) -> int:
    """How many bytes the fixed part of *kind* takes on the wire."""
    return _LAYOUTS[kind].size


def pack(structure: tuple[object, ...]) -> bytes:
    """The bytes of one of the named tuples of this module."""
    return _LAYOUTS[type(structure)].pack(*structure)


def unpack(kind: type[T], data: bytes | bytearray | memoryview, offset: int = 0) -> T:
    """Read one structure of *kind* at *offset* of *data*; `struct.error` when *data* is too short."""
    return kind(*_LAYOUTS[kind].unpack_from(data, offset))


@layout("IIQQIIIHH")
class InHeader(NamedTuple):
    """Head of every request."""

    length: int
    opcode: int
    unique: int
    node_id: int
    uid: int
    gid: int
    pid: int
    total_extlen: int = 0
    padding: int = 0


@layout("IiQ")
class OutHeader(NamedTuple):
    """Head of every reply and notification."""

    length: int
    error: int
    unique: int


@layout("IIIII44x")
class InitIn(NamedTuple):
    """INIT as a kernel of 7.36 and later sends it."""

    major: int
    minor: int
    max_readahead: int
    flags: int
    flags2: int


@layout("IIIIHHIIHHI28x")
class InitOut(NamedTuple):
    """Answer to INIT."""

    major: int
    minor: int
    max_readahead: int
    flags: int
    max_background: int
    congestion_threshold: int
    max_write: int
    time_gran: int
    max_pages: int
    map_alignment: int
    flags2: int


@layout("Q")
class ForgetIn(NamedTuple):
    """FORGET: how many lookups are given back."""

    nlookup: int


@layout("QQ")
class ForgetOne(NamedTuple):
    """One line of BATCH_FORGET."""

    node_id: int
    nlookup: int


@layout("II")
class BatchForgetIn(NamedTuple):
    """Head of BATCH_FORGET."""

    number: int
    dummy: int = 0


@layout("I4xQ")
class GetattrIn(NamedTuple):
    """GETATTR."""

    flags: int
    fh: int


@layout("I4xQQQQQQIIIIIIII")
class SetattrIn(NamedTuple):
    """SETATTR; `valid` says which values are meant."""

    valid: int
    fh: int = 0
    size: int = 0
    lock_owner: int = 0
    atime: int = 0
    mtime: int = 0
    ctime: int = 0
    atimensec: int = 0
    mtimensec: int = 0
    ctimensec: int = 0
    mode: int = 0
    unused4: int = 0
    uid: int = 0
    gid: int = 0
    unused5: int = 0


@layout("IIII")
class MknodIn(NamedTuple):
    """MKNOD; the name follows."""

    mode: int
    rdev: int
    umask: int
    padding: int = 0


@layout("II")
class MkdirIn(NamedTuple):
    """MKDIR; the name follows."""

    mode: int
    umask: int


@layout("Q")
class RenameIn(NamedTuple):
    """RENAME; old and new name follow."""

    newdir: int


@layout("QII")
class Rename2In(NamedTuple):
    """RENAME2; old and new name follow."""

    newdir: int
    flags: int
    padding: int = 0


@layout("Q")
class LinkIn(NamedTuple):
    """LINK; the new name follows."""

    old_node_id: int


@layout("II")
class OpenIn(NamedTuple):
    """OPEN and OPENDIR."""

    flags: int
    open_flags: int = 0


@layout("IIII")
class CreateIn(NamedTuple):
    """CREATE; the name follows."""

    flags: int
    mode: int
    umask: int
    open_flags: int = 0


@layout("QI4x")
class OpenOut(NamedTuple):
    """Answer to OPEN, OPENDIR and, after an entry, CREATE."""

    fh: int
    open_flags: int


@layout("QIIQ")
class ReleaseIn(NamedTuple):
    """RELEASE and RELEASEDIR."""

    fh: int
    flags: int
    release_flags: int = 0
    lock_owner: int = 0


@layout("Q8xQ")
class FlushIn(NamedTuple):
    """FLUSH."""

    fh: int
    lock_owner: int = 0


@layout("QQIIQI4x")
class ReadIn(NamedTuple):
    """READ, READDIR and READDIRPLUS."""

    fh: int
    offset: int
    size: int
    read_flags: int = 0
    lock_owner: int = 0
    flags: int = 0


@layout("QQIIQI4x")
class WriteIn(NamedTuple):
    """WRITE; the data follow."""

    fh: int
    offset: int
    size: int
    write_flags: int = 0
    lock_owner: int = 0
    flags: int = 0


@layout("I4x")
class WriteOut(NamedTuple):
    """Answer to WRITE."""

    size: int


@layout("QQQQQIII28x")
class Statfs(NamedTuple):
    """Answer to STATFS, named as the members of `os.statvfs_result` where they agree."""

    f_blocks: int
    f_bfree: int
    f_bavail: int
    f_files: int
    f_ffree: int
    f_bsize: int
    f_namemax: int
    f_frsize: int


@layout("QI4x")
class FsyncIn(NamedTuple):
    """FSYNC and FSYNCDIR."""

    fh: int
    flags: int


@layout("II")
class SetxattrIn(NamedTuple):
    """SETXATTR without the extension; name and value follow."""

    size: int
    flags: int


@layout("IIII")
class SetxattrExtIn(NamedTuple):
    """SETXATTR once SETXATTR_EXT is agreed; name and value follow."""

    size: int
    flags: int
    setxattr_flags: int = 0
    padding: int = 0


@layout("I4x")
class GetxattrIn(NamedTuple):
    """GETXATTR (the name follows) and LISTXATTR."""

    size: int


@layout("I4x")
class GetxattrOut(NamedTuple):
    """Answer to GETXATTR and LISTXATTR when the size was asked for."""

    size: int


@layout("I4x")
class AccessIn(NamedTuple):
    """ACCESS."""

    mask: int


@layout("Q")
class InterruptIn(NamedTuple):
    """INTERRUPT: the request that nobody waits for any more."""

    unique: int


@layout("8xQI20x")
class NotifyRetrieveIn(NamedTuple):
    """NOTIFY_REPLY, which answers the notification RETRIEVE; the data follow."""

    offset: int
    size: int
