"""What an open file that is written to remembers: one class for each way a write can be meant.

    VALUE      each write(2) is a whole value, stored at once
    DOCUMENT   writes are gathered, and stored at flush or fsync if there were any since it was last stored
    LINES      each complete line is a call; the rest is one at flush
    BYTES      bytes at an offset, nothing to remember but who is written to

A file that is only read has no such object: its bytes are pinned in the inode table, and read in C.

A duplicate of a descriptor is flushed when it is closed (a shell does that before it has written anything),
so flush must store only what came since the last time.
"""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from fusetree.adapter.turns import Turns
from fusetree.adapter.usercode import call, store
from fusetree.nodes.filenode import MAX_VALUE_SIZE, WriteStyle
from fusetree.nodes.filerange import FileRange

if TYPE_CHECKING:
    from fusetree._lowlevel.notices import Ticket
    from fusetree.adapter.steps import Steps
    from fusetree.adapter.watches import Watch
    from fusetree.nodes.filenode import FileNode

__all__ = [
    "MAX_SINGLE_WRITE",
    "BytesHandle",
    "DocumentHandle",
    "Handle",
    "LinesHandle",
    "ValueHandle",
    "handle_for",
    "piece",
]

#: The longest value that is one write(2), in bytes. The kernel cuts longer writes into pieces (of 128 KiB at
#: least), and the first piece of a value must not be taken for the whole.
MAX_SINGLE_WRITE: Final = 128 * 1024 - 1


def _refused(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def piece(source: bytes | memoryview | FileRange, offset: int, size: int) -> bytes | memoryview:
    """At most `size` bytes of a content."""
    if isinstance(source, FileRange):
        return source.read(offset, size)
    return memoryview(source)[offset : offset + size]


class Handle:
    """An open file that may be written to.

    Arguments:
        node: The file.
        append: Whether it was opened with O_APPEND. What the kernel takes for the end then does not count.
        truncated: Whether it was opened with O_TRUNC.
    """

    __slots__ = ("append", "content", "node", "truncated", "unsettled", "watch")

    def __init__(self, node: FileNode, append: bool, truncated: bool) -> None:
        self.node = node
        self.append = append
        self.truncated = truncated
        #: What readers of this open file see; None: to be made when first read.
        self.content: bytes | None = None
        #: What the kernel must know before anything is written.
        self.unsettled: Ticket | None = None
        #: Somebody polls it.
        self.watch: Watch | None = None

    def read(self, offset: int, size: int) -> Steps[bytes | memoryview]:
        """Bytes of the content that was current when this open file was first read, or last wrote."""
        content = self.content
        if content is None:
            content = self.content = yield call(self.node.content)
        return memoryview(content)[offset : offset + size]

    def begin_anew(self) -> None:
        """Somebody polls it and reads from the beginning: the content is to be that of now."""
        self.content = None

    def write(self, offset: int, data: bytes) -> Steps[int]:
        """Take bytes; returns how many. See the subclasses."""
        raise NotImplementedError

    def flush(self) -> Steps[None]:
        """Store what was gathered, if anything."""
        yield from ()

    def truncate(self, size: int) -> Steps[None]:
        """Truncation alone changes nothing: a value is replaced by writing another."""
        yield from ()

    def release(self) -> Steps[None]:
        """The last descriptor was closed."""
        yield from ()


class ValueHandle(Handle):
    """Each write(2) at offset 0, or any with O_APPEND, is one whole value."""

    __slots__ = ()

    def write(self, offset: int, data: bytes) -> Steps[int]:
        """Store the value; EINVAL if the node does not take it, or elsewhere, EFBIG if it is too long."""
        if offset and not self.append:
            raise _refused(errno.EINVAL)
        if len(data) > MAX_SINGLE_WRITE:
            raise _refused(errno.EFBIG)
        yield store(self.node, data, self.append)
        self.content = None
        return len(data)


class DocumentHandle(Handle):
    """Writes go into a buffer, which begins with the document as it is unless that was truncated away."""

    __slots__ = ("_buffer", "_lock", "_turns", "_unstored")

    def __init__(self, node: FileNode, append: bool, truncated: bool) -> None:
        super().__init__(node, append, truncated)
        self._turns = Turns()  # to store: what is stored last is what was written last
        self._lock = threading.Lock()
        self._buffer: bytearray | None = None  # guarded by _lock; None: nothing written yet
        self._unstored = False  # guarded by _lock; bytes were written since the last store

    def read(self, offset: int, size: int) -> Steps[bytes | memoryview]:
        """Bytes of the buffer, or of the document as long as nothing was written."""
        with self._lock:
            if self._buffer is not None:
                return bytes(self._buffer[offset : offset + size])
        data = yield from super().read(offset, size)
        return data

    def write(self, offset: int, data: bytes) -> Steps[int]:
        """Put bytes into the buffer; EFBIG when it grows too long."""
        buffer = yield from self._begun()
        with self._lock:
            if self.append:
                offset = len(buffer)
            end = offset + len(data)
            if end > MAX_VALUE_SIZE:
                raise _refused(errno.EFBIG)
            if offset > len(buffer):
                buffer.extend(bytes(offset - len(buffer)))
            buffer[offset:end] = data
            self._unstored = True
        return len(data)

    def flush(self) -> Steps[None]:
        """Parse and store the buffer if bytes were written since it was last parsed; EINVAL if it is bad."""
        yield self._turns.take()  # so that it is stored when this returns, also if somebody else does it
        try:
            with self._lock:
                if not self._unstored:
                    return
                self._unstored = False
                assert self._buffer is not None
                document = bytes(self._buffer)
            yield self._turns.keep(store(self.node, document, False))
        finally:
            self._turns.give()

    def truncate(self, size: int) -> Steps[None]:
        """Cut the buffer. That alone is no reason to store it."""
        if size > MAX_VALUE_SIZE:
            raise _refused(errno.EFBIG)
        if size:
            yield from self._begun()
        with self._lock:
            buffer = self._buffer
            if buffer is None:
                self._buffer = bytearray()
            else:
                del buffer[size:]
                buffer.extend(bytes(size - len(buffer)))

    def _begun(self) -> Steps[bytearray]:
        """The buffer, which begins with the document as it is."""
        if self._buffer is not None:
            return self._buffer
        content: bytes | None = None
        if self.node.readable and not self.truncated:
            content = self.content
            if content is None:
                content = yield call(self.node.content)
        with self._lock:
            if self._buffer is None:  # nobody else has begun meanwhile
                self._buffer = bytearray(content or b"")
            return self._buffer


class LinesHandle(Handle):
    """Each line is a call. Offsets mean nothing: the lines are a stream."""

    __slots__ = ("_refusal", "_rest", "_turns")

    def __init__(self, node: FileNode, append: bool, truncated: bool) -> None:
        super().__init__(node, append, truncated)
        self._turns = Turns()
        # Of who has the turn: a line that has no end yet, and a refused line that nobody was told of yet.
        self._rest = b""
        self._refusal: tuple[bytes, OSError] | None = None

    def write(self, offset: int, data: bytes) -> Steps[int]:
        """Call for each line that is complete now.

        When a call is refused after others of the same write went well, the bytes of those are reported as
        written, so the writer comes again with what begins at the refused line, and gets the error then; the
        line is not called twice. A writer that does not come again gets it from close(2).
        """
        yield self._turns.take()
        try:
            refusal, self._refusal = self._refusal, None
            if refusal is not None and data.startswith(refusal[0]):
                raise refusal[1]
            begin = 0
            while (newline := data.find(b"\n", begin)) >= 0:
                end = newline + 1
                line, self._rest = self._rest + data[begin:end], b""
                try:
                    yield self._call(line)
                except OSError as exc:
                    if begin == 0:
                        raise
                    self._refusal = (line, exc)
                    return begin
                begin = end
            if begin < len(data):
                rest = self._rest + data[begin:]
                if len(rest) > MAX_VALUE_SIZE:
                    self._rest = b""
                    raise _refused(errno.EFBIG)
                self._rest = rest
        finally:
            self._turns.give()
        return len(data)

    def flush(self) -> Steps[None]:
        """Call with what was written after the last newline."""
        yield self._turns.take()
        try:
            refusal, self._refusal = self._refusal, None
            rest, self._rest = self._rest, b""
            if refusal is not None:
                raise refusal[1]
            if rest:
                yield self._call(rest)
        finally:
            self._turns.give()

    def _call(self, line: bytes) -> Any:
        if len(line) > MAX_VALUE_SIZE:
            raise _refused(errno.EFBIG)
        return self._turns.keep(store(self.node, line, False))


class BytesHandle(Handle):
    """Bytes at offsets; the content is always the node's own."""

    __slots__ = ()

    def read(self, offset: int, size: int) -> Steps[bytes | memoryview]:
        """Bytes of the content as it is now."""
        source = yield call(self.node._source_)
        return piece(source, offset, size)

    def write(self, offset: int, data: bytes) -> Steps[int]:
        """Put bytes at the offset, or at the end when it was opened to append."""
        if self.append:
            yield store(self.node, data, True)
            return len(data)
        taken: int = yield call(self.node.write_at, data, offset)
        return taken

    def truncate(self, size: int) -> Steps[None]:
        """Cut off or fill up with zeros."""
        yield call(self.node.truncate, size)


_CLASSES: Final[dict[WriteStyle, type[Handle]]] = {
    WriteStyle.VALUE: ValueHandle,
    WriteStyle.DOCUMENT: DocumentHandle,
    WriteStyle.LINES: LinesHandle,
    WriteStyle.BYTES: BytesHandle,
}


def handle_for(node: FileNode, append: bool, truncated: bool) -> Handle:
    """The handle for an open file that may be written to; EROFS when nothing can be written to the node."""
    handle_class = _CLASSES.get(node.write_style) if node.writable else None
    if handle_class is None:
        raise _refused(errno.EROFS)
    return handle_class(node, append, truncated)
