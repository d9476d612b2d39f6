"""Messages of the rarer requests: holes, locks, devices, ranges of files, statx.

Layouts as in `fusetree.testing.wire`, whose `pack` and `unpack` serve them too.
"""

from __future__ import annotations

from typing import NamedTuple

from fusetree.testing.wire import layout


@layout("QQI4x")
class LseekIn(NamedTuple):
    """LSEEK."""

    fh: int
    offset: int
    whence: int


@layout("Q")
class LseekOut(NamedTuple):
    """Answer to LSEEK."""

    offset: int


OFFSET_MAX = (1 << 63) - 1
"""Last byte of a lock that goes to the end of the file."""


@layout("QQQQIIII")
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


@layout("QQII")
class LockOut(NamedTuple):
    """Answer to GETLK."""

    start: int
    end: int
    type: int
    pid: int


@layout("QI4x")
class BmapIn(NamedTuple):
    """BMAP."""

    block: int
    blocksize: int


@layout("Q")
class BmapOut(NamedTuple):
    """Answer to BMAP."""

    block: int


@layout("QIIQII")
class IoctlIn(NamedTuple):
    """IOCTL; what is handed in follows."""

    fh: int
    flags: int
    command: int
    argument: int
    in_size: int
    out_size: int


@layout("iIII")
class IoctlOut(NamedTuple):
    """Answer to IOCTL; what is handed out follows, or with IOCTL_RETRY the areas that are wanted."""

    result: int
    flags: int
    in_areas: int
    out_areas: int


@layout("QQ")
class IoctlArea(NamedTuple):
    """Memory of the caller, as an ioctl asks for it."""

    address: int
    size: int


@layout("QQII")
class PollIn(NamedTuple):
    """POLL; `handle` is what a notification tells."""

    fh: int
    handle: int
    flags: int
    events: int


@layout("I4x")
class PollOut(NamedTuple):
    """Answer to POLL."""

    revents: int


@layout("QQQI4x")
class FallocateIn(NamedTuple):
    """FALLOCATE."""

    fh: int
    offset: int
    length: int
    mode: int


@layout("QQQQQQQ")
class CopyFileRangeIn(NamedTuple):
    """COPY_FILE_RANGE."""

    fh_in: int
    off_in: int
    node_id_out: int
    fh_out: int
    off_out: int
    length: int
    flags: int = 0


@layout("I4xQII")
class StatxIn(NamedTuple):
    """STATX."""

    getattr_flags: int
    fh: int
    flags: int
    mask: int


@layout("QII16x" + "IIQIIIH2xQQQQ" + "qI4x" * 4 + "IIII112x")
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


@layout("Q")
class SyncfsIn(NamedTuple):
    """SYNCFS."""

    padding: int = 0
