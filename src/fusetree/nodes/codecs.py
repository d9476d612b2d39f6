"""From a value to the bytes of its file and back, chosen by the annotation.

Small values are one line of text that ends with a newline; writing takes the line with or without it. All
else is a JSON document, and how it becomes typed objects is the work of `cattrs`, which is imported when
the first document is read.

Which text each type has: docs/reference/values.md.

A subclass of int, float, str or bytes is made from what its base makes of the text. `Annotated`, `NewType`
and `type` aliases are seen through.

A codec knows no node. It raises ValueError (or TypeError) for what it does not take, and then nothing has
changed.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
import os
import sys
import types
import typing
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, Union, overload

from fusetree.nodes.registry import on_change, registered, registered_for

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Codec",
    "Document",
    "Text",
    "Verbatim",
    "codec_for",
    "is_document",
    "register_codec",
    "render",
    "see_through",
]

_T = TypeVar("_T")


class Codec(Protocol):
    """How the values of one type are written to a file and read from it."""

    #: Whether the values are immutable: then their bytes may be published until the next change.
    immutable: bool

    def encode(self, value: Any) -> bytes:
        """The bytes that readers get."""

    def decode(self, data: bytes) -> Any:
        """The value that was written; ValueError or TypeError when it is none."""


class Text:
    """One line of text: `dump` makes it of a value, `parse` makes a value of it.

    Arguments:
        dump: The line, without its newline.
        parse: The value of a line without its newline; ValueError when there is none.
        escape: Whether bytes that are not UTF-8 are carried through (paths), and not refused.
        strip: Whether space around the line is ignored.
    """

    immutable = True

    def __init__(
        self,
        dump: Callable[[Any], str],
        parse: Callable[[str], Any],
        *,
        escape: bool = False,
        strip: bool = True,
    ) -> None:
        self.dump = dump
        self.parse = parse
        self._errors = "surrogateescape" if escape else "strict"
        self._strip = strip

    def encode(self, value: Any) -> bytes:
        return self.dump(value).encode("utf-8", self._errors) + b"\n"

    def decode(self, data: bytes) -> Any:
        text = data.decode("utf-8", self._errors).removesuffix("\n")
        return self.parse(text.strip() if self._strip else text)


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


class Document:
    """A JSON document of whatever `cattrs` can structure.

    Arguments:
        annotation: The type that is structured and unstructured.
    """

    immutable = False
    document = True

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation

    def encode(self, value: Any) -> bytes:
        import json

        plain = _converter().unstructure(value, unstructure_as=self._annotation)
        return json.dumps(plain, indent=2, ensure_ascii=False).encode("utf-8") + b"\n"

    def decode(self, data: bytes) -> Any:
        import json

        try:
            plain = json.loads(data)
        except RecursionError:
            raise ValueError("the document is nested too deeply") from None
        converter = _converter()
        try:
            return converter.structure(plain, self._annotation)
        except Exception as error:
            from cattrs import BaseValidationError, transform_error

            if isinstance(error, BaseValidationError):
                raise ValueError("; ".join(transform_error(error, path="document"))) from error
            if isinstance(error, (KeyError, AttributeError, RecursionError)):
                raise ValueError(f"the document does not fit: {error!r}") from error
            raise


@functools.cache
def _converter() -> Any:
    from cattrs.preconf.json import make_converter

    converter = make_converter()

    def structure(cls: Any) -> Callable[[Any, Any], Any]:
        # cattrs takes the annotations as they are written, and of named tuples only those that are classes.
        hints = typing.get_type_hints(cls)
        fields: Any = tuple[tuple(hints.get(name, Any) for name in cls._fields)]  # type: ignore[misc]
        return lambda value, _: cls(*converter.structure(value, fields))

    converter.register_structure_hook_factory(_is_named_tuple, structure)
    return converter


def _is_named_tuple(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")


# -------------------------------------------------------------------------------------------- one line each


def _parse_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        if text.lstrip("+-")[:2].lower() in ("0x", "0o", "0b"):
            return int(text, 0)
        raise


_BOOLEANS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def _parse_bool(text: str) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither true nor false") from None


def _parse_datetime(text: str) -> dt.datetime:
    # Python 3.10 does not know the Z of other tools.
    return dt.datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text)


def _parse_time(text: str) -> dt.time:
    return dt.time.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text)


def _isoformat(value: Any) -> str:
    return str(value.isoformat())


def _same(text: str) -> str:
    return text


# A subclass stands before its base: bool is an int, datetime a date.
_SCALARS: Final[tuple[tuple[type, Callable[[Any], str], Callable[[str], Any]], ...]] = (
    (bool, lambda value: "true" if value else "false", _parse_bool),
    (int, lambda value: str(int(value)), _parse_int),
    (float, lambda value: repr(float(value)), float),
    (str, str, _same),
    (dt.datetime, _isoformat, _parse_datetime),
    (dt.date, _isoformat, dt.date.fromisoformat),
    (dt.time, _isoformat, _parse_time),
)


def _enum_codec(cls: type[enum.Enum]) -> Text:
    by_text: dict[str, enum.Enum] = dict(cls.__members__)  # aliases too
    if all(isinstance(member.value, str) for member in cls):
        by_text.update((member.value, member) for member in cls)

        def dump(value: enum.Enum) -> str:
            return str(value.value)
    else:

        def dump(value: enum.Enum) -> str:
            return value.name

    def parse(text: str) -> enum.Enum:
        member = by_text.get(text, by_text.get(text.strip()))
        if member is None:
            raise ValueError(f"{text!r} is none of {', '.join(dump(member) for member in cls)}")
        return member

    return Text(dump, parse, strip=False)


def _flag_codec(cls: type[enum.Flag]) -> Text:
    def dump(value: enum.Flag) -> str:
        names = []
        left = value.value
        for name, member in cls.__members__.items():
            bits = member.value
            if bits and bits & (bits - 1) == 0 and left & bits:
                names.append(name)
                left &= ~bits
        return "|".join([*names, str(left)] if left else names) or "0"

    def parse(text: str) -> enum.Flag:
        value = cls(0)
        for word in text.split("|"):
            word = word.strip()
            if word in cls.__members__:
                value |= cls[word]
            else:
                try:
                    value |= cls(_parse_int(word))
                except ValueError:
                    raise ValueError(f"{word!r} is none of {', '.join(cls.__members__)}") from None
        return value

    return Text(dump, parse)


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


def is_document(codec: Codec) -> bool:
    """Whether what is written is gathered, and decoded when the file is closed or synced."""
    return bool(getattr(codec, "document", False))


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


def _for_class(cls: type) -> Codec:
    own = registered_for(cls)
    if own is not None:
        return own
    if issubclass(cls, enum.Flag):
        return _flag_codec(cls)
    if issubclass(cls, enum.Enum):
        return _enum_codec(cls)
    if issubclass(cls, bytes):
        return Verbatim(cls)
    if cls in (bytearray, memoryview):
        return Verbatim(cls, immutable=False)
    # A class of paths has pathlib imported; `import fusetree` need not.
    pathlib = sys.modules.get("pathlib")
    if pathlib is not None and issubclass(cls, pathlib.PurePath):
        return Text(str, cls, escape=True, strip=False)
    for base, dump, parse in _SCALARS:
        if issubclass(cls, base):
            return Text(dump, parse if cls is base else _making(cls, parse), strip=parse is not _same)
    return Document(cls)


def _making(cls: Any, parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Parse as the base class does, and make the subclass of it."""
    if issubclass(cls, (dt.date, dt.time)):
        return cls.fromisoformat  # type: ignore[no-any-return]
    return lambda text: cls(parse(text))


def render(value: Any, annotation: Any = None) -> bytes:
    """The content of a computed file, of what its function returned.

    Bytes are taken as they are. Text gets a newline unless it ends with one. An iterator (such as a
    generator) is run to its end, and its texts and bytes are joined. None is empty. Anything else is
    encoded by `codec_for`.

    Arguments:
        value: What was returned.
        annotation: The resolved annotation of the result; None, and `Any`, go by the value's own type.
    """
    if value is None:
        return b""
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        data = value.encode("utf-8", "surrogateescape")
        return data if not data or data.endswith(b"\n") else data + b"\n"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, Iterator):
        return b"".join(
            piece.encode("utf-8", "surrogateescape") if isinstance(piece, str) else bytes(memoryview(piece))
            for piece in value
        )
    if isinstance(value, os.PathLike):
        return os.fsencode(value) + b"\n"
    if annotation in (None, Any, object, types.NoneType):
        annotation = type(value)
    return codec_for(annotation).encode(value)
