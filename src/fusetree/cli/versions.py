"""`fusetree --version --verbose`: the text for a bug report."""

from __future__ import annotations

import importlib
import platform
from importlib import metadata

__all__ = ["describe_versions"]


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
