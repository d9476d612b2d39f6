"""`fusetree mirror`: a directory of the host at a second place, read-only unless asked otherwise."""

from __future__ import annotations

import argparse
import fnmatch
import os
from typing import TYPE_CHECKING

from fusetree.cli.mount import add_mounting_options, add_passthrough, serve
from fusetree.cli.saying import FAILED, MISUSED, complain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusetree.cli import Commands

__all__ = ["add_mirror", "shown"]


def shown(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Says of a path below the directory whether it is to be seen.

    Arguments:
        patterns: what is not, as in a shell (fnmatch): one without "/" is a name anywhere, one with it a
            path from the top.
    """
    names = [pattern for pattern in patterns if "/" not in pattern]
    paths = [pattern.strip("/") for pattern in patterns if "/" in pattern]

    def is_shown(path: str) -> bool:
        name = path.rpartition("/")[2]
        return not (
            any(fnmatch.fnmatchcase(name, pattern) for pattern in names)
            or any(fnmatch.fnmatchcase(path, pattern) for pattern in paths)
        )

    return is_shown


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not number >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return number


def add_mirror(commands: Commands) -> None:
    """Enter the command."""
    command = commands.add_parser("mirror", help="show a directory of the host at another place, too")
    command.add_argument("source", metavar="SRC", help="the directory that is shown")
    add_mounting_options(command)
    add_passthrough(command)
    command.add_argument("--writable", action="store_true", help="what is written to MNT is written to SRC")
    command.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="PATTERN",
        help="do not show what is called like this ('*.pyc'), or lies there ('build/*'); may be repeated",
    )
    command.add_argument(
        "--ttl",
        type=_seconds,
        default=1.0,
        metavar="S",
        help="so many seconds pass until what changed in SRC is seen, at most (1)",
    )
    command.set_defaults(run=_mirror)


def _mirror(chosen: argparse.Namespace) -> int:
    from fusetree import HostDir

    source, mountpoint = os.path.realpath(chosen.source), os.path.realpath(chosen.mountpoint)
    if mountpoint != source and os.path.commonpath([source, mountpoint]) == source:
        return complain(f"{chosen.mountpoint} lies in {chosen.source}: the mirror would show itself", MISUSED)
    try:
        root = HostDir(
            chosen.source,
            writable=chosen.writable,
            ttl=chosen.ttl,
            filter=shown(chosen.exclude) if chosen.exclude else None,
        )
    except OSError as error:
        return complain(f"{chosen.source}: {error.strerror}", FAILED)
    return serve(chosen, lambda: root, fsname=source)
