"""The kernel's end of the channel to a FUSE server: requests out, replies and notifications in.

The channel is a connected stream socket; a frame's length is in its header.  Replies are matched by their
unique number.  What comes in is taken in strictly in the order in which the server sent it, under
`Connection.lock`, by whichever thread comes first: the reader thread, or a thread that calls
`Connection.pump` because it wants to know all that the server has said up to now.  This is what makes a
pretended kernel's cache exact: after `pump`, no notification that was written before is still on its way.

Rules:
  (1) `lock` is never held while writing to the socket (the server may be waiting for us to read);
  (2) callbacks (`taken`, `on_notification`) run with `lock` held, in stream order, and must not block.

"""

from __future__ import annotations

import array
import collections
import errno
import fcntl
import os
import select
import socket
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from attrs import define, frozen

from fusetree.testing import wire
from fusetree.testing.deadlines import UnansweredError
from fusetree.testing.protocol import NO_REPLY, Opcode
from fusetree.testing.recorder import Notification, unpack_notification

__all__ = ["Connection", "Credentials", "Pending"]

_CHUNK: Final = 1 << 20


@frozen(kw_only=True)
class Credentials:
    """Who asks: what a request carries of the calling process."""

    uid: int = 0
    gid: int = 0
    pid: int = 0
    umask: int = 0o022


@define(eq=False)
class Pending:
    """A request on its way.

    Attributes:
        unique: its number; what `RawClient.interrupt` wants.
    """

    opcode: Opcode
    node_id: int
    unique: int
    taken: Callable[[bytes], None] | None = (
        None  # called with the body of a reply without error, in stream order
    )
    _done: threading.Event | None = None
    _body: bytes = b""  # written before _done is set
    _error: int = 0  # written before _done is set

    @property
    def done(self) -> bool:
        """True once the reply is there, or can never come."""
        return self._done is None or self._done.is_set()

    def result(self, timeout: float = 10.0) -> bytes:
        """The body of the reply.

        Args:
            timeout: seconds to wait for it.

        Raises:
            OSError: the errno that the server answered; ENOTCONN when the server went away.
            UnansweredError: no reply in time.
        """
        if self._done is not None and not self._done.wait(timeout):
            raise UnansweredError(f"{self} was not answered within {timeout:g} s")
        if self._error:
            raise OSError(self._error, os.strerror(self._error))
        return self._body

    def settle(self, error: int, body: bytes) -> None:
        """Take the reply in: run the callback, then wake who waits.  Called once, by the connection."""
        self._error, self._body = error, body
        try:
            if self.taken is not None and not error:
                self.taken(body)
        finally:
            if self._done is not None:
                self._done.set()

    def __str__(self) -> str:
        return f"{self.opcode.name}(node {self.node_id}, request {self.unique})"


class Connection:
    """A channel to a server, seen from the kernel's end.  The socket is owned and closed by `close`."""

    def __init__(self, sock: socket.socket, *, on_notification: Callable[[Notification], None]) -> None:
        """Args:
        sock: a connected stream socket; it is left in blocking mode.
        on_notification: called for each notification, in stream order, with `lock` held.
        """
        self.lock = threading.RLock()
        self.requests: collections.Counter[Opcode] = (
            collections.Counter()
        )  # how many were sent; guarded by lock
        self.failure: BaseException | None = None  # what was wrong with the server's bytes, if anything
        self._socket = sock
        self._on_notification = on_notification
        self._write_lock = threading.Lock()
        self._pending: dict[int, Pending] = {}  # guarded by lock
        self._unique = 0  # guarded by lock
        self._input = bytearray()  # guarded by lock
        self._closed = False  # guarded by lock
        self._reader = threading.Thread(target=self._read_all, name="fusetree-testing-kernel", daemon=True)

    def start_reader(self) -> None:
        """Begin to take in by itself what the server sends."""
        self._reader.start()

    def submit(
        self,
        opcode: Opcode,
        node_id: int,
        body: bytes = b"",
        *,
        credentials: Credentials,
        taken: Callable[[bytes], None] | None = None,
    ) -> Pending:
        """Send a request and do not wait.

        Args:
            body: everything after the header.
            taken: called with the reply's body when it is taken in, in stream order with notifications,
                `lock` held.

        Raises:
            OSError: ENOTCONN when the server is gone.
        """
        with self.lock:
            self._unique += 2  # odd numbers are what the kernel keeps for interrupts
            expects_reply = opcode not in NO_REPLY
            pending = Pending(
                opcode, node_id, self._unique, taken, threading.Event() if expects_reply else None
            )
            if self._closed:
                raise OSError(errno.ENOTCONN, "the server is gone")
            if expects_reply:
                self._pending[pending.unique] = pending
            self.requests[opcode] += 1
        header = wire.InHeader(
            wire.size_of(wire.InHeader) + len(body),
            opcode,
            pending.unique,
            node_id,
            credentials.uid,
            credentials.gid,
            credentials.pid,
        )
        try:
            with self._write_lock:
                self._socket.sendall(wire.pack(header) + body)
        except OSError as exc:
            self._lost()
            raise OSError(errno.ENOTCONN, f"the server is gone: {exc}") from exc
        return pending

    def interrupt(self, unique: int, *, credentials: Credentials) -> None:
        """Tell the server that nobody waits for request *unique* any more.  The request is still answered."""
        body = wire.pack(wire.InterruptIn(unique))
        length = wire.size_of(wire.InHeader) + len(body)
        # Linux numbers an interrupt as the request it is for, plus one.
        header = wire.InHeader(
            length, Opcode.INTERRUPT, unique | 1, 0, credentials.uid, credentials.gid, credentials.pid
        )
        with self.lock:
            self.requests[Opcode.INTERRUPT] += 1
        with self._write_lock:
            self._socket.sendall(wire.pack(header) + body)

    def answer_notification(
        self, unique: int, node_id: int, body: bytes, *, credentials: Credentials
    ) -> None:
        """Send what a notification asked for (NOTIFY_REPLY).

        Args:
            unique: the number that the notification came with.
        """
        length = wire.size_of(wire.InHeader) + len(body)
        header = wire.InHeader(
            length, Opcode.NOTIFY_REPLY, unique, node_id, credentials.uid, credentials.gid, credentials.pid
        )
        with self.lock:
            self.requests[Opcode.NOTIFY_REPLY] += 1
        with self._write_lock, suppress(OSError):  # nobody may be there any more who asked
            self._socket.sendall(wire.pack(header) + body)

    @property
    def in_flight(self) -> list[Pending]:
        """Requests without an answer so far."""
        with self.lock:
            return list(self._pending.values())

    @property
    def connected(self) -> bool:
        """False once the server's end was closed or `close` was called."""
        with self.lock:
            return not self._closed

    def pump(self) -> None:
        """Take in everything that the server has written up to now; does not wait.

        Raises:
            ValueError: the server sent bytes that are no FUSE message.
        """
        with self.lock:
            while not self._closed:
                try:
                    data = self._socket.recv(_CHUNK, socket.MSG_DONTWAIT)
                except (BlockingIOError, InterruptedError):
                    break
                except OSError:
                    data = b""  # reset by the peer: the same as its end
                if not data:
                    self._lost()
                    break
                self._input += data
                self._take_frames()
        if self.failure is not None:
            raise ValueError(
                f"the server sent bytes that are no FUSE message: {self.failure}"
            ) from self.failure

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Inside the block nothing is taken in, so that the server's writes wait once the socket is full."""
        with self.lock:
            yield

    @property
    def unread(self) -> int:
        """How many bytes the server has written that are not taken in."""
        number = array.array("i", [0])
        fcntl.ioctl(self._socket.fileno(), termios.FIONREAD, number)
        return number[0]

    def finish_requests(self) -> None:
        """Tell the server that no request will follow (its reader sees the end); replies still come in."""
        with suppress(OSError):  # not connected any more: what we want is already so
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the channel and end the reader.  Requests on their way fail with ENOTCONN.  Idempotent."""
        self._lost()
        with suppress(OSError):  # the peer may be gone already
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._reader.is_alive() and self._reader is not threading.current_thread():
            self._reader.join()
        self._socket.close()

    def _read_all(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while self.connected:
            poll.poll()
            try:
                self.pump()
            except ValueError:
                return  # kept in `failure`; whoever pumps or waits next is told

    def _take_frames(self) -> None:
        header_size = wire.size_of(wire.OutHeader)
        start = 0
        try:
            while len(self._input) - start >= header_size:
                header = wire.unpack(wire.OutHeader, self._input, start)
                if header.length < header_size:
                    raise ValueError(f"a frame of {header.length} bytes, shorter than its header")
                if len(self._input) - start < header.length:
                    break
                body = bytes(self._input[start + header_size : start + header.length])
                start += header.length
                self._take(header, body)
        except Exception as exc:  # noqa: BLE001 - see below
            # A frame that nobody understands ends the conversation; the text reaches whoever waits or pumps
            # next.
            self.failure = exc
            self._lost()
        finally:
            del self._input[:start]

    def _take(self, header: wire.OutHeader, body: bytes) -> None:
        if header.unique == 0:
            self._on_notification(unpack_notification(header.error, body))
            return
        if header.unique & 1:
            return  # EAGAIN for an interrupt whose request is answered already: nothing is left to do
        pending = self._pending.pop(header.unique, None)
        if pending is None:
            raise ValueError(f"a reply to request {header.unique}, which is not waited for (answered twice?)")
        if header.error > 0 or header.error <= -1000:
            raise ValueError(f"{pending} was answered with error {header.error}, which Linux refuses")
        pending.settle(-header.error, body)

    def _lost(self) -> None:
        with self.lock:
            self._closed = True
            pending, self._pending = list(self._pending.values()), {}
            for request in pending:
                request.settle(errno.ENOTCONN, b"")
