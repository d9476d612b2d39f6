"""What a class of nodes, or of handles, can do: its capabilities (fusetree.nodes.capabilities), looked up
once per class and mount.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import attrs

from fusetree.nodes.capabilities import FOR_THE_PROGRAM, inherits
from fusetree.nodes.computed import MARK

__all__ = ["Kind", "Kinds", "Method"]

Method = Callable[..., Any]


@attrs.frozen(eq=False, kw_only=True)
class Kind:
    """The methods of one class, unbound; None for what it does not define.

    Attributes:
        names: Whether the names of such a directory are its class's own business.
        content: Whether such a file has, or an open of it may make, reading or writing of its own.
        xattrs: Whether such a node may have extended attributes.
        takes_names: Whether programs may put anything into such a directory.
        locks: Whether such a file keeps locks by itself.
    """

    lookup: Method | None
    list: Method | None
    create: Method | None
    create_open: Method | None
    tmpfile: Method | None
    mkdir: Method | None
    mknod: Method | None
    symlink: Method | None
    link: Method | None
    unlink: Method | None
    rmdir: Method | None
    rename: Method | None
    getattr: Method | None
    setattr: Method | None
    readlink: Method | None
    access: Method | None
    statfs: Method | None
    getxattr: Method | None
    listxattr: Method | None
    setxattr: Method | None
    removexattr: Method | None
    open: Method | None
    fileno: Method | None
    backing: Method | None
    read: Method | None
    write: Method | None
    flush: Method | None
    release: Method | None
    fsync: Method | None
    fallocate: Method | None
    lseek: Method | None
    copy_file_range: Method | None
    ioctl: Method | None
    poll: Method | None
    getlk: Method | None
    setlk: Method | None
    flock: Method | None
    names: bool = attrs.field(init=False)
    content: bool = attrs.field(init=False)
    xattrs: bool = attrs.field(init=False)
    takes_names: bool = attrs.field(init=False)
    locks: bool = attrs.field(init=False)

    @names.default
    def _names(self) -> bool:
        return self.lookup is not None or self.list is not None

    @content.default
    def _content(self) -> bool:
        return self.open is not None or self.read is not None or self.write is not None

    @xattrs.default
    def _xattrs(self) -> bool:
        return self.getxattr is not None or self.listxattr is not None

    @takes_names.default
    def _takes_names(self) -> bool:
        taking = (self.create, self.create_open, self.mkdir, self.mknod, self.symlink, self.link, self.rename)
        return any(method is not None for method in taking)

    @locks.default
    def _locks(self) -> bool:
        return self.setlk is not None or self.flock is not None

    @classmethod
    def of(cls, owner: type) -> Kind:
        """Look the methods of a class up.

        Raises:
            TypeError: A name of a capability stands for something that cannot be called, or one of `getlk`
                and `setlk` is there without the other.
        """
        found: dict[str, Any] = {}
        for field in attrs.fields(cls):
            if not field.init:
                continue
            method = getattr(owner, field.name, None)
            if hasattr(method, MARK) or hasattr(method, FOR_THE_PROGRAM) or inspect.isdatadescriptor(method):
                method = None  # a file, a field or a method that happens to have this name
            if method is not None and not callable(method):
                raise TypeError(f"{owner.__name__}.{field.name} must be a method")
            if method is not None and not inherits(owner, field.name):
                method = None
            found[field.name] = method
        if (found["getlk"] is None) != (found["setlk"] is None):
            raise TypeError(f"{owner.__name__} must define both getlk and setlk, or neither")
        return cls(**found)


class Kinds(dict[type, Kind]):
    """The kinds of all classes met so far. (A race of two threads looks one up twice, to the same end.)"""

    __slots__ = ()

    def __missing__(self, owner: type) -> Kind:
        kind = self[owner] = Kind.of(owner)
        return kind
