"""`Attributes`: what `getattr` answers and `setattr` is asked for. None stands for "as it is"."""

from __future__ import annotations

import attrs

__all__ = ["Attributes", "FileSystemSize"]


@attrs.frozen(kw_only=True)
class Attributes:
    """Some attributes of a node; those that are None are left as they are.

    Attributes:
        mode: Permission bits, without the file type.
        uid: The owner's id.
        gid: The id of the owner's group.
        size: The size in bytes.
        atime_ns: When it was last read, in nanoseconds since the epoch.
        mtime_ns: When its content last changed, in nanoseconds since the epoch.
        ctime_ns: When content or attributes last changed, in nanoseconds since the epoch; never asked of
            `setattr`.
        nlink: How many names it has; never asked of `setattr`.
        blocks: How much it occupies, in units of 512 bytes; never asked of `setattr`.
    """

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    atime_ns: int | None = None
    mtime_ns: int | None = None
    ctime_ns: int | None = None
    nlink: int | None = None
    blocks: int | None = None


@attrs.frozen(kw_only=True)
class FileSystemSize:
    """What `statfs` answers: what df(1) shows.

    Attributes:
        block_size: Bytes of one block.
        blocks: How many blocks there are.
        free_blocks: How many of them are free.
        available_blocks: How many of them are free for others than root; None: all of those.
        files: How many inodes there are.
        free_files: How many of them are free.
    """

    block_size: int = 4096
    blocks: int = 0
    free_blocks: int = 0
    available_blocks: int | None = None
    files: int = 0
    free_files: int = 0
