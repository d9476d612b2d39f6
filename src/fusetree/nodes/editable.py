"""`EditableDir`: a directory in which editors work.

An editor seldom writes into a file that is there. It makes another beside it (``sedXXXXXX``, ``.level.swp``,
``4913``, ``level~``), renames that onto the name, or moves the old one out of the way and makes a new one;
mv(1) from another file system removes the name first. In a tree of entries nothing may replace the file of an
entry: it is the entry. So here

* what a program makes beside them is a `ScratchFile`;
* a file that is renamed onto an entry is stored into it, and goes;
* an entry that is renamed or removed lets go of its name, a copy has the new one, and who makes a file of
  the old name gets the entry back.

What an entry is: a file that can be written to and is no scratch file, declared by the class or a plain
child. The moving itself is done by `fusetree.adapter.editing`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from fusetree.flags import RENAME_NOREPLACE
from fusetree.nodes.base import Node, check_mode, node_class
from fusetree.nodes.children import put, take_out
from fusetree.nodes.directory import Dir
from fusetree.nodes.filenode import FileNode, WriteStyle
from fusetree.nodes.memory.file import MemoryFile
from fusetree.nodes.memory.space import Space
from fusetree.nodes.symlink import Symlink, check_target

if TYPE_CHECKING:
    from typing import TypeGuard

    from fusetree.nodes.attributes import Attributes

__all__ = ["EditableDir", "ScratchFile"]

#: The ways of writing for which a whole content can be stored.
_WHOLE = (WriteStyle.VALUE, WriteStyle.DOCUMENT, WriteStyle.BYTES)


def _refused(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@node_class
class ScratchFile(MemoryFile):
    """A file that a program made beside entries: writable as any file, in memory, until it is removed or
    stored into an entry.
    """

    # It was stored into an entry. The kernel takes it for the entry until it is told, some moments later.
    _stored_: bool = attrs.field(init=False, default=False, repr=False)

    def open(self, flags: int) -> None:
        """ESTALE when it was stored: the kernel then asks for the name again, and finds the entry."""
        if self._stored_:
            raise _refused(errno.ESTALE)
        MemoryFile.open(self, flags)

    def setattr(self, changes: Attributes) -> None:
        """ESTALE when it was stored, as at `open`."""
        if self._stored_:
            raise _refused(errno.ESTALE)
        MemoryFile.setattr(self, changes)


@node_class
class ScratchLink(Symlink):
    """A symbolic link that a program made beside entries, such as the lock of an editor."""

    def __init__(self, target: str) -> None:
        Symlink.__init__(self, check_target(target))


@node_class
class EditableDir(Dir):
    """A directory of entries and files in which editors, ``sed -i``, ``cp`` and ``mv`` work.

    Programs may make files in it; they are kept in memory, beside the entries, until they are removed. When
    one is renamed onto an entry, or onto a `File` with write bits, its content is stored there: the entry
    stays the node that it was, its type and its validators decide, and what they refuse is EINVAL and leaves
    both as they were. An entry that is renamed leaves a copy under the new name, and one that is removed
    keeps its value; its own name is free until a program makes a file of that name, which is the entry again.

    The program chooses such directories; all others stay as they are. What cannot be written
    (``writable=False``, computed files, actions, directories) is neither replaced nor removed: EROFS. As in
    any directory, the mode of the directory says who may replace and remove, the mode of an entry who may
    write to it.

    Arguments:
        children: What it holds at first.
        mode: Permission bits.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.
    """

    #: How many bytes, in pages of 4096, the scratch files of one directory may take together; more is ENOSPC.
    scratch_bytes: ClassVar[int] = 64 << 20
    #: How many scratch files there may be in one directory; more is ENOSPC.
    scratch_files: ClassVar[int] = 1000

    _edited_: ClassVar[bool] = True

    _mode_: int = attrs.field(default=0o755, alias="mode", kw_only=True, converter=check_mode, repr=False)
    # Entries without a name, by the one that they had; changed under self.lock.
    _absent_: dict[str, FileNode] | None = attrs.field(init=False, default=None, repr=False)
    _scratch_: Space | None = attrs.field(init=False, default=None, repr=False)

    def __init__(
        self,
        children: Mapping[str, Any] | None = None,
        mode: int = 0o755,
        *,
        uid: int | None = None,
        gid: int | None = None,
        ino: int = 0,
    ) -> None:
        self._absent_ = None
        self._scratch_ = None
        Dir.__init__(self, children, mode, uid=uid, gid=gid, ino=ino)

    # ---- for the adapter

    def entry_of(self, name: str) -> FileNode | None:
        """The entry that has a name, or had it and is absent; None when a new file may take the name, or
        something else has it.
        """
        child = self.child(name)
        if child is None:
            return (self._absent_ or {}).get(name)
        return child if is_entry(child) else None

    def scratch(self, mode: int, content: bytes = b"") -> ScratchFile:
        """A new scratch file, on the account of this directory.

        Raises:
            OSError: ENOSPC.
        """
        with self.lock:
            if self._scratch_ is None:
                self._scratch_ = Space(self.scratch_bytes, self.scratch_files)
        made = ScratchFile(mode=mode)
        made._join_(self._scratch_)
        if content:
            made.store(content)
        return made

    def _take_name_(self, name: str) -> None:
        child = self.child(name)
        if child is None:
            raise KeyError(name)
        if is_entry(child):
            with self.lock:
                self._absent_ = {**(self._absent_ or {}), name: child}
        else:
            self._refuse_declared_(name)
        take_out(self, name)

    def _give_name_(self, name: str, node: Node) -> None:
        if self._returns_(name, node):
            with self.lock:
                absent = dict(self._absent_ or {})
                absent.pop(name, None)
                self._absent_ = absent or None
            put(self, name, node)
        else:
            Dir._give_name_(self, name, node)

    def _returns_(self, name: str, node: Node) -> bool:
        return (self._absent_ or {}).get(name) is node

    def _unseen_(self, name: str) -> Node | None:
        return (self._absent_ or {}).get(name)

    def _check_free_(self, name: str) -> None:
        """EROFS for the name of a declared child that is None at present."""
        if self.declares(name) and self.child(name) is None and self.entry_of(name) is None:
            raise _refused(errno.EROFS)

    # ---- capabilities

    def create(self, name: str, mode: int) -> FileNode:
        """The absent entry of that name, or a scratch file."""
        self._check_free_(name)
        return self.entry_of(name) or self.scratch(mode)

    def symlink(self, name: str, target: str) -> ScratchLink:
        """A symbolic link, but none in the place of an entry."""
        self._check_free_(name)
        if self.entry_of(name) is not None:
            raise _refused(errno.EROFS)
        return ScratchLink(target)

    def unlink(self, name: str) -> None:
        """Scratch files and links go, an entry lets go of its name, all else stays."""
        child = self.child(name)
        if not (isinstance(child, (ScratchFile, ScratchLink)) or is_entry(child)):
            raise _refused(errno.EROFS)

    def rename(self, name: str, directory: Dir, new_name: str, flags: int) -> None:
        """Allow what `fusetree.adapter.editing` then does."""
        child, replaced = self.child(name), directory.child(new_name)
        if not isinstance(directory, EditableDir):
            raise _refused(errno.EXDEV)  # programs copy then
        movable = isinstance(child, (ScratchFile, ScratchLink)) or is_entry(child)
        replaceable = (
            replaced is None or isinstance(replaced, (ScratchFile, ScratchLink)) or is_entry(replaced)
        )
        if not movable or not replaceable:
            raise _refused(errno.EROFS)
        directory._check_free_(new_name)
        involved = (is_entry(child), directory.entry_of(new_name) is not None)
        if flags not in (0, RENAME_NOREPLACE) and any(involved):
            raise _refused(errno.EINVAL)
        if isinstance(child, ScratchLink) and involved[1]:
            raise _refused(errno.EINVAL)  # no content to store


def is_entry(node: Node | None) -> TypeGuard[FileNode]:
    """Whether it is a file into which a whole content can be stored, and that is not scratch."""
    return (
        isinstance(node, FileNode)
        and not isinstance(node, ScratchFile)
        and node.writable
        and node.write_style in _WHOLE
    )
