"""The command `fusetree`: mount a declared tree from the shell, unmount it, say what this machine can do.

It finds the tree, hands it to `mounting.run` and turns every error into one line on stderr and an exit
status.

Exit status: 0 done; 1 the machine refuses (mountpoint, device, kernel) or the tree failed; 2 the command line
is wrong or names nothing that can be mounted.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import logging
import os
import platform
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import metadata
from types import ModuleType
from typing import Any

from fusetree.errors import MountError

DONE, FAILED, MISUSED = 0, 1, 2

_DESCRIPTION = "File systems made of Python objects."

_TARGET_HELP = (
    "what to mount: module:name or file.py:name, where name is a directory node, a mapping (a dict), "
    "or a class or function that gives one when called without arguments"
)


class TargetError(Exception):
    """The command line names nothing that can be mounted.  The text is for the person who typed it."""


def load_target(target: str) -> Any:
    """Find the object that `module:name` or `file.py:name` means.

    Arguments:
        target: what stands before the colon is imported; what stands behind may have dots (`settings.root`).

    Returns:
        The object as it is found; a class or function is not called yet.

    Raises:
        TargetError: there is no such module, file or name.
        BaseException: whatever the module itself raises while it is imported.
    """
    source, colon, name = target.rpartition(":")
    if not colon or not source or not name:
        raise TargetError(f"{target!r} is not of the form module:name or file.py:name")
    is_file = source.endswith(".py") or os.sep in source
    module = _load_file(source) if is_file else _load_module(source)
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            known = mountable_names(module)
            hint = f"; it has {', '.join(known)}" if known else ""
            raise TargetError(f"{source} has no {name!r}{hint}") from None
    return found


def mountable_names(module: ModuleType) -> list[str]:
    """The public names in a module that hold directory nodes or mappings."""
    from fusetree.nodes import Dir

    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and isinstance(value, (Dir, dict)) and name != "__builtins__"
    ]


def _load_file(path: str) -> ModuleType:
    if not os.path.isfile(path):
        raise TargetError(f"there is no file {path}")
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    # As `python file.py` does: what stands beside the file can be imported from it.
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    sys.modules[name] = module  # pickling and attrs look classes up there
    spec.loader.exec_module(module)
    return module


def _load_module(name: str) -> ModuleType:
    if os.getcwd() not in sys.path:  # as `python -m` does
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise TargetError(f"there is no module {error.name!r} here or on sys.path") from None
        raise


def as_root(found: Any, target: str) -> Any:
    """The directory node or mapping that *found* is, or gives when called.

    Raises:
        TargetError: it is neither.
        BaseException: whatever the called class or function raises.
    """
    from fusetree.nodes import Dir

    def is_root(it: Any) -> bool:
        return isinstance(it, (Dir, Mapping)) or hasattr(type(it), "__fusetree_node__")

    made = found() if callable(found) and not is_root(found) else found
    if is_root(made):
        return made
    what = type(made).__name__
    said = f"gives {what}" if made is not found else f"is {what}"
    raise TargetError(f"{target} {said}, neither a directory node nor a mapping")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="fusetree", description=_DESCRIPTION)
    top.add_argument(
        "--version", action="store_true", help="say which version this is; with --verbose, of everything"
    )
    top.add_argument("-v", "--verbose", action="count", default=0, help="say more; twice: everything")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")

    mount = commands.add_parser(
        "mount", help="mount a declared tree and serve it until Ctrl-C or `fusetree umount`"
    )
    mount.add_argument("target", metavar="TARGET", help=_TARGET_HELP)
    mount.add_argument("mountpoint", metavar="MNT", help="an existing directory")
    mount.add_argument("--ro", action="store_true", help="mount read-only")
    mount.add_argument("--allow-other", action="store_true", help="let other users in")
    mount.add_argument(
        "-o", dest="options", action="append", default=[], metavar="OPTS", help="options as for mount -o"
    )
    mount.add_argument("--no-kernel-cache", action="store_true", help="let the kernel cache nothing")
    mount.add_argument("--workers", type=int, default=8, metavar="N", help="handlers running at once (8)")
    mount.add_argument("--clear-stale", action="store_true", help="unmount what a killed server left at MNT")
    mount.add_argument(
        "--strict", action="store_true", help="an exception in the tree's code makes the exit status 1"
    )
    mount.add_argument(
        "-v", "--verbose", action="count", default=argparse.SUPPRESS, help="say more; twice: everything"
    )
    mount.set_defaults(run=_mount)

    tree = commands.add_parser("tree", help="print a declared tree: modes, sizes, what each file is")
    tree.add_argument("target", metavar="TARGET", help=_TARGET_HELP)
    tree.add_argument("-L", "--depth", type=int, metavar="N", help="so many levels only")
    tree.set_defaults(run=_tree)

    umount = commands.add_parser("umount", help="unmount a FUSE file system")
    umount.add_argument("mountpoint", metavar="MNT", help="where it is mounted")
    umount.add_argument(
        "-l", "--lazy", action="store_true", help="even if it is in use: take it out of the tree now"
    )
    umount.set_defaults(run=_umount)
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
        return _complain(str(error), MISUSED)
    except MountError as error:
        return _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error), FAILED)


def _complain(text: str, status: int) -> int:
    print(f"fusetree: {text}", file=sys.stderr)
    return status


def _mount(chosen: argparse.Namespace) -> int:
    from fusetree.mounting import MountOptions, run

    _log_to_stderr(chosen.verbose)
    try:
        # Checked before the tree's code runs: a wrong option should not first start somebody's program.
        MountOptions(
            workers=chosen.workers, ro=chosen.ro, allow_other=chosen.allow_other, extra=tuple(chosen.options)
        )
    except ValueError as error:
        return _complain(str(error), MISUSED)
    root = _load_root(chosen.target)
    try:
        run(
            root,
            chosen.mountpoint,
            kernel_cache=not chosen.no_kernel_cache,
            workers=chosen.workers,
            strict=chosen.strict,
            ro=chosen.ro,
            allow_other=chosen.allow_other,
            options=chosen.options,
            clear_stale=chosen.clear_stale,
        )
    except MountError:
        raise
    except Exception:  # noqa: BLE001 -- whatever a strict mount raises is shown whole
        traceback.print_exc()
        return _complain("the mount failed; the error is above", FAILED)
    return DONE


def _load_root(target: str) -> Any:
    """The root that a command line names; TargetError when there is none."""
    try:
        return as_root(load_target(target), target)
    except TargetError:
        raise
    except Exception:  # noqa: BLE001 -- whatever the tree's own code raises is shown whole
        traceback.print_exc()
        raise TargetError(f"{target} could not be loaded; its own error is above") from None


def _tree(chosen: argparse.Namespace) -> int:
    from fusetree.nodes import tree

    text = tree(_load_root(chosen.target), depth=chosen.depth)
    # Names need not be what the terminal can show.
    sys.stdout.buffer.write(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace") + b"\n")
    sys.stdout.flush()
    return DONE


def _umount(chosen: argparse.Namespace) -> int:
    from fusetree.mounting import stale

    entry = stale.find_mount(chosen.mountpoint)
    if entry is None:
        return _complain(f"{chosen.mountpoint}: nothing is mounted there", FAILED)
    if not stale.is_fuse(entry):
        return _complain(f"{chosen.mountpoint}: {entry.fstype} is mounted there, no FUSE file system", FAILED)
    stale.unmount(entry.mountpoint, lazy=chosen.lazy)
    return DONE


def _log_to_stderr(verbose: int) -> None:
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("fusetree").setLevel(logging.DEBUG if verbose > 1 else logging.INFO)


def describe_versions() -> str:
    """The versions of everything that matters, for a bug report."""
    lines = [
        f"fusetree {metadata.version('fusetree')}",
        f"Python   {platform.python_version()} ({platform.python_implementation()})",
        f"kernel   {platform.system()} {platform.release()}",
    ]
    try:
        lowlevel = importlib.import_module("fusetree.lowlevel")
    except ImportError as error:  # what a bug report is most often about
        return "\n".join([*lines, f"libfuse  the core cannot be loaded: {error}"])
    built = ".".join(str(part) for part in lowlevel.compiled_version())
    lines.append(f"libfuse  {lowlevel.package_version()} running, {built} built against")
    lines.extend(f"  {name}: {state}" for name, state in lowlevel.features().items())
    return "\n".join(lines)
