"""What is open of a wrapped file: the handle that its own `open` made, or reading and writing as its declared
kind means it, as on a mount of its own.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from fusetree.nodes.filenode import MAX_VALUE_SIZE, FileNode, Policy, WriteStyle
from fusetree.nodes.filerange import FileRange
from fusetree.nodes.wrapping.passing import capability, refuse, then

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["open_inner"]

_WRITES: Final = os.O_WRONLY | os.O_RDWR


def open_inner(node: FileNode, flags: int) -> Any:
    """Open a file as a mount of its own would; what has `read`, `write` and `call` comes back."""
    opening = capability(node, "open")
    if opening is not None:
        return then(opening(flags), lambda handle: opened_by(node, handle, flags))
    return opened_by(node, None, flags)


def opened_by(node: FileNode, handle: object | None, flags: int) -> Any:
    """What is open, once the node's own `open` has returned its handle."""
    own = _Own(node, handle)
    if not own.answers:
        return _declared(node, flags)
    if flags & os.O_ACCMODE != os.O_WRONLY and own.read_method is None:
        own.call("release")
        refuse(errno.EACCES)
    if flags & _WRITES and own.method("write") is None:
        own.call("release")
        refuse(errno.EROFS)
    return own


class _Own:
    """A file whose class reads or writes by itself."""

    __slots__ = ("_handle", "_node", "changes_attributes", "read_method")

    def __init__(self, node: FileNode, handle: object | None) -> None:
        #: Whether the handle has a `setattr` of its own.
        self.changes_attributes = handle is not None and capability(handle, "setattr") is not None
        self._node = node
        self._handle = handle
        self.read_method = self.method("read") or self._descriptor()

    def method(self, name: str) -> Callable[..., Any] | None:
        """A method of the handle, else of the node."""
        method = None if self._handle is None else capability(self._handle, name)
        return method or capability(self._node, name)

    def _descriptor(self) -> Callable[..., Any] | None:
        """Reading from a descriptor that the handle has instead of a method."""
        fileno = None if self._handle is None else capability(self._handle, "fileno")
        return None if fileno is None else lambda size, offset: os.pread(fileno(), size, offset)

    @property
    def answers(self) -> bool:
        """Whether there is any reading or writing of its own."""
        return self.read_method is not None or self.method("write") is not None

    def read(self, size: int, offset: int) -> Any:
        if self.read_method is None:
            refuse(errno.EBADF)
        return self.read_method(size, offset)

    def write(self, data: bytes, offset: int) -> Any:
        method = self.method("write")
        if method is None:
            refuse(errno.EBADF)
        return then(method(data, offset), lambda taken: len(data) if taken is None else taken)

    def call(self, name: str, *arguments: Any, default: int | None = None) -> Any:
        """Call a method, if there is one; else fail with the errno *default*, or do nothing."""
        method = self.method(name)
        if method is not None:
            return method(*arguments)
        if default is not None:
            refuse(default)
        return None


def _declared(node: FileNode, flags: int) -> Any:
    if flags & (_WRITES | os.O_TRUNC) and not node.writable:
        refuse(errno.EROFS)
    if flags & os.O_ACCMODE != os.O_WRONLY and not node.readable:
        refuse(errno.EACCES)
    # What is read is what was there when it was opened, but for bytes that lie in a file.
    if node.policy is Policy.PAGE or flags & os.O_ACCMODE == os.O_WRONLY:
        return _Declared(node, flags, None)
    if flags & os.O_ACCMODE == os.O_RDONLY:
        return then(node._opened_(), lambda made: _made(node, flags, made))
    return then(node.content(), lambda content: _Declared(node, flags, content))


def _made(node: FileNode, flags: int, made: Any) -> Any:
    if isinstance(made, bytes):
        return _Declared(node, flags, made)
    if isinstance(made, Iterator):
        return _Generated(node, made)
    return then(node.content(), lambda content: _Declared(node, flags, content))


class _Generated:
    """A content that an iterator makes as far as it is read. Who steps back before the last read makes it
    begin anew.

    Rule: reads come one after the other, since an iterator cannot be asked twice at once.
    """

    __slots__ = ("_buffer", "_node", "_pieces", "_start", "_turn")

    changes_attributes = False

    def __init__(self, node: FileNode, pieces: Iterator[Any]) -> None:
        self._turn = threading.Lock()
        self._node = node
        self._pieces = pieces
        self._buffer = bytearray()  # the content from _start on
        self._start = 0

    def read(self, size: int, offset: int) -> bytes:
        with self._turn:
            if offset < self._start:
                self._close()
                made: Any = self._node._opened_()
                self._pieces, self._buffer, self._start = iter(made), bytearray(), 0
            while self._start + len(self._buffer) < offset + size:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                text = piece.encode("utf-8", "surrogateescape") if isinstance(piece, str) else bytes(piece)
                self._buffer += text
            passed = min(offset - self._start, len(self._buffer))
            del self._buffer[:passed]
            self._start += passed
            return bytes(self._buffer[:size]) if self._start == offset else b""

    def write(self, data: bytes, offset: int) -> int:
        refuse(errno.EBADF)

    def call(self, name: str, *arguments: Any, default: int | None = None) -> Any:
        """`release` ends the iterator."""
        if name == "release":
            with self._turn:
                self._close()
        elif default is not None:
            refuse(default)

    def _close(self) -> None:
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()


class _Declared:
    """A file of a declared kind. Each `WriteStyle` means what it means on a mount."""

    __slots__ = ("_append", "_begun", "_lock", "_node", "_pinned", "_truncated", "_unstored", "_written")

    changes_attributes = False

    def __init__(self, node: FileNode, flags: int, pinned: bytes | None) -> None:
        self._node = node
        self._pinned: Any = pinned
        self._append = bool(flags & os.O_APPEND)
        self._truncated = bool(flags & os.O_TRUNC)
        self._lock = threading.Lock()
        self._written = bytearray()  # guarded by _lock: of a document, or a line that has no end yet
        self._begun = False  # guarded by _lock: _written holds a document
        self._unstored = False  # guarded by _lock

    def read(self, size: int, offset: int) -> Any:
        if self._node.policy is Policy.PAGE:
            source = self._node._source_()
            if isinstance(source, FileRange):
                return source.read(offset, size)
            return memoryview(source)[offset : offset + size]
        if self._pinned is None:
            self._pinned = self._node.content()
        return then(self._pinned, lambda content: self._piece(content, size, offset))

    def _piece(self, content: Any, size: int, offset: int) -> bytes:
        self._pinned = content
        with self._lock:
            if self._begun:
                content = bytes(self._written)
        return bytes(content[offset : offset + size])

    def write(self, data: bytes, offset: int) -> Any:
        node = self._node
        style = node.write_style
        if style is WriteStyle.BYTES:
            if self._append:
                node.store(data, True)
                return len(data)
            return node.write_at(data, offset)
        if style is WriteStyle.VALUE:
            if offset and not self._append:
                refuse(errno.EINVAL)
            self._pinned = None
            return self._store(data, len(data))
        with self._lock:
            if style is WriteStyle.LINES:
                self._written += data
                lines = self._written.splitlines(keepends=True)
                rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
                self._written = bytearray(rest)
            else:
                self._put(data, offset)
                lines = []
        return self._store_all([bytes(line) for line in lines], len(data))

    def _store_all(self, lines: list[bytes], result: int) -> Any:
        """Store one after the other; the later ones wait for one that goes on as a coroutine."""
        while lines:
            storing = self._store(lines.pop(0), None)
            if type(storing) is CoroutineType:
                return then(storing, lambda _: self._store_all(lines, result))
        return result

    def _put(self, data: bytes, offset: int) -> None:
        if not self._begun:
            keep = self._node.readable and not self._truncated
            self._written = bytearray(self._node.content() if keep else b"")
            self._begun = True
        if self._append:
            offset = len(self._written)
        if offset + len(data) > MAX_VALUE_SIZE:
            refuse(errno.EFBIG)
        if offset > len(self._written):
            self._written.extend(bytes(offset - len(self._written)))
        self._written[offset : offset + len(data)] = data
        self._unstored = True

    def _store(self, data: bytes, result: int | None) -> Any:
        try:
            # A coroutine comes back, perhaps.
            storing: Any = self._node.store(data, self._append)  # type: ignore[func-returns-value]  # see above
        except Exception as exc:
            raise _refusal(exc) from exc
        return _stored(storing, result) if type(storing) is CoroutineType else result

    def call(self, name: str, *arguments: Any, default: int | None = None) -> Any:
        """`flush` and `fsync` store what was gathered; there is nothing else to call."""
        if name in ("flush", "fsync"):
            with self._lock:
                lines = self._node.write_style is WriteStyle.LINES and bool(self._written)
                if not self._unstored and not lines:
                    return None
                data = bytes(self._written)
                self._unstored = False
                if lines:
                    self._written.clear()
            return self._store(data, None)
        if default is not None:
            refuse(default)
        return None


async def _stored(storing: Any, result: int | None) -> int | None:
    try:
        await storing
    except Exception as exc:
        raise _refusal(exc) from exc
    return result


def _refusal(exc: Exception) -> Exception:
    """EINVAL for a value that the node does not take, else the exception itself."""
    bad = isinstance(exc, (ValueError, TypeError)) or type(exc).__module__.partition(".")[0] == "cattrs"
    return OSError(errno.EINVAL, os.strerror(errno.EINVAL)) if bad else exc
