"""What a session can tell the kernel by itself, or ask it: the notifications, as methods of a session.

**Where they may be called: anywhere.**  Most of them take locks that the kernel may hold for the very
request that is being handled, so inside a handler, and in the thread of an event loop that serves a
session, they are queued and sent by a thread (`outbox.py`); everywhere else they are sent at once, and an
error is raised.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from fusetree._lowlevel.filedata import FileData
from fusetree._lowlevel.notify import Notifications
from fusetree.server.inside import marked_inside
from fusetree.server.loops import on_serving_loop
from fusetree.server.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from concurrent.futures import Future

    from fusetree._lowlevel.connection import Connection
    from fusetree.types import ReadableBuffer

_numbers = itertools.count()


def inside_handler() -> bool:
    """Whether this is a handler's code, or the thread of an event loop that serves a session."""
    return marked_inside() or on_serving_loop()


class Notifying:
    """The half of a session that talks to the kernel by itself."""

    def _begin_notifying(self, connection: Connection) -> None:
        self._notify = Notifications(connection)
        self._outbox = Outbox()

    def _tell(self, wait: bool | None, key: tuple[Hashable, ...], send: Callable[[], object]) -> None:
        if wait or (wait is None and not inside_handler()):
            send()
        else:
            self._outbox.put(key, send)

    def invalidate_inode(
        self,
        inode: int,
        attr_only: bool = False,
        *,
        offset: int = 0,
        length: int = 0,
        wait: bool | None = None,
    ) -> None:
        """Make the kernel forget the attributes of *inode* and, unless *attr_only*, its cached content,
        listing and link target.

        With writeback caching dirty content is written first; so it may have to wait for ``write`` handlers.

        :param offset: in bytes; content before it is kept.
        :param length: in bytes; content behind ``offset + length`` is kept.  0: everything from *offset* on
            goes.
        :param wait: False queues it, True sends it at once whatever the danger.  Unless given, it is queued
            inside a handler and in the thread of an event loop that serves a session, and sent at once
            elsewhere.
        :raises FileNotFoundError: the kernel does not know the inode.  What is queued raises nothing: this
            is ignored there, other errors are logged.
        :raises SessionClosedError: the session has ended.
        """
        if offset < 0 or length < 0:
            raise ValueError(f"neither offset ({offset}) nor length ({length}) may be negative")
        if attr_only:
            if offset or length:
                raise ValueError("a range is of content: it makes no sense with attr_only")
            offset = -1
        self._tell(
            wait,
            ("invalidate_inode", inode, offset, length),
            lambda: self._notify.inode(inode, offset, length),
        )

    def invalidate_entry(self, parent_inode: int, name: bytes, *, wait: bool | None = None) -> None:
        """Make the kernel forget what *name* in directory *parent_inode* leads to, also that it leads
        nowhere, and the attributes of the directory.

        It waits for the directory's lock, so for the end of each request of a client on that directory.

        :param wait: as for :meth:`invalidate_inode`.
        :raises FileNotFoundError: the kernel has nothing cached for that name.
        """
        self._tell(
            wait,
            ("invalidate_entry", parent_inode, name),
            lambda: self._notify.entry(parent_inode, name),
        )

    def expire_entry(self, parent_inode: int, name: bytes, *, wait: bool | None = None) -> None:
        """Make the kernel look *name* in directory *parent_inode* up again before it is next used.

        Unlike :meth:`invalidate_entry` it does not take the name away from who is using it: what is mounted
        below stays.

        :param wait: as for :meth:`invalidate_inode`.
        :raises FileNotFoundError: the kernel has nothing cached for that name.
        :raises UnsupportedFeatureError: libfuse is older than 3.12.
        """
        self._tell(
            wait, ("expire_entry", parent_inode, name), lambda: self._notify.expire(parent_inode, name)
        )

    def notify_delete(
        self, parent_inode: int, child_inode: int, name: bytes, *, wait: bool | None = None
    ) -> None:
        """As :meth:`invalidate_entry`, and tell watchers (inotify(7)) that *child_inode* was removed.

        :param wait: as for :meth:`invalidate_inode`.
        :raises FileNotFoundError: the kernel has nothing cached for that name, or it leads to another inode.
        :raises OSError: ENOTEMPTY for a directory that others are mounted in or that has names cached below.
        """
        self._tell(
            wait,
            ("notify_delete", parent_inode, child_inode, name),
            lambda: self._notify.delete(parent_inode, child_inode, name),
        )

    def notify_store(
        self, inode: int, offset: int, data: ReadableBuffer | FileData, *, wait: bool | None = None
    ) -> None:
        """Put *data* into the page cache of *inode*, as if it had been read; the file grows if it ends
        before.

        :param offset: in bytes.
        :param data: a contiguous buffer, which is not copied on the way, or a :class:`FileData`.  What is
            queued is copied first, and of FileData the descriptor must stay open.
        :param wait: as for :meth:`invalidate_inode`.
        :raises FileNotFoundError: the kernel does not know the inode.
        :raises OSError: EINVAL when a FileData's file ends before its size; what reading it raises.
        :raises TypeError: *data* is no buffer.
        :raises BufferError: it is not contiguous.
        """
        if wait is False or (wait is None and inside_handler()):
            kept = data if isinstance(data, FileData) else bytes(memoryview(data))
            # Each is a step of its own: what is stored later may overlap.
            key = ("notify_store", inode, offset, next(_numbers))
            self._outbox.put(key, lambda: self._notify.store(inode, offset, kept))
        else:
            self._notify.store(inode, offset, data)

    def retrieve(self, inode: int, offset: int, size: int) -> Future[bytes]:
        """Ask for what the page cache has of *inode*.

        The answer ends before the first page that is not cached, at the end of the file, and at
        ``max_write`` bytes. It may be empty.

        Never queued: it takes no lock.  The result is set by the thread that receives requests, so also a
        handler may wait for it, but not in the thread of a loop that serves the session: there it is awaited
        (``await asyncio.wrap_future(...)``).

        :param offset: where to begin, in bytes.
        :param size: how many bytes at most.
        :returns: a future of the bytes; SessionClosedError when the session is closed before they come.
        :raises FileNotFoundError: the kernel does not know the inode.
        :raises UnsupportedFeatureError: requests come over rings (io_uring), where libfuse misreads the data.
        """
        return self._notify.retrieve(inode, offset, size)

    def increment_epoch(self) -> None:
        """Make the kernel look every name up again before it is next used, at the cost of one message.

        Never queued: it takes no lock.

        :raises UnsupportedFeatureError: libfuse is older than 3.18.
        :raises OSError: ENOSYS, the kernel is older than 6.16.
        """
        self._notify.increment_epoch()

    def prune(self, inodes: Iterable[int], *, wait: bool | None = None) -> None:
        """Make the kernel let go of those of *inodes* that nobody uses; ``forget`` is called for them.

        :param wait: as for :meth:`invalidate_inode`.
        :raises UnsupportedFeatureError: libfuse is older than 3.19.
        :raises OSError: ENOSYS, the kernel is older than 6.18.
        """
        numbers = tuple(inodes)
        self._tell(wait, ("prune", *numbers), lambda: self._notify.prune(numbers))

    def wait_notified(self, timeout: float | None = None) -> bool:
        """Wait until all queued notifications are sent; for a program that has to know, never for a handler.

        :param timeout: seconds, or None for ever.
        :returns: whether they are.
        """
        return self._outbox.wait(timeout)
