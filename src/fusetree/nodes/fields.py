"""`entry()`: an attribute of a node class that is a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import attrs

from fusetree.nodes.base import Node, check_mode
from fusetree.nodes.hooks import check_hook
from fusetree.nodes.names import check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fusetree.nodes.hooks import Hook

__all__ = ["ENTRY", "EntryOptions", "entry"]

_T = TypeVar("_T")

#: The key of an entry's options in the metadata of its attrs attribute.
ENTRY: Final = "fusetree.entry"


class EntryOptions:
    """What `entry` was told, or what a child without `entry` has.

    Arguments:
        name: The file's name; None is the attribute's.
        mode: Permission bits; None is 0644 or 0444.
        writable: Whether writing the file assigns the attribute; None goes by the mode, and is True
            without one.
        doc: What the file is, for who looks at it.
        on_change: Called when a program has written it.
    """

    __slots__ = ("doc", "mode", "name", "on_change", "writable")

    def __init__(
        self,
        name: str | None = None,
        mode: int | None = None,
        writable: bool | None = None,
        doc: str | None = None,
        on_change: Hook | None = None,
    ) -> None:
        if name is not None:
            check_name(name)
        if mode is not None:
            check_mode(mode)
            if writable is None:
                writable = mode & 0o222 != 0
            elif writable != (mode & 0o222 != 0):
                raise ValueError(f"mode {mode:#o} and writable={writable} contradict each other")
        elif writable is None:
            writable = True
        if doc is not None and not isinstance(doc, str):
            raise TypeError(f"the doc of an entry is text, not {type(doc).__name__}")
        check_hook(on_change, writable)
        self.name = name
        self.doc = doc
        self.on_change = on_change
        self.writable = writable
        self.mode = mode if mode is not None else 0o644 if writable else 0o444


@overload
def entry(
    default: _T,
    *,
    name: str | None = ...,
    mode: int | None = ...,
    writable: bool | None = ...,
    doc: str | None = ...,
    on_change: Hook | None = ...,
    validator: Any = ...,
    converter: Any = ...,
    **attrs_options: Any,
) -> _T: ...


@overload
def entry(
    *,
    factory: Callable[[], _T],
    name: str | None = ...,
    mode: int | None = ...,
    writable: bool | None = ...,
    doc: str | None = ...,
    on_change: Hook | None = ...,
    validator: Any = ...,
    converter: Any = ...,
    **attrs_options: Any,
) -> _T: ...


@overload
def entry(
    *,
    name: str | None = ...,
    mode: int | None = ...,
    writable: bool | None = ...,
    doc: str | None = ...,
    on_change: Hook | None = ...,
    validator: Any = ...,
    converter: Any = ...,
    **attrs_options: Any,
) -> Any: ...


def entry(
    default: Any = attrs.NOTHING,
    *,
    factory: Callable[[], Any] | None = None,
    name: str | None = None,
    mode: int | None = None,
    writable: bool | None = None,
    doc: str | None = None,
    on_change: Hook | None = None,
    validator: Any = None,
    converter: Any = None,
    metadata: Mapping[Any, Any] | None = None,
    **attrs_options: Any,
) -> Any:
    """Declare an attribute of a `node` class as a file.

    The annotation says how the value reads and what may be written: numbers, text, bytes, enums, paths and
    dates are one line, everything else that `cattrs` knows is a JSON document (the table is in
    `fusetree.nodes.codecs`). Annotated with a node class it is no file of its own, but that child.

    Assigning the attribute changes the file, and the kernel is told. Writing the file assigns the
    attribute: converters and validators run, and what they refuse fails with EINVAL and changes nothing. A
    value that is changed in place is not seen; call ``changed()`` of its file then.

    Arguments:
        default: The value of a new object; without it, and without `factory`, the constructor asks for one.
        factory: Makes the value of a new object; for everything that can be changed in place.
        name: The file's name, unless it is the attribute's.
        mode: Permission bits; 0o644, or 0o444 when it is not writable. Without a read bit the file is
            write-only, and reading it is EACCES, to root too.
        writable: Whether the file can be written; goes by `mode` when that is given.
        doc: What the file is: its extended attribute `user.doc`, and its line in `fusetree.tree`. (A child
            has the docstring of its class.)
        on_change: Called each time a program has written a value through a mount, also an equal one, and not
            when this program assigns it: with the object, the old and the new value. Or the name of a method,
            which is called with the two values. The value is stored and readers are told of it by then, and
            no lock is held. Who wrote waits until it has returned, and `fusetree.context` tells who that is.
            What it raises is logged and changes nothing: to refuse is the validator's work. It may be
            ``async``.
        validator: As in `attrs.field`.
        converter: As in `attrs.field`; what is written is read by the annotation first.
        metadata: As in `attrs.field`.
        attrs_options: All else that `attrs.field` takes (`alias`, `kw_only`, `init`, `repr`, `on_setattr`).

    Raises:
        ValueError: A name that no directory can hold, a mode that is none, or one that contradicts
            `writable`; an `on_change` of what cannot be written.
        TypeError: A default that all objects would share and could change: it needs a `factory`; a `doc` that
            is no text.
    """
    if isinstance(default, (list, dict, set, bytearray, Node)):
        raise TypeError(
            f"every object would share this {type(default).__name__}: entry(factory=...) makes one for each"
        )
    if attrs_options.get("on_setattr") is attrs.setters.frozen and writable is None and mode is None:
        writable = False
    options = EntryOptions(name, mode, writable, doc, on_change)
    if not options.mode & 0o444:
        attrs_options.setdefault("repr", False)  # a secret to readers is one to logs
    return attrs.field(
        default=default,
        factory=factory,
        validator=validator,
        converter=converter,
        metadata={**(metadata or {}), ENTRY: options},
        **attrs_options,
    )
