"""`memory` under llfuse: ``llfuse_memory.py MOUNTPOINT REPORT [--workers N] [--bare] [--background]``."""

import argparse
import functools
import json
import logging
import os
import threading
import time

import llfuse

import memory


def told(method):
    """Record the call, and have OSErrors of the tree be FUSEErrors."""

    @functools.wraps(method)
    def handler(self, *arguments):
        self.memory.record(method.__name__, *arguments)
        if not self.owns_lock():
            self.memory.violations.append(f"{method.__name__} runs without the lock")
        try:
            return method(self, *arguments)
        except OSError as error:
            raise llfuse.FUSEError(error.errno)

    return handler


class Bare(llfuse.Operations):
    """Hardly any handlers, so that a client sees what the others answer by default."""

    def __init__(self, clock=None):
        super().__init__()
        self.memory = memory.Memory(clock)
        self.events = []
        self.threads = set()

    def owns_lock(self):
        try:
            llfuse.lock.acquire()
        except RuntimeError:
            return True
        llfuse.lock.release()
        return False

    def attributes(self, node):
        return self.memory.filled(llfuse.EntryAttributes(), node)

    def init(self):
        self.events.append(f"init {self.owns_lock()}")

    def destroy(self):
        self.events.append(f"destroy {self.owns_lock()}")

    def stacktrace(self):
        self.events.append(f"stacktrace {self.owns_lock()}")

    def lookup(self, parent_inode, name, ctx):
        self.threads.add(threading.get_ident() == threading.main_thread().ident)
        self.memory.record("lookup", parent_inode, name, ctx)
        if name in memory.BUGS:
            return memory.BUGS[name]()
        if name == b"negative":
            return llfuse.EntryAttributes()
        try:
            return self.attributes(self.memory.counted(self.memory.child(parent_inode, name)))
        except OSError as error:
            raise llfuse.FUSEError(error.errno)

    @told
    def getattr(self, inode, ctx):
        return self.attributes(self.memory.node(inode))


class Full(Bare):
    @told
    def forget(self, inode_list):
        self.memory.forget(inode_list)

    @told
    def setattr(self, inode, attr, fields, fh, ctx):
        return self.attributes(self.memory.setattr(inode, attr, fields))

    @told
    def readlink(self, inode, ctx):
        return self.memory.node(inode).target

    @told
    def mknod(self, parent_inode, name, mode, rdev, ctx):
        return self.attributes(self.memory.add(parent_inode, name, mode, ctx, rdev))

    @told
    def mkdir(self, parent_inode, name, mode, ctx):
        return self.attributes(self.memory.add(parent_inode, name, mode, ctx))

    @told
    def unlink(self, parent_inode, name, ctx):
        self.memory.remove(parent_inode, name, False)

    @told
    def rmdir(self, parent_inode, name, ctx):
        self.memory.remove(parent_inode, name, True)

    @told
    def symlink(self, parent_inode, name, target, ctx):
        node = self.memory.add(parent_inode, name, 0o120777, ctx)
        node.target = target
        return self.attributes(node)

    @told
    def rename(self, parent_inode_old, name_old, parent_inode_new, name_new, ctx):
        self.memory.rename(parent_inode_old, name_old, parent_inode_new, name_new)

    @told
    def link(self, inode, new_parent_inode, new_name, ctx):
        return self.attributes(self.memory.link(inode, new_parent_inode, new_name))

    @told
    def open(self, inode, flags, ctx):
        self.memory.open(inode, flags)
        return inode

    @told
    def read(self, fh, off, size):
        return self.memory.read(fh, off, size)

    @told
    def write(self, fh, off, buf):
        return self.memory.write(fh, off, buf)

    @told
    def flush(self, fh):
        pass

    @told
    def release(self, fh):
        self.memory.release(fh)

    @told
    def fsync(self, fh, datasync):
        pass

    @told
    def opendir(self, inode, ctx):
        return inode

    def readdir(self, fh, off):
        self.memory.record("readdir", fh, off)
        for name, node, cookie in self.memory.entries(fh, off):
            yield name, self.attributes(node), cookie

    @told
    def releasedir(self, fh):
        pass

    @told
    def fsyncdir(self, fh, datasync):
        pass

    @told
    def statfs(self, ctx):
        data = llfuse.StatvfsData()
        data.f_bsize = data.f_frsize = 512
        data.f_blocks, data.f_bfree, data.f_bavail = 1000, 500, 400
        data.f_files, data.f_ffree, data.f_favail = 100, 50, 40
        data.f_namemax = 255
        return data

    @told
    def setxattr(self, inode, name, value, ctx):
        self.memory.setxattr(inode, name, value)

    @told
    def getxattr(self, inode, name, ctx=None):
        return self.memory.getxattr(inode, name)

    @told
    def listxattr(self, inode, ctx):
        return list(self.memory.node(inode).xattrs)

    @told
    def removexattr(self, inode, name, ctx):
        self.memory.removexattr(inode, name)

    @told
    def access(self, inode, mode, ctx):
        return not mode & os.W_OK

    @told
    def create(self, parent_inode, name, mode, flags, ctx):
        node = self.memory.add(parent_inode, name, mode, ctx)
        self.memory.open(node.ino, flags)
        return node.ino, self.attributes(node)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mountpoint")
    parser.add_argument("report")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--background", action="store_true")
    parser.add_argument("--keep", action="store_true", help="close(unmount=False)")
    parser.add_argument("--no-permissions", action="store_true")
    parser.add_argument("--option", action="append", default=[], help="a further mount option")
    parser.add_argument("--clock", action="store_true", help="have times, which otherwise stand still")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    operations = (Bare if arguments.bare else Full)(time.time_ns if arguments.clock else None)
    options = set(llfuse.default_options) | {"fsname=llmem", *arguments.option}
    if arguments.no_permissions:
        options.discard("default_permissions")
    llfuse.init(operations, arguments.mountpoint, options)
    if arguments.background and os.fork():
        os._exit(0)
    try:
        ended = f"returned {llfuse.main(workers=arguments.workers)}"
    except BaseException as error:
        ended = f"raised {type(error).__name__}"
    llfuse.close(unmount=not arguments.keep)
    report = {"main": ended, "events": operations.events, "main thread": sorted(operations.threads)}
    report.update(operations.memory.report())
    with open(arguments.report, "w") as file:
        json.dump(report, file)


if __name__ == "__main__":
    main()
