r"""Messages of the FUSE kernel protocol: layouts, and both directions of packing.

A message is a header and a body.  Layouts are those of ``<linux/fuse.h>`` 7.38, in the machine's own byte
order.  Plain C
structures are named tuples with a layout beside them (`pack`, `unpack`); what tests look at (`Attributes`,
`Entry`,
`Dirent`) are classes with the names that Python programs know (``st_size``, seconds as float, times in
nanoseconds).

Nothing here knows a socket, a session or a cache.

    request:  | InHeader 40 bytes | body | name\0 ... or data |
    reply:    | OutHeader 16 bytes | body |          error is 0 or -errno
    notice:   | OutHeader 16 bytes, unique 0, error = code | body |
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeVar

from attrs import frozen

T = TypeVar("T", bound=tuple[object, ...])

_LAYOUTS: dict[type, struct.Struct] = {}

FOREVER: Final = 2**64 - 1
"""Seconds that the kernel takes for *never runs out*."""


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


_ATTR = struct.Struct("=6Q10I")
_ENTRY = struct.Struct("=4Q2I")
_ATTR_OUT = struct.Struct("=QI4x")
_DIRENT = struct.Struct("=QQII")


def timeout_to_wire(seconds: float) -> tuple[int, int]:
    """Seconds as the (seconds, nanoseconds) pair of the protocol; infinity is the largest there is."""
    if math.isinf(seconds) or seconds >= FOREVER:
        return FOREVER, 0
    whole = int(seconds)
    return whole, int((seconds - whole) * 1e9)


def timeout_from_wire(seconds: int, nanoseconds: int) -> float:
    """The reverse of `timeout_to_wire`.  More than a thousand years reads as `math.inf`."""
    if seconds > 2**35:
        return math.inf
    return seconds + nanoseconds / 1e9


@frozen(kw_only=True)
class Attributes:
    """Attributes of an inode as the server told them (``struct fuse_attr``), by their `os.stat_result`
    names.
    """

    st_ino: int = 0
    st_size: int = 0
    st_blocks: int = 0
    st_atime_ns: int = 0
    st_mtime_ns: int = 0
    st_ctime_ns: int = 0
    st_mode: int = 0
    st_nlink: int = 1
    st_uid: int = 0
    st_gid: int = 0
    st_rdev: int = 0
    st_blksize: int = 4096
    flags: int = 0

    def pack(self) -> bytes:
        """The bytes on the wire."""
        atime, atimensec = divmod(self.st_atime_ns, 10**9)
        mtime, mtimensec = divmod(self.st_mtime_ns, 10**9)
        ctime, ctimensec = divmod(self.st_ctime_ns, 10**9)
        seconds = (value & FOREVER for value in (atime, mtime, ctime))
        return _ATTR.pack(
            self.st_ino, self.st_size, self.st_blocks, *seconds, atimensec, mtimensec, ctimensec,
            self.st_mode, self.st_nlink, self.st_uid, self.st_gid, self.st_rdev, self.st_blksize, self.flags,
        )  # fmt: skip


def unpack_attributes(data: bytes | memoryview, offset: int = 0) -> Attributes:
    """Read a ``struct fuse_attr`` at *offset*."""
    (ino, size, blocks, atime, mtime, ctime, atimensec, mtimensec, ctimensec, mode, nlink, uid, gid, rdev,
     blksize, flags) = _ATTR.unpack_from(data, offset)  # fmt: skip
    return Attributes(
        st_ino=ino, st_size=size, st_blocks=blocks, st_atime_ns=_nanoseconds(atime, atimensec),
        st_mtime_ns=_nanoseconds(mtime, mtimensec), st_ctime_ns=_nanoseconds(ctime, ctimensec), st_mode=mode,
        st_nlink=nlink, st_uid=uid, st_gid=gid, st_rdev=rdev, st_blksize=blksize, flags=flags,
    )  # fmt: skip


def _nanoseconds(seconds: int, nanoseconds: int) -> int:
    signed = seconds - 2**64 if seconds >= 2**63 else seconds  # times before 1970 travel as two's complement
    return signed * 10**9 + nanoseconds


@frozen(kw_only=True)
class Entry:
    """Answer to LOOKUP and to everything that makes a name (``struct fuse_entry_out``).

    `node_id` 0 is a negative entry: the name is known to be absent for `entry_timeout` seconds.
    """

    node_id: int
    generation: int = 0
    entry_timeout: float = 0.0
    attr_timeout: float = 0.0
    attributes: Attributes = Attributes()

    def pack(self) -> bytes:
        """The bytes on the wire."""
        entry_valid, entry_nsec = timeout_to_wire(self.entry_timeout)
        attr_valid, attr_nsec = timeout_to_wire(self.attr_timeout)
        head = _ENTRY.pack(self.node_id, self.generation, entry_valid, attr_valid, entry_nsec, attr_nsec)
        return head + self.attributes.pack()


ENTRY_SIZE: Final = _ENTRY.size + _ATTR.size


def unpack_entry(data: bytes | memoryview, offset: int = 0) -> Entry:
    """Read a ``struct fuse_entry_out`` at *offset*."""
    node_id, generation, entry_valid, attr_valid, entry_nsec, attr_nsec = _ENTRY.unpack_from(data, offset)
    return Entry(
        node_id=node_id,
        generation=generation,
        entry_timeout=timeout_from_wire(entry_valid, entry_nsec),
        attr_timeout=timeout_from_wire(attr_valid, attr_nsec),
        attributes=unpack_attributes(data, offset + _ENTRY.size),
    )


@frozen
class AttrReply:
    """Answer to GETATTR and SETATTR: the attributes, and for how many seconds they may be kept."""

    attributes: Attributes
    timeout: float = 0.0

    def pack(self) -> bytes:
        """The bytes on the wire."""
        return _ATTR_OUT.pack(*timeout_to_wire(self.timeout)) + self.attributes.pack()


def unpack_attr_reply(data: bytes | memoryview) -> AttrReply:
    """Read a ``struct fuse_attr_out``."""
    seconds, nanoseconds = _ATTR_OUT.unpack_from(data)
    return AttrReply(unpack_attributes(data, _ATTR_OUT.size), timeout_from_wire(seconds, nanoseconds))


@frozen
class Dirent:
    """One line of a directory: its name, the ``d_type`` and ``d_ino`` that it shows, and the cookie of the
    line after it.

    `entry` is what READDIRPLUS tells of the child (None after READDIR).
    """

    name: bytes
    ino: int
    type: int
    cookie: int
    entry: Entry | None = None


def pack_dirents(dirents: list[Dirent]) -> bytes:
    """The body of an answer to READDIR (no line has an entry) or READDIRPLUS (each has one)."""
    out = bytearray()
    for line in dirents:
        if line.entry is not None:
            out += line.entry.pack()
        out += _DIRENT.pack(line.ino, line.cookie, len(line.name), line.type) + line.name
        out += b"\0" * (-len(out) % 8)
    return bytes(out)


def unpack_dirents(data: bytes, *, plus: bool) -> Iterator[Dirent]:
    """Read the answer to READDIR, or with *plus* to READDIRPLUS.

    Raises:
        ValueError: a line runs past the end of *data* or a name is empty.
    """
    offset = 0
    while offset < len(data):
        start = offset
        entry = None
        if plus:
            if start + ENTRY_SIZE > len(data):
                raise ValueError(f"directory line at byte {start} is cut off")
            entry = unpack_entry(data, offset)
            offset += ENTRY_SIZE
        if offset + _DIRENT.size > len(data):
            raise ValueError(f"directory line at byte {start} is cut off")
        ino, cookie, name_length, kind = _DIRENT.unpack_from(data, offset)
        offset += _DIRENT.size
        name = data[offset : offset + name_length]
        if not name_length or len(name) != name_length:
            raise ValueError(
                f"directory line at byte {start} has a name of {name_length} bytes, {len(name)} are there"
            )
        offset += name_length + (-(offset + name_length) % 8)
        yield Dirent(name, ino, kind, cookie, entry)
