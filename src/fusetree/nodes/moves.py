"""Moving names between directories, and what that changes besides.

Rule: the structure locks of both directories are held together, and taken in the order of their stripes.
Observers are told under them, in the order of the changes; what they want to wait for comes after.
"""

from __future__ import annotations

import contextlib
import errno
import stat
from typing import TYPE_CHECKING

from fusetree.nodes.base import Node
from fusetree.nodes.held import hold, keep, state
from fusetree.nodes.links import add_link, check_place, drop_link
from fusetree.nodes.locks import LINKS, structure_index
from fusetree.nodes.observers import Change, Pending, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusetree.nodes.directory import Dir

__all__ = ["exchange", "hold_names", "move", "tell_links"]


def hold_names(directory: Dir, name: str, child: Node | None = None) -> None:
    """Say that a directory is about to have another node (None: none) under a name."""
    hold(directory)
    old = directory._tree_().get(name)
    for node in (child, old):
        if node is not None:
            hold(node)  # its names are counted


def tell_links(node: Node, others: int, pending: Pending) -> None:
    """Tell of a changed number of names, where it shows: the first name, and the loss of the last, leave
    it 1, unless the node counts down to 0.
    """
    if (others and node.file_type != stat.S_IFDIR) or node.nlink == 0:
        node._touch_(Change.ATTRIBUTES)
        if state.active is not None and keep(node, "changed", Change.ATTRIBUTES):
            return
        for observer in node._observing_():
            ticket = observer.changed(node, Change.ATTRIBUTES)
            if ticket is not None:
                pending.append((observer, ticket))


@contextlib.contextmanager
def _both_locked(one: Dir, other: Dir) -> Iterator[None]:
    """Hold two structure locks, whoever comes first."""
    first, second = sorted((one, other), key=structure_index)
    with first.lock, second.lock:
        yield


def _is_directory(node: Node | None) -> bool:
    return node is not None and node.file_type == stat.S_IFDIR


def _check_replaced(child: Node, replaced: Node) -> None:
    """Refuse what rename(2) refuses."""
    if _is_directory(replaced):
        if not _is_directory(child):
            raise IsADirectoryError(errno.EISDIR, "a directory cannot be replaced by something else")
        directory: Dir = replaced  # type: ignore[assignment]  # what its type says
        if directory._declared_.files or directory._children_:
            raise OSError(errno.ENOTEMPTY, "a directory that is replaced must be empty")
    elif _is_directory(child):
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
        is_directory = _is_directory(child)
        source._subdirectories_ -= is_directory
        target._subdirectories_ += is_directory - _is_directory(replaced)
        del source._tree_()[old_name]
        source._tell_removed_(old_name, child, pending)
        target._tree_()[new_name] = child
        target._tell_set_(new_name, child, pending)
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
            moved = _is_directory(other) - _is_directory(one)
            source._subdirectories_ += moved
            target._subdirectories_ -= moved
        source._tree_()[old_name] = other
        source._tell_set_(old_name, other, pending)
        target._tree_()[new_name] = one
        target._tell_set_(new_name, one, pending)
    if pending:
        settle(pending)


def _relink(child: Node, source: Dir, target: Dir) -> None:
    """Note that *child* has a name in *target* instead of one in *source*, or raise ValueError and change
    nothing. LINKS is held.
    """
    is_directory = _is_directory(child)
    drop_link(child, source)
    try:
        if is_directory:
            check_place(target, child)  # type: ignore[arg-type]  # it is a directory
    except ValueError:
        add_link(child, source, is_directory=is_directory)
        raise
    add_link(child, target, is_directory=is_directory)
