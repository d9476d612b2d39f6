"""The command `fusetree`: mount trees from the shell, unmount them, say what this machine can do.

Each command is a file of its own here: it says which words it takes and does its job with the rooms below.
Every error becomes one line on stderr and an exit status.

Exit status: 0 done; 1 the machine refuses (mountpoint, device, kernel) or the tree failed; 2 the command line
is wrong or names nothing that can be mounted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import TypeAlias

from fusetree.cli.doctor import add_doctor
from fusetree.cli.memory import add_memory
from fusetree.cli.mirror import add_mirror
from fusetree.cli.mount import add_mount
from fusetree.cli.saying import DONE, FAILED, MISUSED, complain
from fusetree.cli.stats import add_stats
from fusetree.cli.targets import TargetError, as_root, load_target, mountable_names
from fusetree.cli.tree import add_tree
from fusetree.cli.umount import add_umount
from fusetree.cli.versions import describe_versions
from fusetree.errors import MountError

__all__ = [
    "DONE",
    "FAILED",
    "MISUSED",
    "TargetError",
    "as_root",
    "describe_versions",
    "load_target",
    "main",
    "mountable_names",
    "parser",
]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_DESCRIPTION = "File systems made of Python objects."


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="fusetree", description=_DESCRIPTION)
    top.add_argument(
        "--version", action="store_true", help="say which version this is; with --verbose, of everything"
    )
    top.add_argument("-v", "--verbose", action="count", default=0, help="say more; twice: everything")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for add in (add_mount, add_memory, add_mirror, add_tree, add_umount, add_stats, add_doctor):
        add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Arguments:
        arguments: the words after the command's name; those of this process unless given.

    Returns:
        The exit status.
    """
    top = parser()
    chosen = top.parse_args(arguments)
    if chosen.version:
        print(describe_versions() if chosen.verbose else f"fusetree {metadata.version('fusetree')}")
        return DONE
    if chosen.command is None:
        top.print_help(sys.stderr)
        return MISUSED
    try:
        status: int = chosen.run(chosen)
        return status
    except TargetError as error:
        return complain(str(error), MISUSED)
    except MountError as error:
        return complain(f"{error.filename}: {error.strerror}" if error.filename else str(error), FAILED)
