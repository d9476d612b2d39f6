"""`History`: bytes that are only ever appended, the last of which are kept; who reads them and who waits.

    byte number   0 ......... oldest ................. total
                  |  gone     |  kept in memory        |  to come

The offset of a reader's read is the number of a byte. A reader that is behind, at a byte that is gone, goes
on at the oldest; from there its offsets are `shift` below the numbers of bytes, for as long as it reads on
from there or steps back to what it has read since (a shell steps back to the end of the line that it took).
An offset elsewhere is the number of a byte again, so who seeks to the end of the file (`tail`) is at the end.

Rule 1: nothing is called under the lock. What is found under it (futures to be settled, who is to be woken)
    is taken out, and called after it.
Rule 2: a future in `_waiting` is settled by whoever takes it out, and by nobody else.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["History", "Reader"]

logger = logging.getLogger("fusetree.nodes")

#: Where the history is cut, a line that begins within so many bytes is begun with.
_LINE: Final = 4096

#: The kernel cuts a read into pieces of so many bytes at least, and asks for the next piece when one is full.
_PIECE: Final = 65536


class Reader:
    """What one open file has read; its history's lock guards it."""

    __slots__ = ("end", "shift", "start", "wake", "woken")

    def __init__(self) -> None:
        # Wakes who waits in poll(2), also those that epoll(7) tells of edges only, which do not ask again
        # before they are woken. That is done once for each time that somebody asked or read.
        self.wake: Callable[[], object] | None = None
        self.woken = False
        # Offsets from start to end are `shift` below the numbers of the bytes.
        self.start = 0
        self.end = 0
        self.shift = 0


class History:
    """The bytes, and their readers.

    Arguments:
        limit: How many bytes are kept.
    """

    __slots__ = ("_data", "_ended", "_limit", "_lock", "_polled", "_total", "_waiting")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Re-entrant: a finaliser or a signal handler may append in between two lines.
        self._lock = threading.RLock()
        # All guarded by _lock.
        self._data = bytearray()
        self._total = 0
        self._ended = False
        self._waiting: dict[Future[bytes], tuple[Reader, int, int]] = {}
        self._polled: set[Reader] = set()

    @property
    def total(self) -> int:
        """How many bytes were appended, ever."""
        return self._total

    @property
    def oldest(self) -> int:
        """The number of the oldest byte that is kept."""
        with self._lock:
            return self._total - len(self._data)

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return self._ended

    def kept(self) -> bytes:
        """What is kept."""
        with self._lock:
            return bytes(self._data)

    def append(self, data: bytes) -> bool:
        """Append, let go of what is too much, and give to who waits; False when it has ended."""
        with self._lock:
            if self._ended:
                return False
            self._data += data
            self._total += len(data)
            excess = len(self._data) - self._limit
            if excess > 0:
                del self._data[: self._cut(excess)]
            given, wakes = self._take_waiting(), self._take_wakes()
        self._call(given, wakes)
        return True

    def end(self) -> None:
        """There will be no more: who waits is at the end of the file."""
        with self._lock:
            self._ended = True
            given, wakes = self._take_waiting(), self._take_wakes()
        self._call(given, wakes)

    def read(self, reader: Reader, size: int, offset: int, *, wait: bool) -> bytes | Future[bytes]:
        """Up to *size* bytes; when there are none yet and *wait* says so, a future of them.

        Cancel the future to wait no more.
        """
        with self._lock:
            found = self._piece(reader, size, offset, wait)
            if found or not wait or self._ended:
                return found
            future: Future[bytes] = Future()
            self._waiting[future] = (reader, size, offset)
        future.add_done_callback(self._wait_no_more)
        return future

    def ready(self, reader: Reader, wake: Callable[[], object] | None) -> tuple[bool, bool]:
        """Whether there is something behind what the reader has read, and whether all has ended; *wake* is
        called once there is more.
        """
        with self._lock:
            if wake is not None:
                reader.wake = wake
                self._polled.add(reader)
            reader.woken = False
            return reader.end + reader.shift < self._total, self._ended

    def leave(self, reader: Reader) -> None:
        """The reader is gone."""
        with self._lock:
            self._polled.discard(reader)

    # ---- with the lock held

    def _cut(self, excess: int) -> int:
        """How much to let go of: a line is begun with, if one begins near the cut."""
        near = excess - 1 + min(_LINE, self._limit // 2)
        newline = self._data.find(b"\n", excess - 1, min(near, len(self._data) - 1))
        return excess if newline < 0 else newline + 1

    def _piece(self, reader: Reader, size: int, offset: int, wait: bool) -> bytes:
        oldest = self._total - len(self._data)
        reader.woken = False
        if not reader.start <= offset <= reader.end:
            reader.start = reader.end = offset
            reader.shift = 0
        if offset + reader.shift < oldest:
            reader.start = reader.end = offset
            reader.shift = oldest - offset
        number = offset + reader.shift
        available = self._total - number
        if available <= 0:
            return b""
        if wait and available == size >= _PIECE:
            size -= 1  # a full piece would make the kernel ask for the next, and wait with this one in hand
        with memoryview(self._data) as view:
            data = bytes(view[number - oldest : number - oldest + size])
        reader.end = max(reader.end, offset + len(data))
        return data

    def _take_waiting(self) -> list[tuple[Future[bytes], bytes]]:
        given = []
        for future, (reader, size, offset) in list(self._waiting.items()):
            data = self._piece(reader, size, offset, True)
            if data or self._ended:
                del self._waiting[future]
                given.append((future, data))
        return given

    def _take_wakes(self) -> list[Callable[[], object]]:
        wakes = []
        for reader in self._polled:
            if not reader.woken and reader.wake is not None:
                reader.woken = True
                wakes.append(reader.wake)
        return wakes

    # ---- without it

    def _wait_no_more(self, future: Future[bytes]) -> None:
        with self._lock:
            self._waiting.pop(future, None)

    @staticmethod
    def _call(given: list[tuple[Future[bytes], bytes]], wakes: list[Callable[[], object]]) -> None:
        for future, data in given:
            if future.set_running_or_notify_cancel():  # else its reader gave up; it may read it again
                future.set_result(data)
        for wake in wakes:
            try:
                wake()
            except OSError:
                logger.exception("who waits for a stream in poll(2) could not be woken")
