"""What the handlers of lists return, as names: for a listing, and to know whether a name exists."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from fusetree.nodes.names import check_name

if TYPE_CHECKING:
    from fusetree.routing.places import Place
    from fusetree.routing.route import ListRoute

__all__ = ["Names", "kinds_of"]


# What is certainly a container, and quickly told to be one.
_PLAIN: Final = frozenset({dict, frozenset, list, set, tuple, type({}.keys())})


class Names:
    """What the handler of a list returned.

    Arguments:
        listing: The route.
        told: What was returned.
    """

    def __init__(self, listing: ListRoute[Any], told: Any) -> None:
        if type(told) not in _PLAIN and (isinstance(told, (str, bytes)) or not isinstance(told, Iterable)):
            raise TypeError(f"{listing}: the handler must return an iterable of names, not {told!r}")
        self._listing = listing
        self._told: Any = told

    def keep(self) -> None:
        """It will be gone through more than once."""
        if isinstance(self._told, Iterator):
            self._told = [*self._told]

    def has(self, found: dict[str, Any]) -> bool:
        """Whether the values of a name are among it."""
        told = self._told
        if len(found) == 1:
            (key,) = found.values()
        else:
            key = tuple(found.values())
        if len(found) == 1 and (type(told) in _PLAIN or isinstance(told, Container)):
            return key in told or (isinstance(told, (list, tuple)) and found in told)
        return any(item in (key, found) for item in told)

    def names(self, place: Place) -> Iterator[str]:
        """The names of all of it."""
        for item in self._told:
            yield from self._names_of(item, place)

    def _names_of(self, item: Any, place: Place) -> list[str]:
        names: list[str] = []
        reason: Exception | None = None
        for segment, _ in place.parameters:
            parameters = [parameter.name for parameter in segment.parameters]
            if isinstance(item, Mapping):
                if item.keys() != {*parameters}:
                    continue
                values = item
            elif isinstance(item, tuple):
                if len(item) != len(parameters):
                    continue
                values = dict(zip(parameters, item, strict=True))
            elif len(parameters) == 1:
                values = {parameters[0]: item}
            else:
                continue
            try:
                names.append(segment.render(values))
            except (ValueError, TypeError) as error:
                reason = error
        if not names:
            raise ValueError(
                f"{self._listing}: {item!r} is no value of {' or '.join(s.text for s, _ in place.parameters)}"
                f"{f': {reason}' if reason else ''}"
            )
        return names


def kinds_of(listing: ListRoute[Any], told: Any) -> dict[str, bool]:
    """The names that a list below a parameter of kind path tells, and whether each is a directory: those
    with a slash at their end are.
    """
    if isinstance(told, (str, bytes)) or not isinstance(told, Iterable):
        raise TypeError(f"{listing}: the handler must return an iterable of names, not {told!r}")
    kinds: dict[str, bool] = {}
    for item in told:
        if not isinstance(item, str):
            raise TypeError(f"{listing}: a name is text, not {item!r}")
        name = item.removesuffix("/")
        check_name(name)
        kinds[name] = name != item
    return kinds
