"""From a value to the bytes of its file and back, chosen by the annotation.

Small values are one line of text (`fusetree.nodes.lines`), bytes are as they are, all else is a JSON document
(`fusetree.nodes.documents`); what the program has registered for a class comes before all of them.
`Annotated`, `NewType` and `type` aliases are seen through.

Which text each type has: docs/reference/values.md.

A codec knows no node. It raises ValueError (or TypeError) for what it does not take, and then nothing has
changed.
"""

from __future__ import annotations

import functools
import types
import typing
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Union, overload

from fusetree.nodes.documents import Document
from fusetree.nodes.lines import Text, line_codec
from fusetree.nodes.registry import on_change, registered, registered_for

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Codec", "Verbatim", "codec_for", "is_document", "register_codec", "see_through"]

_T = TypeVar("_T")


class Codec(Protocol):
    """How the values of one type are written to a file and read from it."""

    #: Whether the values are immutable: then their bytes may be published until the next change.
    immutable: bool

    def encode(self, value: Any) -> bytes:
        """The bytes that readers get."""

    def decode(self, data: bytes) -> Any:
        """The value that was written; ValueError or TypeError when it is none."""


def is_document(codec: Codec) -> bool:
    """Whether what is written is gathered, and decoded when the file is closed or synced."""
    return bool(getattr(codec, "document", False))


class Verbatim:
    """Bytes as they are.

    Arguments:
        make: Makes the value of the bytes; `bytes` itself unless the annotation is a subclass.
    """

    def __init__(self, make: Callable[[bytes], Any] = bytes, *, immutable: bool = True) -> None:
        self.immutable = immutable
        self._make = make

    def encode(self, value: Any) -> bytes:
        return bytes(value)

    def decode(self, data: bytes) -> Any:
        return self._make(data)


def _literal_codec(choices: tuple[Any, ...]) -> Codec | None:
    """One line for the values of a `Literal`, or None when two of them read the same."""
    by_text: dict[bytes, Any] = {}
    for choice in choices:
        text = b"\n" if choice is None else codec_for(type(choice)).encode(choice)
        by_text[text.removesuffix(b"\n")] = choice
    if len(by_text) != len(choices):
        return None

    def dump(value: Any) -> str:
        for text, choice in by_text.items():
            if value == choice and type(value) is type(choice):
                return text.decode("utf-8", "surrogateescape")
        raise ValueError(f"{value!r} is none of {', '.join(map(repr, choices))}")

    def parse(text: str) -> Any:
        try:
            return by_text[text.encode("utf-8", "surrogateescape")]
        except KeyError:
            raise ValueError(f"{text!r} is none of {', '.join(map(repr, choices))}") from None

    return Text(dump, parse, strip=False, escape=True)


class _Optional:
    """A codec with an empty file or line for None."""

    def __init__(self, codec: Codec) -> None:
        self.immutable = codec.immutable
        self.document = is_document(codec)
        self._codec = codec
        self._none = b"" if isinstance(codec, Verbatim) else b"\n"

    def encode(self, value: Any) -> bytes:
        return self._none if value is None else self._codec.encode(value)

    def decode(self, data: bytes) -> Any:
        return None if data in (b"", self._none) else self._codec.decode(data)


# ------------------------------------------------------------------------------------------------- the choice


def codec_for(annotation: Any) -> Codec:
    """The codec for values of an annotation, which must be resolved: a type, not the text of one."""
    return _for_plain_class(annotation) if type(annotation) is type else _choose(annotation)


def _choose(annotation: Any) -> Codec:
    annotation = see_through(annotation)
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        return _for_class(annotation)
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Literal:
        return _literal_codec(arguments) or Document(annotation)
    if origin in (Union, types.UnionType) and types.NoneType in arguments and len(arguments) == 2:
        inner = codec_for(next(argument for argument in arguments if argument is not types.NoneType))
        # JSON has a null of its own.
        return Document(annotation) if isinstance(inner, Document) else _Optional(inner)
    return Document(annotation)


def _for_class(cls: type) -> Codec:
    own = registered_for(cls)
    if own is not None:
        return own
    line = line_codec(cls)
    if line is not None:
        return line
    if issubclass(cls, bytes):
        return Verbatim(cls)
    if cls in (bytearray, memoryview):
        return Verbatim(cls, immutable=False)
    return Document(cls)


# Plain classes only: Literal[1] and Literal[True] are equal, and a cache would mix them up.
@functools.lru_cache(maxsize=256)
def _for_plain_class(cls: type) -> Codec:
    return _for_class(cls)


on_change(_for_plain_class.cache_clear)


@overload
def register_codec(
    cls: type[_T], dump: Callable[[_T], str], parse: Callable[[str], _T] | None = ...
) -> Callable[[], None]: ...


@overload
def register_codec(cls: type, *, codec: Codec) -> Callable[[], None]: ...


def register_codec(
    cls: type,
    dump: Callable[[Any], str] | None = None,
    parse: Callable[[str], Any] | None = None,
    *,
    codec: Codec | None = None,
) -> Callable[[], None]:
    """Say how the values of a class, and of its subclasses, read: as entries, computed files, plain values
    in a `Dir`, and in what `expose` shows. Do it before the class is first used there.

    Arguments:
        cls: The class.
        dump: Makes one line of text of a value, without its newline.
        parse: Makes a value of a line without its newline and surrounding space; ValueError when there is
            none. Without it such values are not written.
        codec: A whole codec, in place of the two: `encode(value) -> bytes`, `decode(data) -> value`, and
            `immutable`, whether the values are. If it has a `document` that is true, what programs write is
            gathered, and decoded when they close or sync the file, as with JSON; else each write(2) is a
            whole value.

    Returns:
        A function that takes the registration back, for tests.

    Raises:
        TypeError: `cls` is no class, or neither `dump` nor `codec` is given, or both.
    """
    if not isinstance(cls, type):
        raise TypeError(f"a codec is registered for a class, not for {cls!r}")
    if (dump is None) == (codec is None):
        raise TypeError("register_codec() takes either dump and parse, or codec")
    if dump is not None:

        def refuse(text: str) -> Any:
            raise ValueError(f"a {cls.__name__} is not written: its codec has no parse")

        codec = Text(dump, parse or refuse)
    assert codec is not None
    return registered(cls, codec)


def see_through(annotation: Any) -> Any:
    """The type behind `Annotated`, `NewType` and `type X = ...`."""
    while True:
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = annotation.__origin__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation
