"""Nodes all of whose methods are ``async``, for every ring; and what they wait for."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from typing import Any

from fusetree import Attributes, Dir, FileNode, FileSystemSize, MemoryDir, Symlink
from fusetree.adapter.usercode import inside_handler
from fusetree.lowlevel import running_library
from fusetree.nodes import Node
from fusetree.server.loops import arrived

BACKENDS = ("threads", "asyncio", "trio")


async def pause() -> None:
    """Give the loop a turn: what comes after is another step of the task."""
    if running_library() == "trio":
        import trio

        await trio.lowlevel.checkpoint()
    else:
        await asyncio.sleep(0)
    assert inside_handler()


class Gate:
    """Handlers wait at it until it is opened, from any thread; it counts who came and who was cancelled."""

    def __init__(self) -> None:
        self._opened: Future[None] = Future()
        self._lock = threading.Lock()
        self.came = 0
        self.cancelled = 0

    async def passing(self) -> None:
        with self._lock:
            self.came += 1
        try:
            await arrived(self._opened)
        except BaseException:
            with self._lock:
                self.cancelled += 1
            raise

    def open(self) -> None:
        self._opened.set_result(None)


class AsyncFile(FileNode):
    """A file of bytes, each method of which gives up its thread."""

    def __init__(self, content: bytes = b"", mode: int = 0o666) -> None:
        super().__init__(mode=mode)
        self.data = bytearray(content)
        self.log: list[str] = []
        self.xattrs: dict[str, bytes] = {}

    async def getattr(self) -> Attributes:
        await pause()
        return Attributes(size=len(self.data))

    async def setattr(self, changes: Attributes) -> None:
        await pause()
        if changes.size is not None:
            del self.data[changes.size :]
            self.data.extend(bytes(changes.size - len(self.data)))

    async def open(self, flags: int) -> AsyncHandle:
        await pause()
        return AsyncHandle(self)

    async def copy_file_range(self, offset: int, target: Node, target_offset: int, length: int) -> int:
        await pause()
        assert isinstance(target, AsyncFile)
        piece = self.data[offset : offset + length]
        target.data[target_offset : target_offset + length] = piece
        return len(piece)

    async def access(self, mask: int) -> bool:
        await pause()
        return not mask & os.X_OK

    async def getxattr(self, name: str) -> bytes:
        await pause()
        if name not in self.xattrs:
            raise OSError(errno.ENODATA, "none")
        return self.xattrs[name]

    async def listxattr(self) -> list[str]:
        await pause()
        return [*self.xattrs]

    async def setxattr(self, name: str, value: bytes) -> None:
        await pause()
        self.xattrs[name] = value

    async def removexattr(self, name: str) -> None:
        await pause()
        if self.xattrs.pop(name, None) is None:
            raise OSError(errno.ENODATA, "none")


class AsyncHandle:
    """An open `AsyncFile`."""

    def __init__(self, file: AsyncFile) -> None:
        self.file = file

    async def read(self, size: int, offset: int) -> bytes:
        await pause()
        return bytes(self.file.data[offset : offset + size])

    async def write(self, data: bytes, offset: int) -> int | None:
        await pause()
        file = self.file.data
        file.extend(bytes(max(0, offset - len(file))))
        file[offset : offset + len(data)] = data
        return None

    async def flush(self) -> None:
        await pause()
        self.file.log.append("flush")

    async def fsync(self, datasync: bool) -> None:
        await pause()
        self.file.log.append(f"fsync {datasync}")

    async def release(self) -> None:
        await pause()
        self.file.log.append("release")

    async def fallocate(self, mode: int, offset: int, length: int) -> None:
        await pause()
        self.file.log.append(f"fallocate {mode} {offset} {length}")

    async def lseek(self, offset: int, whence: int) -> int:
        await pause()
        return offset + 10

    async def ioctl(self, command: int, argument: int, data: bytes, out_size: int) -> bytes:
        await pause()
        return data.upper()

    async def poll(self, events: int, wake: Callable[[], object] | None) -> int:
        await pause()
        return events


class AsyncDir(Dir):
    """A directory that lets everything in and out, after a pause."""

    async def create(self, name: str, mode: int) -> FileNode:
        await pause()
        if name.startswith("bad"):
            raise PermissionError
        return AsyncFile(mode=mode)

    async def mkdir(self, name: str, mode: int) -> Dir:
        await pause()
        return AsyncDir({}, mode)

    async def mknod(self, name: str, mode: int, rdev: int) -> Node:
        await pause()
        return MemoryDir().mknod(name, mode, rdev)

    async def symlink(self, name: str, target: str) -> Node:
        await pause()
        return AsyncSymlink(target)

    async def link(self, name: str, node: Node) -> None:
        await pause()

    async def unlink(self, name: str) -> None:
        await pause()

    async def rmdir(self, name: str) -> None:
        await pause()

    async def rename(self, name: str, directory: Dir, new_name: str, flags: int) -> None:
        await pause()

    async def setattr(self, changes: Attributes) -> None:
        await pause()

    async def statfs(self) -> FileSystemSize:
        await pause()
        return FileSystemSize(block_size=4096, blocks=7, free_blocks=3, files=5, free_files=2)


class AsyncSymlink(Symlink):
    """A link whose target is asked for."""

    async def readlink(self) -> str:
        await pause()
        return self.target + "!"


class AsyncNames(Dir):
    """A directory that is asked for its names, and lists them as they come."""

    def __init__(self, count: int = 300) -> None:
        super().__init__(mode=0o755)
        self.made = {f"n{number}": AsyncFile(b"%d" % number) for number in range(count)}
        self.ended = 0

    async def lookup(self, name: str) -> Node | None:
        await pause()
        return self.made.get(name)

    async def list(self) -> AsyncIterator[str | tuple[str, Node]]:
        try:
            for name, node in [*self.made.items()]:
                await pause()
                yield (name, node) if len(name) % 2 else name
        finally:
            self.ended += 1

    async def rename(self, name: str, directory: Dir, new_name: str, flags: int) -> None:
        await pause()
        self.made[new_name] = self.made.pop(name)

    async def unlink(self, name: str) -> None:
        await pause()
        del self.made[name]


def everything() -> Any:
    """A tree of all of them."""
    return AsyncDir({"names": AsyncNames(), "file": AsyncFile(b"hello\n"), "link": AsyncSymlink("x")}, 0o777)
