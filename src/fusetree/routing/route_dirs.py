"""The directories of routes, and how a place of a router becomes a node.

A directory that has only literal names is a plain `Dir`, which the core answers for by itself. One with
parameters, a list or a link asks at each lookup, unless its `ttl` says otherwise; what it finds keeps the
values of its parameters, so nothing is matched again after lookup.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from fusetree.nodes import Dir, Node, Symlink
from fusetree.nodes.base import node_class
from fusetree.nodes.docs import function_doc
from fusetree.nodes.owed import Owed
from fusetree.nodes.refusals import refused
from fusetree.routing.listings import Names, kinds_of
from fusetree.routing.ondemand import OnDemandDir
from fusetree.routing.route import FileRoute, LinkRoute, ListRoute, MountedNode
from fusetree.routing.route_files import RangedFile, RouteFile, class_of
from fusetree.routing.steps import collected, owed, stepwise

if TYPE_CHECKING:
    from fusetree.routing.pattern import Segment
    from fusetree.routing.places import Place
    from fusetree.routing.route import Route

__all__ = ["FixedDir", "RestDir", "RouteDir", "build"]

Values = dict[str, Any]
Steps = Generator[Any, Any, Any]
# In a class that has a method `list`, the name means that.
_Listed = list[Any]
_Candidates = list[tuple["Segment", "Place", Values]]

_CHANGING: Final = ("create", "delete", "rename")


class FixedDir(Dir):
    """A directory that has only literal names."""

    __slots__ = ()

    def declares(self, name: str) -> bool:
        """The names are there as long as the directory, and go with it."""
        return True


@node_class
class RouteDir(OnDemandDir):
    """A directory of a router that has parameters, a list or links."""

    _at_: Place
    _values_: Values
    # What the list said, and until when it holds; None when it is asked each time.
    _told_: tuple[float, Names] | None

    def __init__(self, place: Place, values: Values, children: Mapping[str, Any]) -> None:
        OnDemandDir.__init__(self, children, _mode_of(place))
        self._at_ = place
        self._values_ = values
        self._told_ = None

    @property
    def ttl(self) -> float:
        return _ttl_of(self._at_)

    # ---- what programs ask

    def lookup(self, name: str) -> Any:
        """The node of a name: a literal one, or what the list knows, or what a pattern takes."""
        literal = self._tree_().get(name)
        if literal is not None:
            return literal
        known = self._known_as_(name)
        if not isinstance(known, (RouteFile, RangedFile)) or known._own_ is None:
            return self._search_(name)
        # The name need not be matched again.
        listing = self._at_.listing
        if listing is None or not listing.complete:
            return known
        names = self._kept_()
        if names is None:
            told = listing.handler(**self._values_)
            if isinstance(told, (CoroutineType, AsyncIterator)):
                return self._known_later_(name, known, owed(told))
            names = self._keep_(told)
        return known if names.has(known._own_) else self._search_(name)

    async def _known_later_(self, name: str, known: RouteFile | RangedFile, told: Owed) -> Any:
        value = await told.coroutine
        names = self._keep_(await collected(value) if isinstance(value, AsyncIterator) else value)
        if known._own_ is not None and names.has(known._own_):
            return known
        found = self._search_(name)
        return await found if isinstance(found, CoroutineType) else found

    @stepwise
    def _search_(self, name: str) -> Steps:
        fixed = self._at_.literals.get(name)
        if fixed is not None and isinstance(fixed.leaf, LinkRoute):
            return self._link_(name, (yield fixed.leaf.handler(**self._values_)))
        for number, (segment, place, found) in enumerate(self._candidates_(name)):
            exists = yield from self._exists_(segment, found)
            if not exists:
                continue
            if isinstance(place.leaf, LinkRoute):
                return self._link_(name, (yield place.leaf.handler(**self._values_, **found)))
            node = self._make_(name, place, found)
            if number == 0 and isinstance(node, (RouteFile, RangedFile)):
                node._own_ = found
            return node
        return None

    def list(self) -> Any:
        """The names: literal ones, and those that the list tells."""
        fixed: _Listed = [*self._tree_().items()]
        fixed += [name for name, place in self._at_.literals.items() if isinstance(place.leaf, LinkRoute)]
        listing = self._at_.listing
        if listing is None:
            return fixed
        names = self._kept_()
        if names is None:
            told = listing.handler(**self._values_)
            if isinstance(told, (CoroutineType, AsyncIterator)):
                return self._list_later_(fixed, owed(told) if isinstance(told, CoroutineType) else told)
            names = self._keep_(told)
        return self._names_(fixed, names)

    def _names_(self, fixed: _Listed, names: Names) -> Iterator[str | tuple[str, Node]]:
        yield from fixed
        literals = self._at_.literals
        for name in names.names(self._at_):
            if name not in literals:
                yield name

    async def _list_later_(self, fixed: _Listed, told: Any) -> AsyncIterator[str | tuple[str, Node]]:
        for one in fixed:
            yield one
        if isinstance(told, Owed):
            told = await told.coroutine
        literals = self._at_.literals
        listing = self._at_.listing
        if isinstance(told, AsyncIterator) and listing is not None and not listing.ttl:
            async for item in told:
                for name in Names(listing, [item]).names(self._at_):
                    if name not in literals:
                        yield name
            return
        if isinstance(told, AsyncIterator):
            told = await collected(told)
        for name in self._keep_(told).names(self._at_):
            if name not in literals:
                yield name

    def _candidates_(self, name: str) -> _Candidates:
        return [
            (segment, place, found)
            for segment, place in self._at_.parameters
            if (found := segment.match(name)) is not None
        ]

    def _exists_(self, segment: Segment, found: Values) -> Steps:
        listing = self._at_.listing
        if listing is None or not listing.complete:
            return True
        names = self._kept_()
        if names is None:
            names = self._keep_((yield listing.handler(**self._values_)))
        return names.has(found)

    def _kept_(self) -> Names | None:
        """What the list said, if that holds still."""
        told = self._told_
        return told[1] if told is not None and time.monotonic() < told[0] else None

    def _keep_(self, told: Any) -> Names:
        listing = self._at_.listing
        assert listing is not None
        names = Names(listing, told)
        if listing.ttl:
            names.keep()
            self._told_ = (time.monotonic() + listing.ttl, names)
        return names

    # ---- making nodes

    def _make_(self, name: str, place: Place, found: Values) -> Node:
        leaf = place.leaf
        values = {**self._values_, **found}
        if isinstance(leaf, FileRoute):
            kind = class_of(leaf)
            return self._remember_(name, kind, lambda: kind(leaf, values))
        directory: Node = self._remember_(name, directory_class(place), lambda: build(place, values))
        return directory

    def _link_(self, name: str, target: Any) -> Node:
        """A link, which is another one when its target is another: the kernel keeps targets."""
        target = os.fspath(target)
        known = self._known_as_(name)
        if isinstance(known, Symlink):
            if known.target == target:
                return known
            self._forget_(name)
        return self._remember_(name, Symlink, lambda: Symlink(target))

    def _doc_(self) -> str | None:
        listing = self._at_.listing
        return None if listing is None else function_doc(listing.handler)

    def __repr__(self) -> str:
        filled = ", ".join(f"{name}={value!r}" for name, value in self._values_.items())
        return f"<directory {self._at_.text!r}{f' ({filled})' if filled else ''}>"


class ChangingDir(RouteDir):
    """A directory of a router whose names programs can make, remove or move."""

    __slots__ = ()

    @stepwise
    def create(self, name: str, mode: int) -> Steps:
        """A new file, which the first route makes that takes the name and has a handler for it."""
        place, found = self._changing_(name, "create", FileRoute)
        yield self._call_(place.leaf, "create", found, mode=mode)
        self._gone_(name)
        return self._make_(name, place, found)

    @stepwise
    def mkdir(self, name: str, mode: int) -> Steps:
        """A new directory."""
        place, found = self._changing_(name, "create", ListRoute)
        yield self._call_(place.listing, "create", found, mode=mode)
        self._gone_(name)
        return self._make_(name, place, found)

    @stepwise
    def symlink(self, name: str, target: str) -> Steps:
        """A new link."""
        place, found = self._changing_(name, "create", LinkRoute)
        yield self._call_(place.leaf, "create", found, target=target)
        self._gone_(name)
        told = yield place.leaf.handler(**self._values_, **found)  # type: ignore[union-attr]  # it is a LinkRoute
        return self._link_(name, told)

    @stepwise
    def unlink(self, name: str) -> Steps:
        """Remove a file or a link."""
        place, found = yield from self._existing_(name, "delete")
        yield self._call_(place.leaf, "delete", found)
        self._gone_(name)

    @stepwise
    def rmdir(self, name: str) -> Steps:
        """Remove a directory; whether it must be empty is the handler's to say."""
        place, found = yield from self._existing_(name, "delete")
        yield self._call_(place.listing, "delete", found)
        self._gone_(name)

    @stepwise
    def rename(self, name: str, directory: Dir, new_name: str, flags: int) -> Steps:
        """Move a name to another one of the same route."""
        if flags & ~1:  # RENAME_NOREPLACE was looked after
            raise refused(errno.EINVAL)
        place, found = yield from self._existing_(name, "rename")
        if not isinstance(directory, ChangingDir):
            raise refused(errno.EXDEV)
        new = next((new for _, at, new in directory._candidates_(new_name) if at is place), None)
        if new is None:
            raise refused(errno.EXDEV)
        if directory is self and name == new_name:
            return
        new = {**directory._values_, **new}
        to = {f"new_{parameter}": value for parameter, value in new.items()}
        yield self._call_(place.leaf or place.listing, "rename", found, **to)
        self._told_ = directory._told_ = None
        node = self._forget_(name)
        if node is not None:
            rebind(node, new)
        directory._take_over_(new_name, node, self)

    def _changing_(self, name: str, what: str, kind: type[Route[Any]]) -> tuple[Place, Values]:
        """The first place that takes a name and has such a handler; EINVAL when others have one."""
        for _, place, found in self._candidates_(name):
            route = place.listing if kind is ListRoute else place.leaf
            if isinstance(route, kind) and what in route.handlers:
                return place, found
        for _, place in self._at_.parameters:
            route = place.listing if kind is ListRoute else place.leaf
            if isinstance(route, kind) and what in route.handlers:
                raise refused(errno.EINVAL)  # it makes such things, and not of this name
        raise refused(errno.EROFS)

    def _existing_(self, name: str, what: str) -> Steps:
        """The place of a name that is there, if its route has such a handler; else EROFS."""
        if name not in self._at_.literals:
            for segment, place, found in self._candidates_(name):
                exists = yield from self._exists_(segment, found)
                if exists:
                    route: Any = place.leaf or place.listing
                    if route is None or what not in route.handlers:
                        break
                    return place, found
        raise refused(errno.EROFS)

    def _call_(self, route: Any, what: str, found: Values, **more: Any) -> Any:
        if "mode" in more and "mode" not in route.asked[what]:
            del more["mode"]
        return route.handlers[what](**self._values_, **found, **more)

    def _gone_(self, name: str) -> None:
        self._told_ = None
        self._forget_(name)


@node_class
class RestDir(OnDemandDir):
    """A directory below a parameter of kind path. Its list tells which names are directories: those with a
    slash at their end.
    """

    _at_: Place
    _parameter_: str
    _values_: Values  # that of the path is the way to here, "" at the top
    _told_: tuple[float, dict[str, bool]] | None

    def __init__(
        self, place: Place, parameter: str, values: Values, children: Mapping[str, Any] | None = None
    ) -> None:
        assert place.listing is not None
        mode = place.listing.mode
        OnDemandDir.__init__(self, children, 0o555 if mode is None else mode)
        self._at_ = place
        self._parameter_ = parameter
        self._values_ = values
        self._told_ = None

    @property
    def ttl(self) -> float:
        listing = self._at_.listing
        return 0.0 if listing is None else listing.ttl

    @stepwise
    def lookup(self, name: str) -> Steps:
        """The node of a name that the list tells."""
        literal = self._tree_().get(name)
        if literal is not None:
            return literal
        names = yield from self._listed_()
        is_directory = names.get(name)
        listing = self._at_.listing
        if is_directory is None and listing is not None and listing.complete:
            return None
        return self._below_(name, bool(is_directory))

    @stepwise
    def list(self) -> Steps:
        """The names that the list tells."""
        literals = self._tree_()
        names = yield from self._listed_()
        return [*literals.items(), *(name for name in names if name not in literals)]

    def _below_(self, name: str, is_directory: bool) -> Node | None:
        place = self._at_
        parameter = self._parameter_
        way = self._values_[parameter]
        values = {**self._values_, parameter: f"{way}/{name}" if way else name}
        if is_directory:
            return self._remember_(name, RestDir, lambda: RestDir(place, parameter, values))
        leaf = place.leaf
        if not isinstance(leaf, FileRoute):
            return None
        kind = class_of(leaf)
        return self._remember_(name, kind, lambda: kind(leaf, values))

    def _listed_(self) -> Steps:
        told = self._told_
        if told is not None and time.monotonic() < told[0]:
            return told[1]
        listing = self._at_.listing
        assert listing is not None
        names = kinds_of(listing, (yield listing.handler(**self._values_)))
        if listing.ttl:
            self._told_ = (time.monotonic() + listing.ttl, names)
        return names

    def _doc_(self) -> str | None:
        return None if self._at_.listing is None else function_doc(self._at_.listing.handler)

    def __repr__(self) -> str:
        filled = ", ".join(f"{name}={value!r}" for name, value in self._values_.items())
        return f"<directory {self._at_.text!r} ({filled})>"


# ------------------------------------------------------------------------------------ from places to nodes


def build(place: Place, values: Values) -> Node:
    """The node of a place, with those below it that have literal names."""
    leaf = place.leaf
    if isinstance(leaf, MountedNode):
        return leaf.node
    if isinstance(leaf, FileRoute):
        return class_of(leaf)(leaf, values)
    children = {
        name: build(below, values)
        for name, below in place.literals.items()
        if not isinstance(below.leaf, LinkRoute)
    }
    if place.rest is not None:
        segment, rest = place.rest
        parameter = segment.parameters[0].name
        return RestDir(rest, parameter, {**values, parameter: ""}, children)
    kind = directory_class(place)
    made: Node = kind(place, values, children) if issubclass(kind, RouteDir) else kind(children)
    return made


def directory_class(place: Place) -> type[Any]:
    """The class of the directory of a place."""
    if place.rest is not None:
        return RestDir
    if any(_has_changes(below) for _, below in place.parameters):
        return ChangingDir
    if (
        place.listing
        or place.parameters
        or any(isinstance(p.leaf, LinkRoute) for p in place.literals.values())
    ):
        return RouteDir
    return FixedDir


def _has_changes(place: Place) -> bool:
    routes: list[Any] = [place.leaf, place.listing]
    return any(what in getattr(route, "handlers", ()) for route in routes for what in _CHANGING)


def _mode_of(place: Place) -> int:
    if place.listing is not None and place.listing.mode is not None:
        return place.listing.mode
    return 0o755 if directory_class(place) is ChangingDir else 0o555


def _ttl_of(place: Place) -> float:
    if place.listing is not None:
        return place.listing.ttl
    below = [*place.literals.values(), *(at for _, at in place.parameters)]
    links = [at.leaf.ttl for at in below if isinstance(at.leaf, LinkRoute)]
    files = [at.leaf.ttl for _, at in place.parameters if isinstance(at.leaf, FileRoute)]
    return min(links + files, default=0.0)


def rebind(node: Node, values: Values) -> None:
    """Give a node that was renamed, and all that is known below it, the new values of the parameters."""
    if isinstance(node, (RouteFile, RangedFile)):
        node._bind_({**node._values_, **values})
    elif isinstance(node, (RouteDir, RestDir, FixedDir)):
        if not isinstance(node, FixedDir):
            node._values_ = {**node._values_, **values}
            node._told_ = None
        for _, child in node.children_snapshot():
            rebind(child, values)
