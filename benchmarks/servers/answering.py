"""One file system in memory three times: as nodes that answer by themselves, by routes, and by whole paths.

    node      classes of nodes with `lookup`, `list`, `getattr` and `open`, whose handles read and write
    route     a `Router` whose handlers get the names as parameters
    paths     `PathOperations` with the very handlers that fusepy and mfusepy are measured with (pathtree.py)

What they do is the same, two look-ups in dictionaries, so a difference is what finding the handler costs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from benchmarks.content import Tree
from benchmarks.servers import pathtree


def nodes(tree: Tree) -> Any:
    """*tree* as nodes that answer by themselves."""
    from fusetree import Attributes, Dir, FileNode

    class Opened:
        def __init__(self, content: bytes | bytearray) -> None:
            self.content = content

        def read(self, size: int, offset: int) -> bytes:
            return bytes(self.content[offset : offset + size])

        def write(self, data: bytes, offset: int) -> int:
            assert isinstance(self.content, bytearray)
            self.content[offset : offset + len(data)] = data
            return len(data)

    class Content(FileNode):
        def __init__(self, content: bytes | bytearray) -> None:
            super().__init__(mode=0o644)
            self.bytes = content

        def getattr(self) -> Attributes:
            return Attributes(size=len(self.bytes), mode=0o644)

        def open(self, flags: int) -> Opened:
            return Opened(self.bytes)

    class Names(Dir):
        def __init__(self, entries: dict[str, Any]) -> None:
            super().__init__()
            self.entries = entries

        def lookup(self, name: str) -> Any:
            return self.entries.get(name)

        def list(self) -> Iterable[str]:
            return self.entries

    def made(name: str, entry: bytes | Tree) -> Any:
        if isinstance(entry, dict):
            return Names({below: made(below, one) for below, one in entry.items()})
        return Content(bytearray(entry) if name == "sink" else entry)

    return made("", tree)


def routes(tree: Tree) -> Any:
    """*tree* by routes, one for each depth."""
    from fusetree import Attributes, Router

    files = {name: entry for name, entry in tree.items() if isinstance(entry, bytes)}
    folders = {name: entry for name, entry in tree.items() if isinstance(entry, dict)}
    app = Router()

    @app.file("/{name}")
    def file(name: str, size: int, offset: int) -> bytes:
        return files[name][offset : offset + size]

    @file.getattr
    def _(name: str) -> Attributes:
        return Attributes(size=len(files[name]), mode=0o644)

    app.list("/")(lambda: files)

    def below(folder: str, entries: Tree) -> None:
        @app.file(f"/{folder}/{{name}}")
        def inner(name: str, size: int, offset: int) -> bytes:
            content = entries[name]
            assert isinstance(content, bytes)
            return content[offset : offset + size]

        @inner.getattr
        def _(name: str) -> Attributes:
            return Attributes(size=len(entries[name]), mode=0o644)

        app.list(f"/{folder}")(lambda: entries)

    for folder, entries in folders.items():
        below(folder, entries)
    return app


def paths(tree: Tree) -> Any:
    """*tree* by the handlers of whole paths."""
    from fusetree import PathOperations

    class FuseOSError(OSError):
        def __init__(self, number: int) -> None:
            super().__init__(number, os.strerror(number))

    return pathtree.operations(SimpleNamespace(Operations=PathOperations, FuseOSError=FuseOSError), tree)


MADE = {"node": nodes, "route": routes, "paths": paths}
