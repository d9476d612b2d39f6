"""One file system in memory for the low-level API, written once and run on every binding that has this API.

`sync_operations(api)` and `async_operations(api)` make the class from a module with `Operations`,
`EntryAttributes`, `FileInfo`, `FUSEError` and `readdir_reply`: `fusetree.lowlevel` or `pyfuse3`.  The two
classes do the same; a method of one differs from the other's by `async` alone.

Attributes are made once for each inode and answered as they are: no handler allocates but for what it reads.
The inode number is the index of the node, and files are freed when the kernel forgets them.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from benchmarks.content import Tree

ROOT = 1


class Memory:
    """Inodes, names and contents; knows no binding but for its class of attributes."""

    def __init__(self, api: Any, tree: Tree) -> None:
        self._api = api
        self.attributes: dict[int, Any] = {}
        self.names: dict[int, dict[bytes, int]] = {}  # of each directory, in order
        self.contents: dict[int, bytes | bytearray] = {}
        self._next = ROOT
        self.add(stat.S_IFDIR | 0o755)
        self._fill(ROOT, tree)

    def _fill(self, directory: int, tree: Tree) -> None:
        for name, content in tree.items():
            if isinstance(content, dict):
                inode = self.add(stat.S_IFDIR | 0o755)
                self._fill(inode, content)
            else:
                # what is written to must be mutable; slices of bytes are read without one copy more
                inode = self.add(stat.S_IFREG | 0o644, bytearray(content) if name == "sink" else content)
            self.names[directory][os.fsencode(name)] = inode

    def add(self, mode: int, content: bytes | bytearray = b"") -> int:
        inode = self._next
        self._next += 1
        attributes = self._api.EntryAttributes()
        attributes.st_ino = inode
        attributes.st_mode = mode
        attributes.st_nlink = 1
        attributes.st_size = len(content)
        attributes.entry_timeout = 0
        attributes.attr_timeout = 0
        self.attributes[inode] = attributes
        if stat.S_ISDIR(mode):
            self.names[inode] = {}
        else:
            self.contents[inode] = content
        return inode

    def write(self, inode: int, offset: int, data: bytes) -> int:
        content = self.contents[inode]
        assert isinstance(content, bytearray)
        if offset > len(content):
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data
        self.attributes[inode].st_size = len(content)
        return len(data)

    def unlink(self, parent: int, name: bytes) -> bool:
        inode = self.names[parent].pop(name, None)
        if inode is None:
            return False
        self.attributes[inode].st_nlink = 0
        return True

    def forget(self, inode: int) -> None:
        attributes = self.attributes.get(inode)
        if attributes is not None and attributes.st_nlink == 0:
            del self.attributes[inode]
            self.contents.pop(inode, None)


def sync_operations(api: Any, tree: Tree) -> Any:
    """An instance of `api.Operations` with ordinary handlers that serves *tree*."""
    memory = Memory(api, tree)
    attributes, names, contents = memory.attributes, memory.names, memory.contents
    error, info, reply = api.FUSEError, api.FileInfo, api.readdir_reply

    class Operations(api.Operations):  # type: ignore[misc]  # the base is chosen at run time
        enable_writeback_cache = False

        def lookup(self, parent_inode: int, name: bytes, ctx: Any) -> Any:
            inode = names[parent_inode].get(name)
            if inode is None:
                raise error(errno.ENOENT)
            return attributes[inode]

        def forget(self, inode_list: Any) -> None:
            for inode, _count in inode_list:
                memory.forget(inode)

        def getattr(self, inode: int, ctx: Any) -> Any:
            return attributes[inode]

        def setattr(self, inode: int, attr: Any, fields: Any, fh: Any, ctx: Any) -> Any:
            return attributes[inode]

        def open(self, inode: int, flags: int, ctx: Any) -> Any:
            return info(fh=inode, direct_io=True)

        def read(self, fh: int, off: int, size: int) -> Any:
            return contents[fh][off : off + size]

        def write(self, fh: int, off: int, buf: bytes) -> int:
            return memory.write(fh, off, buf)

        def release(self, fh: int) -> None:
            pass

        def create(self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: Any) -> Any:
            inode = memory.add(stat.S_IFREG | stat.S_IMODE(mode), bytearray())
            names[parent_inode][name] = inode
            return info(fh=inode, direct_io=True), attributes[inode]

        def unlink(self, parent_inode: int, name: bytes, ctx: Any) -> None:
            if not memory.unlink(parent_inode, name):
                raise error(errno.ENOENT)

        def opendir(self, inode: int, ctx: Any) -> int:
            return inode

        def readdir(self, fh: int, start_id: int, token: Any) -> None:
            items = list(names[fh].items())
            for position in range(start_id, len(items)):
                name, inode = items[position]
                if not reply(token, name, attributes[inode], position + 1):
                    break

        def releasedir(self, fh: int) -> None:
            pass

        # Of what only some bindings know: they answer, for what a request costs, and nothing more.
        def setlk(self, inode: int, fh: int, lock: Any, wait: bool, ctx: Any) -> None:
            pass

        def getlk(self, inode: int, fh: int, lock: Any, ctx: Any) -> None:
            pass

        def lseek(self, inode: int, fh: int, off: int, whence: int, ctx: Any) -> int:
            return off

        def ioctl(
            self, inode: int, fh: int, command: int, arg: int, data: Any, size: int, flags: int, ctx: Any
        ) -> int:
            return 7

    return Operations()


def passing_operations(api: Any, tree: Tree, source: str) -> Any:
    """As `sync_operations`, but the kernel reads and writes the files in the folder *source* by itself.

    Its attribute `session` is to be set once there is one.
    """
    base = sync_operations(api, tree)
    paths = {base.lookup(ROOT, os.fsencode(name), None).st_ino: name for name in tree}

    class Operations(type(base)):  # type: ignore[misc]  # the base was made at run time
        session: Any = None
        backing: dict[int, int] = {}

        def open(self, inode: int, flags: int, ctx: Any) -> Any:
            if inode not in paths:
                return base.open(inode, flags, ctx)
            if inode not in self.backing:
                fd = os.open(os.path.join(source, paths[inode]), os.O_RDWR)
                try:
                    self.backing[inode] = self.session.open_backing(fd)
                finally:
                    os.close(fd)
            return api.FileInfo(fh=inode, backing_id=self.backing[inode])

    return Operations()


def async_operations(api: Any, tree: Tree) -> Any:
    """An instance of `api.Operations` with handlers that are coroutines, and serves *tree*."""
    memory = Memory(api, tree)
    attributes, names, contents = memory.attributes, memory.names, memory.contents
    error, info, reply = api.FUSEError, api.FileInfo, api.readdir_reply

    class Operations(api.Operations):  # type: ignore[misc]  # the base is chosen at run time
        enable_writeback_cache = False

        async def lookup(self, parent_inode: int, name: bytes, ctx: Any) -> Any:
            inode = names[parent_inode].get(name)
            if inode is None:
                raise error(errno.ENOENT)
            return attributes[inode]

        async def forget(self, inode_list: Any) -> None:
            for inode, _count in inode_list:
                memory.forget(inode)

        async def getattr(self, inode: int, ctx: Any) -> Any:
            return attributes[inode]

        async def setattr(self, inode: int, attr: Any, fields: Any, fh: Any, ctx: Any) -> Any:
            return attributes[inode]

        async def open(self, inode: int, flags: int, ctx: Any) -> Any:
            return info(fh=inode, direct_io=True)

        async def read(self, fh: int, off: int, size: int) -> Any:
            return contents[fh][off : off + size]

        async def write(self, fh: int, off: int, buf: bytes) -> int:
            return memory.write(fh, off, buf)

        async def release(self, fh: int) -> None:
            pass

        async def create(self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: Any) -> Any:
            inode = memory.add(stat.S_IFREG | stat.S_IMODE(mode), bytearray())
            names[parent_inode][name] = inode
            return info(fh=inode, direct_io=True), attributes[inode]

        async def unlink(self, parent_inode: int, name: bytes, ctx: Any) -> None:
            if not memory.unlink(parent_inode, name):
                raise error(errno.ENOENT)

        async def opendir(self, inode: int, ctx: Any) -> int:
            return inode

        async def readdir(self, fh: int, start_id: int, token: Any) -> None:
            items = list(names[fh].items())
            for position in range(start_id, len(items)):
                name, inode = items[position]
                if not reply(token, name, attributes[inode], position + 1):
                    break

        async def releasedir(self, fh: int) -> None:
            pass

        # Of what only some bindings know: they answer, for what a request costs, and nothing more.
        async def setlk(self, inode: int, fh: int, lock: Any, wait: bool, ctx: Any) -> None:
            pass

        async def getlk(self, inode: int, fh: int, lock: Any, ctx: Any) -> None:
            pass

        async def lseek(self, inode: int, fh: int, off: int, whence: int, ctx: Any) -> int:
            return off

        async def ioctl(
            self, inode: int, fh: int, command: int, arg: int, data: Any, size: int, flags: int, ctx: Any
        ) -> int:
            return 7

    return Operations()
