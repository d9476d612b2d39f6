"""What a class of directories lets the kernel do to its names, looked up once per class and mount.

A directory is read-only to the kernel (EROFS) as long as its class says nothing else. A class says so with
methods; each is called when a program does the operation through the mount, and either returns, which allows
it, or raises an `OSError`:

    on_create(name, mode) -> FileNode     open(O_CREAT): the new file; mode has its permission bits, umask
    already applied on_mkdir(name, mode) -> Dir           mkdir(2) on_symlink(name, target) -> Symlink
    symlink(2) on_link(name, node) -> None           link(2): one more name for a file of this tree
    on_unlink(name) -> None               unlink(2) on_rmdir(name) -> None                rmdir(2) of an empty
    directory on_rename(name, directory, new_name) -> None    rename(2), asked of the directory that loses the
    name; `directory`
                                          is the one that gets it, and its class must have `on_rename` too

A method may change the directory itself (``self[name] = node``, ``del self[name]``); what it leaves undone is
done when it has returned. New nodes with `uid` or `gid` None belong to whom made them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.nodes.directory import Dir

__all__ = ["DirectoryKind", "Kinds"]


@attrs.frozen(eq=False)
class DirectoryKind:
    """The methods of one class of directories, unbound; None where the kernel is refused."""

    create: Callable[..., Any] | None
    mkdir: Callable[..., Any] | None
    symlink: Callable[..., Any] | None
    link: Callable[..., Any] | None
    unlink: Callable[..., Any] | None
    rmdir: Callable[..., Any] | None
    rename: Callable[..., Any] | None

    @classmethod
    def of(cls, directory_class: type) -> DirectoryKind:
        """Look the methods of a class up."""
        found: dict[str, Any] = {}
        for field in attrs.fields(cls):
            name = f"on_{field.name}"
            method = getattr(directory_class, name, None)
            if method is not None and not callable(method):
                raise TypeError(f"{directory_class.__name__}.{name} must be a method")
            found[field.name] = method
        return cls(**found)

    @property
    def takes_names(self) -> bool:
        """Whether programs may put anything into such a directory."""
        return any(
            method is not None for method in (self.create, self.mkdir, self.symlink, self.link, self.rename)
        )


class Kinds(dict["type[Dir]", DirectoryKind]):
    """The kinds of all classes met so far. (A race of two threads looks one up twice, to the same end.)"""

    __slots__ = ()

    def __missing__(self, directory_class: type[Dir]) -> DirectoryKind:
        kind = self[directory_class] = DirectoryKind.of(directory_class)
        return kind
