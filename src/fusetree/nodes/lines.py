"""Values as one line of text: numbers, truth values, dates, members of enumerations.

The line ends with a newline; writing takes it with or without. A subclass of a class that has a line is made
from what its base makes of the text.
"""

from __future__ import annotations

import datetime as dt
import enum
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Text", "line_codec"]


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


def line_codec(cls: type) -> Text | None:
    """The line for values of a class, or None when it has none."""
    if issubclass(cls, enum.Flag):
        return _flag_codec(cls)
    if issubclass(cls, enum.Enum):
        return _enum_codec(cls)
    # A class of paths has pathlib imported; `import fusetree` need not.
    pathlib = sys.modules.get("pathlib")
    if pathlib is not None and issubclass(cls, pathlib.PurePath):
        return Text(str, cls, escape=True, strip=False)
    for base, dump, parse in _SCALARS:
        if issubclass(cls, base):
            return Text(dump, parse if cls is base else _making(cls, parse), strip=parse is not _same)
    return None


def _making(cls: Any, parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Parse as the base class does, and make the subclass of it."""
    if issubclass(cls, (dt.date, dt.time)):
        from_iso: Callable[[str], Any] = cls.fromisoformat
        return from_iso
    return lambda text: cls(parse(text))
