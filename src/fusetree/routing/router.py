"""`Router`: a tree that is declared by paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from fusetree.nodes import as_node
from fusetree.routing.convertors import BUILTIN, Convertor, as_convertor
from fusetree.routing.pattern import Pattern
from fusetree.routing.places import Matched, Place
from fusetree.routing.route import Declared, FileRoute, LinkRoute, ListRoute, MountedNode, Route
from fusetree.routing.route_dirs import build

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fusetree.nodes import Dir, Node

__all__ = ["Router"]

_F = TypeVar("_F", bound="Callable[..., Any]")


class Router:
    """A tree that is declared by paths: a decorated function answers for the paths of a pattern.

    A pattern is a path from the top of the router, with parameters in it: ``/users/{name}.json``,
    ``/days/{day:date}``. Directories on the way are there by themselves. Kinds of parameters: ``str`` (unless
    another is named), ``int``, ``float``, ``date``, ``uuid``, ``path`` (the rest of the path, alone at the
    end), and the router's own. ``{{`` and ``}}`` stand for braces.

    The functions may be ``async``. What they raise as `OSError` is the answer (`FileNotFoundError`: there is
    no such file); anything else is a bug, and EIO.

    It is mounted as it is, or put into a `Dir`; the nodes are made when that is first done, and then nothing
    can be declared any more. It has one place in a tree, like a directory.

    Arguments:
        convertors: Kinds of parameters of its own, by name: each a class whose values are one line as an
            entry (an enum, say), or an object with `regex`, `convert(text)` and `to_string(value)`.

    Raises:
        TypeError: Something that is no convertor.
    """

    def __init__(self, *, convertors: Mapping[str, Any] | None = None) -> None:
        self._convertors: dict[str, Convertor] = dict(BUILTIN)
        self._declared: list[tuple[Pattern, Declared]] = []
        self._top = Place("/")
        self._node: Dir | None = None
        self._included = ""  # where, once it was
        for name, convertor in (convertors or {}).items():
            self.convertor(name, convertor)

    # ---- declaring

    def convertor(self, name: str, convertor: Any) -> None:
        """Let ``{parameter:NAME}`` be made by a convertor of its own.

        Arguments:
            name: What patterns call it.
            convertor: A class whose values are one line as an entry, or an object with `regex`,
                `convert(text)` and `to_string(value)`.

        Raises:
            TypeError: It is no convertor.
            ValueError: The name is taken, or none.
        """
        if not name.isidentifier():
            raise ValueError(f"{name!r} is no name for a convertor")
        if name in self._convertors:
            raise ValueError(f"there is a convertor {name!r} already")
        self._convertors[name] = as_convertor(name, convertor)

    def file(
        self,
        pattern: str,
        *,
        mode: int | None = None,
        size: Literal["exact"] | None = None,
        ttl: float = 0.0,
    ) -> Callable[[_F], FileRoute[_F]]:
        """Decorate the function that makes the content of files.

        It is called at each open with the values of the parameters, and that open reads what it returned,
        as of a `computed` file: text, bytes, pieces of a generator, or what an entry of its type reads as.
        If it has the parameters ``size`` and ``offset``, it is called at each read instead, and returns
        that part as bytes, fewer at the end only.

        Arguments:
            pattern: The path.
            mode: Permission bits; 0o644 where the route can be written, else 0o444.
            size: "exact" makes the content also to tell the size. Without it the size is 0, as in /proc,
                unless the route has a handler `getattr`.
            ttl: For how long the kernel may keep the attributes, and the name where no list tells it, in
                seconds.

        Returns:
            A decorator, which returns the route.

        Raises:
            ValueError: No pattern, or one in conflict with what was declared before.
            TypeError: A function whose parameters do not fit the pattern.
        """
        at = self._pattern(pattern)
        return lambda handler: self._add(FileRoute(at, handler, mode=mode, size=size, ttl=ttl))

    def list(
        self, pattern: str, *, complete: bool = True, mode: int | None = None, ttl: float = 0.0
    ) -> Callable[[_F], ListRoute[_F]]:
        """Decorate the function that tells what there is in a directory. Without one, parameters are not
        listed; their names can be used all the same.

        It returns the values of the parameter, each of which makes a name of each pattern that takes it
        ("ada" makes ``ada.json`` of ``{name}.json``): a list or a generator. Patterns with several
        parameters in one name take a tuple or a dict. It is called when the directory is listed, and, while
        `complete`, when a name is looked up; if it returns something that knows its members quickly (a set, a
        dict, an object with ``__contains__``), that is asked.

        For the pattern of a parameter of kind path it returns names, those of directories with a slash at
        their end, and is called for each directory (the path is "" for the one at the top).

        Arguments:
            pattern: The path of the directory.
            complete: Whether what it does not tell does not exist. Without it other names may exist, too,
                and whoever opens one is told.
            mode: Permission bits; 0o755 where something can be made or removed, else 0o555.
            ttl: For how long what it told holds, here and in the kernel, in seconds.

        Returns:
            A decorator, which returns the route.

        Raises:
            ValueError, TypeError: As for `file`.
        """
        at = self._pattern(pattern)
        return lambda handler: self._add(ListRoute(at, handler, complete=complete, mode=mode, ttl=ttl))

    def link(self, pattern: str, *, ttl: float = 0.0) -> Callable[[_F], LinkRoute[_F]]:
        """Decorate the function that tells the target of symbolic links; it is called at each lookup.

        Arguments:
            pattern: The path.
            ttl: For how long the kernel may keep it, in seconds.

        Returns:
            A decorator, which returns the route.

        Raises:
            ValueError, TypeError: As for `file`.
        """
        at = self._pattern(pattern)
        return lambda handler: self._add(LinkRoute(at, handler, ttl=ttl))

    def write(self, pattern: str) -> Callable[[_F], _F]:
        """Decorate what takes what is written to the files of a route: as `write` of that route."""
        return self._handler(pattern, "write")

    def create(self, pattern: str) -> Callable[[_F], _F]:
        """Decorate what makes a new file, link or directory of a route: as `create` of that route."""
        return self._handler(pattern, "create")

    def delete(self, pattern: str) -> Callable[[_F], _F]:
        """Decorate what removes a file, link or directory of a route: as `delete` of that route."""
        return self._handler(pattern, "delete")

    def rename(self, pattern: str) -> Callable[[_F], _F]:
        """Decorate what moves a file, link or directory of a route: as `rename` of that route."""
        return self._handler(pattern, "rename")

    def include(self, prefix: str, router: Router) -> None:
        """Put all that another router declares below a path.

        Arguments:
            prefix: The path, without parameters.
            router: The other router. Declare its routes first: it takes no more afterwards.

        Raises:
            ValueError: A prefix with parameters, or a route in conflict; then nothing has changed.
            TypeError: It is no router.
        """
        if not isinstance(router, Router):
            raise TypeError(f"include() takes a Router, not {router!r}; mount() takes a node")
        if router is self:
            raise ValueError("a router cannot include itself")
        where = self._fixed(prefix, "include")
        new = [(pattern.joined(where), declared) for pattern, declared in router._declared]
        try:
            for pattern, declared in new:
                self._top.add(pattern.segments, declared)
        except ValueError as error:
            self._top = Place("/")
            for pattern, declared in self._declared:
                self._top.add(pattern.segments, declared)
            raise ValueError(f"include({prefix!r}): {error}") from None
        self._declared += new
        router._included = prefix

    def mount(self, path: str, node: Any) -> None:
        """Put a node at a path: a directory, a file, or what becomes one by itself as in a `Dir`.

        Arguments:
            path: The path, without parameters.
            node: The node.

        Raises:
            ValueError: A path with parameters, or one in conflict with what was declared before.
            TypeError: It is no node and cannot become one.
        """
        where = self._fixed(path, "mount")
        if not where.segments:
            raise ValueError("mount(): the top of a router is the router's own; put it below a name")
        self._add(MountedNode(where, as_node(node)))

    # ---- asking

    def match(self, path: str) -> Matched:
        """What a path leads to, by the patterns alone: no function is called.

        Arguments:
            path: The path, from the top of the router.

        Returns:
            The match, which is false for `Match.NONE`.
        """
        names = [name for name in path.split("/") if name]
        return self._top.find(names)

    @property
    def node(self) -> Dir:
        """The directory at the top; made when it is first asked for, and then nothing is declared any more.

        Raises:
            ValueError: What was declared does not go together.
        """
        node = self._node
        if node is None:
            for _, declared in self._declared:
                if isinstance(declared, Route):
                    declared.freeze()
            self._top.check()
            made: Any = build(self._top, {})  # a directory: the top has no leaf
            self._node = node = made
        return node

    def __fusetree_node__(self) -> Node:
        """What it is in a tree."""
        return self.node

    def __repr__(self) -> str:
        return f"<Router of {len(self._declared)} routes>"

    # ---- inside

    def _pattern(self, text: str) -> Pattern:
        self._check_open()
        return Pattern.parse(text, self._convertors)

    def _fixed(self, text: str, what: str) -> Pattern:
        pattern = self._pattern(text)
        if pattern.parameters:
            raise ValueError(f"{what}({text!r}): the path has parameters, and one thing has one place")
        return pattern

    def _check_open(self) -> None:
        if self._node is not None:
            raise RuntimeError("the router is in use: declare everything before it is mounted")
        if self._included:
            raise RuntimeError(f"the router was included at {self._included!r}: declare everything before")

    def _add(self, declared: Any) -> Any:
        self._check_open()
        if not declared.pattern.segments and not isinstance(declared, ListRoute):
            raise ValueError(f"{declared}: the top of a router is a directory; name what is in it")
        self._top.add(declared.pattern.segments, declared)
        self._declared.append((declared.pattern, declared))
        return declared

    def _handler(self, pattern: str, what: str) -> Callable[[_F], _F]:
        self._check_open()
        found = [
            declared for at, declared in self._declared if at.text == pattern and isinstance(declared, Route)
        ]
        if not found:
            raise ValueError(f"{what}({pattern!r}): no route of exactly this pattern was declared before")
        # Of the two that a parameter of kind path may have, the file is meant.
        route: Any = next((one for one in found if isinstance(one, FileRoute)), found[0])
        if not hasattr(route, what):
            raise ValueError(f"{what}({pattern!r}): {route} knows no {what}")

        def decorate(handler: _F) -> _F:
            getattr(route, what)(handler)
            return handler

        return decorate
