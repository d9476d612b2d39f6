"""`HostFile`: a regular file of the host."""

from __future__ import annotations

import os
import time
import weakref
from typing import TYPE_CHECKING, Any, Final

import attrs

from fusetree.nodes.base import Node, node_class
from fusetree.nodes.file import as_bytes, as_content
from fusetree.nodes.filenode import FileNode, Policy, WriteStyle
from fusetree.nodes.host.acting import as_caller
from fusetree.nodes.host.member import HostMember
from fusetree.nodes.host.opened import HostReader, HostWriter, flags_below
from fusetree.nodes.observers import Change

if TYPE_CHECKING:
    from fusetree.nodes.host.descriptors import Descriptor
    from fusetree.nodes.host.directory import HostDir
    from fusetree.nodes.host.inodes import HostInode
    from fusetree.nodes.host.tree import HostTree

__all__ = ["HostFile"]

_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_TRUNC

#: The kernel's mark of open(2) on behalf of execve(2): linux/fs.h.
_FMODE_EXEC: Final = 0x20

#: A change within this many nanoseconds of another may have the same time: the clock of files ticks in steps
#: of up to ten milliseconds, and twice that is on the safe side.
_TICK_NS: Final = 20_000_000


@node_class
class HostFile(HostMember, FileNode):
    """A regular file of the host, with the kernel's page cache in front of it; a `HostDir` makes them.

    What the program does by `content`, `store`, `write_at` and `truncate` is done to the host's file.
    """

    _host_: HostTree = attrs.field(init=False, repr=False)
    _inode_: HostInode = attrs.field(init=False, repr=False)
    _shown_: weakref.ref[Node] | None = attrs.field(init=False, default=None, repr=False)
    # Times of change and size, when the kernel last began to cache it, and when that was.
    _cached_: tuple[int, int, int, int] = attrs.field(init=False, default=(0, 0, 0, 0), repr=False)

    def __init__(self, host: HostTree, inode: HostInode, above: HostDir | None) -> None:
        FileNode.__init__(self)
        self._cached_ = (0, 0, 0, 0)
        self._start_(host, inode, above)

    # ---- what the adapter asks

    @property
    def policy(self) -> Policy:
        return Policy.PAGE

    @property
    def write_style(self) -> WriteStyle:
        return WriteStyle.BYTES if self._host_.writable else WriteStyle.NONE

    @property
    def writable(self) -> bool:
        return self._host_.writable

    def size(self) -> int:
        """The size, as it was last seen."""
        return self._inode_.stat.st_size

    def blocks(self, size: int) -> int:
        return self._inode_.stat.st_blocks

    # ---- capabilities

    def open(self, flags: int) -> HostReader:
        """Open the host's file, with the rights of who asks."""
        inode = self._inode_
        if flags & _WRITES:
            self._host_.must_write()
        path = inode.descriptor().path

        def opening() -> int:
            return os.open(path, flags_below(flags))

        try:
            with as_caller():
                opened = inode.finder.open(opening)
        except PermissionError:
            # A program that may be run and not read: the kernel reads it for who runs it.
            if not (flags & _FMODE_EXEC and self.access(os.X_OK)):
                raise
            opened = inode.finder.open(opening)
        return self._handle_(opened, flags)

    def _handle_(self, descriptor: Descriptor, flags: int) -> HostReader:
        """What is open, by a descriptor of it."""
        keep = self._is_cached_(descriptor)
        if flags & os.O_TRUNC:
            self._tell_(Change.ALL)
        if flags & os.O_ACCMODE == os.O_RDONLY:
            return HostReader(self, descriptor, keep)
        return HostWriter(self, descriptor, keep, bool(flags & os.O_APPEND))

    def _is_cached_(self, descriptor: Descriptor) -> bool:
        """Whether the file is as it was when it was last opened, so that the kernel's pages are right."""
        found = os.fstat(descriptor)
        self._inode_.stat = found
        now = time.time_ns()
        mtime, ctime, size, since = self._cached_
        same = (mtime, ctime, size) == (found.st_mtime_ns, found.st_ctime_ns, found.st_size)
        settled = same and since - max(mtime, ctime) > _TICK_NS
        self._cached_ = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, since if settled else now)
        return settled

    # ---- for the program

    def content(self) -> bytes:
        """The whole content as it is now."""
        with open(self._inode_.descriptor().path, "rb") as file:
            return file.read()

    def store(self, data: Any, append: bool = False) -> None:
        """Make `data` the whole content, or put it at the end."""
        self._host_.must_write()
        with open(self._inode_.descriptor().path, "ab" if append else "wb") as file:
            file.write(as_bytes(as_content(data)))
        self._tell_(Change.ALL)

    def write_at(self, data: bytes, offset: int) -> int:
        """Put bytes at an offset, and return how many were taken: all."""
        self._host_.must_write()
        with open(self._inode_.descriptor().path, "r+b") as file:
            file.seek(offset)
            file.write(data)
        self._tell_(Change.ALL)
        return len(data)

    def truncate(self, size: int) -> None:
        """Cut off or fill up with zeros, as truncate(2) does."""
        self._host_.must_write()
        os.truncate(self._inode_.descriptor().path, size)
        self._tell_(Change.ALL)
