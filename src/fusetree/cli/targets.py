"""What `module:name` and `file.py:name` mean on the command line."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Mapping
from types import ModuleType
from typing import Any

__all__ = ["TARGET_HELP", "TargetError", "as_root", "load_root", "load_target", "mountable_names"]

TARGET_HELP = (
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


def load_root(target: str) -> Any:
    """The root that a command line names; TargetError when there is none."""
    try:
        return as_root(load_target(target), target)
    except TargetError:
        raise
    except Exception:  # noqa: BLE001 -- whatever the tree's own code raises is shown whole
        traceback.print_exc()
        raise TargetError(f"{target} could not be loaded; its own error is above") from None
