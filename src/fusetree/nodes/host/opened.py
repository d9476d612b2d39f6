"""What is open of a file of the host.

Reads never come here: the descriptor is given to the core (`fileno`), which answers them in C, without a copy
through Python. Writes come as a view of the request, which goes straight into pwrite(2).
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Any, ClassVar, Final

from fusetree.nodes.callers import caller
from fusetree.nodes.host.calls import fallocate
from fusetree.nodes.observers import Change
from fusetree.nodes.refusals import refused

if TYPE_CHECKING:
    from concurrent.futures import Future

    from fusetree.nodes.attributes import Attributes
    from fusetree.nodes.host.descriptors import Descriptor
    from fusetree.nodes.host.file import HostFile
    from fusetree.nodes.host.inodes import Key

__all__ = ["HostReader", "HostWriter", "flags_below"]

#: What is passed on of the flags of open(2). Not O_APPEND: a page that was changed by mmap is written to its
#: place, and where the end is the kernel says with each write. Not O_DIRECT: buffers are not aligned.
_PASSED: Final = os.O_ACCMODE | os.O_TRUNC | os.O_SYNC | os.O_DSYNC | os.O_NOATIME


def flags_below(flags: int) -> int:
    """How the host is opened for an open(2) with *flags*."""
    return flags & _PASSED | os.O_CLOEXEC | os.O_NOCTTY


class HostReader:
    """A file that is open, for reading alone or for writing too.

    Arguments:
        node: The file.
        descriptor: It, opened.
        keep_cache: Whether the kernel may keep what it has cached of it before.
    """

    __slots__ = ("_descriptor", "_node", "keep_cache")

    #: Where the kernel keeps the locks of a mount, that is right too.
    locks_if_asked: ClassVar[bool] = True

    def __init__(self, node: HostFile, descriptor: Descriptor, keep_cache: bool) -> None:
        self._node = node
        self._descriptor = descriptor
        self.keep_cache = keep_cache
        node._inode_.finder.opened(node._inode_, 1)

    def fileno(self) -> int:
        """The descriptor, which lives as long as this object."""
        return self._descriptor

    def backing(self) -> int:
        """The same: the kernel may read and write it by itself."""
        return self._descriptor

    @property
    def key(self) -> Key:
        """Which file of the host it is."""
        return self._node._inode_.key

    def again(self) -> Descriptor:
        """Another open file description of the same file, for locks."""
        inode = self._node._inode_
        path = inode.descriptor().path
        if self._node._host_.writable:
            with contextlib.suppress(PermissionError):
                return inode.finder.open(lambda: os.open(path, os.O_RDWR | os.O_CLOEXEC))
        return inode.finder.open(lambda: os.open(path, os.O_RDONLY | os.O_CLOEXEC))  # enough for read locks

    def getlk(self, lock: Any) -> Any:
        """The host's lock that is in the way, whoever has it."""
        return self._node._host_.locks.get(self, lock)

    def setlk(self, lock: Any, wait: bool) -> Future[None] | None:
        """Lock on the host."""
        return self._node._host_.locks.set(self, lock, wait)

    def flock(self, operation: int, owner: int) -> Future[None] | None:
        """Lock on the host."""
        return self._node._host_.locks.whole(self._descriptor, operation)

    def release(self) -> None:
        """Closed: the inode may give up its descriptor now."""
        self._node._host_.locks.end(self)
        self._node._inode_.finder.opened(self._node._inode_, -1)

    def fsync(self, datasync: bool) -> None:
        """Bring it to the host's disk."""
        (os.fdatasync if datasync else os.fsync)(self._descriptor)

    def lseek(self, offset: int, whence: int) -> int:
        """Where the next data or hole begins."""
        return os.lseek(self._descriptor, offset, whence)  # moves an offset that nobody uses

    def setattr(self, changes: Attributes) -> None:
        """Change attributes: the size by this descriptor, whatever the permissions are by now."""
        self._node._change_(changes, self._descriptor)

    def copy_file_range(self, offset: int, target: object, target_offset: int, length: int) -> int:
        """Copy on the host, without the bytes coming here; EOPNOTSUPP to what is not of the host."""
        if not isinstance(target, HostWriter):
            raise refused(errno.EOPNOTSUPP)
        done = os.copy_file_range(self._descriptor, target._descriptor, length, offset, target_offset)
        target._node._tell_(Change.ALL)
        return done

    def __reduce__(self) -> Any:
        raise TypeError("what is open cannot be pickled or copied")


class HostWriter(HostReader):
    """A file that is open for writing.

    Arguments:
        node: The file.
        descriptor: It, opened.
        keep_cache: Whether the kernel may keep what it has cached of it before.
        append: Whether it was opened with O_APPEND.
    """

    __slots__ = ("_append",)

    def __init__(self, node: HostFile, descriptor: Descriptor, keep_cache: bool, append: bool) -> None:
        super().__init__(node, descriptor, keep_cache)
        self._append = append

    def backing(self) -> int:
        """As for reading: `write` does nothing that the kernel would not."""
        return self._descriptor

    def write(self, data: Any, offset: int) -> int:
        """Write, at the end if it was opened so; the host knows better than the kernel where that is."""
        view = memoryview(data)
        done = 0
        if self._append and self._is_programs():
            done = os.pwritev(self._descriptor, [view], offset, os.RWF_APPEND)
        else:
            while done < len(view):
                done += os.pwrite(self._descriptor, view[done:], offset + done)
        self._node._tell_(Change.ALL)
        return done

    @staticmethod
    def _is_programs() -> bool:
        """Whether a program writes. The kernel, which writes pages back that were mapped, is nobody."""
        asking = caller()
        return asking is None or asking.pid != 0

    def flush(self) -> None:
        """A descriptor was closed: an error that the host keeps for close(2) is told there."""
        os.close(os.dup(self._descriptor))

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        """All modes that the host has."""
        fallocate(self._descriptor, mode, offset, length)
        self._node._tell_(Change.ALL)
