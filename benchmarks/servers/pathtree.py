"""One file system in memory for the path API of fusepy and mfusepy.

Attributes are made once for each path, so a handler does two dictionary look-ups and no more.
"""

from __future__ import annotations

import argparse
import errno
import os
import stat
from typing import Any

from benchmarks import content
from benchmarks.content import Tree
from benchmarks.servers import burning


def operations(binding: Any, tree: Tree) -> Any:
    """An instance of `binding.Operations` that serves *tree*; *binding* is the module fuse or mfusepy."""
    attributes: dict[str, dict[str, int]] = {}
    contents: dict[str, bytes | bytearray] = {}
    listings: dict[str, list[str]] = {}
    error = binding.FuseOSError
    ids = {"st_uid": os.getuid(), "st_gid": os.getgid()}

    def add(path: str, entry: bytes | Tree) -> None:
        if isinstance(entry, bytes):
            contents[path] = bytearray(entry) if path == "/sink" else entry
            attributes[path] = {"st_mode": stat.S_IFREG | 0o644, "st_nlink": 1, "st_size": len(entry), **ids}
            return
        attributes[path] = {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2, **ids}
        listings[path] = list(entry)
        for name, below in entry.items():
            add(f"{path.rstrip('/')}/{name}", below)

    add("/", tree)

    class Operations(binding.Operations):  # type: ignore[misc]  # the base is chosen at run time
        use_ns = True

        def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
            found = attributes.get(path)
            if found is None:
                raise error(errno.ENOENT)
            return found

        def open(self, path: str, flags: int) -> int:
            return 0

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return bytes(contents[path][offset : offset + size])

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            target = contents[path]
            assert isinstance(target, bytearray)
            target[offset : offset + len(data)] = data
            attributes[path]["st_size"] = len(target)
            return len(data)

        def truncate(self, path: str, length: int, fh: int | None = None) -> None:
            target = contents[path]
            assert isinstance(target, bytearray)
            del target[length:]
            attributes[path]["st_size"] = len(target)

        def create(self, path: str, mode: int, fi: Any = None) -> int:
            contents[path] = bytearray()
            attributes[path] = {
                "st_mode": stat.S_IFREG | stat.S_IMODE(mode),
                "st_nlink": 1,
                "st_size": 0,
                **ids,
            }
            parent, _, name = path.rpartition("/")
            listings[parent or "/"].append(name)
            return 0

        def unlink(self, path: str) -> None:
            parent, _, name = path.rpartition("/")
            listings[parent or "/"].remove(name)
            del contents[path], attributes[path]

        def readdir(self, path: str, fh: int) -> list[str]:
            return [".", "..", *listings[path]]

    return Operations()


def serve(binding: Any) -> None:
    """The program of fusepy and of mfusepy: SOURCE MOUNTPOINT [--threads] [--burn]."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("mountpoint")
    parser.add_argument("--threads", action="store_true", help="handle requests in several threads")
    parser.add_argument("--burn", action="store_true")
    arguments = parser.parse_args()
    served = operations(binding, content.load(arguments.source))
    if arguments.burn:
        burning.start()
    binding.FUSE(
        served,
        arguments.mountpoint,
        foreground=True,
        nothreads=not arguments.threads,
        fsname=binding.__name__,
        direct_io=True,
        attr_timeout=0,
        entry_timeout=0,
        negative_timeout=0,
    )
