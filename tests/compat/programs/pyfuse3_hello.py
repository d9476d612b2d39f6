"""One file, in one file, under pyfuse3: ``pyfuse3_hello.py MOUNTPOINT [--asyncio]``."""

import asyncio
import errno
import importlib
import os
import stat
import sys

import pyfuse3

NAME = b"message"
TEXT = b"hello world\n"
FILE = pyfuse3.ROOT_INODE + 1


class Hello(pyfuse3.Operations):
    async def getattr(self, inode, ctx=None):
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = inode
        if inode == pyfuse3.ROOT_INODE:
            entry.st_mode = stat.S_IFDIR | 0o755
        elif inode == FILE:
            entry.st_mode = stat.S_IFREG | 0o644
            entry.st_size = len(TEXT)
        else:
            raise pyfuse3.FUSEError(errno.ENOENT)
        entry.st_uid, entry.st_gid = os.getuid(), os.getgid()
        entry.st_atime_ns = entry.st_mtime_ns = entry.st_ctime_ns = int(1234567890.5e9)
        return entry

    async def lookup(self, parent_inode, name, ctx=None):
        if parent_inode != pyfuse3.ROOT_INODE or name != NAME:
            raise pyfuse3.FUSEError(errno.ENOENT)
        return await self.getattr(FILE)

    async def opendir(self, inode, ctx):
        return inode

    async def readdir(self, fh, start_id, token):
        entries = [(b".", pyfuse3.ROOT_INODE), (b"..", pyfuse3.ROOT_INODE), (NAME, FILE)]
        for position, (name, inode) in enumerate(entries[start_id:], start_id + 1):
            if not pyfuse3.readdir_reply(token, name, await self.getattr(inode), position):
                break

    async def open(self, inode, flags, ctx):
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise pyfuse3.FUSEError(errno.EPERM)
        return pyfuse3.FileInfo(fh=inode)

    async def read(self, fh, off, size):
        return TEXT[off : off + size]


def main():
    options = set(pyfuse3.default_options)
    options.add("fsname=hello")
    pyfuse3.init(Hello(), sys.argv[1], options)
    try:
        if "--asyncio" in sys.argv:
            importlib.import_module("pyfuse3.asyncio")

            pyfuse3.asyncio.enable()
            asyncio.run(pyfuse3.main())
        else:
            import trio

            trio.run(pyfuse3.main)
    except BaseException:
        pyfuse3.close(unmount=False)
        raise
    pyfuse3.close()


if __name__ == "__main__":
    main()
