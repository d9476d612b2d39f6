"""The rarer requests of the protocol, each as a method of `RawClient`: locks, devices, ranges of files,
statx, tmpfile.
"""

from __future__ import annotations

import fcntl
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from attrs import frozen

from fusetree.testing import wire, wire_special
from fusetree.testing.connection import Pending
from fusetree.testing.protocol import (
    GETATTR_FH,
    IOCTL_RETRY,
    LK_FLOCK,
    POLL_SCHEDULE_NOTIFY,
    Opcode,
    OpenedFlag,
)
from fusetree.testing.values import Entry

__all__ = ["IoctlAnswer", "Opened", "SpecialRequests", "lock_of"]

_STATX_BASIC_AND_BIRTH: Final = 0xFFF


@frozen
class Opened:
    """A handle that the server gave: its number, and what it said of it."""

    fh: int
    flags: OpenedFlag = OpenedFlag(0)  # noqa: RUF009  # an immutable value


@frozen
class IoctlAnswer:
    """What an ioctl was answered with: a result and data, or the areas of memory that the server asks for."""

    result: int
    data: bytes = b""
    inputs: tuple[tuple[int, int], ...] = ()
    outputs: tuple[tuple[int, int], ...] = ()


def lock_of(
    fh: int, owner: int, kind: int, start: int = 0, length: int = 0, *, pid: int = 0, flags: int = 0
) -> bytes:
    """The body of GETLK, SETLK and SETLKW; *length* 0: to the end of the file."""
    end = start + length - 1 if length else wire_special.OFFSET_MAX
    return wire.pack(wire_special.LockIn(fh, owner, start, end, kind, pid, flags))


class SpecialRequests(ABC):
    """The part of `RawClient` that few file systems need."""

    @abstractmethod
    def call(
        self, opcode: Opcode, node: int, body: bytes = b"", *, taken: Callable[[bytes], None] | None = None
    ) -> bytes:
        """Send any request and wait for the body of its reply."""

    @abstractmethod
    def submit(
        self, opcode: Opcode, node: int, body: bytes = b"", *, taken: Callable[[bytes], None] | None = None
    ) -> Pending:
        """Send any request and do not wait."""

    @abstractmethod
    def _created(
        self, opcode: Opcode, parent: int, body: bytes, taken: Callable[[Entry], None] | None
    ) -> tuple[Entry, Opened]: ...

    # -- locks -------------------------------------------------------------------------------------

    def getlk(
        self, node: int, fh: int, owner: int, kind: int, start: int = 0, length: int = 0
    ) -> wire_special.LockOut:
        """GETLK: the lock that is in the way, or one of type ``F_UNLCK``."""
        body = lock_of(fh, owner, kind, start, length)
        return wire.unpack(wire_special.LockOut, self.call(Opcode.GETLK, node, body))

    def setlk(
        self, node: int, fh: int, owner: int, kind: int, start: int = 0, length: int = 0, *, pid: int = 0
    ) -> None:
        """SETLK: set or remove a lock, or EAGAIN."""
        self.call(Opcode.SETLK, node, lock_of(fh, owner, kind, start, length, pid=pid))

    def submit_setlkw(
        self, node: int, fh: int, owner: int, kind: int, start: int = 0, length: int = 0, *, pid: int = 0
    ) -> Pending:
        """SETLKW: set a lock when it can be had.  Not waited for."""
        return self.submit(Opcode.SETLKW, node, lock_of(fh, owner, kind, start, length, pid=pid))

    def flock(self, node: int, fh: int, owner: int, operation: int) -> None:
        """SETLK or SETLKW as flock(2) sends it; *operation* as there."""
        self.submit_flock(node, fh, owner, operation).result()

    def submit_flock(self, node: int, fh: int, owner: int, operation: int) -> Pending:
        """The same, not waited for."""
        kinds = {
            fcntl.LOCK_SH: fcntl.F_RDLCK,
            fcntl.LOCK_EX: fcntl.F_WRLCK,
            fcntl.LOCK_UN: fcntl.F_UNLCK,
        }
        opcode = Opcode.SETLK if operation & fcntl.LOCK_NB else Opcode.SETLKW
        kind = kinds[operation & ~fcntl.LOCK_NB]
        return self.submit(opcode, node, lock_of(fh, owner, kind, flags=LK_FLOCK))

    # -- devices -----------------------------------------------------------------------------------

    def ioctl(
        self,
        node: int,
        fh: int,
        command: int,
        data: bytes = b"",
        *,
        argument: int = 0,
        out_size: int = 0,
        flags: int = 0,
    ) -> IoctlAnswer:
        """IOCTL with what the kernel fetched from the caller, and how much may come back."""
        body = wire.pack(wire_special.IoctlIn(fh, flags, command, argument, len(data), out_size)) + data
        reply = self.call(Opcode.IOCTL, node, body)
        head = wire.unpack(wire_special.IoctlOut, reply)
        rest = reply[wire.size_of(wire_special.IoctlOut) :]
        if not head.flags & IOCTL_RETRY:
            return IoctlAnswer(head.result, rest)
        size = wire.size_of(wire_special.IoctlArea)
        areas: list[tuple[int, int]] = [
            wire.unpack(wire_special.IoctlArea, rest, size * i) for i in range(head.in_areas + head.out_areas)
        ]
        return IoctlAnswer(head.result, b"", tuple(areas[: head.in_areas]), tuple(areas[head.in_areas :]))

    def poll(self, node: int, fh: int, events: int, handle: int | None = None) -> int:
        """POLL: which of *events* are there.  With *handle* a notification is asked for, that tells this
        number.
        """
        flags = 0 if handle is None else POLL_SCHEDULE_NOTIFY
        body = wire.pack(wire_special.PollIn(fh, handle or 0, flags, events))
        return wire.unpack(wire_special.PollOut, self.call(Opcode.POLL, node, body)).revents

    def bmap(self, node: int, blocksize: int, block: int) -> int:
        """BMAP: where block number *block* of the file lies on the device."""
        body = wire.pack(wire_special.BmapIn(block, blocksize))
        return wire.unpack(wire_special.BmapOut, self.call(Opcode.BMAP, node, body)).block

    # -- ranges ------------------------------------------------------------------------------------

    def lseek(self, node: int, fh: int, offset: int, whence: int) -> int:
        """LSEEK (``SEEK_DATA``, ``SEEK_HOLE``): the new offset."""
        body = wire.pack(wire_special.LseekIn(fh, offset, whence))
        return wire.unpack(wire_special.LseekOut, self.call(Opcode.LSEEK, node, body)).offset

    def fallocate(self, node: int, fh: int, mode: int, offset: int, length: int) -> None:
        """FALLOCATE."""
        self.call(Opcode.FALLOCATE, node, wire.pack(wire_special.FallocateIn(fh, offset, length, mode)))

    def copy_file_range(
        self, node_in: int, fh_in: int, off_in: int, node_out: int, fh_out: int, off_out: int, length: int
    ) -> int:
        """COPY_FILE_RANGE: how many bytes were copied."""
        body = wire.pack(wire_special.CopyFileRangeIn(fh_in, off_in, node_out, fh_out, off_out, length))
        return wire.unpack(wire.WriteOut, self.call(Opcode.COPY_FILE_RANGE, node_in, body)).size

    # -- inodes ------------------------------------------------------------------------------------

    def statx(
        self, node: int, fh: int | None = None, *, flags: int = 0, mask: int = _STATX_BASIC_AND_BIRTH
    ) -> wire_special.StatxOut:
        """STATX."""
        body = wire.pack(wire_special.StatxIn(0 if fh is None else GETATTR_FH, fh or 0, flags, mask))
        return wire.unpack(wire_special.StatxOut, self.call(Opcode.STATX, node, body))

    def tmpfile(
        self,
        parent: int,
        flags: int = os.O_RDWR,
        mode: int = 0o600,
        *,
        umask: int = 0o022,
        taken: Callable[[Entry], None] | None = None,
    ) -> tuple[Entry, Opened]:
        """TMPFILE: make a file without a name and open it."""
        body = wire.pack(wire.CreateIn(flags, mode | 0o100000, umask)) + b"/\0"
        return self._created(Opcode.TMPFILE, parent, body, taken)

    def syncfs(self, node: int = 1) -> None:
        """SYNCFS."""
        self.call(Opcode.SYNCFS, node, wire.pack(wire_special.SyncfsIn()))
