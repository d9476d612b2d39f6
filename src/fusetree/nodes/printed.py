"""`tree`: a tree as text, with modes, sizes and docs."""

from __future__ import annotations

import stat
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, cast

from fusetree.nodes.auto import as_node
from fusetree.nodes.directory import Dir
from fusetree.nodes.docs import doc_of
from fusetree.nodes.symlink import Symlink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusetree.nodes.base import Node
    from fusetree.nodes.filenode import FileNode

__all__ = ["Printed", "tree"]

_BRANCH: Final = ("├── ", "│   ")
_LAST: Final = ("└── ", "    ")


class Printed(str):
    """Text that shows itself as it is, so that a Python prompt prints it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def tree(root: Any, *, depth: int | None = None, limit: int = 1000) -> Printed:
    """A tree as text: a line for each name, with mode, size in bytes, and the first line of what it is
    (`entry(doc=...)`, docstrings).

    The size of what is only known after its content was made is "-", and "?" where the program's code raised
    an exception when it was asked for. Nothing is mounted, and nothing is written.

    Arguments:
        root: A node, or what becomes one by itself (a mapping, say).
        depth: How many levels below `root` are shown; None for all.
        limit: How many names of one directory are shown; a line tells of more.

    Returns:
        Text, without a newline at its end. A Python prompt shows it as it is.

    Raises:
        TypeError: `root` is no node and cannot become one.
    """
    node = as_node(root)
    lines = [_line(node, "", "/" if isinstance(node, Dir) else "")]
    if isinstance(node, Dir):
        lines.extend(_below(node, "", depth, limit))
    width = max(len(size) for _, size, _, _ in lines)
    return Printed(
        "\n".join(
            f"{mode} {size:>{width}} {name}{f'  # {doc}' if doc else ''}" for mode, size, name, doc in lines
        )
    )


_Line = tuple[str, str, str, str]


def _below(directory: Dir, indent: str, depth: int | None, limit: int) -> Iterator[_Line]:
    if depth is not None and depth <= 0:
        return
    children = directory.items()
    shown = children[:limit]
    for number, (name, child) in enumerate(shown, 1):
        branch, further = _LAST if number == len(children) else _BRANCH
        yield _line(child, indent + branch, printable(name))
        if isinstance(child, Dir):
            yield from _below(child, indent + further, None if depth is None else depth - 1, limit)
    if len(children) > limit:
        yield (" " * 10, "", f"{indent}{_LAST[0]}... and {len(children) - limit} more", "")


def _line(node: Node, branch: str, name: str) -> _Line:
    mode = stat.filemode(node.file_type | node.mode)
    target = f" -> {printable(node.target)}" if isinstance(node, Symlink) else ""
    doc = doc_of(node)
    return mode, _size(node), f"{branch}{name}{target}", doc.splitlines()[0] if doc else ""


def _size(node: Node) -> str:
    if isinstance(node, Symlink):
        return str(len(node.target.encode("utf-8", "surrogateescape")))
    if node.file_type != stat.S_IFREG:
        return "-"
    try:
        size: object = cast("FileNode", node).size()
    except Exception:  # noqa: BLE001 - a picture of the tree shows what it can
        return "?"
    if isinstance(size, CoroutineType):  # of an async function, which nobody is going to await here
        size.close()
        return "-"
    return "-" if size is None else str(size)


def printable(name: str) -> str:
    """A name with what a terminal could not show, or would obey, written as escapes."""
    if name.isprintable():
        return name
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in name
    )
