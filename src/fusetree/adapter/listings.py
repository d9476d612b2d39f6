"""The listing of an open directory whose class answers `list` by itself.

Names are taken from the program as readers go on, so a million of them are never built at once, and each is
remembered under its place: a reader may go back, and a reply that was lost is asked for again. Requests of
one open directory come one after another, since the kernel holds the lock of its position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusetree.adapter.names import encode
from fusetree.adapter.usercode import call
from fusetree.lowlevel import readdir_name
from fusetree.nodes.base import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusetree.adapter.kinds import Method
    from fusetree.lowlevel import ReaddirToken
    from fusetree.nodes.directory import Dir

__all__ = ["Listing"]

_DOTS = 2  # "." and ".." have the first two places
_DT_DIR = 4


class Listing:
    """What has been taken of a directory's names so far.

    Arguments:
        directory: The directory.
        method: Its class's `list`.
        parent_ino: The inode number that ".." shows.
    """

    __slots__ = ("_directory", "_method", "_rest", "_seen")

    def __init__(self, directory: Dir, method: Method, parent_ino: int) -> None:
        self._directory = directory
        self._method = method
        self._seen: list[tuple[bytes, int, int]] = [
            (b".", directory.ino, _DT_DIR),
            (b"..", parent_ino, _DT_DIR),
        ]
        self._rest: Iterator[object] = iter(())
        self.rewind()

    def rewind(self) -> None:
        """Begin again, with what there is now."""
        del self._seen[_DOTS:]
        self._rest = iter(call(self._method, self._directory))

    def fill(self, token: ReaddirToken, place: int) -> None:
        """Fill a reply with the names from a place on."""
        if place == 0 and len(self._seen) > _DOTS:
            self.rewind()
        while True:
            if place < len(self._seen):
                name, ino, d_type = self._seen[place]
            else:
                taken = call(next, self._rest, None)
                if taken is None:
                    return
                name, ino, d_type = self._told(taken)
                self._seen.append((name, ino, d_type))
            place += 1
            if not readdir_name(token, name, ino, d_type, place):
                return

    def _told(self, taken: object) -> tuple[bytes, int, int]:
        if isinstance(taken, str):
            return encode(taken), 0, 0
        if isinstance(taken, tuple) and len(taken) == 2:
            name, node = taken
            if isinstance(name, str) and isinstance(node, Node):
                return encode(name), node.ino, node.file_type >> 12
        where = f"{type(self._directory).__name__}.list()"
        raise TypeError(f"{where} must give names or pairs of name and node, not {taken!r}")
