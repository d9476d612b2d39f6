"""`Symlink`: a name that stands for a path."""

from __future__ import annotations

import os
import stat
from typing import ClassVar

import attrs

from fusetree.nodes.base import Node, node_class
from fusetree.nodes.held import hold, state

__all__ = ["Symlink"]

_MAX_TARGET_BYTES = 4095  # PATH_MAX without its NUL


def check_target(target: str | os.PathLike[str]) -> str:
    """The target as text, or ValueError when no symbolic link can hold it."""
    text = os.fspath(target)
    if not isinstance(text, str):
        raise TypeError(f"the target of a symbolic link is str, not {type(text).__name__}")
    if not text:
        raise ValueError("a symbolic link cannot have an empty target")
    if "\0" in text:
        raise ValueError("the target of a symbolic link cannot hold NUL")
    if len(text.encode("utf-8", "surrogateescape")) > _MAX_TARGET_BYTES:
        raise ValueError(f"the target of a symbolic link is longer than {_MAX_TARGET_BYTES} bytes")
    return text


@node_class
class Symlink(Node):
    """A symbolic link. The kernel follows it; the target need not exist, and may lie outside the mount.

    Arguments:
        target: The path it stands for, at most 4095 bytes.
        mode: Permission bits; nobody looks at those of a symbolic link.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.
    """

    file_type: ClassVar[int] = stat.S_IFLNK

    # The default is for subclasses made with @node; __init__ asks for a target.
    _target_: str = attrs.field(default=".", alias="target", kw_only=True, converter=check_target, repr=False)

    def __init__(
        self,
        target: str | os.PathLike[str],
        mode: int = 0o777,
        *,
        uid: int | None = None,
        gid: int | None = None,
        ino: int = 0,
    ) -> None:
        Node.__init__(self, mode=mode, uid=uid, gid=gid, ino=ino)
        self._target_ = check_target(target)

    @property
    def target(self) -> str:
        """The path it stands for. Assigning tells the kernel."""
        return self._target_

    @target.setter
    def target(self, target: str | os.PathLike[str]) -> None:
        text = check_target(target)
        if state.active is not None:
            hold(self)
        self._target_ = text
        self.changed()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} to {self._target_!r}>"
