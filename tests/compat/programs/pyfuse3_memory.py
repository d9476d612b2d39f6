"""`memory` under pyfuse3: ``pyfuse3_memory.py MOUNTPOINT REPORT [--asyncio] [--bare] [--background]``."""

import argparse
import asyncio
import functools
import importlib
import json
import logging
import os
import signal
import time

import pyfuse3

import memory


def told(method):
    """Record the call, and have OSErrors of the tree be FUSEErrors."""

    @functools.wraps(method)
    async def handler(self, *arguments):
        self.memory.record(method.__name__, *arguments)
        try:
            return await method(self, *arguments)
        except OSError as error:
            raise pyfuse3.FUSEError(error.errno)

    return handler


class Bare(pyfuse3.Operations):
    """Hardly any handlers, so that a client sees what the others answer by default."""

    def __init__(self, clock=None):
        super().__init__()
        self.memory = memory.Memory(clock)
        self.events = []

    def attributes(self, node):
        return self.memory.filled(pyfuse3.EntryAttributes(), node)

    def init(self):
        self.events.append("init")

    def stacktrace(self):
        self.events.append("stacktrace")

    async def lookup(self, parent_inode, name, ctx):
        self.memory.record("lookup", parent_inode, name, ctx)
        if name in memory.BUGS:
            return memory.BUGS[name]()
        if name == b"negative":
            return pyfuse3.EntryAttributes()
        try:
            return self.attributes(self.memory.counted(self.memory.child(parent_inode, name)))
        except OSError as error:
            raise pyfuse3.FUSEError(error.errno)

    @told
    async def getattr(self, inode, ctx):
        return self.attributes(self.memory.node(inode))


class Full(Bare):
    @told
    async def forget(self, inode_list):
        self.memory.forget(inode_list)

    @told
    async def setattr(self, inode, attr, fields, fh, ctx):
        return self.attributes(self.memory.setattr(inode, attr, fields))

    @told
    async def readlink(self, inode, ctx):
        return self.memory.node(inode).target

    @told
    async def mknod(self, parent_inode, name, mode, rdev, ctx):
        return self.attributes(self.memory.add(parent_inode, name, mode, ctx, rdev))

    @told
    async def mkdir(self, parent_inode, name, mode, ctx):
        return self.attributes(self.memory.add(parent_inode, name, mode, ctx))

    @told
    async def unlink(self, parent_inode, name, ctx):
        self.memory.remove(parent_inode, name, False)

    @told
    async def rmdir(self, parent_inode, name, ctx):
        self.memory.remove(parent_inode, name, True)

    @told
    async def symlink(self, parent_inode, name, target, ctx):
        node = self.memory.add(parent_inode, name, 0o120777, ctx)
        node.target = target
        return self.attributes(node)

    @told
    async def rename(self, parent_inode_old, name_old, parent_inode_new, name_new, flags, ctx):
        self.memory.rename(parent_inode_old, name_old, parent_inode_new, name_new, flags)

    @told
    async def link(self, inode, new_parent_inode, new_name, ctx):
        return self.attributes(self.memory.link(inode, new_parent_inode, new_name))

    @told
    async def open(self, inode, flags, ctx):
        self.memory.open(inode, flags)
        return pyfuse3.FileInfo(fh=inode)

    @told
    async def read(self, fh, off, size):
        return self.memory.read(fh, off, size)

    @told
    async def write(self, fh, off, buf):
        return self.memory.write(fh, off, buf)

    @told
    async def flush(self, fh):
        pass

    @told
    async def release(self, fh):
        self.memory.release(fh)

    @told
    async def fsync(self, fh, datasync):
        pass

    @told
    async def opendir(self, inode, ctx):
        return inode

    @told
    async def readdir(self, fh, start_id, token):
        for name, node, cookie in self.memory.entries(fh, start_id):
            if not pyfuse3.readdir_reply(token, name, self.attributes(node), cookie):
                break
            if name not in memory.DOTS:
                self.memory.counted(node)

    @told
    async def releasedir(self, fh):
        pass

    @told
    async def fsyncdir(self, fh, datasync):
        pass

    @told
    async def statfs(self, ctx):
        data = pyfuse3.StatvfsData()
        data.f_bsize = data.f_frsize = 512
        data.f_blocks, data.f_bfree, data.f_bavail = 1000, 500, 400
        data.f_files, data.f_ffree, data.f_favail = 100, 50, 40
        data.f_namemax = 255
        return data

    @told
    async def setxattr(self, inode, name, value, ctx):
        self.memory.setxattr(inode, name, value)

    @told
    async def getxattr(self, inode, name, ctx=None):
        return self.memory.getxattr(inode, name)

    @told
    async def listxattr(self, inode, ctx):
        return list(self.memory.node(inode).xattrs)

    @told
    async def removexattr(self, inode, name, ctx):
        self.memory.removexattr(inode, name)

    @told
    async def access(self, inode, mode, ctx):
        return not mode & os.W_OK

    @told
    async def create(self, parent_inode, name, mode, flags, ctx):
        node = self.memory.add(parent_inode, name, mode, ctx)
        self.memory.open(node.ino, flags)
        return pyfuse3.FileInfo(fh=node.ino), self.attributes(node)


def leaves(error):
    """The names of the exceptions in *error*, which may be a group of groups."""
    members = getattr(error, "exceptions", None)
    return [type(error).__name__, *(name for member in members or () for name in leaves(member))]


async def on_trio():
    import trio

    async def wait_for_signals(nursery):
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            async for _ in signals:
                pyfuse3.terminate()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_for_signals, nursery)
        try:
            await pyfuse3.main()
        finally:
            nursery.cancel_scope.cancel()


async def on_asyncio():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, pyfuse3.terminate)
    await pyfuse3.main()


def run(use_asyncio):
    if use_asyncio:
        asyncio.run(on_asyncio())
    else:
        import trio

        trio.run(on_trio)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mountpoint")
    parser.add_argument("report")
    parser.add_argument("--asyncio", action="store_true")
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--background", action="store_true")
    parser.add_argument("--keep", action="store_true", help="close(unmount=False)")
    parser.add_argument("--no-permissions", action="store_true")
    parser.add_argument("--option", action="append", default=[], help="a further mount option")
    parser.add_argument("--clock", action="store_true", help="have times, which otherwise stand still")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    if arguments.asyncio:
        importlib.import_module("pyfuse3.asyncio").enable()
    operations = (Bare if arguments.bare else Full)(time.time_ns if arguments.clock else None)
    options = set(pyfuse3.default_options) | {"fsname=pymem", *arguments.option}
    if arguments.no_permissions:
        options.discard("default_permissions")
    pyfuse3.init(operations, arguments.mountpoint, options)
    if arguments.background and os.fork():
        os._exit(0)
    try:
        run(arguments.asyncio)
        ended = "returned"
    except BaseException as error:
        ended = "raised " + " ".join(leaves(error))
    pyfuse3.close(unmount=not arguments.keep)
    report = {"main": ended, "events": operations.events, "token": str(pyfuse3.trio_token)}
    report.update(operations.memory.report())
    with open(arguments.report, "w") as file:
        json.dump(report, file)


if __name__ == "__main__":
    main()
