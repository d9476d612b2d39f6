"""A directory of the host whose files are kept under a key: encrypted_view.py DIR MOUNTPOINT

A file in DIR is a random number, then its bytes combined with a keyed stream of BLAKE2b. It is no vault.
"""

import os
import sys
from hashlib import blake2b
from typing import Any

import attrs

from fusetree import Attributes, HostDir, WrapDir, WrapFile, WrapHandle, run

HEADER, BLOCK = 16, 64
KEY = blake2b(os.environ.get("VIEW_PASSWORD", "").encode()).digest()


class KeyedHandle(WrapHandle):
    """An open file."""

    def mixed(self, data: bytes, offset: int) -> bytes:
        number = super().read(HEADER, 0)
        places = (n.to_bytes(8, "big") for n in range(offset // BLOCK, (offset + len(data)) // BLOCK + 1))
        pad = b"".join(blake2b(number + place, key=KEY).digest() for place in places)
        return bytes(a ^ b for a, b in zip(data, pad[offset % BLOCK :], strict=False))

    def read(self, size: int, offset: int) -> bytes:
        return self.mixed(super().read(size, offset + HEADER), offset)

    def write(self, data: bytes, offset: int) -> int:
        if not super().read(HEADER, 0):
            super().write(os.urandom(HEADER), 0)
        start = min(offset, self.file.getattr().size or 0)  # a gap reads as zeros, so it is written as such
        super().write(self.mixed(bytes(offset - start) + bytes(data), start), start + HEADER)
        return len(data)


class KeyedFile(WrapFile):
    """A file without its random number."""

    handle_class = KeyedHandle

    def open(self, flags: int) -> Any:
        return super().open(flags & ~os.O_WRONLY | os.O_RDWR if flags & os.O_ACCMODE else flags)

    def getattr(self) -> Attributes:
        return attrs.evolve(found := super().getattr(), size=max(0, (found.size or 0) - HEADER))

    def setattr(self, changes: Attributes) -> None:
        if changes.size and (grown := changes.size - (self.getattr().size or 0)) > 0:
            handle = self.open(os.O_RDWR)
            handle.write(bytes(grown), changes.size - grown)
            handle.release()
        super().setattr(attrs.evolve(changes, size=changes.size + HEADER) if changes.size else changes)


WrapKeyed = type("WrapKeyed", (WrapDir,), {"file_class": KeyedFile})
run(WrapKeyed(HostDir(sys.argv[1], writable=True)), sys.argv[2])
