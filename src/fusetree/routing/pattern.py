"""Patterns of paths: ``/users/{name}.json`` taken apart, matched and filled in, and compared with others.

A pattern is a series of segments, one for each name on the path. A segment is literal text with parameters
in it: ``{name}`` or ``{name:convertor}``; ``{{`` and ``}}`` stand for braces. ``{rest:path}`` takes all names
that follow, and stands alone at the end.

Where two segments take the same name, the one that says more has it, if that is certain: ``{name}.json``
before ``{name}``, ``{id:int}`` before ``{name}``, ``readme`` before both. `Segment.compare` tells.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Any

import attrs

from fusetree.nodes.names import check_name
from fusetree.routing.convertors import BUILTIN, Convertor, PathConvertor, characters, is_apart, is_within

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Comparison", "Parameter", "Pattern", "Segment"]

Values = dict[str, Any]


class Comparison(enum.Enum):
    """How the names of two segments are to each other, as far as it is certain."""

    #: They take the same names.
    SAME = enum.auto()
    #: No name is taken by both.
    APART = enum.auto()
    #: The second takes all that the first does, and more.
    NARROWER = enum.auto()
    #: The first takes all that the second does, and more.
    WIDER = enum.auto()
    #: Some names may be taken by both, and neither says more.
    OVERLAPPING = enum.auto()


@attrs.frozen
class Parameter:
    """A parameter of a segment.

    Attributes:
        name: What handlers call it.
        kind: The name of its convertor.
        convertor: Its convertor.
    """

    name: str
    kind: str
    convertor: Convertor


@attrs.frozen(eq=False)
class Segment:
    """One name of a path.

    Attributes:
        text: As it was written.
        literals: The text before, between and after the parameters: one more than there are of those.
        parameters: The parameters.
    """

    text: str
    literals: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    _regex: re.Pattern[str] = attrs.field(init=False, repr=False)
    # Whether a name certainly has the values that it was made of.
    _gives_back: bool = attrs.field(init=False, repr=False)

    @_regex.default
    def _compile(self) -> re.Pattern[str]:
        parts = [re.escape(self.literals[0])]
        for parameter, literal in zip(self.parameters, self.literals[1:], strict=True):
            parts.append(f"(?P<{parameter.name}>{parameter.convertor.regex})")
            parts.append(re.escape(literal))
        try:
            return re.compile("".join(parts), re.DOTALL)
        except re.error as error:
            raise ValueError(f"{self.text!r}: the regex of a convertor is wrong: {error}") from None

    @_gives_back.default
    def _is_plain(self) -> bool:
        return len(self.parameters) == 1 and any(
            self.parameters[0].convertor is known for known in BUILTIN.values()
        )

    @property
    def is_literal(self) -> bool:
        """Whether it has no parameters."""
        return not self.parameters

    @property
    def is_path(self) -> bool:
        """Whether it takes all names that follow."""
        return any(isinstance(parameter.convertor, PathConvertor) for parameter in self.parameters)

    def match(self, name: str) -> Values | None:
        """The values of the parameters, or None when the name is not taken."""
        found = self._regex.fullmatch(name)
        if found is None:
            return None
        values = {}
        for parameter in self.parameters:
            text = found[parameter.name]
            if not text:
                return None
            try:
                value = parameter.convertor.convert(text)
                if parameter.convertor.to_string(value) != text:
                    return None
            except (ValueError, TypeError):
                return None
            values[parameter.name] = value
        return values

    def render(self, values: Mapping[str, Any]) -> str:
        """The name that has these values.

        Raises:
            ValueError, TypeError: There is none.
        """
        parts = [self.literals[0]]
        for parameter, literal in zip(self.parameters, self.literals[1:], strict=True):
            value = values[parameter.name]
            text: object = parameter.convertor.to_string(value)
            if not isinstance(text, str) or not text:
                raise ValueError(f"{self.text!r}: {parameter.name}={value!r} makes no text")
            parts += (text, literal)
        name = "".join(parts)
        check_name(name)
        if not self._gives_back and self.match(name) != dict(values):
            raise ValueError(f"{self.text!r}: the name {name!r} would not give {dict(values)!r} back")
        return name

    def compare(self, other: Segment) -> Comparison:
        """How the names that both take are to each other."""
        if self.is_literal or other.is_literal:
            return _compare_literal(self, other)
        one, two = self._within(other), other._within(self)
        if one and two:
            return Comparison.SAME
        if one:
            return Comparison.NARROWER
        if two:
            return Comparison.WIDER
        return Comparison.APART if self._apart(other) else Comparison.OVERLAPPING

    def _within(self, other: Segment) -> bool:
        """Whether each name that it takes is certainly taken by *other*."""
        if self.literals == other.literals:
            pairs = zip(self.parameters, other.parameters, strict=True)
            if all(is_within(one.convertor, two.convertor) for one, two in pairs):
                return True
        if len(other.parameters) != 1 or not _takes_any(other.parameters[0].convertor):
            return False
        # No parameter is empty, so what lies between the two ends is not, either.
        return self.literals[0].startswith(other.literals[0]) and self.literals[-1].endswith(
            other.literals[-1]
        )

    def _apart(self, other: Segment) -> bool:
        """Whether certainly no name is taken by both."""
        begin, begin_other = self.literals[0], other.literals[0]
        if not (begin.startswith(begin_other) or begin_other.startswith(begin)):
            return True
        end, end_other = self.literals[-1], other.literals[-1]
        if not (end.endswith(end_other) or end_other.endswith(end)):
            return True
        if self._lacks(other) or other._lacks(self):
            return True
        return (
            self.literals == other.literals
            and len(self.parameters) == 1
            and is_apart(self.parameters[0].convertor, other.parameters[0].convertor)
        )

    def _lacks(self, other: Segment) -> bool:
        """Whether a literal of *other* has a character that none of its own names has."""
        own: set[str] = set("".join(self.literals))
        for parameter in self.parameters:
            some = characters(parameter.convertor)
            if some is None:
                return False
            own |= some
        return not own.issuperset("".join(other.literals))


def _takes_any(convertor: Convertor) -> bool:
    return is_within(_ANYTHING, convertor)


def _compare_literal(one: Segment, other: Segment) -> Comparison:
    if one.is_literal and other.is_literal:
        return Comparison.SAME if one.literals == other.literals else Comparison.APART
    if one.is_literal:
        return Comparison.APART if other.match(one.literals[0]) is None else Comparison.NARROWER
    return Comparison.APART if one.match(other.literals[0]) is None else Comparison.WIDER


class _Anything:
    """Stands for a convertor of which nothing is known."""

    regex = ".+"

    def convert(self, text: str) -> Any:
        return text

    def to_string(self, value: Any) -> str:
        return str(value)


_ANYTHING: Convertor = _Anything()


@attrs.frozen(eq=False)
class Pattern:
    """A path with parameters.

    Attributes:
        text: As it was written.
        segments: Its names.
    """

    text: str
    segments: tuple[Segment, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, in order."""
        return tuple(parameter.name for segment in self.segments for parameter in segment.parameters)

    @classmethod
    def parse(cls, text: object, convertors: Mapping[str, Convertor]) -> Pattern:
        """Take a pattern apart.

        Raises:
            TypeError: It is not text.
            ValueError: It is no pattern; the message says why.
        """
        if not isinstance(text, str):
            hint = ' (write @app.file("/path") above a function)' if callable(text) else ""
            raise TypeError(f"a path is text, not {text!r}{hint}")
        if not text.startswith("/"):
            raise ValueError(f"the path {text!r} does not begin with a slash")
        if text == "/":
            return cls(text, ())
        segments = tuple(_segment(text, part, convertors) for part in text[1:].split("/"))
        pattern = cls(text, segments)
        names = pattern.parameters
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the path {text!r} has the parameter {name!r} twice")
        for place, segment in enumerate(segments, 1):
            if not segment.is_path:
                continue
            if place < len(segments) or len(segment.parameters) > 1 or any(segment.literals):
                raise ValueError(f"the path {text!r}: a parameter of kind path stands alone, at the end")
        return pattern

    def joined(self, prefix: Pattern) -> Pattern:
        """The same below another pattern."""
        if not prefix.segments:
            return self
        text = prefix.text if not self.segments else prefix.text + self.text
        return Pattern(text, (*prefix.segments, *self.segments))

    def __str__(self) -> str:
        return self.text


_PIECE = re.compile(r"(\{\{|\}\}|\{[^{}]*\}|[{}])")


def _segment(whole: str, part: str, convertors: Mapping[str, Convertor]) -> Segment:
    where = f"the path {whole!r}"
    if not part:
        raise ValueError(f"{where} has an empty name: two slashes in a row, or one at its end")
    literals = [""]
    parameters: list[Parameter] = []
    for piece in _PIECE.split(part):
        if piece in ("{{", "}}"):
            literals[-1] += piece[0]
        elif piece in ("{", "}"):
            raise ValueError(f"{where} has a brace without its partner (write {piece * 2} for one)")
        elif piece.startswith("{") and piece.endswith("}") and len(piece) > 1:
            if parameters and not literals[-1]:
                raise ValueError(f"{where}: nothing stands between {parameters[-1].name!r} and {piece}")
            parameters.append(_parameter(where, piece[1:-1], convertors))
            literals.append("")
        else:
            literals[-1] += piece
    if not parameters:
        try:
            check_name(literals[0])
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    elif any("\0" in literal for literal in literals):
        raise ValueError(f"{where} holds NUL")
    return Segment(part, tuple(literals), tuple(parameters))


def _parameter(where: str, text: str, convertors: Mapping[str, Convertor]) -> Parameter:
    name, colon, kind = (part.strip() for part in text.partition(":"))
    if not name.isidentifier():
        raise ValueError(f"{where}: {name!r} is no name for a parameter")
    kind = kind if colon else "str"
    try:
        return Parameter(name, kind, convertors[kind])
    except KeyError:
        known = ", ".join(sorted(convertors))
        raise ValueError(
            f"{where}: there is no convertor {kind!r} (there are {known}; own ones: Router(convertors=...))"
        ) from None
