"""The listing of an open directory whose class answers `list` by itself.

Names are taken from the program as readers go on, so a million of them are never built at once, and each is
remembered under its place: a reader may go back, and a reply that was lost is asked for again. Requests of
one open directory come one after another, since the kernel holds the lock of its position.

A generator that has raised, or was cancelled because its reader got a signal, gives nothing any more. Who
reads on after that is served by a new one, less the names that were given.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING, Any

from fusetree.adapter.names import encode
from fusetree.adapter.usercode import call
from fusetree.lowlevel import readdir_name
from fusetree.nodes.base import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.adapter.kinds import Method
    from fusetree.adapter.steps import Steps
    from fusetree.lowlevel import ReaddirToken
    from fusetree.nodes.directory import Dir

__all__ = ["Listing"]

_DOTS = 2  # "." and ".." have the first two places
_DT_DIR = 4


class Listing:
    """What has been taken of a directory's names so far. `rewind` comes first.

    Arguments:
        directory: The directory.
        method: Its class's `list`.
        parent_ino: The inode number that ".." shows.
    """

    __slots__ = ("_asynchronous", "_directory", "_given", "_method", "_seen", "_take")

    def __init__(self, directory: Dir, method: Method, parent_ino: int) -> None:
        self._directory = directory
        self._method = method
        self._seen: list[tuple[bytes, int, int]] = [
            (b".", directory.ino, _DT_DIR),
            (b"..", parent_ino, _DT_DIR),
        ]
        # Takes one more name from the program; None when it raised the last time.
        self._take: Callable[[], Any] | None = None
        self._asynchronous: AsyncIterator[object] | None = None
        self._given: frozenset[bytes] = frozenset()  # what a new iterator is to leave out

    def rewind(self) -> Steps[None]:
        """Begin, or begin again, with what there is now."""
        yield from self.close()
        del self._seen[_DOTS:]
        yield from self._begin()

    def close(self) -> Steps[None]:
        """Nothing more is taken: an asynchronous generator ends here and now."""
        self._take = None
        close = getattr(self._asynchronous, "aclose", None)
        self._asynchronous = None
        if close is not None:
            yield _ending(close)

    def _begin(self) -> Steps[None]:
        names = yield call(self._method, self._directory)
        if isinstance(names, AsyncIterable):
            asynchronous = self._asynchronous = aiter(names)
            self._take = functools.partial(_following, asynchronous)
        else:
            self._take = functools.partial(call, next, iter(names), None)
        self._given = frozenset(name for name, _, _ in self._seen[_DOTS:])

    def fill(self, token: ReaddirToken, place: int) -> Steps[None]:
        """Fill a reply with the names from a place on."""
        if place == 0 and len(self._seen) > _DOTS:
            yield from self.rewind()
        while True:
            if place < len(self._seen):
                name, ino, d_type = self._seen[place]
            else:
                if self._take is None:
                    yield from self._begin()
                taken = yield from self._taken()
                if taken is None:
                    return
                name, ino, d_type = self._told(taken)
                if name in self._given:
                    continue
                if b"/" in name or not name:  # the kernel would give up the listing, and say nothing
                    raise ValueError(f"{self._where()} gave a name that nothing can have: {taken!r}")
                self._seen.append((name, ino, d_type))
            place += 1
            if not readdir_name(token, name, ino, d_type, place):
                return

    def _taken(self) -> Steps[object]:
        take, self._take = self._take, None
        assert take is not None
        taken = yield take()
        self._take = take
        return taken

    def _told(self, taken: object) -> tuple[bytes, int, int]:
        if isinstance(taken, str):
            return encode(taken), 0, 0
        if isinstance(taken, tuple) and len(taken) == 2:
            name, node = taken
            if isinstance(name, str) and isinstance(node, Node):
                return encode(name), node.ino, node.file_type >> 12
        if isinstance(taken, tuple) and len(taken) == 3:
            name, ino, d_type = taken
            if isinstance(name, str) and isinstance(ino, int) and isinstance(d_type, int):
                return encode(name), ino, d_type
        raise TypeError(
            f"{self._where()} must give names, pairs of name and node, or name, inode number and type, not "
            f"{taken!r}"
        )

    def _where(self) -> str:
        return f"{type(self._directory).__name__}.list()"


async def _following(names: AsyncIterator[object]) -> object:
    return await anext(names, None)


async def _ending(close: Callable[[], Any]) -> None:
    await close()
