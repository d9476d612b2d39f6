"""Where a node of whole paths is: its directory and its name there, and the path that comes of them.

Rule 1: a path is put together once, and kept until a directory has moved (`PathTree.moves` counts that) or
    the node itself has. A read or a write of an open file compares two numbers.
Rule 2: the names change under `PathTree.lock`; no handler runs under it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusetree.routing.path_dirs import PathDir
    from fusetree.routing.path_handles import PathHandle
    from fusetree.routing.path_tree import PathTree

__all__ = ["Position"]

_NEVER = -1


class Position:
    """Where a node is.

    Attributes:
        tree: The tree.
        names: Its directories and its names there, none for the directory at the top. Handlers get the
            first; a second one is a hard link.
        inode: What `getattr` said in `st_ino`; 0 if nothing.
        removed: Whether its last name is gone, and it is open.
        hidden: The name that it has meanwhile, in the directory at the top; "" for none.
        handles: What is open of it.
    """

    __slots__ = ("_at", "_prefix", "handles", "hidden", "inode", "names", "removed", "tree")

    def __init__(self, tree: PathTree, directory: PathDir | None, name: str) -> None:
        self.tree = tree
        self.names: tuple[tuple[PathDir, str], ...] = () if directory is None else ((directory, name),)
        self.inode = 0
        self.removed = False
        self.hidden = ""
        self.handles: tuple[PathHandle, ...] = ()
        # When the path was put together, and the path; for directories, with what names below follow.
        self._at: tuple[int, str] = (_NEVER, "")
        self._prefix: tuple[int, str] = (_NEVER, "")

    def path(self) -> str:
        """The path that handlers get."""
        moves, path = self._at
        return path if moves == self.tree.moves else self._put_together()

    def _put_together(self) -> str:
        moves = self.tree.moves  # before the names are read: what moves meanwhile shows
        if self.hidden:
            path = f"/{self.hidden}"
        elif self.names:
            directory, name = self.names[0]
            path = directory._position_.below(name)
        elif self.removed:
            return self._at[1]  # the last one that it had
        else:
            path = "/"
        self._at = (moves, path)
        return path

    def below(self, name: str) -> str:
        """The path of a name in this directory."""
        moves, prefix = self._prefix
        if moves != self.tree.moves:
            moves = self.tree.moves
            path = self.path()
            prefix = path if path == "/" else f"{path}/"
            self._prefix = (moves, prefix)
        return prefix + name

    # ---- changing; with the lock of the tree held

    def add(self, directory: PathDir, name: str) -> None:
        """It has one more name."""
        if (directory, name) not in self.names:
            self.names = (*self.names, (directory, name))
        self.removed = False

    def drop(self, directory: PathDir, name: str) -> None:
        """A name is gone. What had no other keeps the path that it had."""
        self.path()
        left = tuple(known for known in self.names if known != (directory, name))
        if left or not self.names:
            self._at = (_NEVER, self._at[1])
        else:
            self.removed = True
        self.names = left

    def move(self, old: tuple[PathDir, str], new: tuple[PathDir, str]) -> None:
        """A name has become another."""
        self.names = tuple(new if known == old else known for known in self.names) or (new,)
        self._at = (_NEVER, self._at[1])

    def show(self, directory: PathDir, name: str) -> None:
        """It has a name again, in place of the hidden one."""
        self.names = ((directory, name),)
        self.removed = False
        self.hidden = ""
        self._at = (_NEVER, "")

    def hide(self, name: str) -> None:
        """Its last name is gone, and it lives on under a hidden one."""
        self.names = ()
        self.removed = True
        self.hidden = name
        self._at = (_NEVER, "")
