"""`diff`: what is different between two trees."""

from __future__ import annotations

import stat
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from fusetree.nodes.auto import as_node
from fusetree.nodes.directory import Dir
from fusetree.nodes.printed import printable
from fusetree.nodes.symlink import Symlink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusetree.nodes.base import Node
    from fusetree.nodes.filenode import FileNode

__all__ = ["Difference", "diff"]


@attrs.frozen
class Difference:
    """One difference between two trees. Its text is one line, such as ``+ new/file``.

    Attributes:
        path: Where, from the top of the two; empty for the top itself.
        kind: "added" (only in the second), "removed" (only in the first), or what differs: "type", "mode",
            "owner", "target" of a symbolic link, "content" of a file.
        before: What the first has: text to show, or None.
        after: What the second has: text to show, or None.
    """

    path: str
    kind: str
    before: str | None = None
    after: str | None = None

    def __str__(self) -> str:
        path = printable(self.path) or "/"
        sign = _SIGNS.get(self.kind)
        if sign is not None:
            return f"{sign} {path}"
        return f"! {path}: {self.kind} {self.before} -> {self.after}"


_SIGNS: Final = {"added": "+", "removed": "-"}


def diff(a: Any, b: Any) -> list[Difference]:
    """What is different between two trees: names, types, modes, owners, targets of links, contents of files.

    The order of names, times and inode numbers do not count. Contents are made where they have to be
    (computed files run); those of files that cannot be read are not compared, and a content that raises an
    exception counts as different from all but the same exception.

    Arguments:
        a: A node, or what becomes one by itself (a mapping, say).
        b: Another.

    Returns:
        The differences, by path; an empty list when there are none. Below what only one of the two has
        nothing is listed.

    Raises:
        TypeError: One of the two is no node and cannot become one.
    """
    return list(_compare("", as_node(a), as_node(b)))


def _compare(path: str, a: Node, b: Node) -> Iterator[Difference]:
    if a is b:
        return
    if a.file_type != b.file_type:
        yield Difference(path, "type", _type(a), _type(b))
        return
    if a.mode != b.mode:
        yield Difference(path, "mode", f"{a.mode:04o}", f"{b.mode:04o}")
    if (a.uid, a.gid) != (b.uid, b.gid):
        yield Difference(path, "owner", f"{a.uid}:{a.gid}", f"{b.uid}:{b.gid}")
    if isinstance(a, Dir) and isinstance(b, Dir):
        yield from _compare_children(path, dict(a.items()), dict(b.items()))
    elif isinstance(a, Symlink) and isinstance(b, Symlink):
        if a.target != b.target:
            yield Difference(path, "target", printable(a.target), printable(b.target))
    elif stat.S_ISREG(a.file_type):
        before, after = _content(cast("FileNode", a)), _content(cast("FileNode", b))
        if before != after:
            yield Difference(path, "content", _shown(before), _shown(after))


def _compare_children(path: str, a: dict[str, Node], b: dict[str, Node]) -> Iterator[Difference]:
    for name in sorted({*a, *b}):
        below = f"{path}/{name}" if path else name
        if name not in b:
            yield Difference(below, "removed")
        elif name not in a:
            yield Difference(below, "added")
        else:
            yield from _compare(below, a[name], b[name])


def _type(node: Node) -> str:
    letter = stat.filemode(node.file_type)[0]
    return {"-": "file", "d": "directory", "l": "link"}.get(letter, letter)


def _content(file: FileNode) -> bytes | str | None:
    """The bytes, the text of the exception that came instead, or None for what cannot be read."""
    if not file.readable:
        return None
    try:
        content: object = file.content()
        if isinstance(content, CoroutineType):
            content.close()
            return "made by an async function"
        return cast("bytes", content)
    except Exception as error:  # noqa: BLE001 - it is part of the answer
        return f"{type(error).__name__}: {error}"


def _shown(content: bytes | str | None) -> str:
    if content is None:
        return "unreadable"
    if isinstance(content, str):
        return content
    return repr(content) if len(content) <= 40 else f"{content[:30]!r}... ({len(content)} bytes)"
