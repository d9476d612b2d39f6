"""Doing to a node what a mount does to it when a program asks: its class's method if there is one, and what
returning from it leaves to be done (fusetree.nodes.capabilities).

Rule 1: a node answers here as it would on a mount of its own, with the same errors.
Rule 2: what a method returned may be a coroutine; `then` goes on when it is done.
"""

from __future__ import annotations

import errno
import functools
import inspect
import os
import stat
import weakref
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from fusetree.nodes.attributes import Attributes, FileSystemSize
from fusetree.nodes.base import Node
from fusetree.nodes.capabilities import FOR_THE_PROGRAM, inherits
from fusetree.nodes.computed import MARK
from fusetree.nodes.directory import Dir
from fusetree.nodes.docs import doc_of
from fusetree.nodes.filenode import FileNode, WriteStyle
from fusetree.nodes.moves import exchange, move

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "capability",
    "create",
    "create_open",
    "getxattr",
    "link",
    "listing",
    "listxattr",
    "lookup",
    "mkdir",
    "mknod",
    "names_own",
    "refuse",
    "removexattr",
    "rename",
    "rmdir",
    "setattr_",
    "setxattr",
    "statfs",
    "symlink",
    "then",
    "tmpfile",
    "unlink",
]

# linux/fs.h
_RENAME_EXCHANGE: Final = 2

_DOC_XATTR: Final = "user.doc"


def refuse(number: int) -> NoReturn:
    """Answer with an errno."""
    raise OSError(number, os.strerror(number))


def then(value: Any, function: Callable[[Any], Any]) -> Any:
    """What a function makes of a value, now or, if the value is a coroutine, when that is done."""
    if type(value) is CoroutineType:
        return _later(value, function)
    return function(value)


async def _later(coroutine: Any, function: Callable[[Any], Any]) -> Any:
    result = function(await coroutine)
    return await result if type(result) is CoroutineType else result


_methods: weakref.WeakKeyDictionary[type, dict[str, Any]] = weakref.WeakKeyDictionary()


def _method(cls: type, name: str) -> Callable[..., Any] | None:
    """A method of a class, looked up once."""
    found = _methods.get(cls)
    if found is None:
        found = _methods[cls] = {}
    if name not in found:
        method = getattr(cls, name, None)
        # A file, a field or a method may happen to have this name.
        other = hasattr(method, MARK) or hasattr(method, FOR_THE_PROGRAM) or inspect.isdatadescriptor(method)
        found[name] = method if callable(method) and not other and inherits(cls, name) else None
    result: Callable[..., Any] | None = found[name]
    return result


def capability(owner: object, name: str) -> Callable[..., Any] | None:
    """A method of a node or a handle that mounts would call; None when its class has none."""
    method = _method(type(owner), name)
    return None if method is None else functools.partial(method, owner)


def names_own(directory: Dir) -> bool:
    """Whether the names of a directory are its class's own business."""
    cls = type(directory)
    return _method(cls, "lookup") is not None or _method(cls, "list") is not None


# ------------------------------------------------------------------------------------------------- names


def lookup(directory: Dir, name: str) -> Any:
    """The node of a name, or None."""
    method = capability(directory, "lookup")
    if method is None:
        return directory.child(name)
    try:
        found = method(name)
    except FileNotFoundError:
        return None
    return _found(found) if type(found) is CoroutineType else found


async def _found(coroutine: Any) -> Any:
    try:
        return await coroutine
    except FileNotFoundError:
        return None


def listing(directory: Dir) -> Any:
    """The names, or pairs of name and node."""
    method = capability(directory, "list")
    return directory.children_snapshot() if method is None else method()


def _made(directory: Dir, method: str, name: str, *arguments: Any) -> Any:
    making = capability(directory, method)
    if making is None:
        refuse(errno.EPERM if method == "mknod" else errno.EROFS)

    def put(node: Any) -> Any:
        if not names_own(directory) and directory.child(name) is not node:
            directory[name] = node
        return node

    return then(making(name, *arguments), put)


def create(directory: Dir, name: str, mode: int) -> Any:
    """A new regular file."""
    return _made(directory, "create", name, mode)


def create_open(directory: Dir, name: str, mode: int, flags: int) -> Any:
    """A new regular file, and what its `open` would return where making and opening it is one step, else
    None.
    """
    making = capability(directory, "create_open")
    if making is None:
        return then(create(directory, name, mode), lambda node: (node, None))

    def put(made: Any) -> Any:
        node, _ = made
        if not names_own(directory) and directory.child(name) is not node:
            directory[name] = node
        return made

    return then(making(name, mode, flags), put)


def tmpfile(directory: Dir, mode: int, flags: int) -> Any:
    """A new regular file without a name, and what its `open` would return, or None."""
    making = capability(directory, "tmpfile")
    if making is None:
        refuse(errno.EOPNOTSUPP)
    return then(making(mode, flags), lambda made: made if isinstance(made, tuple) else (made, None))


def mkdir(directory: Dir, name: str, mode: int) -> Any:
    """A new directory."""
    return _made(directory, "mkdir", name, mode)


def mknod(directory: Dir, name: str, mode: int, rdev: int) -> Any:
    """A new special file."""
    return _made(directory, "mknod", name, mode, rdev)


def symlink(directory: Dir, name: str, target: str) -> Any:
    """A new symbolic link."""
    return _made(directory, "symlink", name, target)


def link(directory: Dir, name: str, node: Node) -> Any:
    """One more name for a node."""
    linking = capability(directory, "link")
    if linking is None:
        refuse(errno.EROFS)

    def put(_: object) -> None:
        if not names_own(directory) and directory.child(name) is not node:
            directory[name] = node

    return then(linking(name, node), put)


def _removed(directory: Dir, method: str, name: str) -> Any:
    removing = capability(directory, method)
    if removing is None:
        refuse(errno.EROFS)
    child = None if names_own(directory) else directory.child(name)
    emptied = child if method == "rmdir" and isinstance(child, Dir) and not names_own(child) else None
    if emptied is not None and any(not emptied.declares(entry) for entry in emptied):
        refuse(errno.ENOTEMPTY)

    def take(_: object) -> None:
        if child is not None and directory.child(name) is child:
            if directory.declares(name):
                refuse(errno.EROFS)
            del directory[name]

    return then(removing(name), take)


def unlink(directory: Dir, name: str) -> Any:
    """A name of a file goes."""
    return _removed(directory, "unlink", name)


def rmdir(directory: Dir, name: str) -> Any:
    """A directory goes."""
    return _removed(directory, "rmdir", name)


def rename(source: Dir, name: str, target: Dir, new_name: str, flags: int) -> Any:
    """A name moves, or two change places."""
    renaming = capability(source, "rename")
    if renaming is None or capability(target, "rename") is None:
        refuse(errno.EROFS)
    own = names_own(source)
    if names_own(target) and not own:
        refuse(errno.EXDEV)
    child = None if own else source.child(name)

    def moved(_: object) -> None:
        if own or names_own(target) or source.child(name) is not child or target.child(new_name) is child:
            return
        if source.declares(name) or target.declares(new_name):
            refuse(errno.EROFS)
        try:
            if flags == _RENAME_EXCHANGE:
                exchange(source, name, target, new_name)
            else:
                move(source, name, target, new_name, name)
        except ValueError:
            refuse(errno.EINVAL)
        except KeyError:
            refuse(errno.ENOENT)

    return then(renaming(name, target, new_name, flags), moved)


# ------------------------------------------------------------------------------------------------ attributes


def setattr_(node: Node, changes: Attributes) -> Any:
    """What chmod(2), chown(2), truncate(2) and utimensat(2) change."""
    method = capability(node, "setattr")
    if method is None:
        for wanted, current in ((changes.mode, node.mode), (changes.uid, node.uid), (changes.gid, node.gid)):
            if wanted not in (None, current):
                refuse(errno.EROFS)
        if not _changeable(node) and (changes.size, changes.atime_ns, changes.mtime_ns) != (None,) * 3:
            refuse(errno.EROFS)
        return _finish(node, changes)
    return then(method(changes), lambda _: _finish(node, changes))


def _finish(node: Node, changes: Attributes) -> None:
    """What the method left undone."""
    for name in ("uid", "gid", "mode"):
        wanted = getattr(changes, name)
        if wanted is not None and capability(node, "setattr") is not None and getattr(node, name) != wanted:
            setattr(node, name, wanted)
    size = changes.size
    if (
        size is not None
        and isinstance(node, FileNode)
        and not _content_own(node)
        and node.write_style is WriteStyle.BYTES
        and node.size() != size
    ):
        node.truncate(size)
    atime, mtime = changes.atime_ns, changes.mtime_ns
    if (atime, mtime) != (None, None) and not (
        atime in (None, node.atime_ns) and mtime in (None, node.mtime_ns)
    ):
        node.set_times(atime_ns=atime, mtime_ns=mtime)


def _content_own(node: FileNode) -> bool:
    return any(_method(type(node), name) is not None for name in ("open", "read", "write"))


def _changeable(node: Node) -> bool:
    if isinstance(node, FileNode):
        return node.writable or capability(node, "write") is not None
    taking = ("create", "mkdir", "mknod", "symlink", "link", "rename")
    return isinstance(node, Dir) and any(capability(node, name) is not None for name in taking)


def statfs(node: Node) -> Any:
    """How large the file system is."""
    method = capability(node, "statfs")
    return FileSystemSize() if method is None else method()


# -------------------------------------------------------------------------------------- extended attributes


def getxattr(node: Node, name: str) -> Any:
    """The value of an extended attribute."""
    method = capability(node, "getxattr")
    if method is not None:
        return method(name)
    doc = doc_of(node) if name == _DOC_XATTR and capability(node, "listxattr") is None else None
    if doc is None:
        refuse(errno.ENODATA)
    return doc.encode("utf-8", "surrogateescape")


def listxattr(node: Node) -> Any:
    """The names of the extended attributes."""
    method = capability(node, "listxattr")
    if method is not None:
        return method()
    return () if capability(node, "getxattr") is not None or doc_of(node) is None else (_DOC_XATTR,)


def setxattr(node: Node, name: str, value: bytes) -> Any:
    """Set an extended attribute."""
    method = capability(node, "setxattr")
    if method is None:
        refuse(errno.ENOTSUP)
    return method(name, value)


def removexattr(node: Node, name: str) -> Any:
    """Remove an extended attribute."""
    method = capability(node, "removexattr")
    if method is None:
        refuse(errno.ENODATA)
    return method(name)


def is_link(node: Node) -> bool:
    """Whether it is a symbolic link."""
    return node.file_type == stat.S_IFLNK
