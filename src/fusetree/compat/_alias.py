"""One module under two names: `pyfuse3` and its submodules are `fusetree.compat.pyfuse3` and its
submodules, not copies.

Copies would have classes and state of their own.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

OURS = "fusetree.compat."
#: Names at the top that older versions of the originals had, and where they are now.
OLD = {"pyfuse3_asyncio": "pyfuse3.asyncio", "_pyfuse3": "pyfuse3._pyfuse3"}
DROP_INS = ("llfuse", "pyfuse3")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules whose first name is *name*."""

    def __init__(self, name: str) -> None:
        self.name = name

    def _ours(self, fullname: str) -> str | None:
        fullname = OLD.get(fullname, fullname)
        return OURS + fullname if fullname.partition(".")[0] == self.name else None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        ours = self._ours(fullname)
        if ours is None or importlib.util.find_spec(ours) is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        ours = self._ours(spec.name)
        assert ours is not None
        module = importlib.import_module(ours)
        # The import system writes its spec over the module's own.
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None and spec.loader is self:
            module.__spec__ = spec.loader_state


def install(name: str) -> None:
    """Have ``import NAME`` (llfuse or pyfuse3) be ours in this process, from now on."""
    if not any(isinstance(finder, _Finder) and finder.name == name for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(name))
