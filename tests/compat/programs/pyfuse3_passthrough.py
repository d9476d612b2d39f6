"""`passthrough` under pyfuse3: ``pyfuse3_passthrough.py SOURCE MOUNTPOINT [--asyncio] [--option NAME]``."""

import argparse
import asyncio
import functools
import importlib
import logging
import os

import pyfuse3

import passthrough


def told(method):
    """Have OSErrors of the host be FUSEErrors."""

    @functools.wraps(method)
    async def handler(self, *arguments):
        try:
            return await method(self, *arguments)
        except OSError as error:
            raise pyfuse3.FUSEError(error.errno)

    return handler


class Operations(pyfuse3.Operations):
    def __init__(self, source):
        super().__init__()
        self.host = passthrough.Passthrough(source)

    def attributes(self, number):
        return self.host.filled(pyfuse3.EntryAttributes(), number)

    @told
    async def lookup(self, parent_inode, name, ctx):
        return self.attributes(self.host.lookup(parent_inode, name))

    async def forget(self, inode_list):
        self.host.forget(inode_list)

    @told
    async def getattr(self, inode, ctx):
        return self.attributes(inode)

    @told
    async def setattr(self, inode, attr, fields, fh, ctx):
        self.host.setattr(inode, attr, fields, fh)
        return self.attributes(inode)

    @told
    async def readlink(self, inode, ctx):
        return self.host.readlink(inode)

    @told
    async def mknod(self, parent_inode, name, mode, rdev, ctx):
        return self.attributes(self.host.mknod(parent_inode, name, mode, rdev, ctx))

    @told
    async def mkdir(self, parent_inode, name, mode, ctx):
        return self.attributes(self.host.mkdir(parent_inode, name, mode, ctx))

    @told
    async def unlink(self, parent_inode, name, ctx):
        self.host.unlink(parent_inode, name)

    @told
    async def rmdir(self, parent_inode, name, ctx):
        self.host.rmdir(parent_inode, name)

    @told
    async def symlink(self, parent_inode, name, target, ctx):
        return self.attributes(self.host.symlink(parent_inode, name, target, ctx))

    @told
    async def rename(self, parent_inode_old, name_old, parent_inode_new, name_new, flags, ctx):
        self.host.rename(parent_inode_old, name_old, parent_inode_new, name_new, flags)

    @told
    async def link(self, inode, new_parent_inode, new_name, ctx):
        return self.attributes(self.host.link(inode, new_parent_inode, new_name))

    @told
    async def open(self, inode, flags, ctx):
        return pyfuse3.FileInfo(fh=self.host.open(inode, flags))

    @told
    async def create(self, parent_inode, name, mode, flags, ctx):
        fh, number = self.host.create(parent_inode, name, mode, flags, ctx)
        return pyfuse3.FileInfo(fh=fh), self.attributes(number)

    @told
    async def read(self, fh, off, size):
        return os.pread(fh, size, off)

    @told
    async def write(self, fh, off, buf):
        return os.pwrite(fh, buf, off)

    @told
    async def flush(self, fh):
        os.close(os.dup(fh))

    @told
    async def release(self, fh):
        os.close(fh)

    @told
    async def fsync(self, fh, datasync):
        (os.fdatasync if datasync else os.fsync)(fh)

    @told
    async def opendir(self, inode, ctx):
        return self.host.opendir(inode)

    @told
    async def readdir(self, fh, start_id, token):
        for name, position in self.host.entries(fh, start_id):
            try:
                number = self.host.lookup(self.host.directories[fh], name)
            except FileNotFoundError:
                continue  # gone since the listing began
            if not pyfuse3.readdir_reply(token, name, self.attributes(number), position):
                if name not in passthrough.DOTS:
                    self.host.forget([(number, 1)])
                break

    @told
    async def releasedir(self, fh):
        self.host.releasedir(fh)

    @told
    async def fsyncdir(self, fh, datasync):
        (os.fdatasync if datasync else os.fsync)(fh)

    @told
    async def statfs(self, ctx):
        found = os.fstatvfs(self.host.fd(pyfuse3.ROOT_INODE))
        data = pyfuse3.StatvfsData()
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
    async def getxattr(self, inode, name, ctx):
        return self.host.getxattr(inode, name)

    @told
    async def setxattr(self, inode, name, value, ctx):
        self.host.setxattr(inode, name, value)

    @told
    async def listxattr(self, inode, ctx):
        return self.host.listxattr(inode)

    @told
    async def removexattr(self, inode, name, ctx):
        self.host.removexattr(inode, name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("mountpoint")
    parser.add_argument("--asyncio", action="store_true")
    parser.add_argument("--option", action="append", default=[], help="a further mount option")
    arguments = parser.parse_args()
    logging.basicConfig()
    if arguments.asyncio:
        importlib.import_module("pyfuse3.asyncio").enable()
    operations = Operations(arguments.source)
    options = set(pyfuse3.default_options) | {"fsname=pypass", *arguments.option}
    pyfuse3.init(operations, arguments.mountpoint, options)
    try:
        if arguments.asyncio:
            asyncio.run(pyfuse3.main())
        else:
            import trio

            trio.run(pyfuse3.main)
    except BaseException:
        pyfuse3.close(unmount=False)
        raise
    pyfuse3.close()
    operations.host.close()


if __name__ == "__main__":
    main()
