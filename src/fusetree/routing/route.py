"""What the decorators of a `Router` make of a function: a route, and the handlers that belong to it.

Handlers are called by keyword, with the values of the pattern's parameters. That their parameters fit is
checked when they are declared; the messages say what to do.
"""

from __future__ import annotations

import functools
import inspect
import os
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from fusetree.nodes.base import check_mode
from fusetree.nodes.codecs import Codec, Verbatim, codec_for, see_through
from fusetree.nodes.computed import ComputedOptions
from fusetree.nodes.hints import hints_of
from fusetree.nodes.lines import Text
from fusetree.routing.following import without_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.nodes.base import Node
    from fusetree.routing.pattern import Pattern

__all__ = ["FileRoute", "LinkRoute", "ListRoute", "MountedNode", "Route"]

_F = TypeVar("_F", bound="Callable[..., Any]")
_H = TypeVar("_H", bound="Callable[..., Any]")

#: The parameters by which a handler reads or writes parts of a file.
_RANGE: Final = frozenset({"size", "offset"})


class Declared:
    """What stands at a place of a router: a route, or a node that was hung there.

    Attributes:
        pattern: Where, as it was declared.
    """

    kind = "route"

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern

    def __str__(self) -> str:
        return f"{self.kind} {str(self.pattern)!r}"


class MountedNode(Declared):
    """A node that was hung into a router."""

    kind = "node at"

    def __init__(self, pattern: Pattern, node: Node) -> None:
        super().__init__(pattern)
        self.node = node


class Route(Declared, Generic[_F]):
    """A function that answers for the paths of a pattern; `Router.file`, `list` and `link` make them.

    It can be called as the function that it was. Its methods are decorators for the further handlers of the
    same paths. Handlers get the values of the pattern's parameters by keyword; sync or async.

    Attributes:
        pattern: The pattern.
        handler: The function.
    """

    def __init__(self, pattern: Pattern, handler: _F) -> None:
        super().__init__(pattern)
        self.handler = handler
        self.handlers: dict[str, Callable[..., Any]] = {}
        #: Which of the parameters that are not the path's each of them takes.
        self.asked: dict[str, frozenset[str]] = {}
        self._frozen = False
        functools.update_wrapper(self, handler, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself."""
        return self.handler(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self}>"

    def freeze(self) -> None:
        """The routes are in use: nothing is added from now on.

        Raises:
            ValueError, TypeError: What was declared does not go together.
        """
        self._frozen = True

    def ask(self, what: str, values: dict[str, Any], **more: Any) -> Any:
        """Call one of the further handlers.

        Arguments:
            what: Which of them.
            values: The values of the pattern's parameters.
            more: What it is to get besides; ``mode`` only if it takes that.
        """
        if "mode" in more and "mode" not in self.asked[what]:
            del more["mode"]
        return self.handlers[what](**values, **more)

    def delete(self, handler: _H) -> _H:
        """Decorate what removes it, for unlink(2), or rmdir(2) of a directory. Without it: EROFS."""
        self._check_named("delete")
        return self._add("delete", handler)

    def rename(self, handler: _H) -> _H:
        """Decorate what moves it, for rename(2): it gets the values of the parameters, and those of the new
        path as ``new_NAME``. What has the new path is to be replaced. Paths of other routes are refused with
        EXDEV; mv(1) then copies. Without it: EROFS.
        """
        self._check_named("rename")
        new = frozenset(f"new_{name}" for name in self.pattern.parameters)
        return self._add("rename", handler, required=new)

    def create(self, handler: _H) -> _H:
        """Decorate what makes a new one."""
        self._check_named("create")
        return self._add("create", handler, optional=frozenset({"mode"}))

    def _check_named(self, what: str) -> None:
        segments = self.pattern.segments
        if not segments or segments[-1].is_literal:
            raise ValueError(f"{self}: what is always there knows no {what}; its last name has no parameter")

    def _add(
        self,
        what: str,
        handler: _H,
        *,
        required: frozenset[str] = frozenset(),
        optional: frozenset[str] = frozenset(),
    ) -> _H:
        self._enter(what, handler, check_parameters(self, handler, required=required, optional=optional))
        return handler

    def _enter(self, what: str, handler: Callable[..., Any], asked: frozenset[str]) -> None:
        if self._frozen:
            raise RuntimeError(f"{self} is in use: declare its {what} before the router is mounted")
        if what in self.handlers:
            raise ValueError(f"{self} has a handler for {what} already: {_named(self.handlers[what])}")
        self.handlers[what] = handler
        self.asked[what] = asked


class FileRoute(Route[_F]):
    """The route of a file."""

    kind = "file"

    def __init__(
        self,
        pattern: Pattern,
        handler: _F,
        *,
        mode: int | None = None,
        size: Literal["exact"] | None = None,
        ttl: float = 0.0,
    ) -> None:
        super().__init__(pattern, handler)
        if size not in (None, "exact"):
            raise ValueError(f'{self}: size is "exact" or None, not {size!r}')
        asked = check_parameters(self, handler, optional=_RANGE)
        if asked and asked != _RANGE:
            raise TypeError(f"{self}: {_named(handler)} takes size and offset, or neither")
        #: Whether the handler reads parts of the file.
        self.ranged = bool(asked)
        if self.ranged and size is not None:
            raise ValueError(f"{self}: a file that is read in parts tells its size by .getattr")
        self.ttl = check_ttl(self, ttl)
        #: What its files are told as computed ones.
        self.options = ComputedOptions(size=size, ttl=self.ttl)
        self._mode = check_permissions(self, mode)
        #: The parameter of the handler for writing that gets what was written.
        self.written = ""

    def write(self, handler: _H) -> _H:
        """Decorate what takes what was written: it gets the values of the parameters, and the content by
        one parameter more, of any name. Without it: EROFS.

        The annotation of that parameter says how it is taken. bytes, str or none: the whole content, when it
        is complete, at close(2) or fsync(2). A type of one line, as an entry has it (int, an enum, a date):
        each write(2) is a value. Any other: a JSON document. What does not fit, or is refused with
        ValueError, is EINVAL.

        If the handler has a parameter ``offset``, it gets each piece as it is written, and its place; so does
        a route whose own handler reads parts.
        """
        asked = check_parameters(self, handler, optional=frozenset({"offset"}), more=1)
        ranged = "offset" in asked
        if ranged != self.ranged:
            how = "reads parts (size, offset)" if self.ranged else "makes the whole content"
            raise TypeError(
                f"{self}: {_named(self.handler)} {how}, so {_named(handler)} must "
                f"{'take a parameter' if self.ranged else 'not take the parameter'} offset"
            )
        self._enter("write", handler, asked)
        (self.written,) = asked - {"offset"}
        return handler

    def getattr(self, handler: _H) -> _H:
        """Decorate what knows its attributes: it returns `fusetree.Attributes`, or raises FileNotFoundError
        when there is no such path.
        """
        return self._add("getattr", handler)

    def truncate(self, handler: _H) -> _H:
        """Decorate what sets the size of a file that is written in parts: it gets ``size``, in bytes."""
        if not self.ranged:
            raise TypeError(f"{self}: what is written whole needs no truncate")
        return self._add("truncate", handler, required=frozenset({"size"}))

    def create(self, handler: _H) -> _H:
        """Decorate what makes a new one, for open(2) with O_CREAT: it gets the values of the parameters, and
        ``mode`` if it has such a parameter. What is written then comes to the handler for writing. Without
        it: EROFS.
        """
        return super().create(handler)

    def freeze(self) -> None:
        super().freeze()
        if self.mode & 0o222 and "write" not in self.handlers:
            raise ValueError(f"{self}: nothing writes it, and mode {self.mode:#o} has write bits")

    @property
    def mode(self) -> int:
        """Permission bits: as given, else 0o644 if there is a handler for writing, and 0o444 if not."""
        if self._mode is not None:
            return self._mode
        return 0o644 if "write" in self.handlers else 0o444

    @property
    def tells_absence(self) -> bool:
        """Whether a look at one of its names asks a handler, which may say that there is nothing."""
        return "getattr" in self.handlers or self.options.exact

    @functools.cached_property
    def without_name(self) -> FileRoute[_F]:
        """The route of its files that were removed and are open."""
        return without_name(self)

    @functools.cached_property
    def hints(self) -> dict[str, Any]:
        """The annotation of what the handler returns, if there is one that can be resolved."""
        return {"return": _hint(self.handler, "return")}

    @functools.cached_property
    def codec(self) -> Codec:
        """How what is written becomes what the handler for writing gets."""
        annotation = _hint(self.handlers["write"], self.written)
        if annotation in (None, Any, object, memoryview):
            return Verbatim()
        return _WHOLE_TEXT if see_through(annotation) is str else codec_for(annotation)

    @functools.cached_property
    def by_value(self) -> bool:
        """Whether each write(2) is a value."""
        return isinstance(self.codec, Text)


class LinkRoute(Route[_F]):
    """The route of a symbolic link."""

    kind = "link"

    def __init__(self, pattern: Pattern, handler: _F, *, ttl: float = 0.0) -> None:
        super().__init__(pattern, handler)
        check_parameters(self, handler)
        self.ttl = check_ttl(self, ttl)

    def target(self, told: Any) -> str:
        """The target that the handler told.

        Raises:
            TypeError: It is none.
        """
        if not isinstance(told, (str, bytes, os.PathLike)):
            raise TypeError(
                f"{self}: the handler must return where the link leads, text or a path, not {told!r}"
            )
        return os.fsdecode(told)

    def create(self, handler: _H) -> _H:
        """Decorate what makes a new one, for symlink(2): it gets the values of the parameters, and
        ``target``. Without it: EROFS.
        """
        self._check_named("create")
        return self._add("create", handler, required=frozenset({"target"}))


class ListRoute(Route[_F]):
    """The route of a directory whose names a function tells."""

    kind = "list"

    def __init__(
        self,
        pattern: Pattern,
        handler: _F,
        *,
        complete: bool = True,
        mode: int | None = None,
        ttl: float = 0.0,
    ) -> None:
        super().__init__(pattern, handler)
        check_parameters(self, handler)
        self.complete = complete
        self.mode = check_permissions(self, mode)
        self.ttl = check_ttl(self, ttl)

    def create(self, handler: _H) -> _H:
        """Decorate what makes a new directory, for mkdir(2): it gets the values of the parameters, and
        ``mode`` if it has such a parameter. Without it: EROFS.
        """
        return super().create(handler)


class _WholeText:
    """Text of any number of lines, exactly as it was written."""

    immutable = True

    def encode(self, value: Any) -> bytes:
        return str(value).encode("utf-8", "surrogateescape")

    def decode(self, data: bytes) -> str:
        return data.decode("utf-8")


_WHOLE_TEXT: Final[Codec] = _WholeText()


def _named(handler: Any) -> str:
    return f"{getattr(handler, '__qualname__', None) or repr(handler)}()"


def _hint(handler: Any, name: str) -> Any:
    try:
        return hints_of(handler).get(name)
    except NameError:  # a name for type checkers only; the value's own type will do
        return None


def check_permissions(route: Declared, mode: int | None) -> int | None:
    """Permission bits, or None for those that there are by default; or TypeError or ValueError."""
    if mode is not None and not isinstance(mode, int):
        raise TypeError(f"{route}: mode is a number of permission bits such as 0o644, not {mode!r}")
    return None if mode is None else check_mode(mode)


def check_ttl(route: Declared, ttl: float) -> float:
    """A number of seconds, or TypeError or ValueError."""
    if not isinstance(ttl, (int, float)):
        raise TypeError(f"{route}: ttl is a number of seconds, not {ttl!r}")
    if not ttl >= 0:
        raise ValueError(f"{route}: ttl is a number of seconds, at least 0, not {ttl!r}")
    return float(ttl)


def check_parameters(
    route: Declared,
    handler: Any,
    *,
    required: frozenset[str] = frozenset(),
    optional: frozenset[str] = frozenset(),
    more: int = 0,
) -> frozenset[str]:
    """Refuse a handler that cannot be called with what there is for it.

    Arguments:
        route: What it is a handler of.
        handler: The function.
        required: What it must take besides the parameters of the pattern.
        optional: What it may take.
        more: How many parameters of any other name it takes.

    Returns:
        The names of those of *optional*, and of the further ones, that it takes.

    Raises:
        TypeError: It is none, or it lacks a parameter, or has one that nothing is given for.
    """
    if not callable(handler):
        raise TypeError(f"{route}: a handler is a function, not {handler!r}")
    given = frozenset(route.pattern.parameters)
    clash = given & (required | optional)
    if clash:
        raise TypeError(
            f"{route}: {_listed(clash)} has a meaning of its own here; call the parameter otherwise"
        )
    parameters = inspect.signature(handler).parameters.values()
    named, demanded = set(), set()
    takes_all = False
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_all = True
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            raise TypeError(
                f"{route}: {_named(handler)} is called by keyword, and {parameter.name!r} is positional only"
            )
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            named.add(parameter.name)
            if parameter.default is parameter.empty:
                demanded.add(parameter.name)
    wanted = given | required
    missing = wanted - named
    if missing and not takes_all:
        fitting = ", ".join([*route.pattern.parameters, *sorted(required)])
        raise TypeError(
            f"{route}: {_named(handler)} does not take {_listed(missing)}; write def "
            f"{getattr(handler, '__name__', 'handler')}({fitting})"
        )
    extra = named - wanted - optional
    if more:
        free = (extra & demanded) or extra
        if len(free) != more:
            raise TypeError(
                f"{route}: {_named(handler)} must take one parameter more than those of the path "
                f"({_listed(given) or 'none'}), which gets what was written; it has {_listed(free) or 'none'}"
            )
        return frozenset(free | (named & optional))
    unknown = extra & demanded
    if unknown:
        raise TypeError(
            f"{route}: {_named(handler)} asks for {_listed(unknown)}, which is no parameter of the path; "
            "put {...} into the path, or give a default"
        )
    return frozenset(named & optional)


def _listed(names: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(names))
