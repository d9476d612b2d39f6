"""Which directories hold which nodes: names are counted here, and a tree stays a tree.

Rule 1: `Node._parents_` changes in this file only, and under `LINKS` (whoever calls holds it).
Rule 2: no directory is reachable in two ways from one root, nor from itself. Two trees may share a directory;
files and symbolic links may have any number of names.

`_parents_` is None for no parent, one weak reference for one, a tuple for several. All children of a
directory share the one weak reference that Python keeps for it. A parent that was collected counts no more:
the references of a node with several names are its own, and tell its observers of that.
"""

from __future__ import annotations

import functools
import stat
import weakref
from typing import TYPE_CHECKING

from fusetree.nodes.observers import Change

if TYPE_CHECKING:
    from typing import TypeGuard

    from fusetree.nodes.base import Node
    from fusetree.nodes.directory import Dir

__all__ = ["add_link", "check_place", "drop_link", "is_dir", "parents_of", "path_of"]

# The directories that have ever been given a second parent, in another tree. There are none in most programs,
# and then putting a directory somewhere costs only the walk from there to the root. Guarded by LINKS.
_shared: weakref.WeakSet[Dir] = weakref.WeakSet()


def parents_of(node: Node) -> list[Dir]:
    """The directories that hold a node, one for each of its names, in the order in which they took it."""
    links = node._parents_
    if links is None:
        return []
    references = links if isinstance(links, tuple) else (links,)
    return [parent for link in references if (parent := link()) is not None]


def is_dir(node: Node | None) -> TypeGuard[Dir]:
    """Whether a node is a directory."""
    return node is not None and node.file_type == stat.S_IFDIR


def add_link(node: Node, directory: Dir, *, is_directory: bool) -> int:
    """Note one more name of `node` in `directory`, and return how many it had before."""
    link = weakref.ref(directory)
    links = node._parents_
    if links is None:
        node._parents_ = link
        return 0
    live = tuple(known for known in (links if isinstance(links, tuple) else (links,)) if known() is not None)
    if not live:
        node._parents_ = link
        return 0
    if len(live) == 1:
        live = tuple(_counted(node, parent) for known in live if (parent := known()) is not None)
    node._parents_ = (*live, _counted(node, directory))
    if is_directory:
        _shared.add(node)  # type: ignore[arg-type]  # a directory, as the caller says
    return len(live)


def _counted(node: Node, directory: Dir) -> weakref.ref[Dir]:
    """A reference to one of several directories that hold a node: its end is a name less."""
    return weakref.ref(directory, functools.partial(_lost, weakref.ref(node)))


def _lost(node: weakref.ref[Node], _directory: weakref.ref[Dir]) -> None:
    here = node()
    if here is not None:
        here._touch_(Change.ATTRIBUTES)
        for observer in here._observers_:
            observer.link_lost(here)


def drop_link(node: Node, directory: Dir) -> int:
    """Note one name of `node` in `directory` less, and return how many are left."""
    link = weakref.ref(directory)
    links = node._parents_
    if links is None or links is link:
        node._parents_ = None
        return 0
    live = [known for known in (links if isinstance(links, tuple) else (links,)) if known() is not None]
    if link in live:
        live.remove(link)
    node._parents_ = None if not live else live[0] if len(live) == 1 else tuple(live)
    return len(live)


def _upwards(directory: Dir) -> dict[int, Dir]:
    """The directory and all above it, by identity."""
    found: dict[int, Dir] = {}
    waiting = [directory]
    while waiting:
        here = waiting.pop()
        if id(here) not in found:
            found[id(here)] = here
            waiting.extend(parents_of(here))
    return found


def check_place(directory: Dir, child: Dir) -> None:
    """Refuse to put the directory `child` into `directory` if the result were no tree.

    Raises:
        ValueError: `child` is `directory` or above it, or it, or one below it, is in the same tree already.
    """
    above = _upwards(directory)
    if id(child) in above:
        raise ValueError(f"{child!r} cannot be put into itself or below itself")
    if child._parents_ is None and not _shared:
        return
    roots = {key for key, one in above.items() if not parents_of(one)}
    for one in (child, *_shared):
        its = _upwards(one)
        if id(child) in its and not roots.isdisjoint(its):
            raise ValueError(
                f"{one!r} is already in this tree, at {path_of(one)!r}: a directory has one parent (move it "
                "with move, or remove it there first)"
            )


def path_of(node: Node) -> str:
    """A path by which a node is reached from the top of its tree, for messages: the first of several."""
    names: list[str] = []
    here = node
    seen: set[int] = set()
    while id(here) not in seen:
        seen.add(id(here))
        above = parents_of(here)
        if not above:
            break
        parent = above[0]
        names.append(parent._name_of_(here) or "?")
        here = parent
    return "/" + "/".join(reversed(names))
