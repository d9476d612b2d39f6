"""`FileRange`: bytes that lie in a file of the host, and are read from there."""

from __future__ import annotations

import contextlib
import os
from typing import Any

__all__ = ["FileRange"]


class FileRange:
    """A part of an open file of the host, by a descriptor of its own.

    Its length is fixed when it is made. What is written into the file later shows in it; a file that is cut
    off gives what is left.

    Arguments:
        fd: A descriptor that is open for reading; it is duplicated.
        offset: Where the part begins, in bytes.
        size: How many bytes it has; None is all there are from `offset` on.

    Raises:
        OSError: The descriptor cannot be duplicated, or does not tell its size.
        ValueError: A negative offset or size.
    """

    __slots__ = ("_fd", "offset", "size")

    def __init__(self, fd: int, offset: int = 0, size: int | None = None) -> None:
        self._fd = -1
        if offset < 0 or (size is not None and size < 0):
            raise ValueError(f"{size} bytes from offset {offset} on are no part of a file")
        if size is None:
            size = max(0, os.fstat(fd).st_size - offset)
        self.offset = offset
        self.size = size
        self._fd = os.dup(fd)

    def fileno(self) -> int:
        """The descriptor, which lives as long as this object."""
        return self._fd

    def __len__(self) -> int:
        return self.size

    def read(self, offset: int = 0, size: int | None = None) -> bytes:
        """Bytes of the part, from `offset` on; fewer than `size` only at its end."""
        left = max(0, self.size - offset)
        left = left if size is None else min(left, size)
        pieces = []
        while left:
            piece = os.pread(self._fd, min(left, 1 << 30), self.offset + offset)
            if not piece:
                break
            pieces.append(piece)
            offset += len(piece)
            left -= len(piece)
        return b"".join(pieces) if len(pieces) != 1 else pieces[0]

    def __reduce__(self) -> Any:
        raise TypeError("a FileRange belongs to an open file and cannot be pickled or copied")

    def __del__(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)

    def __repr__(self) -> str:
        return f"<FileRange of {self.size} bytes from {self.offset} on>"
