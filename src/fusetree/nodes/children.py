"""Children of a directory come and go, and what that changes besides.

Rule 1: children change under the structure lock of their directory, and its observers are told under the same
lock, in the same order. What observers want to wait for is settled after all locks are released.
Rule 2: what is replaced or removed is let go last, when no lock is held.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from fusetree.nodes.held import hold, keep, state
from fusetree.nodes.links import add_link, check_place, drop_link, is_dir
from fusetree.nodes.locks import LINKS
from fusetree.nodes.observers import Change, Pending, settle

if TYPE_CHECKING:
    from fusetree.nodes.base import Node
    from fusetree.nodes.directory import Dir

__all__ = ["hold_names", "put", "set_child_field", "take_out", "tell_links", "tell_removed", "tell_set"]


def put(directory: Dir, name: str, child: Node) -> None:
    """Give a child a name; what had it before loses it.

    Raises:
        ValueError: The result would be no tree; nothing has changed.
    """
    pending: Pending = []
    if state.active is not None:
        hold_names(directory, name, child)
    with directory.lock:
        children = directory._tree_()
        old = children.get(name)
        if old is child:
            return
        had, left = _relink(directory, old, child)
        children[name] = child
        tell_set(directory, name, child, pending)
    tell_links(child, had, pending)
    if old is not None:
        tell_links(old, left, pending)
    if pending:
        settle(pending)


def take_out(directory: Dir, name: str) -> Node | None:
    """Take a name away, and return the node that had it; None when there was none."""
    pending: Pending = []
    if state.active is not None:
        hold_names(directory, name)
    with directory.lock:
        children = directory._tree_()
        old = children.get(name)
        if old is None:
            return None
        with LINKS:
            left = drop_link(old, directory)
        directory._subdirectories_ -= is_dir(old)
        del children[name]
        tell_removed(directory, name, old, pending)
    tell_links(old, left, pending)
    if pending:
        settle(pending)
    return old


def set_child_field(directory: Dir, field: str, name: str, child: Node | None) -> None:
    """Store a declared child in its attribute *field*, and put it in the place of the one before.

    Raises:
        ValueError: The result would be no tree; nothing has changed.
    """
    pending: Pending = []
    had = left = 0
    if state.active is not None:
        hold_names(directory, name, child)
    with directory.lock:
        old: Node | None = getattr(directory, field, None)
        if old is child:
            return
        if child is not None:
            had, left = _relink(directory, old, child)
        elif old is not None:
            with LINKS:
                left = drop_link(old, directory)
            directory._subdirectories_ -= is_dir(old)
        object.__setattr__(directory, field, child)
        children = directory._children_
        # An untouched directory has no names to keep right; but its times and links may be known already.
        if child is not None:
            if children is not None:
                children[name] = child
            tell_set(directory, name, child, pending)
        elif old is not None:
            if children is not None:
                children.pop(name, None)
            tell_removed(directory, name, old, pending)
    if child is not None:
        tell_links(child, had, pending)
    if old is not None:
        tell_links(old, left, pending)
    if pending:
        settle(pending)


def _relink(directory: Dir, old: Node | None, child: Node) -> tuple[int, int]:
    """Let *child* have its place in *directory* and *old* lose it, or raise ValueError and change nothing.

    Returns how many names *child* had before, and how many *old* has left. The directory's lock is held.
    """
    left = 0
    with LINKS:
        if is_dir(child):
            check_place(directory, child)
        had = add_link(child, directory, is_directory=is_dir(child))
        if old is not None:
            left = drop_link(old, directory)
    directory._subdirectories_ += is_dir(child) - is_dir(old)
    return had, left


def hold_names(directory: Dir, name: str, child: Node | None = None) -> None:
    """Say that a directory is about to have another node (None: none) under a name."""
    hold(directory)
    old = directory._tree_().get(name)
    for node in (child, old):
        if node is not None:
            hold(node)  # its names are counted


# ------------------------------------------------------------------------------------ telling the observers


def tell_set(directory: Dir, name: str, child: Node, pending: Pending) -> None:
    """Tell that a directory now holds *child* under *name*. Its lock is held."""
    directory._touch_(Change.ALL)
    if state.active is not None and keep(directory, "child_set", name, child):
        return
    for observer in directory._observing_():
        ticket = observer.child_set(directory, name, child)
        if ticket is not None:
            pending.append((observer, ticket))


def tell_removed(directory: Dir, name: str, child: Node, pending: Pending) -> None:
    """Tell that a directory no longer holds *child* under *name*. Its lock is held."""
    directory._touch_(Change.ALL)
    if state.active is not None and keep(directory, "child_removed", name, child):
        return
    for observer in directory._observing_():
        ticket = observer.child_removed(directory, name, child)
        if ticket is not None:
            pending.append((observer, ticket))


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
