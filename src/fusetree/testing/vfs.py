"""The part of a pretended kernel that walks paths: from names to nodes, asking the server for what is not
cached.

`VFS` joins the connection, the books (`Kernel`) and the raw requests; what programs do with paths
(`PathClient`) and handles is built on it. Every operation runs inside `VFS.operation`: it begins by taking in
all that the server has said so far, keeps the nodes that it stands on, and ends by giving back the lookups of
nodes that nothing leads to any more.

Permission bits are checked here as with the mount option ``default_permissions``, since that is how trees are
mounted.
"""

from __future__ import annotations

import collections
import contextvars
import errno
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, evolve

from fusetree.testing import wire
from fusetree.testing.connection import Connection, Credentials, Pending
from fusetree.testing.kernel import PAGE, Kernel
from fusetree.testing.protocol import (
    DEFAULT_CAPABILITIES,
    FUSE_ROOT_ID,
    PROTOCOL_MAJOR,
    PROTOCOL_MINOR,
    InitFlag,
    NotifyCode,
    Opcode,
)
from fusetree.testing.raw import RawClient
from fusetree.testing.recorder import Notification, Recorder
from fusetree.testing.values import Attributes, Entry

__all__ = ["VFS", "Place", "error"]

_MAX_LINKS = 40  # as Linux
_TYPE_BITS = 0o170000

_credentials: contextvars.ContextVar[Credentials | None] = contextvars.ContextVar(
    "fusetree_testing_credentials", default=None
)


def error(number: int, path: object = None) -> OSError:
    """The `OSError` subclass for *number*, with the text that the system has for it."""
    text = os.strerror(number)
    return OSError(number, text) if path is None else OSError(number, text, path)


@define
class Place:
    """Where a path leads: the directory, the name in it, and the node there (0: nothing)."""

    parent: int
    name: bytes
    node: int


@define
class _Clock:
    """The monotonic clock, which tests may put forward."""

    offset: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.offset


class VFS:
    """Names, attributes and permissions of a server's tree, as a kernel sees them."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        timeout: float = 10.0,
        credentials: Credentials | None = None,
        default_permissions: bool = True,
        capabilities: InitFlag = DEFAULT_CAPABILITIES,
    ) -> None:
        """Args:
        sock: the kernel's end of the channel; owned from now on.
        timeout: seconds that every wait may take.
        credentials: who asks; root with this process' id unless given.  See `as_user`.
        default_permissions: check permission bits before asking the server, as the mount option does.
        capabilities: what is offered in INIT.
        """
        self.timeout = timeout
        self.credentials = credentials or Credentials(pid=os.getpid())
        self.default_permissions = default_permissions
        self.offered = capabilities
        self.agreed = InitFlag(0)  # what INIT agreed upon
        self.max_write = PAGE
        self.max_read = PAGE
        self.notifications = Recorder(timeout=timeout)
        self._clock = _Clock()
        self.connection = Connection(sock, on_notification=self._notified)
        self.kernel = Kernel(self.connection.lock, self._clock)
        self.raw = RawClient(
            self.connection,
            credentials=self._current_credentials,
            on_entry=self.kernel.count_raw,
            on_forget=self._forget_raw,
            capabilities=lambda: self.agreed,
            timeout=timeout,
        )
        self._unsupported: set[Opcode] = set()  # answered ENOSYS once: never asked again

    # -- beginning ---------------------------------------------------------------------------------

    def send_init(self, *, minor: int = PROTOCOL_MINOR) -> Pending:
        """Send INIT; the server need not run yet.  Go on with `finish_init`."""
        self.connection.start_reader()
        flags = int(self.offered)
        init = wire.InitIn(PROTOCOL_MAJOR, minor, 128 * 1024, flags & 0xFFFFFFFF, flags >> 32)
        return self.connection.submit(Opcode.INIT, 0, wire.pack(init), credentials=Credentials())

    def finish_init(self, pending: Pending) -> wire.InitOut:
        """Wait for the answer to INIT and keep to it.

        Raises:
            ValueError: the server agrees to something that was not offered.
        """
        reply = wire.unpack(
            wire.InitOut, pending.result(self.timeout).ljust(wire.size_of(wire.InitOut), b"\0")
        )
        self.agreed = InitFlag(reply.flags | (reply.flags2 << 32 if reply.flags & InitFlag.INIT_EXT else 0))
        surplus = int(self.agreed) & ~int(self.offered)
        if surplus:
            raise ValueError(f"the server agreed to {InitFlag(surplus)!r}, which was not offered")
        self.max_write = max(reply.max_write, PAGE)
        pages = reply.max_pages if self.agreed & InitFlag.MAX_PAGES else 32
        self.max_read = max(pages, 1) * PAGE
        self.init_reply = reply
        return reply

    # -- time and callers --------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Put the clock that timeouts are measured with forward."""
        self._clock.offset += seconds

    @contextmanager
    def as_user(
        self,
        uid: int | None = None,
        gid: int | None = None,
        *,
        pid: int | None = None,
        umask: int | None = None,
    ) -> Iterator[None]:
        """Inside the block, requests of this thread (or task) come from another user or process."""
        given = {"uid": uid, "gid": gid, "pid": pid, "umask": umask}
        changes = {key: value for key, value in given.items() if value is not None}
        token = _credentials.set(evolve(self._current_credentials(), **changes))
        try:
            yield
        finally:
            _credentials.reset(token)

    def _current_credentials(self) -> Credentials:
        return _credentials.get() or self.credentials

    # -- one operation -----------------------------------------------------------------------------

    @contextmanager
    def operation(self) -> Iterator[list[int]]:
        """Around one system call.  Gives the list of nodes that are held until its end."""
        self.connection.pump()
        held: list[int] = []
        try:
            yield held
        finally:
            with self.kernel.lock:
                for node in reversed(held):
                    self.kernel.unhold(node)
            self.give_back()

    def give_back(self) -> None:
        """Send the forgets that are owed."""
        with self.kernel.lock:
            owed = self.kernel.take_owed()
        if not owed or not self.connection.connected:
            return
        self.raw.send_forgets(owed)

    def supported(self, opcode: Opcode) -> bool:
        """False once the server has answered ENOSYS to *opcode*."""
        return opcode not in self._unsupported

    def never_again(self, opcode: Opcode) -> None:
        """The server answered ENOSYS: remember it for the whole mount."""
        self._unsupported.add(opcode)

    # -- attributes --------------------------------------------------------------------------------

    def attributes(self, node: int, *, fh: int | None = None) -> Attributes:
        """Attributes of *node*: cached ones while they last, else from GETATTR."""
        with self.kernel.lock:
            self.connection.pump()
            cached = self.kernel.current(node)
            if cached is not None:
                return cached
            asked = self.kernel.moment()
        return self.raw.getattr(
            node, fh, taken=lambda reply: self.kernel.attributes_came(node, reply, asked)
        ).attributes

    def kind(self, node: int) -> int:
        """The file type bits of *node*.  They never change, so old attributes will do."""
        if node == FUSE_ROOT_ID:
            return stat.S_IFDIR
        with self.kernel.lock:
            inode = self.kernel.find(node)
            known = inode.attributes if inode is not None else None
        return (known or self.attributes(node)).st_mode & _TYPE_BITS

    def require(self, node: int, mask: int, path: object = None) -> None:
        """Check permission bits for the caller (*mask* of ``os.R_OK``, ``W_OK``, ``X_OK``).

        Raises:
            PermissionError: EACCES.
        """
        if not self.default_permissions:
            return
        attributes = self.attributes(node)
        caller = self._current_credentials()
        mode = attributes.st_mode
        if caller.uid == 0:
            # The superuser may all but execute a file that nobody may execute.
            if mask & os.X_OK and not stat.S_ISDIR(mode) and not mode & 0o111:
                raise error(errno.EACCES, path)
            return
        if caller.uid == attributes.st_uid:
            allowed = mode >> 6
        elif caller.gid == attributes.st_gid:
            allowed = mode >> 3
        else:
            allowed = mode
        if mask & ~allowed & 7:
            raise error(errno.EACCES, path)

    def require_owner(self, node: int, path: object = None) -> None:
        """Check that the caller is root or owns *node*; EPERM else."""
        caller = self._current_credentials()
        if self.default_permissions and caller.uid not in (0, self.attributes(node).st_uid):
            raise error(errno.EPERM, path)

    # -- names -------------------------------------------------------------------------------------

    def child(self, parent: int, name: bytes, held: list[int]) -> int:
        """The node under *name*, which is then held, or 0."""
        with self.kernel.lock:
            self.connection.pump()
            known = self.kernel.known(parent, name)
            if known is not None:
                if known.node_id:
                    self.kernel.hold(known.node_id)
                    held.append(known.node_id)
                return known.node_id
            asked = self.kernel.moment()

        def taken(entry: Entry) -> None:
            self.kernel.entry_came(parent, name, entry, asked)
            if entry.node_id:
                self.kernel.hold(entry.node_id)
                held.append(entry.node_id)

        try:
            return self.raw.lookup(parent, name, taken=taken).node_id
        except FileNotFoundError:
            with self.kernel.lock:
                self.kernel.name_removed(parent, name)
            return 0

    def resolve(self, path: str | bytes, held: list[int], *, follow: bool = True) -> Place:
        """Walk *path* from the root; its last name may be absent.

        Args:
            held: from `operation`; every node on the way is held.
            follow: follow a link that is the last name.

        Raises:
            OSError: ENOENT, ENOTDIR, EACCES, ELOOP; EXDEV for a link that leads out of the tree.
        """
        todo = collections.deque(part for part in os.fsencode(path).split(b"/") if part not in (b"", b"."))
        stack = [FUSE_ROOT_ID]
        place = Place(FUSE_ROOT_ID, b"", FUSE_ROOT_ID)
        links = 0
        while todo:
            name = todo.popleft()
            if name == b"..":
                if len(stack) > 1:
                    stack.pop()
                place = Place(FUSE_ROOT_ID, b"", stack[-1])
                continue
            if self.kind(stack[-1]) != stat.S_IFDIR or (place.node and place.node != stack[-1]):
                raise error(errno.ENOTDIR, path)
            self.require(stack[-1], os.X_OK, path)
            place = Place(stack[-1], name, self.child(stack[-1], name, held))
            if not place.node:
                if todo:
                    raise error(errno.ENOENT, path)
                return place
            kind = self.kind(place.node)
            if kind == stat.S_IFLNK and (todo or follow):
                links += 1
                if links > _MAX_LINKS:
                    raise error(errno.ELOOP, path)
                target = self.link_target(place.node)
                if target.startswith(b"/"):
                    raise error(errno.EXDEV, target)
                todo.extendleft(reversed([part for part in target.split(b"/") if part not in (b"", b".")]))
                place = Place(FUSE_ROOT_ID, b"", stack[-1])
            elif kind == stat.S_IFDIR:
                stack.append(place.node)
        return place

    def existing(self, path: str | bytes, held: list[int], *, follow: bool = True) -> Place:
        """The same, but ENOENT when the last name is absent."""
        place = self.resolve(path, held, follow=follow)
        if not place.node:
            raise error(errno.ENOENT, path)
        return place

    def link_target(self, node: int) -> bytes:
        """The target of a symbolic link, cached when the server agreed to CACHE_SYMLINKS."""
        with self.kernel.lock:
            self.connection.pump()
            inode = self.kernel.find(node)
            if inode is not None and inode.link is not None:
                return inode.link
            asked = self.kernel.moment()

        def taken(target: bytes) -> None:
            if self.agreed & InitFlag.CACHE_SYMLINKS:
                self.kernel.link_came(node, target, asked)

        return self.raw.readlink(node, taken=taken)

    def _forget_raw(self, node: int, count: int) -> None:
        with self.kernel.lock:
            self.kernel.forget_raw(node, count)

    # -- what the server tells by itself -----------------------------------------------------------

    def _notified(self, notification: Notification) -> None:
        self.kernel.notified(notification)
        self.notifications.record(notification)
        if notification.code is NotifyCode.RETRIEVE:
            # By a thread of its own: nothing may be sent in here, the lock of the connection is held.
            answer = self.kernel.retrieved(notification)
            threading.Thread(target=self._send_retrieved, args=(notification, answer), daemon=True).start()

    def _send_retrieved(self, notification: Notification, data: bytes) -> None:
        head = wire.pack(wire.NotifyRetrieveIn(notification.offset, len(data)))
        self.connection.answer_notification(
            notification.handle, notification.node_id, head + data, credentials=self.credentials
        )

    def wait_notification(
        self,
        code: NotifyCode | None = None,
        *,
        node_id: int | None = None,
        parent: int | None = None,
        name: str | bytes | None = None,
        since: int = 0,
        timeout: float | None = None,
    ) -> Notification:
        """The first notification that has the given values; waits for it.  See `Recorder.wait`."""
        encoded = None if name is None else os.fsencode(name)
        return self.notifications.wait(
            code, node_id=node_id, parent=parent, name=encoded, since=since, timeout=timeout
        )
