"""The list: imports every module of checks, and puts their groups in order."""

from __future__ import annotations

from fusetree.testing.posix import (  # noqa: F401 - importing them fills the list
    attributes,
    copying,
    directories,
    links,
    listings,
    locking,
    mapping,
    modes,
    opening,
    owners,
    paths,
    permissions,
    renaming,
    space,
    special,
    symlinks,
    syncing,
    times,
    transfer,
    unlinking,
    xattrs,
)
from fusetree.testing.posix.registry import Check, registered

# The order in which groups are told, from plain use to what few file systems have.
_GROUPS = (
    "open", "read", "write", "lseek", "truncate", "stat", "statfs", "chmod", "chown", "utimensat", "times",
    "mkdir", "rmdir", "readdir", "link", "unlink", "symlink", "rename", "mknod", "paths", "access",
    "permissions", "fsync", "mmap", "fallocate", "copy_file_range", "tmpfile", "xattr", "acl", "fcntl-locks",
    "ofd-locks", "flock",
)  # fmt: skip

#: Every check, in order.
checks: tuple[Check, ...] = tuple(sorted(registered(), key=lambda check: _GROUPS.index(check.group)))
