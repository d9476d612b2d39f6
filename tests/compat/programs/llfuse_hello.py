"""One file, in one file, under llfuse: ``llfuse_hello.py MOUNTPOINT``."""

import errno
import os
import stat
import sys

import llfuse

NAME = b"message"
TEXT = b"hello world\n"
FILE = llfuse.ROOT_INODE + 1


class Hello(llfuse.Operations):
    def getattr(self, inode, ctx=None):
        entry = llfuse.EntryAttributes()
        entry.st_ino = inode
        if inode == llfuse.ROOT_INODE:
            entry.st_mode = stat.S_IFDIR | 0o755
        elif inode == FILE:
            entry.st_mode = stat.S_IFREG | 0o644
            entry.st_size = len(TEXT)
        else:
            raise llfuse.FUSEError(errno.ENOENT)
        entry.st_uid, entry.st_gid = os.getuid(), os.getgid()
        entry.st_atime_ns = entry.st_mtime_ns = entry.st_ctime_ns = int(1234567890.5e9)
        return entry

    def lookup(self, parent_inode, name, ctx=None):
        if parent_inode != llfuse.ROOT_INODE or name != NAME:
            raise llfuse.FUSEError(errno.ENOENT)
        return self.getattr(FILE)

    def opendir(self, inode, ctx):
        return inode

    def readdir(self, fh, off):
        entries = [(b".", llfuse.ROOT_INODE), (b"..", llfuse.ROOT_INODE), (NAME, FILE)]
        for position, (name, inode) in enumerate(entries[off:], off + 1):
            yield name, self.getattr(inode), position

    def open(self, inode, flags, ctx):
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise llfuse.FUSEError(errno.EPERM)
        return inode

    def read(self, fh, off, size):
        return TEXT[off : off + size]


def main():
    options = set(llfuse.default_options)
    options.add("fsname=hello")
    llfuse.init(Hello(), sys.argv[1], options)
    try:
        llfuse.main(workers=1)
    except BaseException:
        llfuse.close(unmount=False)
        raise
    llfuse.close()


if __name__ == "__main__":
    main()
