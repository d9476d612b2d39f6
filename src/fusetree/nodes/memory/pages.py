"""The bytes of one file, page by page: what was never written is a hole, and takes no memory.

    page     0        1        2        3          size
             +--------+        +--------+            |
             | bytes  |  hole  | bytes  |  hole      v
             +--------+--------+--------+-------------

Rule 1: what lies in a page behind the end of the file is zero, so growing shows zeros.
Rule 2: a page that was only reserved (fallocate) is the one page of zeros, which all share.
Rule 3: there is no lock here: whoever calls holds the file's.

A page is `bytes` while it is written as a whole, and a `bytearray` from the first time a part of it is.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from fusetree.nodes.memory.space import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Pages"]

_ZEROS: Final = bytes(PAGE)


class Pages:
    """Content that may have holes. Offsets and sizes are in bytes."""

    __slots__ = ("_pages", "size")

    def __init__(self) -> None:
        self._pages: dict[int, bytes | bytearray] = {}
        self.size = 0

    @property
    def count(self) -> int:
        """How many pages there are."""
        return len(self._pages)

    def copy(self) -> Pages:
        """The same content; what is written to one is not seen in the other."""
        made = Pages()
        made.size = self.size
        made._pages = {
            number: bytes(page) if isinstance(page, bytearray) else page
            for number, page in self._pages.items()
        }
        return made

    def missing(self, offset: int, length: int) -> int:
        """How many pages a write there would make."""
        first, end = offset // PAGE, -(-(offset + length) // PAGE)
        if not self._pages:
            return end - first
        return sum(number not in self._pages for number in range(first, end))

    def read(self, size: int, offset: int) -> bytes:
        """The bytes there, fewer at the end."""
        end = min(offset + size, self.size)
        if offset >= end:
            return b""
        parts = []
        while offset < end:
            number, start = divmod(offset, PAGE)
            stop = min(PAGE, start + end - offset)
            page = self._pages.get(number, _ZEROS)
            parts.append(page if stop - start == PAGE else page[start:stop])
            offset += stop - start
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def write(self, data: bytes, offset: int) -> None:
        """Put bytes there; a gap before them is a hole."""
        view = memoryview(data)
        end = offset + len(view)
        done = 0
        while done < len(view):
            number, start = divmod(offset + done, PAGE)
            length = min(PAGE - start, len(view) - done)
            part = view[done : done + length]
            if length == PAGE:
                self._pages[number] = bytes(part)
            else:
                self._open(number)[start : start + length] = part
            done += length
        self.size = max(self.size, end)

    def resize(self, size: int) -> int:
        """Cut off, or grow by a hole; returns how many pages went."""
        gone = 0
        if size < self.size:
            kept, tail = -(-size // PAGE), size % PAGE
            gone = self._drop(number for number in list(self._pages) if number >= kept)
            if tail and kept - 1 in self._pages:
                self._open(kept - 1)[tail:] = bytes(PAGE - tail)
        self.size = size
        return gone

    def reserve(self, offset: int, length: int) -> None:
        """Make the pages there that are missing."""
        for number in range(offset // PAGE, -(-(offset + length) // PAGE)):
            self._pages.setdefault(number, _ZEROS)

    def punch(self, offset: int, length: int) -> int:
        """Make a hole of it; returns how many pages went."""
        end = offset + length
        first, last = -(-offset // PAGE), end // PAGE
        if first > last:  # within one page
            self._zero(last, offset % PAGE, end % PAGE)
            return 0
        self._zero(first - 1, offset % PAGE or PAGE, PAGE)
        self._zero(last, 0, end % PAGE)
        if last - first < len(self._pages):
            return self._drop(number for number in range(first, last) if number in self._pages)
        return self._drop(number for number in list(self._pages) if first <= number < last)

    def seek(self, offset: int, whence: int) -> int:
        """Where the next data or hole begins, from an offset on.

        Raises:
            OSError: ENXIO, there is none before the end; EINVAL for another *whence*.
        """
        if whence not in (os.SEEK_DATA, os.SEEK_HOLE):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if not 0 <= offset < self.size:
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
        number = offset // PAGE
        if whence == os.SEEK_HOLE:
            while number in self._pages:
                number += 1
            return min(max(offset, number * PAGE), self.size)
        if number not in self._pages:
            number = min((known for known in self._pages if known > number), default=self.size)
        found = max(offset, number * PAGE)
        if found >= self.size:
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
        return found

    def _open(self, number: int) -> bytearray:
        page = self._pages.get(number, _ZEROS)
        if not isinstance(page, bytearray):
            page = self._pages[number] = bytearray(page)
        return page

    def _zero(self, number: int, start: int, stop: int) -> None:
        if start < stop and number in self._pages:
            self._open(number)[start:stop] = bytes(stop - start)

    def _drop(self, numbers: Iterable[int]) -> int:
        gone = 0
        for number in numbers:
            del self._pages[number]
            gone += 1
        return gone
