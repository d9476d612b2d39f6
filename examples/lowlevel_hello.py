"""The smallest file system on the low-level API: a directory with one file in it.

    python examples/lowlevel_hello.py MNT          cat MNT/message

Two inodes that never change: the root, which has number 1, and the file.  What a file system with more of
them has to think of (lookup counts, names, space) is in sqlite_fs.py and passthrough.py.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time

from fusetree import lowlevel
from fusetree.lowlevel import ROOT_INODE, EntryAttributes, FileInfo, ReaddirToken, RequestContext, StatvfsData

NAME = b"message"
CONTENT = b"hello world\n"
INODE = ROOT_INODE + 1
FOREVER = 24 * 3600.0  # seconds; nothing changes here


class Hello(lowlevel.Operations):
    """The requests that the kernel makes for one directory and one file."""

    def __init__(self) -> None:
        super().__init__()
        self._made_ns = time.time_ns()

    def _attributes(self, inode: int) -> EntryAttributes:
        entry = EntryAttributes()
        entry.st_ino = inode
        if inode == ROOT_INODE:
            entry.st_mode, entry.st_nlink = stat.S_IFDIR | 0o555, 2
        else:
            entry.st_mode, entry.st_size = stat.S_IFREG | 0o444, len(CONTENT)
            entry.st_blocks = 1  # of 512 bytes
        entry.st_uid, entry.st_gid = os.getuid(), os.getgid()
        entry.st_atime_ns = entry.st_mtime_ns = entry.st_ctime_ns = self._made_ns
        entry.attr_timeout = entry.entry_timeout = FOREVER
        return entry

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        if len(name) > 255:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        if name != NAME:
            raise FileNotFoundError
        return self._attributes(INODE)

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        return self._attributes(inode)

    def opendir(self, inode: int, ctx: RequestContext) -> int:
        return inode

    def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        """List what comes after the entry numbered *start_id*."""
        listing = [(b".", ROOT_INODE), (b"..", ROOT_INODE), (NAME, INODE)]
        for number, (name, inode) in enumerate(listing[start_id:], start_id + 1):
            if not lowlevel.readdir_reply(token, name, self._attributes(inode), number):
                return

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise PermissionError
        return FileInfo(fh=inode, keep_cache=True)

    def read(self, fh: int, off: int, size: int) -> bytes:
        return CONTENT[off : off + size]

    def statfs(self, ctx: RequestContext) -> StatvfsData:
        data = StatvfsData()
        data.f_bsize = data.f_frsize = 512
        data.f_blocks, data.f_files, data.f_namemax = 1, 2, 255
        return data


def main() -> None:
    """Mount and serve until Ctrl-C or `fusermount3 -u`."""
    (mountpoint,) = sys.argv[1:]
    options = ["fsname=hello", "ro", "default_permissions", "nosuid", "nodev"]
    with lowlevel.Session(Hello(), mountpoint, options) as session:
        try:
            session.run(workers=1)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
