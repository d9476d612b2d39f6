"""The thread that announces changes of a tree to those who watch its mount (`mount(events=True)`).

Rule 1: a change is announced when the kernel has been told of it, so who reads on an event gets the new
    value.
Rule 2: one batch is announced every `INTERVAL` seconds at most, with one event for each node in it.
Rule 3: no lock is held during an operation, and nobody waits for one, `stop` for a moment apart: the
    operation may be waiting behind a request that is not answered. It ends with the connection at the latest.
Rule 4: the mount is held open only during a batch, so that it can be unmounted from outside.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import os
import stat
import threading
from typing import TYPE_CHECKING, Final, cast

from fusetree.adapter.announced import AnnouncedOperations, Announcing
from fusetree.adapter.announcements import ChangedName, ChangedNode
from fusetree.adapter.names import encode
from fusetree.errors import MountError, SessionClosedError
from fusetree.nodes.observers import Change
from fusetree.server.notifications import inside_handler

if TYPE_CHECKING:
    from fusetree.lowlevel import Session
    from fusetree.nodes.base import Node
    from fusetree.nodes.special import SpecialNode

__all__ = ["Announcer"]

logger = logging.getLogger("fusetree")

#: Seconds between two batches.
INTERVAL: Final = 0.02
#: Seconds that a change waits in one batch until the kernel has been told of it; then it waits for the next.
PATIENCE: Final = 0.1
#: How often a name is tried to be removed that the kernel has something else under.
_ATTEMPTS: Final = 4

_AT_SYMLINK_NOFOLLOW: Final = 0x100  # linux/fcntl.h
_UTIME_OMIT: Final = (1 << 30) - 2  # linux/stat.h
_ENDED: Final = frozenset((errno.ENOTCONN, errno.ECONNABORTED, errno.ENODEV, errno.ESHUTDOWN))


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


_libc = ctypes.CDLL(None, use_errno=True)


def _set_times(folder: int, path: bytes, atime_ns: int | None, mtime_ns: int) -> None:
    """utimensat(2), which os.utime() is not: it leaves no time as it is (None)."""
    times = (_Timespec * 2)()
    for time, value in zip(times, (atime_ns, mtime_ns), strict=True):
        if value is None:
            time.nanoseconds = _UTIME_OMIT
        else:
            time.seconds, time.nanoseconds = divmod(value, 1_000_000_000)
    if _libc.utimensat(folder, path, times, _AT_SYMLINK_NOFOLLOW) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Announcer:
    """Announces the changes of one mounted tree, from its own thread, until it is stopped.

    Arguments:
        operations: The tree.
        session: What serves it; it must be served already.

    Raises:
        MountError: The kernel does not tell the mount's own thread from others.
    """

    def __init__(self, operations: AnnouncedOperations, session: Session) -> None:
        self._operations = operations
        self._session = session
        self._mountpoint = cast("str", session.mountpoint)
        self._stopping = threading.Event()
        self._idle = threading.Event()
        self._introduced = threading.Event()
        self._device = 0
        self._failure: OSError | None = None
        self._refused = False
        self._thread = threading.Thread(target=self._run, name="fusetree-announcer", daemon=True)
        self._thread.start()
        self._introduced.wait()
        if not operations.announcer:
            self.stop()
            raise MountError(
                errno.ENOTSUP,
                "events=True needs the kernel to tell requests of this process from others, and it does not "
                "(the mount is of another pid namespace?)",
                self._mountpoint,
            ) from self._failure

    def stop(self) -> None:
        """Announce nothing any more. What is under way is waited for, for a moment; call `join` when the
        session is closed.
        """
        self._stopping.set()
        self._operations.announcements.close()
        if not inside_handler():
            self._idle.wait(1.0)

    def join(self) -> None:
        """Wait for the thread to end; its operations end with the connection."""
        if threading.current_thread() is not self._thread:
            self._thread.join(5.0)

    # ---- the thread

    def _run(self) -> None:
        operations = self._operations
        try:
            self._device = os.stat(self._mountpoint).st_dev
            os.getxattr(self._mountpoint, operations.introduce())
            if operations.announcer:
                operations.inode_table.leave_lookups_of(operations.announcer)
        except OSError as error:
            self._failure = error
            operations.announcer = 0
        finally:
            self._introduced.set()
        try:
            while operations.announcer and not self._stopping.is_set():
                operations.announcements.some.wait()
                notes = operations.announcements.take()
                if notes and not self._stopping.is_set():
                    self._announce(notes)
                self._stopping.wait(INTERVAL)
        except Exception:
            logger.exception("changes of %s are not announced any more", self._mountpoint)
        finally:
            operations.announcements.close()
            operations.inode_table.leave_lookups_of(0)
            self._idle.set()

    def _announce(self, notes: list[ChangedNode | ChangedName]) -> None:
        try:
            folder = os.open(self._mountpoint, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            if error.errno in _ENDED:
                self._stopping.set()
            else:  # what is beneath a mount that is gone may be gone, too
                self._could_not(b".", error)
            return
        try:
            if os.fstat(folder).st_dev != self._device:
                return  # something else is mounted above
            for note in notes:
                if self._stopping.is_set():
                    return
                self._one(folder, note)
        except OSError as error:
            if error.errno not in _ENDED:
                raise
            self._stopping.set()
        finally:
            os.close(folder)

    def _one(self, folder: int, note: ChangedNode | ChangedName) -> None:
        operations = self._operations
        known = note.node if isinstance(note, ChangedNode) else note.directory
        if not operations.is_known(known):
            return
        if note.ticket is not None and not operations.inode_table.wait([note.ticket], PATIENCE):
            self._again(note)
            return
        path = operations.place(known)
        if path is None:
            return
        try:
            if isinstance(note, ChangedNode):
                self._changed(folder, path, note)
            else:
                self._renamed(folder, path, note)
        except OSError as error:
            if error.errno in _ENDED:
                raise
            self._could_not(path, error)
        finally:
            operations.announcing = None

    def _again(self, note: ChangedNode | ChangedName) -> None:
        announcements = self._operations.announcements
        if isinstance(note, ChangedName):
            announcements.renamed(note.directory, note.name, note.removed, note.ticket)
        else:
            if note.content:
                announcements.changed(note.node, Change.CONTENT, note.ticket)
            if note.attributes:
                announcements.changed(note.node, Change.ATTRIBUTES, note.ticket)

    def _could_not(self, path: bytes, error: OSError) -> None:
        if error.errno in (errno.EACCES, errno.EPERM) and not self._refused:
            self._refused = True
            logger.warning(
                "a change at %s was not announced: the user that serves the mount may not do the same "
                "through it, %s; names are announced in directories that this user may write to "
                "(logged once)",
                os.fsdecode(path),
                error.strerror,
            )
        else:
            logger.debug("a change at %s was not announced: %s", os.fsdecode(path), error)

    def _changed(self, folder: int, path: bytes, note: ChangedNode) -> None:
        node = note.node
        self._operations.announcing = Announcing(node=node)
        is_file = node.file_type == stat.S_IFREG
        if note.content and is_file:
            _set_times(folder, path, None, node.mtime_ns)
        if note.attributes or not is_file:
            _set_times(folder, path, node.atime_ns, node.mtime_ns)

    def _renamed(self, folder: int, path: bytes, note: ChangedName) -> None:
        name = encode(note.name)
        place = path + b"/" + name
        if note.removed is not None:
            self._removed(folder, place, note.removed, note, name)
        child = note.directory.child(note.name)
        if child is not None:
            self._operations.announcing = Announcing(directory=note.directory, name=name)
            _make(folder, place, child)

    def _removed(self, folder: int, place: bytes, node: Node, note: ChangedName, name: bytes) -> None:
        operations = self._operations
        remove = os.rmdir if node.file_type == stat.S_IFDIR else os.unlink
        for _ in range(_ATTEMPTS):
            operations.announcing = Announcing(
                directory=note.directory, name=name, ghost=operations.ghost_of(node)
            )
            try:
                remove(place, dir_fd=folder)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                # The kernel remembers that nothing is there, or knows what is there by now.
                with contextlib.suppress(OSError, SessionClosedError):
                    number = operations.inode_table.node_id(note.directory)
                    self._session.invalidate_entry(number, name, wait=True)
            else:
                return
        logger.debug("the removal of %s was not announced: the name is in use", os.fsdecode(place))


def _make(folder: int, place: bytes, node: Node) -> None:
    if node.file_type == stat.S_IFDIR:
        os.mkdir(place, 0o700, dir_fd=folder)
    elif node.file_type == stat.S_IFLNK:
        os.symlink(b"-", place, dir_fd=folder)
    else:
        device = node.file_type in (stat.S_IFCHR, stat.S_IFBLK)
        number = cast("SpecialNode", node).rdev if device else 0
        os.mknod(place, node.file_type | 0o600, number, dir_fd=folder)
