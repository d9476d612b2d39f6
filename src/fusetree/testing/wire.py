r"""Messages of the FUSE kernel protocol: the layouts of plain C structures, and both directions of packing.

A message is a header and a body.  Layouts are those of ``<linux/fuse.h>`` 7.38, in the machine's own byte
order, as named tuples with a layout beside them (`pack`, `unpack`).  What a reply tells of inodes is in
`fusetree.testing.values`.

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


def _layout(fmt: str) -> Callable[[type[T]], type[T]]:
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


@_layout("IIQQIIIHH")
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


@_layout("IiQ")
class OutHeader(NamedTuple):
    """Head of every reply and notification."""

    length: int
    error: int
    unique: int


@_layout("IIIII44x")
class InitIn(NamedTuple):
    """INIT as a kernel of 7.36 and later sends it."""

    major: int
    minor: int
    max_readahead: int
    flags: int
    flags2: int


@_layout("IIIIHHIIHHI28x")
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


@_layout("Q")
class ForgetIn(NamedTuple):
    """FORGET: how many lookups are given back."""

    nlookup: int


@_layout("QQ")
class ForgetOne(NamedTuple):
    """One line of BATCH_FORGET."""

    node_id: int
    nlookup: int


@_layout("II")
class BatchForgetIn(NamedTuple):
    """Head of BATCH_FORGET."""

    number: int
    dummy: int = 0


@_layout("I4xQ")
class GetattrIn(NamedTuple):
    """GETATTR."""

    flags: int
    fh: int


@_layout("I4xQQQQQQIIIIIIII")
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


@_layout("IIII")
class MknodIn(NamedTuple):
    """MKNOD; the name follows."""

    mode: int
    rdev: int
    umask: int
    padding: int = 0


@_layout("II")
class MkdirIn(NamedTuple):
    """MKDIR; the name follows."""

    mode: int
    umask: int


@_layout("Q")
class RenameIn(NamedTuple):
    """RENAME; old and new name follow."""

    newdir: int


@_layout("QII")
class Rename2In(NamedTuple):
    """RENAME2; old and new name follow."""

    newdir: int
    flags: int
    padding: int = 0


@_layout("Q")
class LinkIn(NamedTuple):
    """LINK; the new name follows."""

    old_node_id: int


@_layout("II")
class OpenIn(NamedTuple):
    """OPEN and OPENDIR."""

    flags: int
    open_flags: int = 0


@_layout("IIII")
class CreateIn(NamedTuple):
    """CREATE; the name follows."""

    flags: int
    mode: int
    umask: int
    open_flags: int = 0


@_layout("QI4x")
class OpenOut(NamedTuple):
    """Answer to OPEN, OPENDIR and, after an entry, CREATE."""

    fh: int
    open_flags: int


@_layout("QIIQ")
class ReleaseIn(NamedTuple):
    """RELEASE and RELEASEDIR."""

    fh: int
    flags: int
    release_flags: int = 0
    lock_owner: int = 0


@_layout("Q8xQ")
class FlushIn(NamedTuple):
    """FLUSH."""

    fh: int
    lock_owner: int = 0


@_layout("QQIIQI4x")
class ReadIn(NamedTuple):
    """READ, READDIR and READDIRPLUS."""

    fh: int
    offset: int
    size: int
    read_flags: int = 0
    lock_owner: int = 0
    flags: int = 0


@_layout("QQIIQI4x")
class WriteIn(NamedTuple):
    """WRITE; the data follow."""

    fh: int
    offset: int
    size: int
    write_flags: int = 0
    lock_owner: int = 0
    flags: int = 0


@_layout("I4x")
class WriteOut(NamedTuple):
    """Answer to WRITE."""

    size: int


@_layout("QQQQQIII28x")
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


@_layout("QI4x")
class FsyncIn(NamedTuple):
    """FSYNC and FSYNCDIR."""

    fh: int
    flags: int


@_layout("II")
class SetxattrIn(NamedTuple):
    """SETXATTR without the extension; name and value follow."""

    size: int
    flags: int


@_layout("IIII")
class SetxattrExtIn(NamedTuple):
    """SETXATTR once SETXATTR_EXT is agreed; name and value follow."""

    size: int
    flags: int
    setxattr_flags: int = 0
    padding: int = 0


@_layout("I4x")
class GetxattrIn(NamedTuple):
    """GETXATTR (the name follows) and LISTXATTR."""

    size: int


@_layout("I4x")
class GetxattrOut(NamedTuple):
    """Answer to GETXATTR and LISTXATTR when the size was asked for."""

    size: int


@_layout("I4x")
class AccessIn(NamedTuple):
    """ACCESS."""

    mask: int


@_layout("Q")
class InterruptIn(NamedTuple):
    """INTERRUPT: the request that nobody waits for any more."""

    unique: int


@_layout("8xQI20x")
class NotifyRetrieveIn(NamedTuple):
    """NOTIFY_REPLY, which answers the notification RETRIEVE; the data follow."""

    offset: int
    size: int


@_layout("QQI4x")
class LseekIn(NamedTuple):
    """LSEEK."""

    fh: int
    offset: int
    whence: int


@_layout("Q")
class LseekOut(NamedTuple):
    """Answer to LSEEK."""

    offset: int


OFFSET_MAX = (1 << 63) - 1
"""Last byte of a lock that goes to the end of the file."""


@_layout("QQQQIIII")
class LockIn(NamedTuple):
    """GETLK, SETLK and SETLKW; `end` is the last byte of the range."""

    fh: int
    owner: int
    start: int
    end: int
    type: int
    pid: int = 0
    lk_flags: int = 0
    padding: int = 0


@_layout("QQII")
class LockOut(NamedTuple):
    """Answer to GETLK."""

    start: int
    end: int
    type: int
    pid: int


@_layout("QI4x")
class BmapIn(NamedTuple):
    """BMAP."""

    block: int
    blocksize: int


@_layout("Q")
class BmapOut(NamedTuple):
    """Answer to BMAP."""

    block: int


@_layout("QIIQII")
class IoctlIn(NamedTuple):
    """IOCTL; what is handed in follows."""

    fh: int
    flags: int
    command: int
    argument: int
    in_size: int
    out_size: int


@_layout("iIII")
class IoctlOut(NamedTuple):
    """Answer to IOCTL; what is handed out follows, or with IOCTL_RETRY the areas that are wanted."""

    result: int
    flags: int
    in_areas: int
    out_areas: int


@_layout("QQ")
class IoctlArea(NamedTuple):
    """Memory of the caller, as an ioctl asks for it."""

    address: int
    size: int


@_layout("QQII")
class PollIn(NamedTuple):
    """POLL; `handle` is what a notification tells."""

    fh: int
    handle: int
    flags: int
    events: int


@_layout("I4x")
class PollOut(NamedTuple):
    """Answer to POLL."""

    revents: int


@_layout("QQQI4x")
class FallocateIn(NamedTuple):
    """FALLOCATE."""

    fh: int
    offset: int
    length: int
    mode: int


@_layout("QQQQQQQ")
class CopyFileRangeIn(NamedTuple):
    """COPY_FILE_RANGE."""

    fh_in: int
    off_in: int
    node_id_out: int
    fh_out: int
    off_out: int
    length: int
    flags: int = 0


@_layout("Q")
class CopyFileRangeOut(NamedTuple):
    """Answer to COPY_FILE_RANGE_64; COPY_FILE_RANGE is answered as WRITE is."""

    length: int


@_layout("I4xQII")
class StatxIn(NamedTuple):
    """STATX."""

    getattr_flags: int
    fh: int
    flags: int
    mask: int


@_layout("QII16x" + "IIQIIIH2xQQQQ" + "qI4x" * 4 + "IIII112x")
class StatxOut(NamedTuple):
    """Answer to STATX: how long it is good, then what statx(2) tells."""

    attr_valid: int
    attr_valid_nsec: int
    flags: int
    mask: int
    blksize: int
    attributes: int
    nlink: int
    uid: int
    gid: int
    mode: int
    ino: int
    size: int
    blocks: int
    attributes_mask: int
    atime: int
    atimensec: int
    btime: int
    btimensec: int
    ctime: int
    ctimensec: int
    mtime: int
    mtimensec: int
    rdev_major: int
    rdev_minor: int
    dev_major: int
    dev_minor: int


@_layout("Q")
class SyncfsIn(NamedTuple):
    """SYNCFS."""

    padding: int = 0
