"""What replies tell of inodes: attributes, entries and directory lines, with the names that Python programs
know.

Sizes are bytes, times nanoseconds since the epoch, timeouts seconds (`math.inf`: for ever).  Each value can
be packed and unpacked, so that a server can be played as well as a kernel.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Final

from attrs import frozen

__all__ = [
    "ENTRY_SIZE",
    "FOREVER",
    "AttrReply",
    "Attributes",
    "Dirent",
    "Entry",
    "pack_dirents",
    "timeout_from_wire",
    "timeout_to_wire",
    "unpack_attr_reply",
    "unpack_attributes",
    "unpack_dirents",
    "unpack_entry",
]

FOREVER: Final = 2**64 - 1
"""Seconds that the kernel takes for *never runs out*."""

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
