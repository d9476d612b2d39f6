"""The command ``python -m fusetree.testing.posix DIR``: run the list on the file system at DIR.

Its exit status is 0 when no check failed, 1 when one did, 2 when it could not begin.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from fusetree.testing.posix import Features, Report, checks, chosen, feature_names, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        picked = list(chosen(checks, options.only))
    except ValueError as error:
        parser.error(str(error))
    if options.list:
        for check in picked:
            print(f"{check!s:<64} {check.source}")
        return 0
    if options.directory is None:
        parser.error("which DIR is to be checked?")
    if not os.access(options.directory, os.W_OK | os.X_OK):
        parser.error(f"{options.directory} is no directory that can be written in")
    unknown = set(options.require) - {*feature_names(), "all"}
    if unknown:
        parser.error(f"no feature is called {', '.join(sorted(unknown))}: {', '.join(feature_names())}")

    required = frozenset(feature_names() if "all" in options.require else options.require)
    features = Features(options.directory, required)
    report = Report(verbose=options.verbose, width=max((len(str(check)) for check in picked), default=0))
    for result in run(picked, options.directory, features=features, patience=options.patience):
        line = report.add(result)
        if line is not None:
            print(line, flush=True)
    print(*report.summary(), sep="\n")
    return 1 if report.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fusetree.testing.posix",
        description="Check that the file system at DIR behaves as POSIX and the manual pages of Linux say. "
        "Every check makes a folder of its own in DIR and removes it again. "
        "Run it as root to have permissions of other users checked.",
    )
    parser.add_argument("directory", metavar="DIR", nargs="?", help="a directory on the file system")
    parser.add_argument(
        "--only", metavar="GROUP", action="append", default=[], help="a group or a single check; repeatable"
    )
    parser.add_argument("--list", action="store_true", help="show names and sources of the checks, run none")
    parser.add_argument("-v", "--verbose", action="store_true", help="show also what is ok or skipped")
    parser.add_argument(
        "--require",
        metavar="FEATURE",
        action="append",
        default=[],
        help="fail, and do not skip, checks for which the file system lacks FEATURE; 'all' for every one",
    )
    parser.add_argument(
        "--patience", metavar="SECONDS", type=float, default=30.0, help="for each check (default: 30)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
