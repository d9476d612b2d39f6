"""What a class of nodes lets the kernel change, looked up once per class and mount.

A tree is read-only to the kernel (EROFS), but for the content of files that can be written, as long as its
classes say nothing else. A class says so with methods; each is called when a program does the operation
through the mount, and either returns, which allows it, or raises an `OSError`. Of a directory:

    on_create(name, mode) -> FileNode     open(O_CREAT): the new file, with these permission bits
    on_mkdir(name, mode) -> Dir           mkdir(2)
    on_symlink(name, target) -> Symlink   symlink(2)
    on_link(name, node) -> None           link(2): one more name for a file of this tree
    on_unlink(name) -> None               unlink(2)
    on_rmdir(name) -> None                rmdir(2) of a directory that has declared files at most
    on_rename(name, directory, new_name) -> None    rename(2), asked of the directory that loses the name;
                                          `directory` gets it, and its class must have `on_rename` too

Of any node:

    on_chmod(mode) -> None                chmod(2)
    on_chown(uid, gid) -> None            chown(2); None for what stays

A method may change the nodes itself (``self[name] = node``, ``del self[name]``, ``self.mode = mode``); what
it leaves undone is done when it has returned. New nodes with `uid` or `gid` None belong to whom made them.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import attrs

from fusetree.nodes.computed import MARK

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.nodes.base import Node

__all__ = ["Kind", "Kinds"]


@attrs.frozen(eq=False)
class Kind:
    """The methods of one class of nodes, unbound; None where the kernel is refused."""

    create: Callable[..., Any] | None
    mkdir: Callable[..., Any] | None
    symlink: Callable[..., Any] | None
    link: Callable[..., Any] | None
    unlink: Callable[..., Any] | None
    rmdir: Callable[..., Any] | None
    rename: Callable[..., Any] | None
    chmod: Callable[..., Any] | None
    chown: Callable[..., Any] | None

    @classmethod
    def of(cls, node_class: type) -> Kind:
        """Look the methods of a class up."""
        found: dict[str, Any] = {}
        for field in attrs.fields(cls):
            name = f"on_{field.name}"
            method = getattr(node_class, name, None)
            if hasattr(method, MARK) or inspect.isdatadescriptor(method):
                method = None  # a file or a field that happens to have this name
            if method is not None and not callable(method):
                raise TypeError(f"{node_class.__name__}.{name} must be a method")
            found[field.name] = method
        return cls(**found)

    @property
    def takes_names(self) -> bool:
        """Whether programs may put anything into such a directory."""
        return any(
            method is not None for method in (self.create, self.mkdir, self.symlink, self.link, self.rename)
        )


class Kinds(dict["type[Node]", Kind]):
    """The kinds of all classes met so far. (A race of two threads looks one up twice, to the same end.)"""

    __slots__ = ()

    def __missing__(self, node_class: type[Node]) -> Kind:
        kind = self[node_class] = Kind.of(node_class)
        return kind
