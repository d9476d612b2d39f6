"""The thread that announces changes of a tree to those who watch its mount (`mount(events=True)`).

Rule 1: a change is announced when the kernel has been told of it, so who reads on an event gets the new
    value.
Rule 2: one batch is announced every `INTERVAL` seconds at most, with one event of a kind for each node in it.
Rule 3: no lock is held during an operation, and nobody waits for one, `stop` for a moment apart: the
    operation may be waiting behind a request that is not answered. It ends with the connection at the latest.
Rule 4: the mount is held open only during a batch, so that it can be unmounted from outside.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import stat
import threading
from typing import TYPE_CHECKING, Final, cast

from fusetree.adapter.announced import AnnouncedOperations, Announcing
from fusetree.adapter.announcements import ChangedName, ChangedNode
from fusetree.adapter.names import encode
from fusetree.errors import MountError, SessionClosedError
from fusetree.mounting import reenacted
from fusetree.mounting.moves import Moves
from fusetree.nodes.links import parents_of
from fusetree.server.notifications import inside_handler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusetree.lowlevel import Session
    from fusetree.nodes.base import Node
    from fusetree.nodes.directory import Dir

__all__ = ["Announcer"]

logger = logging.getLogger("fusetree")

#: Seconds between two batches.
INTERVAL: Final = 0.02
#: Seconds that a change waits in one batch until the kernel has been told of it; then it waits for the next.
PATIENCE: Final = 0.1
#: How often a name is tried to be removed or moved that the kernel has something else under.
_ATTEMPTS: Final = 4

_ENDED: Final = frozenset((errno.ENOTCONN, errno.ECONNABORTED, errno.ENODEV, errno.ESHUTDOWN))


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
            self._batch(folder, notes)
        except OSError as error:
            if error.errno not in _ENDED:
                raise
            self._stopping.set()
        finally:
            os.close(folder)

    def _batch(self, folder: int, notes: list[ChangedNode | ChangedName]) -> None:
        moves = Moves(notes)
        last: list[ChangedNode] = []  # a file is where the events of names say when its own event comes
        again: list[ChangedNode | ChangedName] = []
        for note in notes:
            if isinstance(note, ChangedNode) and moves.concern(note.node):
                last.append(note)
            else:
                self._one(folder, note, moves, again)
        for note in last:
            self._one(folder, note, moves, again)
        if again:
            self._operations.announcements.again(again)

    def _one(
        self,
        folder: int,
        note: ChangedNode | ChangedName,
        moves: Moves,
        again: list[ChangedNode | ChangedName],
    ) -> None:
        if self._stopping.is_set():
            return
        known = note.node if isinstance(note, ChangedNode) else note.directory
        try:
            if isinstance(note, ChangedNode):
                if self._operations.is_known(known) and not self._delivered(note):
                    again.append(note)
                else:
                    self._changed(folder, note)
            else:
                self._renamed(folder, note, moves, again)
        except OSError as error:
            if error.errno in _ENDED:
                raise
            self._could_not(self._operations.place(known) or b"?", error)
        finally:
            self._operations.announcing = None

    def _delivered(self, note: ChangedNode | ChangedName) -> bool:
        return note.ticket is None or self._operations.inode_table.wait([note.ticket], PATIENCE)

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

    # ---- one node

    def _changed(self, folder: int, note: ChangedNode) -> None:
        node = note.node
        path = self._operations.place(node) if self._operations.is_known(node) else None
        if path is None:
            return
        self._operations.announcing = Announcing(node=node)
        is_file = node.file_type == stat.S_IFREG
        if note.content and is_file:
            with self._written(folder, path):
                reenacted.set_times(folder, path, None, node.mtime_ns)
        if note.attributes or not is_file:
            reenacted.set_times(folder, path, node.atime_ns, node.mtime_ns)

    @contextlib.contextmanager
    def _written(self, folder: int, path: bytes) -> Iterator[None]:
        """A file is open to be written to, if it can be."""
        descriptor = None
        try:
            descriptor = reenacted.open_to_write(folder, path)
        except OSError as error:  # a file that this user may not write to, or that is executed
            if error.errno in _ENDED:
                raise
            logger.debug("the end of writing to %s is not announced: %s", os.fsdecode(path), error)
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    # ---- one name

    def _renamed(
        self, folder: int, note: ChangedName, moves: Moves, again: list[ChangedNode | ChangedName]
    ) -> None:
        arrival = None
        if note.removed is not None and not note.removal_done:
            arrival = moves.arrival_of(note)
            if not (note.waited or moves.has_arrived(note.removed)) and parents_of(note.removed):
                note.waited = note.postponed = True  # it turned up elsewhere; the note of that is to come
        if note.postponed or (arrival is not None and arrival.postponed) or not self._delivered(note):
            self._postpone(note, again)
        elif arrival is not None and not self._delivered(arrival):
            self._postpone(note, again)
            if arrival.turn_over:
                self._postpone(arrival, again)
            else:
                arrival.postponed = True
        else:
            try:
                self._announce_name(folder, note, arrival, moves)
            finally:
                note.turn_over = True
            for node in note.lost:
                self._lost(folder, node)

    @staticmethod
    def _postpone(note: ChangedName, again: list[ChangedNode | ChangedName]) -> None:
        note.postponed = True
        again.append(note)

    def _path(self, note: ChangedName) -> bytes | None:
        """Where the name is; None where nobody can have heard of it."""
        above = self._operations.place(note.directory)
        return None if above is None else above + b"/" + encode(note.name)

    def _announce_name(
        self, folder: int, note: ChangedName, arrival: ChangedName | None, moves: Moves
    ) -> None:
        operations = self._operations
        path = self._path(note)
        known = path is not None and operations.is_known(note.directory)
        if note.removed is not None and not note.removal_done:
            note.removal_done = True
            if arrival is not None and path is not None and self._moved(folder, path, note, arrival):
                arrival.arrival_done = True
                if note.fresh:  # written under a name that was never announced
                    self._written_anew(folder, arrival)
            else:
                if known:
                    assert path is not None
                    self._removed(folder, path, note.removed, note)
                if arrival is not None and arrival.turn_over:
                    self._arrived(folder, arrival)
        if not moves.will_arrive(note):
            self._arrived(folder, note)

    def _arrived(self, folder: int, note: ChangedName) -> None:
        """Announce what the name leads to now."""
        path = self._path(note)
        child = note.directory.child(note.name)
        if child is None or note.arrival_done or path is None:
            return
        note.arrival_done = True
        if not self._operations.is_known(note.directory):
            return
        self._operations.announcing = Announcing(directory=note.directory, name=encode(note.name))
        reenacted.make(folder, path, child)
        self._written_anew(folder, note)

    def _written_anew(self, folder: int, note: ChangedName) -> None:
        """Announce the end of writing to a new file: many wait for that, and not for a name."""
        path = self._path(note)
        child = note.directory.child(note.name)
        if path is not None and child is not None and child.file_type == stat.S_IFREG:
            self._operations.announcing = Announcing(node=child)
            with self._written(folder, path):
                pass

    def _removed(self, folder: int, path: bytes, node: Node, note: ChangedName) -> None:
        operations = self._operations
        name = encode(note.name)
        for _ in range(_ATTEMPTS):
            operations.announcing = Announcing(
                directory=note.directory, name=name, ghost=operations.ghost_of(node)
            )
            try:
                reenacted.remove(folder, path, node)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                # The kernel remembers that nothing is there, or knows what is there by now.
                self._forget(note.directory, name)
            else:
                return
        logger.debug("the removal of %s was not announced: the name is in use", os.fsdecode(path))

    def _moved(self, folder: int, path: bytes, note: ChangedName, arrival: ChangedName) -> bool:
        """Announce a move; False when it must be announced as a removal and something new."""
        operations = self._operations
        new_path = self._path(arrival)
        node = note.removed
        assert node is not None
        if new_path is None or not any(map(operations.is_known, (note.directory, arrival.directory))):
            return False
        is_directory = node.file_type == stat.S_IFDIR
        for attempt in range(_ATTEMPTS):
            # The node itself, so that its own watchers hear of it. A directory has one place in the kernel's
            # memory, which may be the new one already, or held by somebody: then it is a ghost that moves.
            itself = attempt < _ATTEMPTS // 2
            operations.announcing = doing = Announcing(
                directory=note.directory,
                name=encode(note.name),
                ghost=node if itself else operations.ghost_of(node),
                target=arrival.directory,
                new_name=encode(arrival.name),
            )
            try:
                if itself and is_directory:
                    os.stat(path, dir_fd=folder, follow_symlinks=False)  # not with two directories locked
                    doing.haunted = False
                reenacted.move(folder, path, new_path)
            except OSError as error:
                if error.errno in _ENDED:
                    raise
                logger.debug("%s is not moved yet: %s", os.fsdecode(path), error)
                if error.errno in (errno.EACCES, errno.EPERM) and not (itself and is_directory):
                    return False
                self._forget(note.directory, doing.name)
                self._forget(arrival.directory, doing.new_name)
            else:
                return True
        return False

    def _lost(self, folder: int, node: Node) -> None:
        """Announce to those who watch it the end of a node without a name, and of what is below it."""
        if node is self._operations.root or parents_of(node):
            return
        self._ended(folder, node)
        waiting = [node]
        while waiting:
            above = waiting.pop()
            if above.file_type != stat.S_IFDIR:
                continue
            for _, child in cast("Dir", above).children_snapshot():
                if self._operations.is_known(child) and len(parents_of(child)) == 1:
                    self._ended(folder, child)
                    waiting.append(child)

    def _ended(self, folder: int, node: Node) -> None:
        operations = self._operations
        if not operations.is_known(node):
            return
        name = b".fusetree." + secrets.token_hex(8).encode()
        operations.announcing = Announcing(directory=operations.root, name=name, ghost=node, gone=True)
        try:
            os.stat(name, dir_fd=folder, follow_symlinks=False)
        finally:
            self._forget(operations.root, name)

    def _forget(self, directory: Dir, name: bytes) -> None:
        """Have the kernel ask for a name again."""
        with contextlib.suppress(OSError, SessionClosedError):
            number = self._operations.inode_table.node_id(directory)
            if number:
                self._session.invalidate_entry(number, name, wait=True)
