"""The list itself: a check is a function with a name, a group and the source of its rule.

Rule 1: a check knows nothing of other checks: it gets a :class:`Place` with an empty folder of its own.
Rule 2: a check returns when all is right; it raises ``BrokenRuleError`` or any other exception when it is
    not, and ``Unsupported`` when the file system does not offer what the check is about.

Checks are kept in the order in which they are written; their names are unique.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

import attrs

from fusetree.testing.posix.features import Features
from fusetree.testing.posix.place import Place

Body = Callable[[Place], object]  # what it returns is not looked at


@attrs.frozen(eq=False)
class Check:
    """One check; call it with a directory of the file system to be checked.

    :ivar group: the system call, or the subject, that it belongs to.
    :ivar name: a short sentence in lower case, unique in its group.
    :ivar source: where the rule is written: a manual page or a section of POSIX.1.
    :ivar needs: names of the optional features (see :class:`Features`) without which the check is skipped.
    """

    group: str
    name: str
    source: str
    needs: tuple[str, ...]
    body: Body

    def __str__(self) -> str:
        return f"{self.group}/{self.name}"

    def __call__(self, directory: str | os.PathLike[str], features: Features | None = None) -> None:
        """Run it in a new folder below *directory*, which is removed afterwards.

        :param directory: a directory that the caller may write in.
        :param features: what is known of the file system there; asked anew when it is None.
        :raises BrokenRuleError: the file system did something else than the rule says.
        :raises OSError: a system call failed that should not have.
        :raises Unsupported: (a ``unittest.SkipTest``) the file system, the kernel or the user lacks what the
            check needs.
        """
        known = Features(directory) if features is None else features
        for feature in self.needs:
            known.require(feature)
        with Place.make(directory, known) as place:
            self.body(place)


_checks: dict[str, Check] = {}  # filled while the modules of checks are imported, never changed later


@attrs.frozen
class Group:
    """The checks of one system call or subject: ``@group.check("open(2) O_EXCL")`` adds one.

    :param name: what ``--only`` takes.
    :param source: the source of those checks that name none.
    :param needs: features that all of its checks need.
    """

    name: str
    source: str
    needs: tuple[str, ...] = ()

    def check(self, source: str = "", *, needs: Iterable[str] = ()) -> Callable[[Body], Body]:
        """Decorate a function as a check; its name, with hyphens, is the check's."""

        def add(body: Body) -> Body:
            name = body.__name__.strip("_").replace("_", "-")
            self.add(name, body, source=source, needs=needs)
            return body

        return add

    def add(self, name: str, body: Body, *, source: str = "", needs: Iterable[str] = ()) -> None:
        """Add *body* as a check called *name*."""
        new = Check(self.name, name, source or self.source, (*self.needs, *needs), body)
        if str(new) in _checks:
            raise ValueError(f"two checks are called {new}")
        _checks[str(new)] = new


def registered() -> tuple[Check, ...]:
    """All checks so far."""
    return tuple(_checks.values())


def chosen(checks: Sequence[Check], words: Sequence[str]) -> Iterator[Check]:
    """Those of *checks* whose group or whole name is among *words*; all when there are no words.

    :raises ValueError: a word names nothing.
    """
    unknown = set(words) - {check.group for check in checks} - {str(check) for check in checks}
    if unknown:
        raise ValueError(f"no check and no group is called {', '.join(sorted(unknown))}")
    return (check for check in checks if not words or check.group in words or str(check) in words)
