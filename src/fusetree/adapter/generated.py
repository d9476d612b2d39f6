"""What is open of a file whose content is generated: pieces are made as far as its reader reads.

It is a sequence, as the kernel's seq_file: reading goes on where it ended, and may step back to where the
last read began. A read from further back begins anew: the node's function is called again, and what it makes
up to there is passed over. What was read before is not kept, so a content of any length takes the memory of
one read and one piece.

The pieces may come from an asynchronous iterator. A read that is cancelled while it waits for one ends that
iterator; who reads on then begins anew.

Rule: reads of one open file come one after the other, also from several threads: an iterator cannot be asked
twice at once. The turns for that are this open file's own.
"""

from __future__ import annotations

import errno
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from fusetree.adapter.handles import Handle
from fusetree.adapter.tree import refuse
from fusetree.adapter.turns import Turns
from fusetree.adapter.usercode import call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusetree.adapter.steps import Steps
    from fusetree.nodes.filenode import FileNode

__all__ = ["GeneratedHandle"]

#: A read is answered with what there is when making it has taken so many seconds: who makes a line a second
#: is read a line a second.
_PATIENCE: Final = 0.02

#: What an iterator gives that has no more pieces.
_NO_MORE: Final = object()


class GeneratedHandle(Handle):
    """An open file with an iterator of texts and bytes for content.

    Arguments:
        node: The file.
        pieces: The iterator; it is closed, if it can be, when the file is.
    """

    __slots__ = ("_broken", "_buffer", "_ended", "_failure", "_pieces", "_start", "_turns")

    def __init__(self, node: FileNode, pieces: Iterator[Any] | AsyncIterator[Any]) -> None:
        super().__init__(node, False, False)
        self._turns = Turns()
        # All of who has the turn.
        self._pieces = pieces
        self._broken = False  # it was cancelled, and gives nothing any more
        self._buffer = bytearray()  # the content from offset _start on
        self._start = 0
        self._ended = False
        self._failure: Exception | None = None  # raised by the next read

    def read(self, offset: int, size: int) -> Steps[bytes]:
        """Bytes at an offset, fewer when the rest takes its time.

        What the iterator raises is the answer, after what it made before was read.
        """
        yield self._turns.take()
        try:
            if offset < self._start or self._broken:
                yield from self._begin_anew()
            began = time.monotonic()
            while not self._ended and self._end < offset + size:
                if self._end > offset and time.monotonic() - began > _PATIENCE:
                    break
                yield from self._make_more(offset)
            if self._failure is not None and self._end <= offset:
                raise self._failure
            passed = min(offset, self._end) - self._start
            del self._buffer[:passed]
            self._start += passed
            return bytes(self._buffer[:size]) if self._start == offset else b""
        finally:
            self._turns.give()

    def begin_anew(self) -> None:
        """The next read begins anew."""
        self._broken = True

    def write(self, offset: int, data: bytes) -> Steps[int]:
        """Nothing can be written: EBADF."""
        refuse(errno.EBADF)

    def release(self) -> Steps[None]:
        """Close the iterator: the `finally` blocks of a generator run."""
        yield self._turns.take()
        try:
            yield from self._close()
        finally:
            self._turns.give()

    # ---- who has the turn

    @property
    def _end(self) -> int:
        return self._start + len(self._buffer)

    def _make_more(self, offset: int) -> Steps[None]:
        """Take one piece; what lies before *offset* is passed over."""
        try:
            if isinstance(self._pieces, AsyncIterator):
                self._broken = True
                piece = yield self._turns.keep(_following(self._pieces))
                self._broken = False
            else:
                piece = call(next, self._pieces, _NO_MORE)
            if piece is _NO_MORE:
                self._ended = True
                return
            data = _as_bytes(piece)
        except Exception as exc:  # noqa: BLE001 - raised by the read that gets so far
            self._broken = False
            self._ended = True
            self._failure = exc
        else:
            if self._end < offset:
                self._start += len(self._buffer)
                self._buffer.clear()
            self._buffer += data

    def _begin_anew(self) -> Steps[None]:
        yield from self._close()
        self._broken = True
        content = yield self._turns.keep(call(self.node._opened_))
        self._broken = False
        self._pieces = iter((content,)) if isinstance(content, bytes) else content
        self._buffer.clear()
        self._start = 0
        self._ended = False
        self._failure = None

    def _close(self) -> Steps[None]:
        self._ended = True
        aclose = getattr(self._pieces, "aclose", None)
        close = getattr(self._pieces, "close", None)
        if aclose is not None:
            yield self._turns.keep(_ending(aclose))
        elif close is not None:
            call(close)


async def _following(pieces: AsyncIterator[Any]) -> Any:
    return await anext(pieces, _NO_MORE)


async def _ending(aclose: Callable[[], Any]) -> None:
    await aclose()


def _as_bytes(piece: Any) -> bytes | memoryview:
    if isinstance(piece, str):
        return piece.encode("utf-8", "surrogateescape")
    try:
        return memoryview(piece).cast("B")
    except TypeError:
        raise TypeError(
            f"the content of a file is made of texts and bytes, not of a {type(piece).__name__}: {piece!r}"
        ) from None
