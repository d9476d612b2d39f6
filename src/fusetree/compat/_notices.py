"""Notifications that are sent later: a queue, and the one thread that sends what is in it.

A notification may have to wait for a lock of the kernel that a request in flight holds, so handlers only
put it here.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Notice = Callable[[], object]


class NoticeQueue:
    """Notifications that wait to be sent, first in, first out.

    :param size: how many may wait; one more waits for room.  0: any number.
    """

    def __init__(self, size: int = 0) -> None:
        self._queue: queue.Queue[Notice | None] = queue.Queue(size)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None  # guarded by _lock

    def put(self, notice: Notice) -> None:
        """Have *notice* called by the thread, when that runs; it must not raise."""
        self._queue.put(notice)

    def start(self) -> None:
        """Start the thread, unless it runs."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._send, name="fuse-notices", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Have the thread end after what is in the queue, and wait for that; what comes later waits for the
        next `start`.
        """
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and thread.is_alive():
            self._queue.put(None)
            thread.join()

    def _send(self) -> None:
        while (notice := self._queue.get()) is not None:
            notice()
