"""Names for the plain values that handlers take and give; aliases without behaviour.

They are aliases and not `NewType`s: a file system that keeps its own inode numbers passes its own ints.
"""

from __future__ import annotations

import os
from typing import TypeAlias, Union

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
#: What a read may be answered with: any object with the buffer protocol is taken at run time.
ReadableBuffer: TypeAlias = bytes | bytearray | memoryview
