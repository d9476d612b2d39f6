"""Messages that no kernel would send: nothing crashes, and whoever sends proper ones is served on."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from fusetree import Dir, File, lowlevel
from fusetree.adapter import NodeOperations
from fusetree.testing import Opcode, wire
from fusetree.testing.protocol import DEFAULT_CAPABILITIES
from tests.lowlevel.device import Device
from tests.support import python

HEADER = struct.Struct("=IIQQIIII")
GETATTR_BODY = bytes(16)


class Wire:
    """The kernel's end of a session, with nothing checked but the frames of the answers."""

    def __init__(self, operations: lowlevel.Operations) -> None:
        self.socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        with other:
            self.session = lowlevel.Session(operations, fd=other.fileno())
        flags = int(DEFAULT_CAPABILITIES)
        init = wire.InitIn(7, 38, 131072, flags & 0xFFFFFFFF, flags >> 32)
        self.send(Opcode.INIT, 1, 0, wire.pack(init))
        self.session.start()
        self.answer()
        self.unique = 1_000_000

    def send(self, opcode: int, unique: int, node: int, body: bytes, *, length: int | None = None) -> None:
        size = HEADER.size + len(body) if length is None else length
        self.socket.sendall(HEADER.pack(size, opcode, unique, node, 0, 0, 0, 0) + body)

    def answer(self) -> tuple[int, int, bytes]:
        """The next answer or notification: error, unique, body."""
        length, error, unique = struct.unpack("=IiQ", self._exactly(16))
        return error, unique, self._exactly(length - 16)

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def lives(self) -> bool:
        """Whether a proper request is still answered; all that came before is taken in."""
        self.unique += 2
        self.send(Opcode.GETATTR, self.unique, 1, GETATTR_BODY)
        while True:
            error, unique, body = self.answer()
            if unique == self.unique:
                return error == 0 and len(body) == 104

    def close(self) -> None:
        self.session.close()
        self.socket.close()


class Patient(Device):
    """Nobody waits for locks here, and no size is too odd to say no to quickly."""

    def _lock(self, locks: Any, lock: Any, wait: bool, ctx: Any) -> None:
        super()._lock(locks, lock, False, ctx)

    def write(self, fh: int, off: int, buf: memoryview) -> int:
        assert len(bytes(buf)) == len(buf)
        return len(buf)

    def read(self, fh: int, off: int, size: int) -> bytes:
        return b""

    def _resize(self, inode: int, size: int) -> None:
        raise OSError(27, "too big")

    def readdir(self, fh: int, start_id: int, token: lowlevel.ReaddirToken) -> None:
        lowlevel.readdir_reply(token, b"a", self.attributes(1), 1)

    def getxattr(self, inode: int, name: bytes, ctx: lowlevel.RequestContext) -> bytes:
        return b"value"

    def setxattr(self, inode: int, name: bytes, value: bytes, ctx: lowlevel.RequestContext) -> None:
        pass

    def forget(self, inode_list: Any) -> None:
        pass


def tree() -> NodeOperations:
    return NodeOperations(Dir({"f": File(b"content", mode=0o644), "d": {"g": "text\n"}, "c": lambda: "made"}))


@contextmanager
def served(kind: str) -> Iterator[Wire]:
    operations: Any = Patient() if kind == "handlers" else tree()
    end = Wire(operations)
    try:
        yield end
    finally:
        end.close()
        if kind == "tree":
            operations.close()


KINDS = ["handlers", "tree"]
SAFE = [opcode for opcode in range(1, 64) if opcode not in (Opcode.INIT, Opcode.DESTROY)]
bodies = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([0, 1, 2, 7, 255, 2**31, 2**32 - 1]), max_size=40).map(
        lambda numbers: b"".join(struct.pack("=I", n) for n in numbers)
    ),
)
requests = st.lists(
    st.tuples(st.sampled_from(SAFE), st.integers(0, 9) | st.integers(0, 2**64 - 1), bodies), max_size=20
)


@pytest.mark.parametrize("kind", KINDS)
def test_random_bodies_of_every_operation(kind: str) -> None:
    with served(kind) as end:

        @settings(
            max_examples=150,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @example([(Opcode.WRITE, 2, struct.pack("=QQIIQII", 2, 0, 2**32 - 1, 0, 0, 0, 0))])
        @example([(Opcode.BATCH_FORGET, 0, struct.pack("=II", 2**32 - 1, 0))])
        @example([(Opcode.SETXATTR, 2, struct.pack("=II", 2**32 - 1, 0) + b"user.a\0x")])
        @example([(Opcode.IOCTL, 2, struct.pack("=QIIQII", 2, 0, 1, 0, 2**32 - 1, 0))])
        @example([(Opcode.LOOKUP, 1, b"no end")])
        @example([(Opcode.READDIRPLUS, 1, struct.pack("=QQIIQII", 1, 0, 2**32 - 1, 0, 0, 0, 0))])
        @given(requests)
        def send(messages: list[tuple[int, int, bytes]]) -> None:
            for number, (opcode, node, body) in enumerate(messages):
                end.send(opcode, 2 * number + 2, node, body)
            assert end.lives()

        send()


@pytest.mark.parametrize("kind", KINDS)
def test_every_operation_cut_off_anywhere(kind: str) -> None:
    whole = struct.pack("=QQIIQII", 2, 0, 4, 0, 0, 0, 0) + b"name\0other\0" + bytes(60)
    with served(kind) as end:
        for opcode in SAFE:
            for size in range(0, len(whole), 3):
                end.send(opcode, 2, 2, whole[:size])
            assert end.lives(), opcode


def test_operations_that_do_not_exist() -> None:
    with served("handlers") as end:
        for opcode in (0, 7, 19, 54, 63, 64, 4095, 4096, 4097, 65535, 2**31, 2**32 - 1):
            end.send(opcode, 2, 1, b"body")
            error, unique, _ = end.answer()
            assert (error < 0, unique) == (True, 2), opcode
        end.send(Opcode.INIT, 2, 1, bytes(64))
        assert end.answer()[0] < 0
        assert end.lives()


def test_a_malformed_request_is_answered_and_a_forget_is_not() -> None:
    with served("handlers") as end:
        end.send(Opcode.GETATTR, 2, 1, bytes(15))
        assert end.answer()[:2] == (-38, 2)
        end.send(Opcode.FORGET, 4, 1, bytes(7))
        end.send(Opcode.BATCH_FORGET, 6, 0, struct.pack("=II", 3, 0) + bytes(47))
        assert end.lives()


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize("seed", range(3))
def test_noise_ends_the_session_and_nothing_else(seed: int) -> None:
    """Bytes that are not even frames: in a process of its own, which must end as it should."""
    program = """
import random, sys
from tests.lowlevel.test_malformed import Wire, Patient, tree
dice = random.Random(int(sys.argv[1]))
for round in range(20):
    end = Wire(Patient() if round % 2 else tree())
    end.socket.setblocking(False)
    try:
        for _ in range(50):
            end.socket.sendall(dice.randbytes(dice.choice([1, 3, 40, 41, 200, 5000])))
    except OSError:
        pass
    end.close()
print("done")
"""
    assert python("-c", program, str(seed), timeout=50).ok().text == "done\n"


def test_the_capabilities_that_a_client_offers_are_taken_as_they_come() -> None:
    dice = random.Random(1)
    for _ in range(20):
        end, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with other:
            session = lowlevel.Session(Patient(), fd=other.fileno())
        end.settimeout(20)
        body = dice.randbytes(64)
        body = struct.pack("=II", 7, dice.randrange(12, 60)) + body[8:]
        end.sendall(HEADER.pack(40 + len(body), Opcode.INIT, 2, 0, 0, 0, 0, 0) + body)
        end.shutdown(socket.SHUT_WR)
        try:
            session.start()
        except OSError:
            pass  # refused is right, too
        session.close()
        end.close()
