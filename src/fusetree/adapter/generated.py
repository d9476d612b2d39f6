"""What is open of a file whose content is generated: pieces are made as far as its reader reads.

It is a sequence, as the kernel's seq_file: reading goes on where it ended, and may step back to where the
last read began. A read from further back begins anew: the node's function is called again, and what it makes
up to there is passed over. What was read before is not kept, so a content of any length takes the memory of
one read and one piece.

Rule: reads of one open file come one after the other, also from several threads: an iterator cannot be asked
twice at once. The lock for that is this open file's own, and the program's code runs with it held.
"""

from __future__ import annotations

import errno
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from fusetree.adapter.handles import Handle
from fusetree.adapter.tree import refuse
from fusetree.adapter.usercode import call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusetree.nodes.base import FileNode

__all__ = ["GeneratedHandle"]

#: A read is answered with what there is when making it has taken so many seconds: who makes a line a second
#: is read a line a second.
_PATIENCE: Final = 0.02


class GeneratedHandle(Handle):
    """An open file with an iterator of texts and bytes for content.

    Arguments:
        node: The file.
        pieces: The iterator; it is closed, if it can be, when the file is.
    """

    __slots__ = ("_buffer", "_ended", "_failure", "_lock", "_pieces", "_start")

    def __init__(self, node: FileNode, pieces: Iterator[Any]) -> None:
        super().__init__(node, False, False)
        self._lock = threading.Lock()
        # All guarded by _lock.
        self._pieces = pieces
        self._buffer = bytearray()  # the content from offset _start on
        self._start = 0
        self._ended = False
        self._failure: Exception | None = None  # raised by the next read

    def read(self, offset: int, size: int) -> bytes:
        """Bytes at an offset, fewer when the rest takes its time.

        What the iterator raises is the answer, after what it made before was read.
        """
        with self._lock:
            if offset < self._start:
                self._begin_anew()
            began = time.monotonic()
            while not self._ended and self._end < offset + size:
                if self._end > offset and time.monotonic() - began > _PATIENCE:
                    break
                self._make_more(offset)
            if self._failure is not None and self._end <= offset:
                raise self._failure
            passed = min(offset, self._end) - self._start
            del self._buffer[:passed]
            self._start += passed
            return bytes(self._buffer[:size]) if self._start == offset else b""

    def write(self, offset: int, data: bytes) -> int:
        """Nothing can be written: EBADF."""
        refuse(errno.EBADF)

    def release(self) -> None:
        """Close the iterator: the `finally` blocks of a generator run."""
        with self._lock:
            self._close()

    # ---- with the lock held

    @property
    def _end(self) -> int:
        return self._start + len(self._buffer)

    def _make_more(self, offset: int) -> None:
        """Take one piece; what lies before *offset* is passed over."""
        try:
            piece = call(next, self._pieces)
            data = _as_bytes(piece)
        except StopIteration:
            self._ended = True
        except Exception as exc:  # noqa: BLE001 - raised by the read that gets so far
            self._ended = True
            self._failure = exc
        else:
            if self._end < offset:
                self._start += len(self._buffer)
                self._buffer.clear()
            self._buffer += data

    def _begin_anew(self) -> None:
        self._close()
        content = call(self.node._opened_)
        self._pieces = iter((content,)) if isinstance(content, bytes) else content
        self._buffer.clear()
        self._start = 0
        self._ended = False
        self._failure = None

    def _close(self) -> None:
        self._ended = True
        close = getattr(self._pieces, "close", None)
        if close is not None:
            call(close)


def _as_bytes(piece: Any) -> bytes | memoryview:
    if isinstance(piece, str):
        return piece.encode("utf-8", "surrogateescape")
    try:
        return memoryview(piece).cast("B")
    except TypeError:
        raise TypeError(
            f"the content of a file is made of texts and bytes, not of a {type(piece).__name__}: {piece!r}"
        ) from None
