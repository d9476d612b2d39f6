"""`action`: a file to write to; each line is a call."""

from __future__ import annotations

import errno
import inspect
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from fusetree.nodes.base import node_class
from fusetree.nodes.codecs import Codec, codec_for
from fusetree.nodes.computed import Marked, mark
from fusetree.nodes.docs import function_doc
from fusetree.nodes.entries import check_size
from fusetree.nodes.filenode import FileNode, Policy, WriteStyle
from fusetree.nodes.hints import hints_of
from fusetree.nodes.owed import Owed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["ActionFile", "ActionOptions", "action"]

_F = TypeVar("_F", bound="Callable[..., Any]")


class ActionOptions(Marked):
    """What `action` was told."""

    kind = "action"

    def __init__(self, name: str | None = None, mode: int = 0o200) -> None:
        super().__init__(name, mode)
        if self.mode & 0o444:
            raise ValueError(f"there is nothing to read in an action: mode {mode:#o} has read bits")
        if not self.mode & 0o222:
            raise ValueError(f"nobody could call an action of mode {mode:#o}")

    def make(self, function: Callable[..., Any], hints: Mapping[str, Any] | None = None) -> ActionFile:
        return ActionFile(function, self, hints)


@overload
def action(function: _F, /) -> _F: ...


@overload
def action(*, name: str | None = ..., mode: int = ...) -> Callable[[_F], _F]: ...


def action(function: Any = None, /, *, name: str | None = None, mode: int = 0o200) -> Any:
    """Make a method of a `node` class a file to write to: each line that is written calls it.

    The parameters say what a line holds. None: any line calls it, ``echo > reset``. One: the line is its
    value, read as an entry of the annotated type is (text, unless annotated). More: words as a shell would
    split them, one for each, quotes keep spaces together; those with defaults may be left out, and
    ``*words`` takes what is left. A line that does not fit is EINVAL, and nothing is called. The method
    stays callable.

    A plain function works too, as a child: ``Dir({"stop": action(stop)})``. An ``async`` one is awaited: the
    write(2) returns when it has.

    Arguments:
        name: The file's name, unless it is the method's.
        mode: Permission bits, write bits only.

    Raises:
        ValueError: A mode with read bits or without write bits, a name that no directory can hold.
        TypeError: A function with a keyword-only parameter that has no default, an asynchronous generator.
    """
    options = ActionOptions(name, mode)

    def decorate(decorated: Any) -> Any:
        if inspect.isasyncgenfunction(decorated):
            raise TypeError(f"action: {decorated!r} is an asynchronous generator; nobody reads it")
        for parameter in inspect.signature(decorated).parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
                raise TypeError(
                    f"action: a line of text cannot name the parameter {parameter.name!r} of {decorated!r}"
                )
        return mark(decorated, options)

    return decorate(function) if function is not None else decorate


class _Words:
    """How the lines of one action become arguments.

    Arguments:
        function: What is called, bound to its object.
        hints: Its annotations.
    """

    def __init__(self, function: Callable[..., Any], hints: Mapping[str, Any]) -> None:
        self._codecs: list[Codec] = []
        self._rest: Codec | None = None
        self._required = 0
        self._names: list[str] = []
        for parameter in inspect.signature(function).parameters.values():
            codec = codec_for(hints.get(parameter.name, str))
            if parameter.kind is parameter.VAR_POSITIONAL:
                self._rest = codec
                self._names.append(f"[{parameter.name}...]")
            elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                self._codecs.append(codec)
                if parameter.default is parameter.empty:
                    self._required += 1
                    self._names.append(parameter.name)
                else:
                    self._names.append(f"[{parameter.name}]")

    def parse(self, line: bytes) -> list[Any]:
        """The arguments that a line gives, or ValueError."""
        codecs = self._codecs
        if not codecs and self._rest is None:
            return []
        if len(codecs) == 1 and self._rest is None:
            return [] if not line and not self._required else [codecs[0].decode(line)]
        import shlex  # only actions of several parameters need it

        words = shlex.split(line.decode())
        if len(words) < self._required or (self._rest is None and len(words) > len(codecs)):
            raise ValueError(f"{len(words)} words, where it takes: {' '.join(self._names)}")
        rest = self._rest
        return [
            (codecs[position] if rest is None or position < len(codecs) else rest).decode(word.encode())
            for position, word in enumerate(words)
        ]


@node_class
class ActionFile(FileNode):
    """A file to write to: each line calls a function. Declare it with `action`.

    Arguments:
        function: What is called.
        options: What `action` was told.
        hints: The function's annotations; looked up when they are needed first, unless given.
    """

    _function_: Callable[..., Any]
    _hints_: Mapping[str, Any] | None
    _words_: _Words | None

    def __init__(
        self,
        function: Callable[..., Any],
        options: ActionOptions | None = None,
        hints: Mapping[str, Any] | None = None,
    ) -> None:
        options = options or ActionOptions()
        FileNode.__init__(self, mode=options.mode)
        self._function_ = function
        self._hints_ = hints
        self._words_ = None

    @property
    def policy(self) -> Policy:
        return Policy.DYNAMIC

    @property
    def write_style(self) -> WriteStyle:
        return WriteStyle.LINES

    @property
    def readable(self) -> bool:
        return False

    @property
    def writable(self) -> bool:
        return True

    def size(self) -> int:
        return 0

    def content(self) -> bytes:
        raise PermissionError(errno.EACCES, "an action is written to, not read")

    def store(self, data: bytes, append: bool = False) -> Any:
        """Call the function once for each line; what follows the last newline is a line, too.

        All lines are read before the first call, so one that does not fit calls nothing. Of an ``async``
        function it is a coroutine, which calls it.
        """
        check_size(data)
        words = self._words_
        if words is None:
            hints = self._hints_ if self._hints_ is not None else hints_of(self._function_)
            words = self._words_ = _Words(self._function_, hints)
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        calls = iter([words.parse(line) for line in lines])
        for arguments in calls:
            calling = self._function_(*arguments)
            if isinstance(calling, CoroutineType):
                return self._go_on_(Owed(calling), calls)
        return None

    async def _go_on_(self, owed: Owed, calls: Iterator[list[Any]]) -> None:
        await owed.coroutine
        for arguments in calls:
            calling = self._function_(*arguments)
            if isinstance(calling, CoroutineType):
                await calling

    def _doc_(self) -> str | None:
        return function_doc(self._function_)

    def __repr__(self) -> str:
        return f"<action {self._function_!r}>"
