"""Directories in which programs make and relate objects, as in configfs: `FactoryDir`, `RelationDir`."""

from __future__ import annotations

import errno
import inspect
import os
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from fusetree.nodes.base import Node, node_class
from fusetree.nodes.directory import Dir
from fusetree.nodes.links import parents_of
from fusetree.nodes.owed import Owed
from fusetree.nodes.refusals import refusing
from fusetree.nodes.symlink import Symlink

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["FactoryDir", "RelationDir", "resolve"]


@node_class
class FactoryDir(Dir):
    """A directory in which mkdir(2) makes an object and rmdir(2) destroys it, as in the kernel's configfs.

    What the constructor, its converters and validators do not take is EINVAL, and nothing is made; an
    `OSError` that it raises is the program's answer. The files that the object's class declares are there at
    once, and go with it.

    Arguments:
        make: The class of the objects, a directory class, or a function that makes one. If it has a parameter
            `name`, it gets the name of the directory by that keyword; else it is called without arguments. A
            function may be ``async``, but for `make()`.
        destroy: Called with the object before it goes; an `OSError` keeps it. It may be ``async``.
        children: What it holds at first.
        mode: Permission bits.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.
    """

    _make_: Callable[..., Any]
    _destroy_: Callable[[Any], object] | None
    _named_: bool

    def __init__(
        self,
        make: Callable[..., Dir | Coroutine[Any, Any, Dir]],
        destroy: Callable[[Any], object] | None = None,
        *,
        children: dict[str, Any] | None = None,
        mode: int = 0o755,
        uid: int | None = None,
        gid: int | None = None,
        ino: int = 0,
    ) -> None:
        Dir.__init__(self, children, mode, uid=uid, gid=gid, ino=ino)
        self._make_ = make
        self._destroy_ = destroy
        signature = inspect.signature(make)
        parameter = signature.parameters.get("name")
        self._named_ = parameter is not None and parameter.kind is not parameter.POSITIONAL_ONLY
        try:
            signature.bind(**({"name": ""} if self._named_ else {}))
        except TypeError as error:
            raise TypeError(
                f"{make!r} cannot make what mkdir(2) asks for: it is called with `name` at most, by keyword "
                f"({error})"
            ) from None

    def make(self, name: str) -> Dir:
        """Make an object as mkdir(2) would, and put it here.

        Raises:
            ValueError, TypeError, OSError: What the class refuses.
            FileExistsError: There is something of that name.
        """
        if self.child(name) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
        made = self._make_(name=name) if self._named_ else self._make_()
        if isinstance(made, CoroutineType):
            made.close()
            raise TypeError(
                "make() cannot wait for an async function: await it, and put what it returns here"
            )
        self[name] = made
        return cast("Dir", made)

    def mkdir(self, name: str, mode: int) -> Any:
        """Make an object."""
        return refusing(lambda: self._make_(name=name) if self._named_ else self._make_(), errno.EINVAL)

    def rmdir(self, name: str) -> Any:
        """Destroy an object."""
        child, destroy = self.child(name), self._destroy_
        if destroy is None or child is None:
            return None
        return refusing(lambda: destroy(child))


@node_class
class RelationDir(Dir):
    """A directory in which symlink(2) relates objects: each symbolic link stands for a node of the same tree.

    A link must lead, by a relative path, to a node of the tree that is of the right kind; else it is EINVAL,
    or ENOENT when nothing is there. unlink(2) ends the relation.

    Arguments:
        kind: The class that the related nodes must be of, or several.
        relate: Called with a node before it is related; ValueError is EINVAL, an `OSError` its errno. It may
            be ``async``.
        unrelate: Called with a node (None when it is gone) before its relation ends; an `OSError` keeps
            it. It may be ``async``.
        mode: Permission bits.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.
    """

    _kind_: type[Node] | tuple[type[Node], ...]
    _relate_: Callable[[Any], object] | None
    _unrelate_: Callable[[Any], object] | None

    def __init__(
        self,
        kind: type[Node] | tuple[type[Node], ...] = Dir,
        relate: Callable[[Any], object] | None = None,
        unrelate: Callable[[Any], object] | None = None,
        *,
        mode: int = 0o755,
        uid: int | None = None,
        gid: int | None = None,
        ino: int = 0,
    ) -> None:
        if not all(isinstance(one, type) for one in (kind if isinstance(kind, tuple) else (kind,))):
            raise TypeError(f"the kind of a RelationDir is a class of nodes or a tuple of them, not {kind!r}")
        Dir.__init__(self, None, mode, uid=uid, gid=gid, ino=ino)
        self._kind_ = kind
        self._relate_ = relate
        self._unrelate_ = unrelate

    def related(self) -> dict[str, Node]:
        """The nodes that are related now, by the names of their links; those that are gone are left out."""
        found = {}
        for name, link in self.children_snapshot():
            node = resolve(self, link.target) if isinstance(link, Symlink) else None
            if node is not None:
                found[name] = node
        return found

    def symlink(self, name: str, target: str) -> Any:
        """Relate the node that the target leads to."""
        if target.startswith("/"):
            raise OSError(errno.EINVAL, "a relation is a relative path inside of the tree")
        node = resolve(self, target)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), target)
        if not isinstance(node, self._kind_):
            raise OSError(errno.EINVAL, f"{target} is a {type(node).__name__}")
        relate = self._relate_
        if relate is not None:
            relating = refusing(lambda: relate(node), errno.EINVAL)
            if isinstance(relating, CoroutineType):
                return _linked(Owed(relating), target)
        return Symlink(target)

    def unlink(self, name: str) -> Any:
        """End a relation."""
        link, unrelate = self.child(name), self._unrelate_
        if unrelate is None or not isinstance(link, Symlink):
            return None
        node = resolve(self, link.target)
        return refusing(lambda: unrelate(node), errno.EINVAL)


async def _linked(relating: Owed, target: str) -> Symlink:
    await relating.coroutine
    return Symlink(target)


def resolve(directory: Dir, path: str) -> Node | None:
    """The node that a relative path leads to from a directory of a tree; None when there is none. Symbolic
    links on the way are followed, forty at most.
    """
    here: Node = directory
    waiting = path.split("/")[::-1]
    links = 0
    while waiting:
        part = waiting.pop()
        if part in ("", "."):
            continue
        if not isinstance(here, Dir):
            return None
        if part == "..":
            above = parents_of(here)
            if not above:
                return None  # outside of the tree
            here = above[0]
            continue
        step = here.child(part)
        if step is None:
            return None
        if isinstance(step, Symlink):
            links += 1
            if links > 40 or step.target.startswith("/"):
                return None
            waiting.extend(step.target.split("/")[::-1])
        else:
            here = step
    return here
