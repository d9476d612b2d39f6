"""`fusetree memory`: an empty writable file system in memory."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Final

from fusetree.cli.mount import add_mounting_options, serve

if TYPE_CHECKING:
    from fusetree.cli import Commands

__all__ = ["add_memory", "amount"]

_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def amount(text: str) -> int:
    """A number with a unit of 1024: `512`, `64K`, `1.5G`, also `64KiB` and `64kb`.

    Raises:
        argparse.ArgumentTypeError: it is none, or not above zero.
    """
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:I?B)?", text.strip().upper())
    number = int(float(parts[1]) * _UNITS[parts[2]]) if parts else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount above zero; write 512, 64K, 1.5G")
    return number


def add_memory(commands: Commands) -> None:
    """Enter the command."""
    command = commands.add_parser("memory", help="mount an empty writable file system that is in memory")
    add_mounting_options(command)
    command.add_argument(
        "--max-bytes", type=amount, metavar="SIZE", help="full with so much content; 512, 64K, 1.5G"
    )
    command.add_argument("--max-inodes", type=amount, metavar="N", help="full with so many files")
    command.set_defaults(run=_memory)


def _memory(chosen: argparse.Namespace) -> int:
    from fusetree import MemoryDir

    return serve(
        chosen,
        lambda: MemoryDir(max_bytes=chosen.max_bytes, max_inodes=chosen.max_inodes),
        fsname="memory",
    )
