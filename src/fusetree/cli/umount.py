"""`fusetree umount`: any FUSE file system, alive or dead."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fusetree.cli.saying import DONE, FAILED, complain

if TYPE_CHECKING:
    from fusetree.cli import Commands

__all__ = ["add_umount"]


def add_umount(commands: Commands) -> None:
    """Enter the command."""
    command = commands.add_parser("umount", help="unmount a FUSE file system")
    command.add_argument("mountpoint", metavar="MNT", help="where it is mounted")
    command.add_argument(
        "-l", "--lazy", action="store_true", help="even if it is in use: take it out of the tree now"
    )
    command.set_defaults(run=_umount)


def _umount(chosen: argparse.Namespace) -> int:
    from fusetree.mounting import stale

    entry = stale.find_mount(chosen.mountpoint)
    if entry is None:
        return complain(f"{chosen.mountpoint}: nothing is mounted there", FAILED)
    if not stale.is_fuse(entry):
        return complain(f"{chosen.mountpoint}: {entry.fstype} is mounted there, no FUSE file system", FAILED)
    stale.unmount(entry.mountpoint, lazy=chosen.lazy)
    return DONE
