"""Moving names between directories, and what that changes besides.

Rule: the structure locks of both directories are held together, and taken in the order of their stripes.
Observers are told under them, in the order of the changes; what they want to wait for comes after.
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING

from fusetree.nodes.children import hold_names, tell_links, tell_removed, tell_set
from fusetree.nodes.held import state
from fusetree.nodes.links import add_link, check_place, drop_link, is_dir
from fusetree.nodes.locks import LINKS, structure_index
from fusetree.nodes.observers import Pending, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusetree.nodes.base import Node
    from fusetree.nodes.directory import Dir

__all__ = ["exchange", "move"]


@contextlib.contextmanager
def _both_locked(one: Dir, other: Dir) -> Iterator[None]:
    """Hold two structure locks, whoever comes first."""
    first, second = sorted((one, other), key=structure_index)
    with first.lock, second.lock:
        yield


def _check_replaced(child: Node, replaced: Node) -> None:
    """Refuse what rename(2) refuses."""
    if is_dir(replaced):
        if not is_dir(child):
            raise IsADirectoryError(errno.EISDIR, "a directory cannot be replaced by something else")
        if replaced._declared_.files or replaced._children_:
            raise OSError(errno.ENOTEMPTY, "a directory that is replaced must be empty")
    elif is_dir(child):
        raise NotADirectoryError(errno.ENOTDIR, "a directory replaces only a directory")


def move(source: Dir, old_name: str, target: Dir, new_name: str, path: str) -> None:
    """Move a name as rename(2) does: what had the new name loses it.

    Raises:
        KeyError: Nothing has the old name; the key is *path*.
        ValueError: A directory would come below itself.
        OSError: EISDIR, ENOTDIR or ENOTEMPTY, as rename(2).
    """
    pending: Pending = []
    left = 0
    if state.active is not None:
        hold_names(source, old_name)
        hold_names(target, new_name)
    with _both_locked(source, target):
        child = source._tree_().get(old_name)
        if child is None:
            raise KeyError(path)
        replaced = target._tree_().get(new_name)
        if replaced is child:  # the same place, or two names of one file: nothing to do, says rename(2)
            return
        if replaced is not None:
            _check_replaced(child, replaced)
        with LINKS:
            _relink(child, source, target)
            if replaced is not None:
                left = drop_link(replaced, target)
        source._subdirectories_ -= is_dir(child)
        target._subdirectories_ += is_dir(child) - is_dir(replaced)
        del source._tree_()[old_name]
        tell_removed(source, old_name, child, pending)
        target._tree_()[new_name] = child
        tell_set(target, new_name, child, pending)
    if replaced is not None:
        tell_links(replaced, left, pending)
    if pending:
        settle(pending)


def exchange(source: Dir, old_name: str, target: Dir, new_name: str) -> None:
    """Let two names change places, as rename(2) with RENAME_EXCHANGE does.

    Raises:
        KeyError: One of them is not there.
        ValueError: A directory would come below itself.
    """
    pending: Pending = []
    if state.active is not None:
        hold_names(source, old_name)
        hold_names(target, new_name)
    with _both_locked(source, target):
        one = source._tree_().get(old_name)
        other = target._tree_().get(new_name)
        if one is None or other is None:
            raise KeyError(old_name if one is None else new_name)
        if one is other:
            return
        if source is not target:
            with LINKS:
                _relink(one, source, target)
                try:
                    _relink(other, target, source)
                except ValueError:
                    _relink(one, target, source)
                    raise
            moved = is_dir(other) - is_dir(one)
            source._subdirectories_ += moved
            target._subdirectories_ -= moved
        source._tree_()[old_name] = other
        tell_set(source, old_name, other, pending)
        target._tree_()[new_name] = one
        tell_set(target, new_name, one, pending)
    if pending:
        settle(pending)


def _relink(child: Node, source: Dir, target: Dir) -> None:
    """Note that *child* has a name in *target* instead of one in *source*, or raise ValueError and change
    nothing. LINKS is held.
    """
    drop_link(child, source)
    try:
        if is_dir(child):
            check_place(target, child)
    except ValueError:
        add_link(child, source, is_directory=True)
        raise
    add_link(child, target, is_directory=is_dir(child))
