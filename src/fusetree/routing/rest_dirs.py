"""Directories below a parameter of kind path: their list tells the names, those of directories with a slash
at their end.

Rule 1: a path is the way to a directory, which it keeps, and a name in it. Who moves a directory gives all
    that is known below it the new way.
Rule 2: a change anywhere below the parameter ends what all lists below it told (`Rest.changes`): a directory
    may be told only since there is something below it.
Rule 3: such a directory does not go with the last name that a program takes out of it, but when it is removed
    itself (`Rest.kept`): programs that empty directories and remove them then go on.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from fusetree.nodes import Dir
from fusetree.nodes.base import node_class
from fusetree.nodes.docs import function_doc
from fusetree.nodes.refusals import refused
from fusetree.routing.following import rebind, retire
from fusetree.routing.listings import kinds_of
from fusetree.routing.ondemand import OnDemandDir
from fusetree.routing.route import FileRoute, LinkRoute, ListRoute, Route
from fusetree.routing.route_files import RangedFile, class_of
from fusetree.routing.steps import stepwise

if TYPE_CHECKING:
    from fusetree.routing.places import Place

__all__ = ["ChangingRestDir", "Rest", "RestDir"]

Values = dict[str, Any]
Steps = Generator[Any, Any, Any]


class Rest:
    """What all directories below one parameter of kind path share.

    Attributes:
        listing: The route that tells the names.
        leaf: The route of the files or the links among them; None when there are only directories.
        parameter: The name of the parameter.
        text: The pattern, for messages.
        changes: How often programs have changed something below it.
        kept: The paths of directories out of which names were taken. They are there even if no list tells
            them, and are forgotten as soon as one does.
    """

    __slots__ = ("changes", "kept", "leaf", "listing", "parameter", "text")

    def __init__(self, place: Place, parameter: str) -> None:
        assert place.listing is not None
        self.listing: ListRoute[Any] = place.listing
        self.leaf: Any = place.leaf
        self.parameter = parameter
        self.text = place.text
        self.changes = 0
        self.kept: set[str] = set()

    def with_kept(self, way: str, told: dict[str, bool]) -> dict[str, bool]:
        """The names of a directory, as a list told them, with those that are kept."""
        names = dict(told)
        start = f"{way}/" if way else ""
        for path in [*self.kept]:
            if not path.startswith(start) or path == way:
                continue
            name, _, below = path[len(start) :].partition("/")
            if name not in told:
                names[name] = True
            elif not below:
                self.kept.discard(path)
        return names

    def move_kept(self, way: str, other: Rest, other_way: str) -> None:
        """Let what is kept at a path and below be kept at another one."""
        for path in [*self.kept]:
            if path == way or path.startswith(f"{way}/"):
                self.kept.discard(path)
                other.kept.add(other_way + path[len(way) :])


@node_class
class RestDir(OnDemandDir):
    """A directory below a parameter of kind path."""

    _rest_: Rest
    # Those of the path's parameters; that of the rest is the way to here, "" at the top.
    _values_: Values
    # The links with names of their own, at the top.
    _links_: Mapping[str, LinkRoute[Any]]
    # What the list said: until when it holds, at how many changes it did, and which names are directories.
    _told_: tuple[float, int, dict[str, bool]] | None

    def __init__(
        self,
        rest: Rest,
        values: Values,
        children: Mapping[str, Any] | None = None,
        links: Mapping[str, LinkRoute[Any]] | None = None,
    ) -> None:
        OnDemandDir.__init__(self, children, self._mode_of_(rest))
        self._rest_ = rest
        self._values_ = values
        self._links_ = links or {}
        self._told_ = None

    @staticmethod
    def _mode_of_(rest: Rest) -> int:
        mode = rest.listing.mode
        return 0o555 if mode is None else mode

    @property
    def ttl(self) -> float:
        return self._rest_.listing.ttl

    @stepwise
    def lookup(self, name: str) -> Steps:
        """The node of a name that the list tells."""
        literal = self._tree_().get(name)
        if literal is not None:
            return literal
        link = self._links_.get(name)
        if link is not None:
            return self._linked_(name, link.target((yield link.handler(**self._above_()))))
        names = yield from self._names_()
        is_directory = names.get(name)
        if is_directory is None and self._rest_.listing.complete:
            return None
        return (yield from self._below_(name, bool(is_directory)))

    @stepwise
    def list(self) -> Steps:
        """The names that the list tells."""
        literals = self._tree_()
        names = yield from self._names_()
        told = (name for name in names if not self._is_fixed_(name))
        return [*literals.items(), *self._links_, *told]

    def _is_fixed_(self, name: str) -> bool:
        """Whether a name is there by itself."""
        return name in self._links_ or name in self._tree_()

    def _above_(self) -> Values:
        """The parameters without that of the rest."""
        return {name: value for name, value in self._values_.items() if name != self._rest_.parameter}

    def _of_(self, name: str) -> Values:
        """The parameters of a name in it."""
        parameter = self._rest_.parameter
        way = self._values_[parameter]
        return {**self._values_, parameter: f"{way}/{name}" if way else name}

    def _below_(self, name: str, is_directory: bool) -> Steps:
        values = self._of_(name)
        if is_directory:
            kind, rest = type(self), self._rest_
            return self._remember_(name, kind, lambda: kind(rest, values))
        leaf = self._rest_.leaf
        if isinstance(leaf, LinkRoute):
            return self._linked_(name, leaf.target((yield leaf.handler(**values))))
        if not isinstance(leaf, FileRoute):
            return None
        made = class_of(leaf)
        return self._remember_(name, made, lambda: made(leaf, values))

    def _names_(self) -> Steps:
        """All names, and whether each is a directory."""
        names = yield from self._listed_()
        rest = self._rest_
        return rest.with_kept(self._values_[rest.parameter], names) if rest.kept else names

    def _listed_(self) -> Steps:
        """The names that the list tells."""
        rest = self._rest_
        told = self._told_
        if told is not None and told[1] == rest.changes and time.monotonic() < told[0]:
            return told[2]
        changes = rest.changes
        names = kinds_of(rest.listing, (yield rest.listing.handler(**self._values_)))
        if rest.listing.ttl:
            self._told_ = (time.monotonic() + rest.listing.ttl, changes, names)
        return names

    def _belong_to_(self, rest: Rest) -> None:
        """It has come from where the other parameters have other values."""
        self._rest_ = rest
        for _, child in self._all_known_():
            if isinstance(child, RestDir):
                child._belong_to_(rest)

    def _rebind_(self, values: Values) -> None:
        """The parameters have other values from now on, here and in all that is known below."""
        self._values_ = {**self._values_, **values}
        self._told_ = None
        above = {name: value for name, value in values.items() if name != self._rest_.parameter}
        for child in self._tree_().values():
            rebind(child, above)
        for name, child in self._all_known_():
            rebind(child, self._of_(name))

    def _retire_(self) -> None:
        """It is gone, with all that is known below it."""
        for _, child in self.children_snapshot():
            retire(child)

    def _doc_(self) -> str | None:
        return function_doc(self._rest_.listing.handler)

    def __repr__(self) -> str:
        filled = ", ".join(f"{name}={value!r}" for name, value in self._values_.items())
        return f"<directory {self._rest_.text!r} ({filled})>"


class ChangingRestDir(RestDir):
    """One whose names programs can make, remove or move."""

    __slots__ = ()

    @staticmethod
    def _mode_of_(rest: Rest) -> int:
        mode = rest.listing.mode
        return 0o755 if mode is None else mode

    @stepwise
    def create(self, name: str, mode: int) -> Steps:
        """A new file."""
        return (yield from self._make_(name, FileRoute, mode=mode))

    @stepwise
    def mkdir(self, name: str, mode: int) -> Steps:
        """A new directory."""
        return (yield from self._make_(name, ListRoute, mode=mode))

    @stepwise
    def symlink(self, name: str, target: str) -> Steps:
        """A new link."""
        return (yield from self._make_(name, LinkRoute, target=target))

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
        """Move a name to another path of the same route."""
        if flags & ~1:  # RENAME_NOREPLACE was looked after
            raise refused(errno.EINVAL)
        route = yield from self._existing_(name, "rename")
        if not isinstance(directory, ChangingRestDir) or directory._rest_.listing is not self._rest_.listing:
            raise refused(errno.EXDEV)
        if directory._is_fixed_(new_name):
            raise refused(errno.EROFS)
        if directory is self and name == new_name:
            return
        old, new = self._of_(name), directory._of_(new_name)
        if route is not None:
            yield route.ask("rename", old, **{f"new_{parameter}": value for parameter, value in new.items()})
        parameter = self._rest_.parameter
        self._rest_.move_kept(old[parameter], directory._rest_, new[parameter])
        if route is None:
            directory._rest_.kept.add(new[parameter])
        node = self._forget_(name)
        retire(directory._known_as_(new_name))
        if isinstance(node, RestDir):
            node._belong_to_(directory._rest_)
        rebind(node, new)
        directory._take_over_(new_name, node, self)
        self._keep_()
        for one in {id(self): self, id(directory): directory}.values():
            one._changed_()

    def _make_(self, name: str, kind: type[Route[Any]], **more: Any) -> Steps:
        route: Route[Any] | None = self._rest_.listing if kind is ListRoute else self._rest_.leaf
        if not isinstance(route, kind) or "create" not in route.handlers:
            raise refused(errno.EROFS)
        retire(self._forget_(name))  # who has another file open that had this name once
        yield route.ask("create", self._of_(name), **more)
        self._rest_.kept.discard(self._values_[self._rest_.parameter])  # there is something in it
        self._changed_()
        made = yield from self._below_(name, kind is ListRoute)
        if isinstance(made, RangedFile):
            made._is_new_ = True
        return made

    def _remove_(self, name: str) -> Steps:
        route = yield from self._existing_(name, "delete")
        values = self._of_(name)
        if route is not None:
            yield route.ask("delete", values)
        self._rest_.kept.discard(values[self._rest_.parameter])
        retire(self._forget_(name))
        self._keep_()
        self._changed_()

    def _existing_(self, name: str, what: str) -> Steps:
        """The route of a name that is there, if it has such a handler; else EROFS. None: the name is there
        only since it is kept, and so it is nobody's.
        """
        if not self._is_fixed_(name):
            told = yield from self._listed_()
            if name not in told and self._rest_.kept and name in (yield from self._names_()):
                return None
            route = self._rest_.listing if told.get(name) else self._rest_.leaf
            if route is not None and what in route.handlers:
                return route
        raise refused(errno.EROFS)

    def _keep_(self) -> None:
        """A name was taken out of it."""
        way = self._values_[self._rest_.parameter]
        if way:
            self._rest_.kept.add(way)

    def _changed_(self) -> None:
        """Something has happened to its names."""
        self._rest_.changes += 1
        self.changed()
