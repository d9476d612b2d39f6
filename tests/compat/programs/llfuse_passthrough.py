"""`passthrough` under llfuse: ``llfuse_passthrough.py SOURCE MOUNTPOINT [--workers N] [--option NAME]``."""

import argparse
import functools
import logging
import os

import llfuse

import passthrough


def told(method):
    """Have OSErrors of the host be FUSEErrors."""

    @functools.wraps(method)
    def handler(self, *arguments):
        try:
            return method(self, *arguments)
        except OSError as error:
            raise llfuse.FUSEError(error.errno)

    return handler


class Operations(llfuse.Operations):
    def __init__(self, source):
        super().__init__()
        self.host = passthrough.Passthrough(source)

    def attributes(self, number):
        return self.host.filled(llfuse.EntryAttributes(), number)

    def destroy(self):
        self.host.close()

    @told
    def lookup(self, parent_inode, name, ctx):
        return self.attributes(self.host.lookup(parent_inode, name))

    def forget(self, inode_list):
        self.host.forget(inode_list)

    @told
    def getattr(self, inode, ctx):
        return self.attributes(inode)

    @told
    def setattr(self, inode, attr, fields, fh, ctx):
        self.host.setattr(inode, attr, fields, fh)
        return self.attributes(inode)

    @told
    def readlink(self, inode, ctx):
        return self.host.readlink(inode)

    @told
    def mknod(self, parent_inode, name, mode, rdev, ctx):
        return self.attributes(self.host.mknod(parent_inode, name, mode, rdev, ctx))

    @told
    def mkdir(self, parent_inode, name, mode, ctx):
        return self.attributes(self.host.mkdir(parent_inode, name, mode, ctx))

    @told
    def unlink(self, parent_inode, name, ctx):
        self.host.unlink(parent_inode, name)

    @told
    def rmdir(self, parent_inode, name, ctx):
        self.host.rmdir(parent_inode, name)

    @told
    def symlink(self, parent_inode, name, target, ctx):
        return self.attributes(self.host.symlink(parent_inode, name, target, ctx))

    @told
    def rename(self, parent_inode_old, name_old, parent_inode_new, name_new, ctx):
        self.host.rename(parent_inode_old, name_old, parent_inode_new, name_new)

    @told
    def link(self, inode, new_parent_inode, new_name, ctx):
        return self.attributes(self.host.link(inode, new_parent_inode, new_name))

    @told
    def open(self, inode, flags, ctx):
        return self.host.open(inode, flags)

    @told
    def create(self, parent_inode, name, mode, flags, ctx):
        fh, number = self.host.create(parent_inode, name, mode, flags, ctx)
        return fh, self.attributes(number)

    @told
    def read(self, fh, off, size):
        with llfuse.lock_released:
            return os.pread(fh, size, off)

    @told
    def write(self, fh, off, buf):
        with llfuse.lock_released:
            return os.pwrite(fh, buf, off)

    @told
    def flush(self, fh):
        os.close(os.dup(fh))

    @told
    def release(self, fh):
        os.close(fh)

    @told
    def fsync(self, fh, datasync):
        with llfuse.lock_released:
            (os.fdatasync if datasync else os.fsync)(fh)

    @told
    def opendir(self, inode, ctx):
        return self.host.opendir(inode)

    @told
    def readdir(self, fh, off):
        for name, position in self.host.entries(fh, off):
            try:
                status = os.lstat(name, dir_fd=fh)
            except FileNotFoundError:
                continue  # gone since the listing began
            entry = llfuse.EntryAttributes()
            entry.st_ino = status.st_ino
            entry.st_mode = status.st_mode
            yield name, entry, position

    @told
    def releasedir(self, fh):
        self.host.releasedir(fh)

    @told
    def fsyncdir(self, fh, datasync):
        (os.fdatasync if datasync else os.fsync)(fh)

    @told
    def statfs(self, ctx):
        found = os.fstatvfs(self.host.fd(llfuse.ROOT_INODE))
        data = llfuse.StatvfsData()
        for name in (
            "f_bsize",
            "f_frsize",
            "f_blocks",
            "f_bfree",
            "f_bavail",
            "f_files",
            "f_ffree",
            "f_favail",
        ):
            setattr(data, name, getattr(found, name))
        data.f_namemax = found.f_namemax
        return data

    @told
    def getxattr(self, inode, name, ctx):
        return self.host.getxattr(inode, name)

    @told
    def setxattr(self, inode, name, value, ctx):
        self.host.setxattr(inode, name, value)

    @told
    def listxattr(self, inode, ctx):
        return self.host.listxattr(inode)

    @told
    def removexattr(self, inode, name, ctx):
        self.host.removexattr(inode, name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("mountpoint")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--option", action="append", default=[], help="a further mount option")
    arguments = parser.parse_args()
    logging.basicConfig()
    options = set(llfuse.default_options) | {"fsname=llpass", *arguments.option}
    llfuse.init(Operations(arguments.source), arguments.mountpoint, options)
    try:
        llfuse.main(workers=arguments.workers)
    except BaseException:
        llfuse.close(unmount=False)
        raise
    llfuse.close()


if __name__ == "__main__":
    main()
