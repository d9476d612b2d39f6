"""Numbers of the FUSE protocol and of Linux that handlers and their callers share; names without behaviour.

What the standard library already names (`os.O_*`, `stat.S_*`, `errno.*`) is not repeated here.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "F_OK",
    "FATTR_ATIME",
    "FATTR_ATIME_NOW",
    "FATTR_CTIME",
    "FATTR_FH",
    "FATTR_GID",
    "FATTR_KILL_SUIDGID",
    "FATTR_LOCKOWNER",
    "FATTR_MODE",
    "FATTR_MTIME",
    "FATTR_MTIME_NOW",
    "FATTR_SIZE",
    "FATTR_UID",
    "FOPEN_CACHE_DIR",
    "FOPEN_DIRECT_IO",
    "FOPEN_KEEP_CACHE",
    "FOPEN_NOFLUSH",
    "FOPEN_NONSEEKABLE",
    "FOPEN_PARALLEL_DIRECT_WRITES",
    "FOPEN_STREAM",
    "FUSE_IOCTL_32BIT",
    "FUSE_IOCTL_COMPAT",
    "FUSE_IOCTL_DIR",
    "FUSE_IOCTL_UNRESTRICTED",
    "MAX_NAME_BYTES",
    "RENAME_EXCHANGE",
    "RENAME_NOREPLACE",
    "RENAME_WHITEOUT",
    "ROOT_INODE",
    "R_OK",
    "W_OK",
    "XATTR_CREATE",
    "XATTR_REPLACE",
    "X_OK",
]

#: The node id of a mount's root.
ROOT_INODE: Final = 1
#: The longest name that the kernel takes, in bytes (NAME_MAX).
MAX_NAME_BYTES: Final = 255

# access(2)
F_OK: Final = 0
X_OK: Final = 1
W_OK: Final = 2
R_OK: Final = 4

# renameat2(2)
RENAME_NOREPLACE: Final = 1 << 0
RENAME_EXCHANGE: Final = 1 << 1
RENAME_WHITEOUT: Final = 1 << 2

# setxattr(2)
XATTR_CREATE: Final = 1
XATTR_REPLACE: Final = 2

# What an open file is answered with.
#: The kernel's page cache is passed by: each read(2) comes to us.
FOPEN_DIRECT_IO: Final = 1 << 0
#: What the page cache holds of the file stays valid over this open.
FOPEN_KEEP_CACHE: Final = 1 << 1
FOPEN_NONSEEKABLE: Final = 1 << 2
#: The kernel may keep the listing of this directory.
FOPEN_CACHE_DIR: Final = 1 << 3
FOPEN_STREAM: Final = 1 << 4
#: close(2) sends no FLUSH.
FOPEN_NOFLUSH: Final = 1 << 5
FOPEN_PARALLEL_DIRECT_WRITES: Final = 1 << 6

# The flags of an ioctl (linux/fuse.h).
#: The caller is a 32-bit program.
FUSE_IOCTL_COMPAT: Final = 1 << 0
#: Not held to the sizes in the command's number: see `lowlevel.IoctlRetry`.
FUSE_IOCTL_UNRESTRICTED: Final = 1 << 1
FUSE_IOCTL_32BIT: Final = 1 << 3
#: The handle is a directory's.
FUSE_IOCTL_DIR: Final = 1 << 4

# Which fields a SETATTR sets.
FATTR_MODE: Final = 1 << 0
FATTR_UID: Final = 1 << 1
FATTR_GID: Final = 1 << 2
FATTR_SIZE: Final = 1 << 3
FATTR_ATIME: Final = 1 << 4
FATTR_MTIME: Final = 1 << 5
FATTR_FH: Final = 1 << 6
FATTR_ATIME_NOW: Final = 1 << 7
FATTR_MTIME_NOW: Final = 1 << 8
FATTR_LOCKOWNER: Final = 1 << 9
FATTR_CTIME: Final = 1 << 10
FATTR_KILL_SUIDGID: Final = 1 << 11
