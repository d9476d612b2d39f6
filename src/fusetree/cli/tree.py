"""`fusetree tree`: what would be mounted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fusetree.cli.saying import DONE, show
from fusetree.cli.targets import TARGET_HELP, load_root

if TYPE_CHECKING:
    from fusetree.cli import Commands

__all__ = ["add_tree"]


def add_tree(commands: Commands) -> None:
    """Enter the command."""
    command = commands.add_parser("tree", help="print a declared tree: modes, sizes, what each file is")
    command.add_argument("target", metavar="TARGET", help=TARGET_HELP)
    command.add_argument("-L", "--depth", type=int, metavar="N", help="so many levels only")
    command.set_defaults(run=_tree)


def _tree(chosen: argparse.Namespace) -> int:
    from fusetree.nodes import tree

    show(tree(load_root(chosen.target), depth=chosen.depth))
    return DONE
