"""`fusetree stats`: what a running mount does, and how long that takes.

It asks the mount twice and shows the difference, again and again with `--follow`.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import threading
from typing import TYPE_CHECKING, Any

from fusetree.cli.saying import DONE, FAILED, complain, show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusetree.cli import Commands

__all__ = ["add_stats", "table_of"]


def add_stats(commands: Commands) -> None:
    """Enter the command."""
    command = commands.add_parser(
        "stats", help="say what a mounted tree answers, and how long that takes, by operation"
    )
    command.add_argument("mountpoint", metavar="MNT", help="where a program that uses fusetree has mounted")
    command.add_argument(
        "-s", "--seconds", type=_seconds, default=1.0, metavar="S", help="look for so long (1)"
    )
    command.add_argument("-f", "--follow", action="store_true", help="again and again, until Ctrl-C")
    command.add_argument("--json", action="store_true", help="all counters as they are now, as JSON")
    command.set_defaults(run=_stats)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 50:  # the mount times its handlers for a minute after each question
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 50")
    return number


def _ask(mountpoint: str) -> dict[str, Any] | str:
    """What the mount tells, or what is wrong."""
    from fusetree.mounting import stale
    from fusetree.observe import STATISTICS_XATTR

    entry = stale.find_mount(mountpoint)
    if entry is None:
        return "nothing is mounted there"
    error, answered = stale.ask(entry.mountpoint)
    if not answered:
        return f"does not answer within {stale.PROBE_SECONDS:g} s"
    try:
        if error is not None:
            raise error
        document: dict[str, Any] = json.loads(os.getxattr(entry.mountpoint, STATISTICS_XATTR))
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return f"{entry.fstype} is mounted there, no tree of fusetree"
        return error.strerror or str(error)
    return document


def _duration(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def _quantile(buckets: Sequence[int], share: float) -> float:
    """A time, in seconds, within which so many of the requests were answered: twice too long at most."""
    wanted, seen = share * sum(buckets), 0
    for power, count in enumerate(buckets):
        seen += count
        if count and seen >= wanted:
            return float(2**power) / 1e9
    return 0.0


def table_of(before: Mapping[str, Any], after: Mapping[str, Any], seconds: float) -> str:
    """What was answered between two documents, so many seconds apart."""
    lines = [("operation", "in C/s", "handled/s", "errors/s", "mean", "median <", "99 % <")]
    names = sorted({*after["handled"], *after["answered_in_c"]})
    for name in names:
        in_c = after["answered_in_c"].get(name, 0) - before["answered_in_c"].get(name, 0)
        new = after["handled"].get(name)
        old = before["handled"].get(name)
        count = (new["count"] if new else 0) - (old["count"] if old else 0)
        if not count and not in_c:
            continue
        cells = [name, f"{in_c / seconds:.0f}", f"{count / seconds:.0f}", "", "", "", ""]
        if new and count:
            errors = new["errors"] - (old["errors"] if old else 0)
            taken = new["seconds"] - (old["seconds"] if old else 0.0)
            buckets = new["buckets"]
            if old:
                buckets = [now - then for now, then in zip(buckets, old["buckets"], strict=True)]
            cells[3:] = [
                f"{errors / seconds:.0f}",
                _duration(taken / count),
                _duration(_quantile(buckets, 0.5)),
                _duration(_quantile(buckets, 0.99)),
            ]
        lines.append(tuple(cells))
    if len(lines) == 1:
        return "nothing was asked for"
    widths = [max(len(line[column]) for line in lines) for column in range(7)]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        ).rstrip()
        for line in lines
    )


def _stats(chosen: argparse.Namespace) -> int:
    before = _ask(chosen.mountpoint)
    if isinstance(before, str):
        return complain(f"{chosen.mountpoint}: {before}", FAILED)
    if chosen.json:
        show(json.dumps(before, indent=2))
        return DONE
    never = threading.Event()
    try:
        while True:
            never.wait(chosen.seconds)
            after = _ask(chosen.mountpoint)
            if isinstance(after, str):
                return complain(f"{chosen.mountpoint}: {after}", FAILED)
            show(table_of(before, after, chosen.seconds))
            if not chosen.follow:
                return DONE
            show("")
            before = after
    except KeyboardInterrupt:
        return DONE
