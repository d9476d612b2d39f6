"""`Stream`: a file that the program appends to, and `tail -f` follows."""

from __future__ import annotations

import errno
import operator
import os
import select
import weakref
from typing import TYPE_CHECKING, Any, Final

from fusetree.nodes.base import check_mode, node_class
from fusetree.nodes.capabilities import for_the_program
from fusetree.nodes.filenode import FileNode, Policy, WriteStyle
from fusetree.nodes.history import History, Reader
from fusetree.nodes.observers import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from typing_extensions import Buffer

__all__ = ["Stream"]

_READ_BITS: Final = 0o444
_WRITE_BITS: Final = 0o222
_READABLE: Final = select.POLLIN | select.POLLRDNORM
_WRITABLE: Final = select.POLLOUT | select.POLLWRNORM


class _Open:
    """An open file of a stream."""

    __slots__ = ("_history", "_reader", "_waits")

    def __init__(self, history: History, waits: bool) -> None:
        self._history = history
        self._waits = waits
        self._reader = Reader()

    def read(self, size: int, offset: int) -> bytes | Future[bytes]:
        return self._history.read(self._reader, size, offset, wait=self._waits)

    def poll(self, events: int, wake: Callable[[], object] | None) -> int:
        readable, ended = self._history.ready(self._reader, wake)
        return (_READABLE & events if readable or ended else 0) | (select.POLLHUP if ended else 0)

    def release(self) -> None:
        self._history.leave(self._reader)


class _OpenToAppend(_Open):
    """An open file of a stream that programs may append to."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream, history: History, waits: bool) -> None:
        super().__init__(history, waits)
        self._stream = stream

    def write(self, data: bytes, offset: int) -> int:
        if not self._stream._append_(bytes(data)):
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        return len(data)

    def poll(self, events: int, wake: Callable[[], object] | None) -> int:
        return super().poll(events, wake) | _WRITABLE & events


@node_class
class Stream(FileNode):
    """A file that the program appends to: a log, events, measurements.

    `write` takes text or bytes, from any thread, event loops included, and never waits for a reader. So
    ``print(..., file=stream)`` and ``logging.StreamHandler(stream)`` work. ``cat`` shows what is there and
    ends; ``tail -f`` follows, since the size tells truly how much was written, ever. With ``follow=True`` a
    read at the end waits for more, until `close`; with O_NONBLOCK it is EAGAIN. poll(2) tells of what an open
    file has not read yet.

    The last `history` bytes are kept. A reader at a byte that is gone gets the oldest that is kept instead,
    which is the beginning of a line if one is near, and goes on from there.

    With a `mode` with write bits programs may append as well: each write(2) goes to the end, wherever its
    offset; truncating changes nothing.

    Arguments:
        history: How many bytes are kept, at least 1.
        follow: Whether a read at the end waits for more.
        mode: Permission bits.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.

    Raises:
        ValueError: `history` is below 1.
    """

    _history_: History
    _waits_: bool
    # All files of the history, this one too, weakly.
    _files_: list[weakref.ref[Stream]]

    def __init__(
        self,
        *,
        history: int = 1 << 20,
        follow: bool = False,
        mode: int = 0o444,
        uid: int | None = None,
        gid: int | None = None,
        ino: int = 0,
    ) -> None:
        history = operator.index(history)
        if history < 1:
            raise ValueError(f"history is a number of bytes, at least 1, not {history}")
        self._share_(History(history), [], follow, mode=mode, uid=uid, gid=gid, ino=ino)

    def _share_(
        self, history: History, files: list[weakref.ref[Stream]], waits: bool, **keywords: Any
    ) -> None:
        FileNode.__init__(self, **keywords)
        self._history_ = history
        self._waits_ = waits
        self._files_ = files
        files.append(weakref.ref(self))

    # ---- for the program

    @for_the_program
    def write(self, data: str | Buffer) -> int:
        """Append, and give it to who waits.

        Arguments:
            data: Text, which is stored as UTF-8, or bytes.

        Returns:
            The length of what was given: all of it is taken.

        Raises:
            ValueError: The stream is closed.
            TypeError: It is neither text nor bytes.
        """
        if isinstance(data, str):
            length, raw = len(data), data.encode("utf-8", "surrogateescape")
        else:
            try:
                raw = bytes(memoryview(data))
            except TypeError:
                raise TypeError(
                    f"a stream takes text or bytes, and not a {type(data).__name__}: {data!r}"
                ) from None
            length = len(raw)
        if not self._append_(raw):
            raise ValueError("the stream is closed")
        return length

    def writelines(self, lines: Iterable[str | Buffer]) -> None:
        """Append one after the other; as with other files, nothing is put between them."""
        for line in lines:
            self.write(line)

    @for_the_program
    def flush(self) -> None:
        """Nothing: what was written is there. For those who call it after each write, as `logging` does."""

    def close(self) -> None:
        """End the stream: who waits gets the end of the file, and so does each reader after what is left.
        Once is enough; it may be called again.
        """
        self._history_.end()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._history_.ended

    @property
    def oldest(self) -> int:
        """The number of the oldest byte that is kept: so many were written before it, and are gone."""
        return self._history_.oldest

    def follower(self, mode: int | None = None) -> Stream:
        """Another file of the same stream, on which reads wait for more: ``{"log": s, "follow":
        s.follower()}``.

        Arguments:
            mode: Permission bits; None are those of this file.
        """
        made = object.__new__(type(self))
        mode = self.mode if mode is None else check_mode(mode)
        made._share_(self._history_, self._files_, True, mode=mode, uid=self.uid, gid=self.gid)
        return made

    def _append_(self, data: bytes) -> bool:
        if not data:
            return not self._history_.ended
        if not self._history_.append(data):
            return False
        for reference in self._files_:
            file = reference()
            if file is not None:
                file._touch_(Change.CONTENT)
                # Nothing of it is cached, so there is nothing that would have to be waited for.
                for observer in file._observing_():
                    observer.changed(file, Change.CONTENT)
        return True

    # ---- what the adapter asks

    @property
    def policy(self) -> Policy:
        return Policy.DYNAMIC

    @property
    def write_style(self) -> WriteStyle:
        return WriteStyle.BYTES if self.writable else WriteStyle.NONE

    @property
    def readable(self) -> bool:
        return self._mode_ & _READ_BITS != 0

    @property
    def writable(self) -> bool:
        return self._mode_ & _WRITE_BITS != 0

    def size(self) -> int:
        """How many bytes were written, ever."""
        return self._history_.total

    def content(self) -> bytes:
        """What is kept."""
        return self._history_.kept()

    def store(self, data: bytes, append: bool = False) -> None:
        """Append, whatever `append` says."""
        self.write(data)

    def open(self, flags: int) -> object:
        """What is open of it reads, and appends if the mode lets it."""
        access = flags & os.O_ACCMODE
        if access != os.O_WRONLY and not self.readable:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if access == os.O_RDONLY and not flags & os.O_TRUNC:
            return _Open(self._history_, self._waits_)
        if not self.writable:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return _OpenToAppend(self, self._history_, self._waits_)

    def __repr__(self) -> str:
        state = "closed, " if self.closed else ""
        return f"<{type(self).__name__} {state}of {self._history_.total} bytes>"
