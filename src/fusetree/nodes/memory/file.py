"""`MemoryFile`: a regular file in memory that can be written as any file of a disk can."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

import attrs

from fusetree.nodes.base import node_class
from fusetree.nodes.file import as_bytes, as_content
from fusetree.nodes.filenode import FileNode, Policy, WriteStyle
from fusetree.nodes.held import hold, state
from fusetree.nodes.memory.member import MemoryMember
from fusetree.nodes.memory.pages import Pages
from fusetree.nodes.memory.space import PAGE
from fusetree.nodes.observers import Change

if TYPE_CHECKING:
    from typing_extensions import Self

    from fusetree.nodes.attributes import Attributes
    from fusetree.nodes.base import Node
    from fusetree.nodes.memory.space import Space

__all__ = ["MemoryFile"]

# linux/falloc.h
_KEEP_SIZE: Final = 0x01
_PUNCH_HOLE: Final = 0x02
_ZERO_RANGE: Final = 0x10

#: How much copy_file_range copies at a time, in bytes.
_COPIED_AT_ONCE: Final = 1 << 20


@node_class
class MemoryFile(MemoryMember, FileNode):
    """A writable file in memory, with holes, extended attributes and times of its own.

    The kernel's page cache lies in front of it, so mmap works, and what the program changes by `store`,
    `write` or `truncate` reaches who has it mapped.

    Arguments:
        content: The bytes at first; text is stored as UTF-8.
        mode: Permission bits.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.
    """

    _space_: Space | None = attrs.field(init=False, default=None, repr=False)
    _xattrs_: dict[str, bytes] | None = attrs.field(init=False, default=None, repr=False)
    # Content and size are read and changed under the file's gate; only the account is called under it.
    _pages_: Pages = attrs.field(init=False, factory=Pages, repr=False)

    def __init__(
        self,
        content: bytes | bytearray | memoryview | str = b"",
        mode: int = 0o644,
        *,
        uid: int | None = None,
        gid: int | None = None,
        ino: int = 0,
    ) -> None:
        FileNode.__init__(self, mode=mode, uid=uid, gid=gid, ino=ino)
        self._space_ = None
        self._xattrs_ = None
        self._pages_ = Pages()
        self._pages_.write(as_bytes(as_content(content)), 0)
        self._start_()

    # ---- what the adapter asks

    @property
    def policy(self) -> Policy:
        return Policy.PAGE

    @property
    def write_style(self) -> WriteStyle:
        return WriteStyle.BYTES

    @property
    def writable(self) -> bool:
        return True

    def size(self) -> int:
        return self._pages_.size

    def blocks(self, size: int) -> int:
        return self._pages_.count * (PAGE // 512)

    # ---- for the program

    def content(self) -> bytes:
        """The whole content as it is now."""
        return self.read(self._pages_.size, 0)

    def store(self, data: bytes | bytearray | memoryview | str, append: bool = False) -> None:
        """Make `data` the whole content, or put it at the end.

        Raises:
            OSError: ENOSPC, the tree is full; the content stays as it was.
        """
        new = as_bytes(as_content(data))
        if state.active is not None:
            hold(self)
        with self._gate_():
            if append:
                self._write_(new, self._pages_.size)
            else:
                pages = Pages()
                pages.write(new, 0)
                self._account_((pages.count - self._pages_.count) * PAGE)
                self._pages_ = pages
        self.changed()

    def write_at(self, data: bytes, offset: int) -> int:
        """The same as `write`."""
        return self.write(data, offset)

    def truncate(self, size: int) -> None:
        """Cut off at *size* bytes, or grow to that size by a hole, as ftruncate(2) does."""
        if state.active is not None:
            hold(self)
        with self._gate_():
            self._resize_(size)
        self.changed()

    # ---- capabilities

    def open(self, flags: int) -> None:
        """Opening to read counts as reading: most reads are answered by the page cache."""
        if flags & os.O_ACCMODE != os.O_WRONLY:
            self._accessed_()

    def read(self, size: int, offset: int) -> bytes:
        """Bytes from an offset on, fewer at the end only."""
        with self._gate_():
            return self._pages_.read(size, offset)

    def write(self, data: bytes, offset: int) -> int:
        """Put bytes at an offset, and return how many: all.

        Raises:
            OSError: ENOSPC, the tree is full; nothing was written.
        """
        if state.active is not None:
            hold(self)
        with self._gate_():
            self._write_(data, offset)
        self.changed()
        return len(data)

    def setattr(self, changes: Attributes) -> None:
        """Everything may be changed: the kernel has checked who asks."""
        if state.active is not None:
            hold(self)
        if changes.size is not None:
            with self._gate_():
                self._resize_(changes.size)
            self._touch_(Change.ALL)
        MemoryMember.setattr(self, changes)

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        """Reserve space, punch a hole or zero a range; EOPNOTSUPP for what moves content about."""
        if state.active is not None:
            hold(self)
        pages = self._pages_
        end = offset + length
        with self._gate_():
            if mode == _PUNCH_HOLE | _KEEP_SIZE:
                self._account_(-pages.punch(offset, length) * PAGE)
            elif mode & ~_KEEP_SIZE in (0, _ZERO_RANGE):
                missing = self._missing_(offset, length)
                self._account_(missing * PAGE)
                if mode & _ZERO_RANGE:
                    pages.punch(offset, length)  # no page is given back: they are reserved again at once
                pages.reserve(offset, length)
                if not mode & _KEEP_SIZE:
                    pages.size = max(pages.size, end)
            else:
                raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        self.changed()

    def lseek(self, offset: int, whence: int) -> int:
        """Where the next data or hole begins; ENXIO when there is none."""
        with self._gate_():
            return self._pages_.seek(offset, whence)

    def copy_file_range(self, offset: int, target: Node, target_offset: int, length: int) -> int:
        """Copy to another file in memory, a piece at a time; EOPNOTSUPP to any other."""
        if not isinstance(target, MemoryFile):
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        done = 0
        while done < length:
            data = self.read(min(_COPIED_AT_ONCE, length - done), offset + done)
            if not data:
                break
            target.write(data, target_offset + done)
            done += len(data)
        return done

    # ---- with the gate held

    def _missing_(self, offset: int, length: int) -> int:
        """How many pages are to be made; ENOSPC before millions of them are, in a tree without limit."""
        pages = -(-length // PAGE)
        if self._space_ is not None and pages * PAGE > self._space_.free_bytes + self._pages_.count * PAGE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._pages_.missing(offset, length)

    def _write_(self, data: bytes, offset: int) -> None:
        if data:
            self._account_(self._pages_.missing(offset, len(data)) * PAGE)
            self._pages_.write(data, offset)

    def _resize_(self, size: int) -> None:
        self._account_(-self._pages_.resize(size) * PAGE)

    # ---- the account

    def _join_(self, space: Space) -> None:
        if self._space_ is None:
            MemoryMember._join_(self, space)
            held = self._held_()
            try:
                space.take(held)
            except OSError:
                space.give_inode()
                self._space_ = None
                raise

    def _after_copy_(self, copy: Self) -> None:
        MemoryMember._after_copy_(self, copy)
        copy._pages_ = self._pages_.copy()

    def _held_(self) -> int:
        return self._pages_.count * PAGE + MemoryMember._held_(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._pages_.size} bytes>"
