"""Names for the plain values that handlers take and give; aliases without behaviour.

They are aliases and not `NewType`s: a file system that keeps its own inode numbers passes its own ints.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias, Union

if TYPE_CHECKING:
    from typing_extensions import (
        Buffer,  # every type checker has it; collections.abc does from Python 3.12 on
    )

__all__ = [
    "FileHandleT",
    "FileNameT",
    "FlagT",
    "InodeT",
    "ModeT",
    "PathT",
    "ReadableBuffer",
    "XAttrNameT",
]

#: A node id, as the kernel and the handlers exchange it. 1 is the root.
InodeT: TypeAlias = int
#: What `open` and `opendir` gave out and `read`, `release` and the like get back.
FileHandleT: TypeAlias = int
#: One component of a path, in bytes, without "/" and NUL.
FileNameT: TypeAlias = bytes
#: The flags of open(2) or renameat2(2).
FlagT: TypeAlias = int
#: Permission bits, with or without the file type's bits, as the handler's text says.
ModeT: TypeAlias = int
#: The name of an extended attribute, with its namespace.
XAttrNameT: TypeAlias = bytes
#: A path on the host.
PathT: TypeAlias = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
#: An object with the buffer protocol: bytes, bytearray, memoryview, array, mmap, a NumPy array.
ReadableBuffer: TypeAlias = "Buffer"
