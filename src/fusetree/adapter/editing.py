"""rename(2) onto and away from the entries of an `EditableDir`.

The kernel is told that the rename was done, and believes that the moved file has the new name from then on.
But there the entry is (the content was stored into it), or a copy of the entry that was moved away. So the
kernel is told to forget the new name, as soon as it lets go of the directory; until then it takes one file
for the other. A scratch file that was stored sends it to ask again (`ScratchFile.open`). An entry that was
moved away and comes back waits at its first write: an editor that fails to write renames its copy back, which
to the kernel must not be the same file.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from fusetree.adapter.usercode import call, call_told, store

if TYPE_CHECKING:
    from fusetree.adapter.steps import Steps
    from fusetree.adapter.tree import TreeOperations
    from fusetree.nodes.base import Node
    from fusetree.nodes.editable import EditableDir
    from fusetree.nodes.filenode import FileNode

__all__ = ["rename_edited"]


def rename_edited(
    tree: TreeOperations, source: EditableDir, old: str, child: Node, target: EditableDir, new: str
) -> Steps[bool]:
    """Do a rename that has to do with an entry; False when it has not.

    Raises:
        OSError: EINVAL, the entry does not take the content; nothing has changed. ENOSPC, there is no place
            for the copy of an entry that is moved away.
    """
    entry = target.entry_of(new)
    if entry is child:
        return True  # two names of one file
    moved = source.entry_of(old)
    if entry is None and moved is not child:
        return False
    file: FileNode = child  # type: ignore[assignment]  # else `EditableDir.rename` has refused
    content = yield call(file.content)
    if entry is None:
        copy = source.scratch(file.mode, content)
        copy._uid_, copy._gid_ = file.uid, file.gid
        call_told(tree.observer, None, target._give_name_, new, copy)
        _leave(tree, source, old)
    else:
        yield store(entry, content, False)
        _leave(tree, source, old)
        if target.child(new) is not entry:
            call_told(tree.observer, None, target._give_name_, new, entry)
        if moved is not child:
            file._stored_ = True  # type: ignore[attr-defined]  # a ScratchFile
    ticket = tree.inode_table.name_mistaken(target, new)
    if entry is None and ticket is not None:
        tree.mistaken[child] = ticket
    return True


def _leave(tree: TreeOperations, directory: EditableDir, name: str) -> None:
    with contextlib.suppress(KeyError):  # another mount of the tree was quicker
        call_told(tree.observer, None, directory._take_name_, name)
