"""What the parameters of a route are made of: the text in a name, and the value that a handler gets.

A convertor has a regular expression for its texts, `convert` and `to_string`. A text counts only if
`to_string(convert(text))` gives it back, so one value has one name ("7" is an int, "007" is not).

A router holds the convertors of its own; nothing is registered here at run time.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Final, Protocol

from fusetree.nodes.codecs import codec_for
from fusetree.nodes.lines import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["BUILTIN", "Convertor", "PathConvertor", "as_convertor", "characters", "is_apart", "is_within"]


class Convertor(Protocol):
    """How one kind of parameter reads in a name."""

    #: What its texts look like: the whole text must match.
    regex: str

    def convert(self, text: str) -> Any:
        """The value of a text that matches; ValueError when it is none after all."""

    def to_string(self, value: Any) -> str:
        """The text of a value; ValueError or TypeError when it has none."""


class _Str:
    regex = ".+"

    def convert(self, text: str) -> str:
        return text

    def to_string(self, value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is not text")
        return value


class PathConvertor(_Str):
    """The rest of a path, slashes included: a segment of its own, and the last one."""


class _Int:
    regex = "-?[0-9]+"

    def convert(self, text: str) -> int:
        return int(text)

    def to_string(self, value: Any) -> str:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{value!r} is not an int")
        return str(int(value))


class _Float:
    regex = r"-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?"

    def convert(self, text: str) -> float:
        return float(text)

    def to_string(self, value: Any) -> str:
        if not isinstance(value, float) or value - value != 0:  # neither infinite nor NaN
            raise TypeError(f"{value!r} is not a finite float")
        return repr(float(value))


class _Date:
    regex = "[0-9]{4}-[0-9]{2}-[0-9]{2}"

    def convert(self, text: str) -> Any:
        import datetime as dt

        return dt.date.fromisoformat(text)

    def to_string(self, value: Any) -> str:
        import datetime as dt

        if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
            raise TypeError(f"{value!r} is not a date")
        return value.isoformat()


class _Uuid:
    regex = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

    def convert(self, text: str) -> Any:
        import uuid

        return uuid.UUID(text)

    def to_string(self, value: Any) -> str:
        import uuid

        if not isinstance(value, uuid.UUID):
            raise TypeError(f"{value!r} is not a UUID")
        return str(value)


class _Functions:
    """A convertor of two functions."""

    regex = ".+"

    def __init__(self, kind: type, convert: Callable[[str], Any], to_string: Callable[[Any], str]) -> None:
        self._kind = kind
        self._convert = convert
        self._to_string = to_string

    def convert(self, text: str) -> Any:
        return self._convert(text)

    def to_string(self, value: Any) -> str:
        if not isinstance(value, self._kind):
            raise TypeError(f"{value!r} is not a {self._kind.__name__}")
        return self._to_string(value)


_STR: Final[Convertor] = _Str()

#: The convertors that every router has.
BUILTIN: Final[Mapping[str, Convertor]] = types.MappingProxyType(
    {
        "str": _STR,
        "int": _Int(),
        "float": _Float(),
        "date": _Date(),
        "uuid": _Uuid(),
        "path": PathConvertor(),
    }
)

# Of which characters the texts of these consist. No text is one of two of them: a float has a point or an
# exponent, the others have a form of their own.
_CHARACTERS: Final[Mapping[Convertor, frozenset[str]]] = types.MappingProxyType(
    {
        BUILTIN["int"]: frozenset("-0123456789"),
        BUILTIN["float"]: frozenset("-+.e0123456789"),
        BUILTIN["date"]: frozenset("-0123456789"),
        BUILTIN["uuid"]: frozenset("-0123456789abcdef"),
    }
)


def as_convertor(name: str, given: Any) -> Convertor:
    """The convertor that was given, or that is made of a class whose values are one line as an entry.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(given, type):
        codec = codec_for(given)
        if not isinstance(codec, Text):
            if all(hasattr(given, part) for part in ("regex", "convert", "to_string")):
                raise TypeError(f"convertor {name!r}: give an object of the class, {given.__name__}()")
            raise TypeError(
                f"convertor {name!r}: the values of {given.__name__} are not one line of text; give an "
                "object with regex, convert and to_string"
            )
        return _Functions(given, codec.parse, codec.dump)
    methods = (getattr(given, "convert", None), getattr(given, "to_string", None))
    if not all(map(callable, methods)) or not isinstance(getattr(given, "regex", None), str):
        raise TypeError(
            f"convertor {name!r}: {given!r} is neither a class nor an object with regex, convert and "
            "to_string"
        )
    found: Convertor = given
    return found


def characters(convertor: Convertor) -> frozenset[str] | None:
    """The characters of which its texts consist; None when they may be any."""
    try:
        return _CHARACTERS.get(convertor)
    except TypeError:  # one that has no hash
        return None


def is_within(one: Convertor, other: Convertor) -> bool:
    """Whether each text of *one* is certainly a text of *other*."""
    return one is other or other is _STR


def is_apart(one: Convertor, other: Convertor) -> bool:
    """Whether certainly no text is of both."""
    return one is not other and characters(one) is not None and characters(other) is not None
