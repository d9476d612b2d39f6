"""`fusetree mount`, and what all commands that mount have in common."""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal

from fusetree.cli.saying import DONE, FAILED, MISUSED, complain, log_to_stderr
from fusetree.cli.targets import TARGET_HELP, load_root
from fusetree.errors import MountError, UnsupportedFeatureError

if TYPE_CHECKING:
    from fusetree.cli import Commands

__all__ = ["add_mount", "add_mounting_options", "add_passthrough", "serve"]


_PASSTHROUGH: Final[dict[str, bool | Literal["auto"]]] = {"never": False, "auto": "auto", "always": True}


def add_mount(commands: Commands) -> None:
    """Enter the command."""
    command = commands.add_parser(
        "mount", help="mount a declared tree and serve it until Ctrl-C or `fusetree umount`"
    )
    command.add_argument("target", metavar="TARGET", help=TARGET_HELP)
    add_mounting_options(command)
    add_passthrough(command)
    command.set_defaults(run=_mount)


def add_mounting_options(command: argparse.ArgumentParser) -> None:
    """The mountpoint, and the options of each command that mounts."""
    command.add_argument("mountpoint", metavar="MNT", help="an existing directory")
    command.add_argument("--ro", action="store_true", help="mount read-only")
    command.add_argument("--allow-other", action="store_true", help="let other users in")
    command.add_argument(
        "-o", dest="options", action="append", default=[], metavar="OPTS", help="options as for mount -o"
    )
    command.add_argument("--no-kernel-cache", action="store_true", help="let the kernel cache nothing")
    command.add_argument("--workers", type=int, default=8, metavar="N", help="handlers running at once (8)")
    command.add_argument(
        "--locks",
        choices=("kernel", "program"),
        default="kernel",
        help="who keeps the locks of files: the kernel, or this program and the classes of the tree (kernel)",
    )
    command.add_argument(
        "--clear-stale", action="store_true", help="unmount what a killed server left at MNT"
    )
    command.add_argument(
        "--strict", action="store_true", help="an exception in the tree's code makes the exit status 1"
    )
    command.add_argument(
        "-v", "--verbose", action="count", default=argparse.SUPPRESS, help="say more; twice: everything"
    )


def add_passthrough(command: argparse.ArgumentParser) -> None:
    """The option of the commands that may show files of the host."""
    command.add_argument(
        "--passthrough",
        choices=tuple(_PASSTHROUGH),
        default="never",
        help="the kernel reads and writes files of the host by itself: where it can (auto), or else nothing "
        "is mounted (always); it takes root, libfuse 3.17 and Linux 6.9 (never)",
    )


def serve(chosen: argparse.Namespace, make_root: Callable[[], Any], **mounting: Any) -> int:
    """Mount and serve in the foreground.

    Arguments:
        chosen: what `add_mounting_options` has parsed.
        make_root: gives the tree; called when the options were found good.
        mounting: further arguments of `mount()`.

    Returns:
        The exit status.
    """
    from fusetree.mounting import MountOptions, run

    log_to_stderr(chosen.verbose)
    passthrough = _PASSTHROUGH[getattr(chosen, "passthrough", "never")]
    try:
        # Checked before the tree's code runs: a wrong option should not first start somebody's program.
        MountOptions(
            kernel_cache=not chosen.no_kernel_cache,
            workers=chosen.workers,
            passthrough=passthrough,
            ro=chosen.ro,
            allow_other=chosen.allow_other,
            extra=tuple(chosen.options),
        )
    except ValueError as error:
        return complain(str(error), MISUSED)
    root = make_root()
    try:
        run(
            root,
            chosen.mountpoint,
            kernel_cache=not chosen.no_kernel_cache,
            workers=chosen.workers,
            strict=chosen.strict,
            locks=chosen.locks,
            passthrough=passthrough,
            ro=chosen.ro,
            allow_other=chosen.allow_other,
            options=chosen.options,
            clear_stale=chosen.clear_stale,
            **mounting,
        )
    except MountError:
        raise
    except UnsupportedFeatureError as error:
        return complain(str(error), FAILED)
    except Exception:  # noqa: BLE001 -- whatever a strict mount raises is shown whole
        traceback.print_exc()
        return complain("the mount failed; the error is above", FAILED)
    return DONE


def _mount(chosen: argparse.Namespace) -> int:
    return serve(chosen, lambda: load_root(chosen.target))
