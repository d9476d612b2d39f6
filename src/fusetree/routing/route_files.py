"""The files of routes: nodes that keep the values of their parameters, so nothing is matched again.

A file whose handler makes the whole content is what a computed file is: made at open, and that open reads it
in C. One whose handler reads parts is asked at each read.
"""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from fusetree.nodes import ComputedFile, FileNode, WriteStyle
from fusetree.nodes.base import node_class
from fusetree.nodes.docs import function_doc
from fusetree.nodes.entries import check_size
from fusetree.nodes.refusals import refused
from fusetree.routing.steps import stepwise

if TYPE_CHECKING:
    from fusetree.nodes import Attributes
    from fusetree.routing.route import FileRoute, Route

__all__ = ["RangedFile", "RouteFile", "class_of"]

Values = dict[str, Any]
Steps = Generator[Any, Any, Any]


@node_class
class RouteFile(ComputedFile):
    """A file whose handler makes the whole content: a computed file that may be written."""

    _route_: FileRoute[Any]
    _values_: Values
    # Those that its name alone has, if no other pattern takes the name first.
    _own_: Values | None

    def __init__(self, route: FileRoute[Any], values: Values) -> None:
        ComputedFile.__init__(self, functools.partial(route.handler, **values), route.options, route.hints)
        self._mode_ = route.mode
        self._route_ = route
        self._values_ = values
        self._own_ = None

    def _rebind_(self, values: Values) -> None:
        """These parameters have other values from now on: it was renamed, or a directory above it."""
        self._values_ = {**self._values_, **values}
        self._own_ = None
        self._function_ = functools.partial(self._route_.handler, **self._values_)

    def _retire_(self) -> None:
        """It has lost its name."""
        self._route_ = self._route_.without_name
        self._rebind_({})

    @property
    def write_style(self) -> WriteStyle:
        route = self._route_
        if "write" not in route.handlers:
            return WriteStyle.NONE
        return WriteStyle.VALUE if route.by_value else WriteStyle.DOCUMENT

    @property
    def readable(self) -> bool:
        return self._mode_ & 0o444 != 0

    @property
    def writable(self) -> bool:
        return "write" in self._route_.handlers

    @stepwise
    def store(self, data: bytes, append: bool = False) -> Steps:
        """Hand what was written to the handler; a coroutine, if that is one."""
        check_size(data)
        route = self._route_
        yield route.handlers["write"](**self._values_, **{route.written: route.codec.decode(data)})
        self.changed()

    def __repr__(self) -> str:
        return _shown(self._route_, self._values_)


class AttributedFile(RouteFile):
    """A file whose route knows its attributes."""

    __slots__ = ()

    def getattr(self) -> Any:
        """What the route says."""
        return self._route_.handlers["getattr"](**self._values_)


@node_class
class RangedFile(FileNode):
    """A file whose handler reads parts, and is called for each."""

    _route_: FileRoute[Any]
    _values_: Values
    # Those that its name alone has, if no other pattern takes the name first.
    _own_: Values | None
    # Whether it was made just now, and is empty.
    _is_new_: bool

    def __init__(self, route: FileRoute[Any], values: Values) -> None:
        FileNode.__init__(self, mode=route.mode)
        self._route_ = route
        self._values_ = values
        self._own_ = None
        self._is_new_ = False

    @property
    def ttl(self) -> float:
        return self._route_.ttl

    @property
    def readable(self) -> bool:
        return self._mode_ & 0o444 != 0

    def open(self, flags: int) -> None:
        """Refuse reading what is only to be written."""
        if flags & os.O_ACCMODE != os.O_WRONLY and not self.readable:
            raise refused(errno.EACCES)

    def read(self, size: int, offset: int) -> Any:
        """What the handler reads."""
        return self._route_.handler(**self._values_, size=size, offset=offset)

    def _rebind_(self, values: Values) -> None:
        """These parameters have other values from now on: it was renamed, or a directory above it."""
        self._values_ = {**self._values_, **values}
        self._own_ = None

    def _retire_(self) -> None:
        """It has lost its name."""
        self._route_ = self._route_.without_name
        self._own_ = None

    def _doc_(self) -> str | None:
        return function_doc(self._route_.handler)

    def __repr__(self) -> str:
        return _shown(self._route_, self._values_)


class AttributedRangedFile(RangedFile):
    """The same, of a route that knows its attributes."""

    __slots__ = ()

    def getattr(self) -> Any:
        """What the route says."""
        return self._route_.handlers["getattr"](**self._values_)


class WritableRangedFile(RangedFile):
    """A file that is read and written in parts."""

    __slots__ = ()

    @property
    def writable(self) -> bool:
        return True

    @stepwise
    def write(self, data: bytes, offset: int) -> Steps:
        """Hand a piece to the handler."""
        route = self._route_
        taken = yield route.handlers["write"](**self._values_, **{route.written: data}, offset=offset)
        self.changed()
        return taken if isinstance(taken, int) else None

    @stepwise
    def setattr(self, changes: Attributes) -> Steps:
        """Set the size, if the route can, and the times."""
        if (changes.mode, changes.uid, changes.gid) != (None, None, None):
            raise refused(errno.EROFS)
        if changes.size is not None:
            handler = self._route_.handlers.get("truncate")
            is_new, self._is_new_ = self._is_new_, False
            if handler is not None:
                yield handler(**self._values_, size=changes.size)
                self.changed()
            elif changes.size or not is_new:  # O_TRUNC of open(2) that has made it
                raise refused(errno.EROFS)


class AttributedWritableFile(WritableRangedFile):
    """The same, of a route that knows its attributes."""

    __slots__ = ()

    def getattr(self) -> Any:
        """What the route says."""
        return self._route_.handlers["getattr"](**self._values_)


def _shown(route: Route[Any], values: Values) -> str:
    filled = ", ".join(f"{name}={value!r}" for name, value in values.items())
    return f"<{route}{f' ({filled})' if filled else ''}>"


def class_of(route: FileRoute[Any]) -> type[RouteFile | RangedFile]:
    """The class of the nodes of a route."""
    attributed = "getattr" in route.handlers
    if not route.ranged:
        return AttributedFile if attributed else RouteFile
    if "write" in route.handlers:
        return AttributedWritableFile if attributed else WritableRangedFile
    return AttributedRangedFile if attributed else RangedFile
