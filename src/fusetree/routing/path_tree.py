"""What all nodes of one `PathOperations` share, and the classes of its nodes.

A class of nodes has just those capabilities whose handlers the program's class defines: what it does not
define costs no call, and is refused as a node refuses it.
"""

from __future__ import annotations

import inspect
import os
import stat
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

from fusetree.routing.path_dirs import PathDir
from fusetree.routing.path_handles import HANDLE_METHODS, PathHandle
from fusetree.routing.path_nodes import (
    DIRECTORY_METHODS,
    FILE_METHODS,
    MEMBER_METHODS,
    PathFile,
    PathLink,
    special_class,
)

if TYPE_CHECKING:
    from fusetree.routing.pathops import PathOperations

__all__ = ["PathTree"]

_HIDDEN: Final = ".fusetree-hidden-"


class PathTree:
    """The tree of one `PathOperations`.

    Attributes:
        operations: Whose handlers are called.
        defined: The names of the handlers that its class defines.
        opens: Whether `open` is among them.
        releases: Whether `release` is.
        tracks: Whether names may go while files are open, so that it must be known which are.
        lock: Guards the names of all nodes (`Position`), and what is hidden.
        moves: How often a directory has moved.
        hidden: The names of removed files that are open, in the directory at the top.
        by_inode: Files with several names, by what `getattr` said in `st_ino`.
    """

    def __init__(self, operations: PathOperations, defined: frozenset[str]) -> None:
        self.operations = operations
        self.defined = defined
        self.opens = "open" in defined
        self.releases = "release" in defined
        self.tracks = not defined.isdisjoint({"unlink", "rename"})
        self.lock = threading.RLock()
        self.moves = 0
        self.hidden: set[str] = set()
        self.by_inode: weakref.WeakValueDictionary[tuple[int, int], Any] = weakref.WeakValueDictionary()
        name = type(operations).__name__
        self.handle_class = _make(f"{name}Handle", PathHandle, HANDLE_METHODS, defined)
        self.directory_class = _make(f"{name}Dir", PathDir, MEMBER_METHODS | DIRECTORY_METHODS, defined)
        methods = MEMBER_METHODS | (FILE_METHODS if {"read", "write"} & defined else {})
        self.file_class = _make(f"{name}File", PathFile, methods, defined)
        self.link_class = _make(f"{name}Link", PathLink, MEMBER_METHODS, defined)
        self.special_classes = {
            file_type: _make(f"{name}Special", special_class(file_type), MEMBER_METHODS, defined)
            for file_type in (stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK)
        }
        self.renames_flags = "rename" in defined and len(_parameters(operations.rename)) > 2
        self.create_takes_flags = "create" in defined and any(
            one.default is one.empty for one in _parameters(operations.create)[2:]
        )
        self.flock_takes_owner = "flock" in defined and len(_parameters(operations.flock)) > 3
        self.directory_class._keeps_locks_ = name if {"lock", "flock"} & defined else ""
        self.root: PathDir = self.directory_class(self, None, "")

    @property
    def can_hide(self) -> bool:
        """Whether a removed file that is open is kept under a hidden name."""
        return not self.operations.hard_remove and {"rename", "unlink"} <= self.defined

    def hidden_name(self) -> str:
        """A name that nothing has."""
        return f"{_HIDDEN}{os.urandom(8).hex()}"

    def class_of(self, file_type: int) -> type[Any]:
        """The class of nodes of a file type.

        Raises:
            TypeError: There is none such.
        """
        if file_type == stat.S_IFREG:
            return self.file_class
        if file_type == stat.S_IFDIR:
            return self.directory_class
        if file_type == stat.S_IFLNK:
            return self.link_class
        try:
            return self.special_classes[file_type]
        except KeyError:
            raise TypeError(f"getattr() told an unknown file type, {file_type:#o}") from None


def _make(
    name: str, base: type[Any], methods: dict[str, tuple[str, ...]], defined: frozenset[str]
) -> type[Any]:
    """A class that has those of *methods* for which one of the handlers named is defined."""
    body: dict[str, Any] = {"__slots__": (), "__module__": __name__}
    for method, handlers in methods.items():
        if not handlers or not defined.isdisjoint(handlers):
            body[method] = getattr(base, f"_{method}_")
    return type(name, (base,), body)


def _parameters(handler: Any) -> list[inspect.Parameter]:
    """The parameters of a handler that have a place; what ``*args`` would take is nobody's wish."""
    placed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [one for one in inspect.signature(handler).parameters.values() if one.kind in placed]
