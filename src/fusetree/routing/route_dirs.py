"""The directories of routes, and how a place of a router becomes a node.

A directory that has only literal names is a plain `Dir`, which the core answers for by itself. One with
parameters, a list or a link asks at each lookup, unless its `ttl` says otherwise; what it finds keeps the
values of its parameters, so nothing is matched again after lookup.
"""

from __future__ import annotations

import errno
import time
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from fusetree.nodes import Dir, Node
from fusetree.nodes.base import node_class
from fusetree.nodes.docs import function_doc
from fusetree.nodes.owed import Owed
from fusetree.nodes.refusals import refused
from fusetree.routing.following import rebind, retire
from fusetree.routing.listings import Names
from fusetree.routing.ondemand import OnDemandDir
from fusetree.routing.rest_dirs import ChangingRestDir, Rest, RestDir
from fusetree.routing.route import FileRoute, LinkRoute, ListRoute, MountedNode
from fusetree.routing.route_files import RangedFile, RouteFile, class_of
from fusetree.routing.steps import collected, owed, stepwise

if TYPE_CHECKING:
    from fusetree.routing.pattern import Segment
    from fusetree.routing.places import Place
    from fusetree.routing.route import Route

__all__ = ["ChangingDir", "FixedDir", "RouteDir", "build"]

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

    def _rebind_(self, values: Values) -> None:
        """These parameters have other values from now on, in all that is below."""
        for _, child in self.children_snapshot():
            rebind(child, values)

    def _retire_(self) -> None:
        """It is gone, with all that is known below it."""
        for _, child in self.children_snapshot():
            retire(child)


@node_class
class RouteDir(OnDemandDir):
    """A directory of a router that has parameters, a list or links."""

    _at_: Place
    _values_: Values
    # What the list said, and until when it holds; None when it is asked each time.
    _told_: tuple[float, Names] | None
    # How often programs have changed its names: what a list told before that is not kept.
    _changes_: int

    def __init__(self, place: Place, values: Values, children: Mapping[str, Any]) -> None:
        OnDemandDir.__init__(self, children, _mode_of(place))
        self._at_ = place
        self._values_ = values
        self._told_ = None
        self._changes_ = 0

    @property
    def ttl(self) -> float:
        return _ttl_of(self._at_)

    def _rebind_(self, values: Values) -> None:
        """These parameters have other values from now on, here and in all that is known below."""
        self._values_ = {**self._values_, **values}
        self._told_ = None
        for _, child in self.children_snapshot():
            rebind(child, values)

    def _retire_(self) -> None:
        """It is gone, with all that is known below it."""
        for _, child in self.children_snapshot():
            retire(child)

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
            changes = self._changes_
            told = listing.handler(**self._values_)
            if isinstance(told, (CoroutineType, AsyncIterator)):
                return self._known_later_(name, known, owed(told), changes)
            names = self._keep_(told, changes)
        return known if names.has(known._own_) else self._search_(name)

    async def _known_later_(self, name: str, known: RouteFile | RangedFile, told: Owed, changes: int) -> Any:
        value = await told.coroutine
        names = self._keep_(await collected(value) if isinstance(value, AsyncIterator) else value, changes)
        if known._own_ is not None and names.has(known._own_):
            return known
        found = self._search_(name)
        return await found if isinstance(found, CoroutineType) else found

    @stepwise
    def _search_(self, name: str) -> Steps:
        fixed = self._at_.literals.get(name)
        if fixed is not None and isinstance(fixed.leaf, LinkRoute):
            return self._linked_(name, fixed.leaf.target((yield fixed.leaf.handler(**self._values_))))
        for number, (segment, place, found) in enumerate(self._candidates_(name)):
            exists = yield from self._exists_(segment, found)
            if not exists:
                continue
            if isinstance(place.leaf, LinkRoute):
                return self._linked_(
                    name, place.leaf.target((yield place.leaf.handler(**self._values_, **found)))
                )
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
            changes = self._changes_
            told = listing.handler(**self._values_)
            if isinstance(told, (CoroutineType, AsyncIterator)):
                later = owed(told) if isinstance(told, CoroutineType) else told
                return self._list_later_(fixed, later, changes)
            names = self._keep_(told, changes)
        return self._names_(fixed, names)

    def _names_(self, fixed: _Listed, names: Names) -> Iterator[str | tuple[str, Node]]:
        yield from fixed
        literals = self._at_.literals
        for name in names.names(self._at_):
            if name not in literals:
                yield name

    async def _list_later_(
        self, fixed: _Listed, told: Any, changes: int
    ) -> AsyncIterator[str | tuple[str, Node]]:
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
        for name in self._keep_(told, changes).names(self._at_):
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
            changes = self._changes_
            names = self._keep_((yield listing.handler(**self._values_)), changes)
        return names.has(found)

    def _kept_(self) -> Names | None:
        """What the list said, if that holds still."""
        told = self._told_
        return told[1] if told is not None and time.monotonic() < told[0] else None

    def _keep_(self, told: Any, changes: int) -> Names:
        listing = self._at_.listing
        assert listing is not None
        names = Names(listing, told)
        if listing.ttl and self._changes_ == changes:
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
        place, found = yield from self._make_by_(name, FileRoute, mode=mode)
        made = self._make_(name, place, found)
        if isinstance(made, RangedFile):
            made._is_new_ = True
        return made

    @stepwise
    def mkdir(self, name: str, mode: int) -> Steps:
        """A new directory."""
        place, found = yield from self._make_by_(name, ListRoute, mode=mode)
        return self._make_(name, place, found)

    @stepwise
    def symlink(self, name: str, target: str) -> Steps:
        """A new link."""
        place, found = yield from self._make_by_(name, LinkRoute, target=target)
        return self._linked_(name, place.leaf.target((yield place.leaf.handler(**self._values_, **found))))

    @stepwise
    def unlink(self, name: str) -> Steps:
        """Remove a file or a link."""
        yield from self._remove_(name)

    @stepwise
    def rmdir(self, name: str) -> Steps:
        """Remove a directory; whether it must be empty is the handler's to say."""
        yield from self._remove_(name)

    @stepwise
    def rename(self, name: str, directory: Dir, new_name: str, flags: int) -> Steps:
        """Move a name to another one of the same route."""
        if flags & ~1:  # RENAME_NOREPLACE was looked after
            raise refused(errno.EINVAL)
        place, found = yield from self._existing_(name, "rename")
        if not isinstance(directory, ChangingDir):
            raise refused(errno.EXDEV)
        new = yield from directory._place_for_(new_name, place)
        if directory is self and name == new_name:
            return
        new = {**directory._values_, **new}
        to = {f"new_{parameter}": value for parameter, value in new.items()}
        route: Any = place.leaf or place.listing
        yield route.ask("rename", {**self._values_, **found}, **to)
        node = self._forget_(name)
        retire(directory._known_as_(new_name))
        if node is not None:
            rebind(node, new)
        directory._take_over_(new_name, node, self)
        for one in {id(self): self, id(directory): directory}.values():
            one._changed_()

    def _place_for_(self, name: str, place: Place) -> Steps:
        """The values by which a place has a name; EXDEV when it takes no such name, or another has it before,
        and EROFS when it is there by itself.
        """
        if name in self._at_.literals:
            raise refused(errno.EROFS)
        for segment, at, found in self._candidates_(name):
            if at is place:
                return found
            exists = yield from self._exists_(segment, found)
            if exists:
                break
        raise refused(errno.EXDEV)

    def _make_by_(self, name: str, kind: type[Route[Any]], **more: Any) -> Steps:
        """Let the first route make a name that takes it and has a handler for that, and return its place and
        the values of the name; EINVAL when others have one.
        """
        place, found = self._changing_(name, kind)
        retire(self._forget_(name))  # who has another file open that had this name once
        route: Any = place.listing if kind is ListRoute else place.leaf
        yield route.ask("create", {**self._values_, **found}, **more)
        self._changed_()
        return place, found

    def _remove_(self, name: str) -> Steps:
        place, found = yield from self._existing_(name, "delete")
        route: Any = place.leaf or place.listing
        yield route.ask("delete", {**self._values_, **found})
        retire(self._forget_(name))
        self._changed_()

    def _changed_(self) -> None:
        """Something has happened to its names."""
        self._changes_ += 1
        self._told_ = None
        self.changed()

    def _changing_(self, name: str, kind: type[Route[Any]]) -> tuple[Place, Values]:
        """The first place that takes a name and makes such things; EINVAL when others do."""
        makes = False
        for segment, place in self._at_.parameters:
            route = place.listing if kind is ListRoute else place.leaf
            if isinstance(route, kind) and "create" in route.handlers:
                makes = True
                found = segment.match(name)
                if found is not None:
                    return place, found
        raise refused(errno.EINVAL if makes else errno.EROFS)

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
    kind = directory_class(place)
    made: Node
    if place.rest is not None:
        segment, below = place.rest
        parameter = segment.parameters[0].name
        links = {name: at.leaf for name, at in place.literals.items() if isinstance(at.leaf, LinkRoute)}
        made = kind(Rest(below, parameter), {**values, parameter: ""}, children, links)
    else:
        made = kind(place, values, children) if issubclass(kind, RouteDir) else kind(children)
    return made


def directory_class(place: Place) -> type[Any]:
    """The class of the directory of a place."""
    if place.rest is not None:
        return ChangingRestDir if _has_changes(place.rest[1]) else RestDir
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
