"""Notifications that a server sent, in the order in which they came, and waiting for the next.

A recorder keeps everything; tests ask it what came and wait for what must come, always with a deadline.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator

from attrs import field, frozen

from fusetree.testing.deadlines import UnansweredError
from fusetree.testing.protocol import NotifyCode

__all__ = ["Notification", "Recorder", "unpack_notification"]

_INVAL_INODE = struct.Struct("=Qqq")
_INVAL_ENTRY = struct.Struct("=QII")
_DELETE = struct.Struct("=QQI4x")
_STORE = struct.Struct("=QQI4x")
_RETRIEVE = struct.Struct("=QQQI4x")
_POLL = struct.Struct("=Q")


@frozen(kw_only=True)
class Notification:
    """One message that answers no request.

    Which members are set depends on `code`: INVAL_INODE has `node_id`, `offset` (negative: attributes only)
    and `length`; INVAL_ENTRY has `parent`, `name` and `flags`; DELETE has `parent`, `node_id` (the child) and
    `name`; STORE and RETRIEVE have `node_id`, `offset` and `data` or `length`; POLL has `handle`.
    """

    code: NotifyCode
    node_id: int = 0
    parent: int = 0
    name: bytes = b""
    offset: int = 0
    length: int = 0
    flags: int = 0
    handle: int = 0
    data: bytes = field(default=b"", repr=lambda data: f"<{len(data)} bytes>")


def unpack_notification(code: int, body: bytes) -> Notification:
    """Read the body of the notification *code*.

    Raises:
        ValueError: the code is not one that Linux knows, or the body is too short for it.
    """
    kind = NotifyCode(code)
    try:
        return _unpack(kind, body)
    except struct.error as exc:
        raise ValueError(f"notification {kind.name} with a body of {len(body)} bytes: {exc}") from exc


def _unpack(kind: NotifyCode, body: bytes) -> Notification:
    if kind is NotifyCode.INVAL_INODE:
        node_id, offset, length = _INVAL_INODE.unpack_from(body)
        return Notification(code=kind, node_id=node_id, offset=offset, length=length)
    if kind is NotifyCode.INVAL_ENTRY:
        parent, name_length, flags = _INVAL_ENTRY.unpack_from(body)
        name = _name(body, _INVAL_ENTRY.size, name_length)
        return Notification(code=kind, parent=parent, name=name, flags=flags)
    if kind is NotifyCode.DELETE:
        parent, child, name_length = _DELETE.unpack_from(body)
        return Notification(
            code=kind, parent=parent, node_id=child, name=_name(body, _DELETE.size, name_length)
        )
    if kind is NotifyCode.STORE:
        node_id, offset, size = _STORE.unpack_from(body)
        data = body[_STORE.size : _STORE.size + size]
        return Notification(code=kind, node_id=node_id, offset=offset, length=size, data=data)
    if kind is NotifyCode.RETRIEVE:
        unique, node_id, offset, size = _RETRIEVE.unpack_from(body)
        return Notification(code=kind, node_id=node_id, offset=offset, length=size, handle=unique)
    if kind is NotifyCode.POLL:
        return Notification(code=kind, handle=_POLL.unpack_from(body)[0])
    return Notification(code=kind, data=body)


def _name(body: bytes, start: int, length: int) -> bytes:
    name = body[start : start + length]
    if len(name) != length or body[start + length : start + length + 1] != b"\0":
        raise ValueError(f"notification with a name of {length} bytes that is cut off or not ended by NUL")
    return name


class Recorder:
    """The notifications that came so far.  All methods may be called from any thread."""

    def __init__(self, *, timeout: float = 10.0) -> None:
        """Args:
        timeout: seconds that `wait` waits unless told otherwise.
        """
        self._timeout = timeout
        self._came = threading.Condition()
        self._notifications: list[Notification] = []  # guarded by _came

    def record(self, notification: Notification) -> None:
        """Add one and wake who waits."""
        with self._came:
            self._notifications.append(notification)
            self._came.notify_all()

    def __len__(self) -> int:
        with self._came:
            return len(self._notifications)

    def __iter__(self) -> Iterator[Notification]:
        with self._came:
            return iter(list(self._notifications))

    def matching(
        self,
        code: NotifyCode | None = None,
        *,
        node_id: int | None = None,
        parent: int | None = None,
        name: bytes | None = None,
        since: int = 0,
    ) -> list[Notification]:
        """Those that came from number *since* on and have the given values (None: any)."""
        with self._came:
            return [n for n in self._notifications[since:] if _matches(n, code, node_id, parent, name)]

    def wait(
        self,
        code: NotifyCode | None = None,
        *,
        node_id: int | None = None,
        parent: int | None = None,
        name: bytes | None = None,
        since: int = 0,
        timeout: float | None = None,
    ) -> Notification:
        """The first notification from number *since* on that has the given values; waits for it.

        Args:
            since: ``len(recorder)`` taken before the change, to leave earlier ones out of the question.
            timeout: seconds.

        Raises:
            UnansweredError: none came in time; the text lists what came instead.
        """

        def found() -> Notification | None:
            matching = (n for n in self._notifications[since:] if _matches(n, code, node_id, parent, name))
            return next(matching, None)

        wanted = {"code": code and code.name, "node_id": node_id, "parent": parent, "name": name}
        asked = ", ".join(f"{key}={value!r}" for key, value in wanted.items() if value is not None)
        return self._wait(found, f"no notification ({asked})", since, timeout)

    def _wait(
        self, found: Callable[[], Notification | None], what: str, since: int, timeout: float | None
    ) -> Notification:
        seconds = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        with self._came:
            while True:
                notification = found()
                if notification is not None:
                    return notification
                left = deadline - time.monotonic()
                if left <= 0:
                    others = "\n".join(f"  {n}" for n in self._notifications[since:][-20:]) or "  none"
                    raise UnansweredError(f"{what} within {seconds:g} s; what came:\n{others}")
                self._came.wait(left)


def _matches(
    n: Notification, code: NotifyCode | None, node_id: int | None, parent: int | None, name: bytes | None
) -> bool:
    return (
        (code is None or n.code == code)
        and (node_id is None or n.node_id == node_id)
        and (parent is None or n.parent == parent)
        and (name is None or n.name == name)
    )
