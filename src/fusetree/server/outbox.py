"""Notifications that must not be sent where they arise: a queue, and the thread that sends them.

The kernel takes locks for a notification, and it may hold them for a request that is being handled (libfuse,
doc/README.notifications).  A handler that sent it would wait for its own end; this thread may wait.

Rule 1: what is queued is sent in the order of the queue.  The same again moves to the end, and is sent once.
Rule 2: nothing is sent with the lock held.
Rule 3: that the kernel has nothing of the kind (ENOENT) is success; other errors are logged, since nobody
    waits for them.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from fusetree.errors import SessionClosedError
from fusetree.server.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

logger = logging.getLogger("fusetree")


class Outbox:
    """The queued notifications of one session."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: dict[Hashable, Callable[[], object]] = {}  # guarded by _changed; in order
        self._sending = False  # guarded by _changed
        self._stopped = False  # guarded by _changed
        self._thread: threading.Thread | None = None  # guarded by _changed

    def put(self, key: Hashable, send: Callable[[], object]) -> None:
        """Have *send* called soon.

        :param key: says what it does; an equal one that still waits is replaced.
        :raises SessionClosedError: after :meth:`stop`.
        """
        with self._changed:
            if self._stopped:
                raise SessionClosedError("the session is closed")
            self._queue.pop(key, None)
            self._queue[key] = send
            if self._thread is None:
                self._thread = start_thread("fusetree-outbox", self._work)
            self._changed.notify_all()

    def wait(self, timeout: float | None) -> bool:
        """Wait until nothing is queued; False when that took longer than *timeout* seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._sending, timeout)

    def stop(self) -> None:
        """Drop what is queued, and let the thread end."""
        with self._changed:
            self._stopped = True
            self._queue.clear()
            self._changed.notify_all()

    def join(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds for the thread's end; False when it still waits for the kernel."""
        with self._changed:
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def _next(self) -> tuple[Hashable, Callable[[], object]] | None:
        with self._changed:
            self._sending = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._queue or self._stopped)
            if self._stopped:
                return None
            key = next(iter(self._queue))
            self._sending = True
            return key, self._queue.pop(key)

    def _work(self) -> None:
        while (item := self._next()) is not None:
            key, send = item
            try:
                send()
            except FileNotFoundError:
                pass  # the kernel has nothing of it
            except Exception as exc:  # noqa: BLE001 - nobody else would hear of it
                with self._changed:
                    over = self._stopped
                if not over and not isinstance(exc, SessionClosedError):
                    logger.warning("the notification %s failed: %s", _shown(key), exc)


def _shown(key: Any) -> str:
    name, *arguments = key
    return f"{name}({', '.join(map(repr, arguments))})"
