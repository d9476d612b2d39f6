"""A FUSE server in pure Python on one end of a socket pair: what the pretended kernel is tested against.

It holds a fixed set of nodes, answers from a table that a test may change, and counts lookups.  One thread;
every request is kept.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from attrs import Factory, define, evolve

from fusetree.testing import values, wire
from fusetree.testing.protocol import NO_REPLY, InitFlag, NotifyCode, Opcode, OpenedFlag

ROOT = 1


@define(eq=False)
class Node:
    number: int
    mode: int
    content: bytes = b""
    children: dict[bytes, int] = Factory(dict)
    nlink: int = 1
    mtime_ns: int = 0
    entry_timeout: float = 0.0
    attr_timeout: float = 0.0
    opened: OpenedFlag = OpenedFlag.DIRECT_IO
    negative_timeout: float | None = None  # of a directory: answer absent names with an entry of node 0
    hide_size: bool = False

    def attributes(self) -> values.Attributes:
        return values.Attributes(
            st_ino=self.number,
            st_mode=self.mode,
            st_size=0 if self.hide_size else len(self.content),
            st_nlink=self.nlink,
            st_mtime_ns=self.mtime_ns,
        )

    def entry(self) -> values.Entry:
        return values.Entry(
            node_id=self.number,
            entry_timeout=self.entry_timeout,
            attr_timeout=self.attr_timeout,
            attributes=self.attributes(),
        )


class FakeServer:
    """Serves until the other end is closed.

    `intercept` may answer a request by itself: it gets (header, body) and returns a reply's (error, body), or
    None to let the server do it.
    `hold` keeps replies back: a test adds the opcode, waits for `held`, and calls `let_go`.
    """

    def __init__(self, *, capabilities: InitFlag | None = None) -> None:
        self.client_end, self._socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.nodes: dict[int, Node] = {ROOT: Node(ROOT, stat.S_IFDIR | 0o755, nlink=2)}
        self.lookups: Counter[int] = Counter()
        self.requests: list[tuple[Opcode, int, bytes]] = []
        self.interrupted: list[int] = []
        self.intercept: Callable[[wire.InHeader, bytes], tuple[int, bytes] | None] = lambda header, body: None
        self.capabilities = capabilities
        self.changed = threading.Condition()
        self.holding: set[Opcode] = set()
        self._held: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def add(
        self,
        parent: int,
        name: str,
        content: bytes = b"",
        *,
        mode: int = stat.S_IFREG | 0o644,
        **fields: object,
    ) -> Node:
        number = max(self.nodes) + 1
        node = Node(number, mode, content, **fields)  # type: ignore[arg-type]  # a test's keywords
        self.nodes[number] = node
        self.nodes[parent].children[name.encode()] = number
        return node

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()
        self.client_end.close()

    def count(self, opcode: Opcode) -> int:
        with self.changed:
            return sum(kind is opcode for kind, _, _ in self.requests)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, 5), "the server did not see what was waited for"

    # -- notifications -----------------------------------------------------------------------------

    def notify(self, code: NotifyCode, body: bytes) -> None:
        self.send(wire.pack(wire.OutHeader(16 + len(body), code, 0)) + body)

    def inval_inode(self, node: int, offset: int = 0, length: int = 0) -> None:
        self.notify(NotifyCode.INVAL_INODE, struct.pack("=Qqq", node, offset, length))

    def inval_entry(self, parent: int, name: bytes) -> None:
        self.notify(NotifyCode.INVAL_ENTRY, struct.pack("=QII", parent, len(name), 0) + name + b"\0")

    def delete(self, parent: int, child: int, name: bytes) -> None:
        self.notify(NotifyCode.DELETE, struct.pack("=QQI4x", parent, child, len(name)) + name + b"\0")

    # -- serving -----------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        self._socket.sendall(frame)

    def let_go(self) -> None:
        with self.changed:
            self.holding.clear()
            held, self._held = self._held, []
        for frame in held:
            self.send(frame)

    def _serve(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # the client closed while it was answered
            self._serve_until_end()

    def _serve_until_end(self) -> None:
        size = wire.size_of(wire.InHeader)
        while head := self._receive(size):
            header = wire.unpack(wire.InHeader, head)
            body = self._receive(header.length - size)
            opcode = Opcode(header.opcode)
            with self.changed:
                self.requests.append((opcode, header.node_id, body))
                self.changed.notify_all()
            error, reply = self._answer(header, opcode, body)
            if opcode in NO_REPLY:
                with self.changed:
                    self.changed.notify_all()
                continue
            frame = wire.pack(wire.OutHeader(16 + len(reply), -error, header.unique)) + reply
            with self.changed:
                if opcode in self.holding:
                    self._held.append(frame)
                    self.changed.notify_all()
                    continue
            self.send(frame)

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                return b""
            data += part
        return data

    def _answer(self, header: wire.InHeader, opcode: Opcode, body: bytes) -> tuple[int, bytes]:
        own = self.intercept(header, body)
        if own is not None:
            return own
        handler = getattr(self, "_" + opcode.name.lower(), None)
        if handler is None:
            return errno.ENOSYS, b""
        try:
            return 0, handler(header, body)
        except OSError as exc:
            return exc.errno or errno.EIO, b""

    def _node(self, number: int) -> Node:
        try:
            return self.nodes[number]
        except KeyError:
            raise OSError(errno.ESTALE, "stale") from None

    def _init(self, header: wire.InHeader, body: bytes) -> bytes:
        asked = wire.unpack(wire.InitIn, body)
        flags = asked.flags | asked.flags2 << 32
        agreed = flags & ~InitFlag.WRITEBACK_CACHE if self.capabilities is None else int(self.capabilities)
        return wire.pack(
            wire.InitOut(7, 38, 65536, agreed & 0xFFFFFFFF, 12, 9, 65536, 1, 16, 0, agreed >> 32)
        )

    def _entry_of(self, number: int) -> bytes:
        self.lookups[number] += 1
        return self.nodes[number].entry().pack()

    def _lookup(self, header: wire.InHeader, body: bytes) -> bytes:
        directory = self._node(header.node_id)
        number = directory.children.get(body[:-1])
        if number is not None:
            return self._entry_of(number)
        if directory.negative_timeout is None:
            raise FileNotFoundError(errno.ENOENT, "absent")
        return values.Entry(node_id=0, entry_timeout=directory.negative_timeout).pack()

    def _forget(self, header: wire.InHeader, body: bytes) -> bytes:
        self.lookups[header.node_id] -= wire.unpack(wire.ForgetIn, body).nlookup
        return b""

    def _batch_forget(self, header: wire.InHeader, body: bytes) -> bytes:
        for index in range(wire.unpack(wire.BatchForgetIn, body).number):
            one = wire.unpack(wire.ForgetOne, body, 8 + 16 * index)
            self.lookups[one.node_id] -= one.nlookup
        return b""

    def _interrupt(self, header: wire.InHeader, body: bytes) -> bytes:
        self.interrupted.append(wire.unpack(wire.InterruptIn, body).unique)
        return b""

    def _getattr(self, header: wire.InHeader, body: bytes) -> bytes:
        node = self._node(header.node_id)
        return values.AttrReply(node.attributes(), node.attr_timeout).pack()

    def _setattr(self, header: wire.InHeader, body: bytes) -> bytes:
        node = self._node(header.node_id)
        asked = wire.unpack(wire.SetattrIn, body)
        if asked.valid & 8:
            node.content = node.content[: asked.size].ljust(asked.size, b"\0")
        if asked.valid & 1:
            node.mode = asked.mode
        return self._getattr(header, body)

    def _readlink(self, header: wire.InHeader, body: bytes) -> bytes:
        return self._node(header.node_id).content

    def _open(self, header: wire.InHeader, body: bytes) -> bytes:
        node = self._node(header.node_id)
        if wire.unpack(wire.OpenIn, body).flags & os.O_TRUNC:
            node.content = b""
        return wire.pack(wire.OpenOut(100 + node.number, int(node.opened)))

    _opendir = _open

    def _read(self, header: wire.InHeader, body: bytes) -> bytes:
        asked = wire.unpack(wire.ReadIn, body)
        return self._node(header.node_id).content[asked.offset : asked.offset + asked.size]

    def _write(self, header: wire.InHeader, body: bytes) -> bytes:
        asked = wire.unpack(wire.WriteIn, body)
        data = body[wire.size_of(wire.WriteIn) :]
        node = self._node(header.node_id)
        node.content = node.content[: asked.offset] + data + node.content[asked.offset + len(data) :]
        return wire.pack(wire.WriteOut(len(data)))

    def _nothing(self, header: wire.InHeader, body: bytes) -> bytes:
        return b""

    _flush = _release = _releasedir = _fsync = _destroy = _access = _nothing

    def _lines(self, header: wire.InHeader, body: bytes, *, plus: bool) -> bytes:
        asked = wire.unpack(wire.ReadIn, body)
        names = list(self._node(header.node_id).children.items())
        lines: list[values.Dirent] = []
        for cookie, (name, number) in enumerate(names[asked.offset :], asked.offset + 1):
            node = self.nodes[number]
            line = values.Dirent(name, number, node.mode >> 12, cookie)
            if plus:
                line = evolve(line, entry=node.entry())
            if len(values.pack_dirents([*lines, line])) > asked.size:
                break
            if plus:
                self.lookups[number] += 1
            lines.append(line)
        return values.pack_dirents(lines)

    def _readdir(self, header: wire.InHeader, body: bytes) -> bytes:
        return self._lines(header, body, plus=False)

    def _readdirplus(self, header: wire.InHeader, body: bytes) -> bytes:
        return self._lines(header, body, plus=True)

    def _make(self, parent: int, name: bytes, mode: int, content: bytes = b"") -> bytes:
        return self._entry_of(self.add(parent, name.decode(), content, mode=mode).number)

    def _mkdir(self, header: wire.InHeader, body: bytes) -> bytes:
        return self._make(header.node_id, body[8:-1], stat.S_IFDIR | wire.unpack(wire.MkdirIn, body).mode)

    def _symlink(self, header: wire.InHeader, body: bytes) -> bytes:
        name, target, _ = body.split(b"\0")
        return self._make(header.node_id, name, stat.S_IFLNK | 0o777, target)

    def _create(self, header: wire.InHeader, body: bytes) -> bytes:
        entry = self._make(header.node_id, body[16:-1], stat.S_IFREG | wire.unpack(wire.CreateIn, body).mode)
        return entry + wire.pack(wire.OpenOut(77, int(OpenedFlag.DIRECT_IO)))

    def _link(self, header: wire.InHeader, body: bytes) -> bytes:
        number = wire.unpack(wire.LinkIn, body).old_node_id
        self.nodes[number].nlink += 1
        self._node(header.node_id).children[body[8:-1]] = number
        return self._entry_of(number)

    def _unlink(self, header: wire.InHeader, body: bytes) -> bytes:
        del self._node(header.node_id).children[body[:-1]]
        return b""

    _rmdir = _unlink

    def _rename(self, header: wire.InHeader, body: bytes) -> bytes:
        old, new, _ = body[8:].split(b"\0")
        number = self._node(header.node_id).children.pop(old)
        self._node(wire.unpack(wire.RenameIn, body).newdir).children[new] = number
        return b""

    def _statfs(self, header: wire.InHeader, body: bytes) -> bytes:
        return wire.pack(wire.Statfs(10, 5, 5, len(self.nodes), 0, 4096, 255, 4096))

    def _getxattr(self, header: wire.InHeader, body: bytes) -> bytes:
        if body[8:-1] != b"user.a":
            raise OSError(errno.ENODATA, "absent")
        return b"value"

    def _listxattr(self, header: wire.InHeader, body: bytes) -> bytes:
        return b"user.a\0user.b\0"
