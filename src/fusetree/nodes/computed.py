"""`computed`: a file whose content a function makes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Iterator
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast, overload

from fusetree.nodes.base import Node, check_mode, node_class
from fusetree.nodes.docs import function_doc
from fusetree.nodes.filenode import FileNode, Policy
from fusetree.nodes.hints import hints_of
from fusetree.nodes.names import check_name
from fusetree.nodes.owed import Owed
from fusetree.nodes.rendered import render
from fusetree.nodes.stamps import check_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["MARK", "ComputedFile", "ComputedOptions", "Marked", "check_called_bare", "computed", "mark"]

_F = TypeVar("_F", bound="Callable[..., Any]")

#: The attribute of a function that makes it a file. (The function stays what it is, and can be called.)
MARK: Final = "__fusetree_file__"

#: What most functions return. To ask an abstract class whether a value is an iterator takes longer.
_PLAIN: Final = frozenset((bytes, str, int, float, bool, dict, list))


class Marked:
    """What a decorator left on a function: how to make a file of it.

    Arguments:
        name: The file's name; None is the function's.
        mode: Permission bits.
    """

    kind = "file"

    def __init__(self, name: str | None, mode: int) -> None:
        self.name = None if name is None else check_name(name)
        self.mode = check_mode(mode)

    def make(self, function: Callable[..., Any], hints: Mapping[str, Any] | None = None) -> Node:
        """The file of `function`, which is bound to its object. `hints` are its annotations, when known
        already.
        """
        raise NotImplementedError


def mark(function: _F, options: Marked) -> _F:
    """Leave `options` on a function, and return it; what cannot hold them comes back wrapped."""
    try:
        setattr(function, MARK, options)
    except AttributeError:  # a builtin, a bound method
        wrapped = cast("_F", functools.partial(function))
        setattr(wrapped, MARK, options)
        return wrapped
    return function


def check_called_bare(function: Callable[..., Any], *bound: object) -> None:
    """Refuse to make a file of what cannot be called without arguments.

    Arguments:
        function: The function.
        bound: What it gets all the same: the object, if it is a method.

    Raises:
        TypeError: It has parameters without a default.
    """
    try:
        inspect.signature(function).bind(*bound)
    except ValueError:  # a builtin that does not tell
        return
    except TypeError as error:
        name = getattr(function, "__qualname__", repr(function))
        raise TypeError(f"{name} cannot be a file, it is called without arguments: {error}") from None


class ComputedOptions(Marked):
    """What `computed` was told."""

    kind = "computed"

    def __init__(
        self,
        name: str | None = None,
        mode: int = 0o444,
        size: Literal["exact"] | None = None,
        ttl: float = 0.0,
    ) -> None:
        super().__init__(name, mode)
        if self.mode & 0o222:
            raise ValueError(f"a computed file cannot be written: mode {mode:#o} has write bits")
        if size not in (None, "exact"):
            raise ValueError(f'size is "exact" or None, not {size!r}')
        check_seconds(ttl)
        self.exact = size == "exact"
        self.ttl = float(ttl)

    def make(self, function: Callable[..., Any], hints: Mapping[str, Any] | None = None) -> ComputedFile:
        return ComputedFile(function, self, hints)


@overload
def computed(function: _F, /) -> _F: ...


@overload
def computed(
    *, name: str | None = ..., mode: int = ..., size: Literal["exact"] | None = ..., ttl: float = ...
) -> Callable[[_F], _F]: ...


def computed(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    mode: int = 0o444,
    size: Literal["exact"] | None = None,
    ttl: float = 0.0,
) -> Any:
    """Make a method of a `node` class a file, whose content is what the method returns.

    It is called at each open, and that open reads what it returned, whole and unchanged. Text gets a
    newline at its end unless it has one, bytes are taken as they are, and anything else reads as an entry of
    its type does. The method stays callable. A subclass may override it without the decorator.

    A generator, or another iterator of texts and bytes, is taken from as far as the reader reads, so its
    content may be of any length; it is closed with the file, and `finally` blocks run. Reading on and
    stepping back to where the last read began are free; who seeks further back begins anew, with another
    call.

    It may be ``async``, an asynchronous generator too: then readers wait for it and hold no thread, and it is
    cancelled for a reader that gives up.

    A plain function works too, as a child: ``Dir({"now": computed(ttl=1)(now)})``.

    Arguments:
        name: The file's name, unless it is the method's.
        mode: Permission bits, without write bits.
        size: "exact" makes the content also to tell the size, for programs that trust `st_size` (tar).
            Without it the size is 0, as in /proc, and readers read to the end.
        ttl: For how long the kernel may keep the attributes, in seconds.

    Raises:
        ValueError: A mode with write bits, a name that no directory can hold, a `ttl` below 0.
    """
    options = ComputedOptions(name, mode, size, ttl)
    return mark(function, options) if function is not None else lambda decorated: mark(decorated, options)


@node_class
class ComputedFile(FileNode):
    """A file whose content a function makes at each open. Declare it with `computed`, or put a function
    into a `Dir`.

    Arguments:
        function: Called without arguments.
        options: What `computed` was told.
        hints: The function's annotations; looked up when they are needed first, unless given.
    """

    _function_: Callable[[], Any]
    _options_: ComputedOptions
    _hints_: Mapping[str, Any] | None

    def __init__(
        self,
        function: Callable[[], Any],
        options: ComputedOptions | None = None,
        hints: Mapping[str, Any] | None = None,
    ) -> None:
        options = options or ComputedOptions()
        FileNode.__init__(self, mode=options.mode)
        self._function_ = function
        self._options_ = options
        self._hints_ = hints

    @property
    def policy(self) -> Policy:
        return Policy.DYNAMIC

    @property
    def ttl(self) -> float:
        return self._options_.ttl

    def size(self) -> Any:
        """The size in bytes, or None. Of an ``async`` function it is a coroutine that returns it."""
        if not self._options_.exact:
            return None
        content = self.content()
        return _length(Owed(content)) if isinstance(content, CoroutineType) else len(content)

    def content(self) -> Any:
        """The bytes. Of an ``async`` function it is a coroutine that returns them."""
        value = self._function_()
        if isinstance(value, CoroutineType):
            return self._made_(Owed(value))
        return _joined(value) if isinstance(value, AsyncIterator) else self._rendered_(value)

    def _opened_(self) -> Any:
        value = self._function_()
        if type(value) in _PLAIN:
            return self._rendered_(value)
        if isinstance(value, CoroutineType):
            return self._opening_(Owed(value))
        return value if isinstance(value, (Iterator, AsyncIterator)) else self._rendered_(value)

    async def _made_(self, owed: Owed) -> bytes:
        value = await owed.coroutine
        return await _joined(value) if isinstance(value, AsyncIterator) else self._rendered_(value)

    async def _opening_(self, owed: Owed) -> Any:
        value = await owed.coroutine
        return value if isinstance(value, (Iterator, AsyncIterator)) else self._rendered_(value)

    def _rendered_(self, value: Any) -> bytes:
        hints = self._hints_
        if hints is None:
            try:
                hints = hints_of(self._function_)
            except NameError:  # a name for type checkers only; the value's own type will do
                hints = {}
            self._hints_ = hints
        return render(value, hints.get("return"))

    def _doc_(self) -> str | None:
        return function_doc(self._function_)

    def __repr__(self) -> str:
        return f"<file computed by {self._function_!r}>"


async def _joined(pieces: AsyncIterator[Any]) -> bytes:
    return render(iter([piece async for piece in pieces]))


async def _length(owed: Owed) -> int:
    return len(await owed.coroutine)
