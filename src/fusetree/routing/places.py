"""The places of a router: a trie with a place for each segment of the patterns.

Rule 1: what could not be told apart is refused when it is declared, and then nothing has changed.
Rule 2: where several segments take a name, the order of `Place.parameters` decides: the narrowest first.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import attrs

from fusetree.routing.pattern import Comparison, Segment
from fusetree.routing.route import FileRoute, LinkRoute, ListRoute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusetree.routing.route import Declared

__all__ = ["Match", "Matched", "Place"]


class Match(enum.Enum):
    """How far a path is known to a router."""

    #: Nothing is there, nor can be.
    NONE = "none"
    #: A directory on the way to a route.
    PARTIAL = "partial"
    #: A route, or a node that was hung there.
    FULL = "full"


@attrs.frozen
class Matched:
    """What a path of a router leads to, by the patterns alone: no handler was asked.

    Attributes:
        match: How far it is known.
        route: The route or the mounted node, when the match is full.
        parameters: The values of the parameters on the way.
    """

    match: Match
    route: Declared | None = None
    parameters: dict[str, Any] = attrs.field(factory=dict)

    def __bool__(self) -> bool:
        return self.match is not Match.NONE


class Place:
    """What there is at one place, and below it.

    Attributes:
        text: The place as a pattern, for messages.
        leaf: The route of a file or a link, or a mounted node.
        listing: The route that tells names.
        literals: The places below with a name of their own.
        parameters: The places below whose names have parameters, the narrowest first.
        rest: The place of a parameter of kind path.
    """

    def __init__(self, text: str, first: Declared | None = None) -> None:
        self.text = text
        self.first = first  # the first that was declared here or below, for messages
        self.leaf: Declared | None = None
        self.listing: ListRoute[Any] | None = None
        self.literals: dict[str, Place] = {}
        self.parameters: list[tuple[Segment, Place]] = []
        self.rest: tuple[Segment, Place] | None = None

    @property
    def is_directory(self) -> bool:
        """Whether it has, or may have, names."""
        return bool(self.listing or self.literals or self.parameters or self.rest)

    # ---- declaring

    def add(self, segments: Sequence[Segment], declared: Declared) -> None:
        """Put something at a place below this one.

        Raises:
            ValueError: It is in conflict with what was declared before, which the message names.
        """
        here = self
        left = list(segments)
        while left:
            here._check_directory(declared)
            below = here._find(left[0], declared)
            if below is None:
                break
            here = below
            left.pop(0)
        else:
            here._check_place(declared, is_rest=bool(segments) and segments[-1].is_path)
        for segment in left:
            below = Place(f"{here.text.rstrip('/')}/{segment.text}", declared)
            here._enter(segment, below)
            here = below
        if isinstance(declared, ListRoute):
            here.listing = declared
        else:
            here.leaf = declared
        if here.first is None:
            here.first = declared

    def _check_directory(self, declared: Declared) -> None:
        if self.leaf is not None:
            raise ValueError(f"{declared} is in conflict with {self.leaf}: {self.text!r} is no directory")

    def _check_place(self, declared: Declared, *, is_rest: bool) -> None:
        if isinstance(declared, ListRoute):
            if self.listing is not None:
                raise ValueError(
                    f"{declared} is in conflict with {self.listing}: one of them tells the names"
                )
            if self.rest is not None:
                raise ValueError(
                    f"{declared} is in conflict with {self.rest[1].first}: list {self.rest[1].text!r} tells "
                    "the names here as well"
                )
            if not is_rest:
                self._check_directory(declared)
        elif self.leaf is not None:
            raise ValueError(f"{declared} is in conflict with {self.leaf}: both have this path")
        elif self.is_directory and not (is_rest and isinstance(declared, (FileRoute, LinkRoute))):
            raise ValueError(f"{declared} is in conflict with {self.first}: {self.text!r} is a directory")

    def _find(self, segment: Segment, declared: Declared) -> Place | None:
        """The place of a segment below this one; None when there is none yet, and nothing against it."""
        if segment.is_literal:
            return self.literals.get(segment.literals[0])
        if segment.is_path:
            return self._find_rest(segment, declared)
        if self.rest is not None:
            raise ValueError(
                f"{declared} is in conflict with {self.rest[1].first}: the names here belong to "
                f"{self.rest[0].text}"
            )
        for known, below in self.parameters:
            comparison = segment.compare(known)
            if comparison is Comparison.SAME:
                if _names(known) == _names(segment):
                    return below
                raise ValueError(
                    f"{declared} is in conflict with {below.first}: {segment.text} and {known.text} take the "
                    "same names; call the parameter the same"
                )
            if comparison is Comparison.OVERLAPPING:
                raise ValueError(
                    f"{declared} is in conflict with {below.first}: some names fit both {segment.text} and "
                    f"{known.text}"
                )
        return None

    def _find_rest(self, segment: Segment, declared: Declared) -> Place | None:
        if self.parameters:
            raise ValueError(
                f"{declared} is in conflict with {self.parameters[0][1].first}: some names fit both "
                f"{segment.text} and {self.parameters[0][0].text}"
            )
        if self.listing is not None:
            raise ValueError(
                f"{declared} is in conflict with {self.listing}: a list of {segment.text} tells the names "
                "here as well"
            )
        if self.rest is None:
            return None
        if _names(self.rest[0]) != _names(segment):
            raise ValueError(
                f"{declared} is in conflict with {self.rest[1].first}: {segment.text} and "
                f"{self.rest[0].text} take the same names; call the parameter the same"
            )
        return self.rest[1]

    def _enter(self, segment: Segment, below: Place) -> None:
        if segment.is_literal:
            self.literals[segment.literals[0]] = below
        elif segment.is_path:
            self.rest = (segment, below)
        else:
            place = 0
            for number, (known, _) in enumerate(self.parameters, 1):
                if segment.compare(known) is Comparison.WIDER:
                    place = number
            self.parameters.insert(place, (segment, below))

    def check(self) -> None:
        """See to it that what was declared here and below is complete.

        Raises:
            ValueError: A list without anything to list, a parameter of kind path without a list, or a handler
                for new names where every name is there.
        """
        if self.rest is not None:
            _check_rest(self.rest[1])
        elif self.listing is not None and not self.parameters:
            raise ValueError(
                f"{self.listing} tells names, and no route takes them: declare one below {self.text!r} with "
                "a parameter"
            )
        if self.listing is None or not self.listing.complete:
            for _, place in self.parameters:
                _check_creating(place.leaf, self.text)
                _check_creating(place.listing, self.text)
        for below in (*self.literals.values(), *(place for _, place in self.parameters)):
            below.check()

    # ---- asking

    def find(self, names: Sequence[str]) -> Matched:
        """What a path below this place leads to, by the patterns alone."""
        here = self
        values: dict[str, Any] = {}
        for number, name in enumerate(names):
            below = here.literals.get(name)
            if below is None:
                for segment, candidate in here.parameters:
                    found = segment.match(name)
                    if found is not None:
                        values |= found
                        below = candidate
                        break
            if below is None and here.rest is not None:
                segment, place = here.rest
                rest = "/".join(names[number:])
                return Matched(Match.FULL, place.leaf or place.listing, {**values, _names(segment)[0]: rest})
            if below is None:
                return Matched(Match.NONE)
            here = below
        declared = here.leaf or here.listing
        if declared is None and here.rest is not None:
            return Matched(Match.FULL, here.rest[1].listing, {**values, _names(here.rest[0])[0]: ""})
        return Matched(Match.PARTIAL if declared is None else Match.FULL, declared, values)


def _names(segment: Segment) -> list[str]:
    return [parameter.name for parameter in segment.parameters]


def _check_creating(route: Declared | None, directory: str) -> None:
    """Refuse a handler that makes names where all are there already, so that nobody would ask for it."""
    if not isinstance(route, (FileRoute, ListRoute)) or "create" not in route.handlers:
        return
    if isinstance(route, FileRoute) and route.tells_absence:
        return
    more = ', or give the route getattr or size="exact"' if isinstance(route, FileRoute) else ""
    raise ValueError(
        f"{route}: its create is for names that are not there, and every name is, since no complete list of "
        f"{directory!r} tells which are: declare one{more}"
    )


def _check_rest(place: Place) -> None:
    if place.listing is None:
        raise ValueError(
            f"{place.leaf}: a list of {place.text!r} must tell which names are directories (those with a "
            "slash at their end)"
        )
    if not place.listing.complete:
        _check_creating(place.leaf, place.text)
