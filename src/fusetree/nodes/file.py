"""`File`: bytes that lie in memory or in a file, with the kernel's page cache in front of them.

What cannot be written to is kept as it was given: bytes, a read-only buffer, a part of a file of the host.
All else is copied, and so is what was kept when somebody writes.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from fusetree.nodes.base import node_class
from fusetree.nodes.filenode import FileNode, Policy, WriteStyle
from fusetree.nodes.filerange import FileRange
from fusetree.nodes.held import hold, state

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

__all__ = ["File"]

_WRITE_BITS = 0o222


def as_content(content: Any) -> bytes | memoryview | FileRange:
    """What a file is made of: text is UTF-8 (and may carry bytes that are none, as file names do), a
    read-only buffer is kept, any other is copied.
    """
    if isinstance(content, (bytes, FileRange)):
        return content
    if isinstance(content, str):
        return content.encode("utf-8", "surrogateescape")
    try:
        view = memoryview(content)
    except TypeError:
        raise TypeError(
            f"the content of a file is str, bytes or another buffer, not {type(content).__name__}"
        ) from None
    return view.cast("B") if view.readonly and view.c_contiguous else bytes(view)


def as_bytes(content: bytes | bytearray | memoryview | FileRange) -> bytes:
    """The whole content, in memory."""
    return content.read() if isinstance(content, FileRange) else bytes(content)


@node_class
class File(FileNode):
    """A regular file of bytes that are known.

    The kernel caches what it has read without end and is told of each change. The file can be written through
    the mount when its mode says so: ``File(b"", mode=0o644)``. Put one file into a tree under two names, and
    it is a hard link.

    Arguments:
        content: The bytes; text is stored as UTF-8, exactly as it is. A buffer that is read-only, such as an
            mmap with ACCESS_READ or a memoryview of it, is kept and not copied, any other is copied.
        mode: Permission bits.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.
    """

    #: The largest size in bytes that a file can be brought to by writing, because it is held in memory;
    #: beyond it is EFBIG. A subclass may set its own. It does not bound what the program itself passes to
    #: `File`.
    max_size: ClassVar[int] = 1 << 30

    # What was given, or a bytearray after a partial write, until it is next read as a whole. Assigned, and
    # the bytearray changed, only under the file's gate; reading the attribute needs no lock.
    _data_: bytes | bytearray | memoryview | FileRange = attrs.field(
        default=b"", alias="content", kw_only=True, converter=as_content, repr=False
    )

    def __init__(
        self,
        content: Buffer | FileRange | str = b"",
        mode: int = 0o444,
        *,
        uid: int | None = None,
        gid: int | None = None,
        ino: int = 0,
    ) -> None:
        FileNode.__init__(self, mode=mode, uid=uid, gid=gid, ino=ino)
        self._data_ = as_content(content)

    @classmethod
    def from_path(
        cls,
        path: str | os.PathLike[str],
        mode: int = 0o444,
        *,
        offset: int = 0,
        size: int | None = None,
        **keywords: Any,
    ) -> Self:
        """A file with the content of a file of the host, or a part of it, which is not read into memory.

        The file is opened now and stays open while the node lives; its size and its time of modification are
        taken over. What is written through the mount, if the mode lets it, makes a copy in memory: the host's
        file is never changed. If somebody else changes its bytes, say so with `changed()`.

        Arguments:
            path: The host's file.
            mode: Permission bits.
            offset: Where the content begins, in bytes.
            size: How many bytes it has; None is all there are from `offset` on.
            **keywords: What else `File` takes.

        Raises:
            OSError: The file cannot be opened.
            ValueError: A negative offset or size.
        """
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            modified = os.fstat(fd).st_mtime_ns
            made = cls(content=FileRange(fd, offset, size), mode=mode, **keywords)
        finally:
            os.close(fd)
        made._times_ = modified
        return made

    @property
    def policy(self) -> Policy:
        return Policy.PAGE

    @property
    def write_style(self) -> WriteStyle:
        return WriteStyle.BYTES if self._mode_ & _WRITE_BITS else WriteStyle.NONE

    @property
    def writable(self) -> bool:
        return self._mode_ & _WRITE_BITS != 0

    def size(self) -> int:
        return len(self._data_)

    def content(self) -> bytes:
        data = self._data_
        if isinstance(data, bytearray):
            with self._gate_():
                data = self._data_
                if isinstance(data, bytearray):
                    data = self._data_ = bytes(data)
        return as_bytes(data)

    def _source_(self) -> bytes | memoryview | FileRange:
        data = self._data_
        return self.content() if isinstance(data, bytearray) else data

    def store(self, data: Buffer | FileRange | str, append: bool = False) -> None:
        """Make `data` the whole content, or put it at the end, and tell the kernel.

        Arguments:
            data: The bytes; text is stored as UTF-8.
            append: Whether what is there stays in front of it.
        """
        new = as_content(data)
        if state.active is not None:
            hold(self)
        with self._gate_():
            if append:
                self._patch_(as_bytes(new), len(self._data_))
            else:
                self._data_ = new
        self.changed()

    def write_at(self, data: bytes, offset: int) -> int:
        """Put bytes at an offset, as pwrite(2) does: a gap in front of them is filled with zeros.

        Arguments:
            data: The bytes.
            offset: Where, in bytes from the beginning.

        Returns:
            How many bytes were taken: all.

        Raises:
            OSError: EFBIG, the file would become larger than `max_size`.
        """
        if not data:
            return 0
        if state.active is not None:
            hold(self)
        with self._gate_():
            self._patch_(data, offset)
        self.changed()
        return len(data)

    def truncate(self, size: int) -> None:
        """Cut the content off at `size` bytes, or fill it up with zeros to that size, as ftruncate(2) does.

        Raises:
            OSError: EFBIG, the size is above `max_size`.
        """
        if state.active is not None:
            hold(self)
        with self._gate_():
            data = self._data_
            if isinstance(data, (memoryview, FileRange)):
                data = as_bytes(data)
            if size <= len(data):
                self._data_ = data[:size]
            else:
                self._check_size_(size)
                self._data_ = data + bytes(size - len(data))
        self.changed()

    def _patch_(self, data: bytes, offset: int) -> None:
        end = offset + len(data)
        current = self._data_
        if end > len(current):
            self._check_size_(end)
        buffer = current if isinstance(current, bytearray) else bytearray(as_bytes(current))
        if offset > len(buffer):
            buffer.extend(bytes(offset - len(buffer)))
        buffer[offset:end] = data
        self._data_ = buffer

    def _before_(self) -> None:
        self.content()  # what is patched from now on is a copy

    def _check_size_(self, size: int) -> None:
        if size > self.max_size:
            raise OSError(errno.EFBIG, f"{size} bytes are more than a file may have here ({self.max_size})")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self._data_)} bytes>"
