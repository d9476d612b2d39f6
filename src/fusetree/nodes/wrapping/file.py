"""`WrapFile`: a regular file shown through another, and `WrapHandle`: what is open of it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from fusetree.nodes.base import Node, node_class
from fusetree.nodes.file import File
from fusetree.nodes.filenode import FileNode, Policy, WriteStyle
from fusetree.nodes.memory import MemoryFile
from fusetree.nodes.wrapping.fresh import Fresh
from fusetree.nodes.wrapping.members import WrapMember
from fusetree.nodes.wrapping.opened import open_inner, opened_by
from fusetree.nodes.wrapping.passing import capability, then

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.nodes.attributes import Attributes
    from fusetree.nodes.wrapping.tree import WrapTree

__all__ = ["WrapFile", "WrapHandle"]


class WrapHandle:
    """What is open of a `WrapFile`: each method asks what is open of the file inside. Override them to change
    what is read and written, and name the class in `WrapFile.handle_class`.

    Arguments:
        file: The wrapper that was opened.
        opened: What is open of the file inside.
        flags: Of open(2).
    """

    def __init__(self, file: WrapFile, opened: Any, flags: int) -> None:
        self.file = file
        self.flags = flags
        self._opened = opened

    def read(self, size: int, offset: int) -> Any:
        """Bytes of the file inside."""
        self.file._pass_("read", size, offset)
        return self._opened.read(size, offset)

    def write(self, data: bytes, offset: int) -> Any:
        """Write to the file inside; how many bytes were taken."""
        self.file._pass_("write", data, offset)
        return self._opened.write(data, offset)

    def flush(self) -> Any:
        """A descriptor was closed."""
        self.file._pass_("flush")
        return self._opened.call("flush")

    def release(self) -> Any:
        """The last descriptor was closed."""
        self.file._pass_("release")
        return self._opened.call("release")

    def setattr(self, changes: Attributes) -> Any:
        """Change attributes, the size above all, by what is open of the file inside where that can: it may be
        written although its permission bits forbid that by now. A `setattr` of the wrapper's class is asked
        instead.
        """
        file = self.file
        if type(file).setattr is not WrapFile.setattr or not self._opened.changes_attributes:
            return file.setattr(changes)
        file._pass_("setattr", changes)
        return self._opened.call("setattr", changes)

    def fsync(self, datasync: bool) -> Any:
        """Bring the content of the file inside to its store."""
        self.file._pass_("fsync", datasync)
        return self._opened.call("fsync", datasync)

    def fallocate(self, mode: int, offset: int, length: int) -> Any:
        """Take or give back space of the file inside."""
        self.file._pass_("fallocate", mode, offset, length)
        return self._opened.call("fallocate", mode, offset, length, default=errno.EOPNOTSUPP)

    def lseek(self, offset: int, whence: int) -> Any:
        """Data and holes of the file inside; all is data where it says nothing."""
        self.file._pass_("lseek", offset, whence)
        found = self._opened.call("lseek", offset, whence)
        if found is not None:
            return found
        size = self.file.size() or 0
        if not 0 <= offset < size:
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
        return size if whence == os.SEEK_HOLE else offset

    def ioctl(self, command: int, argument: int, data: bytes, out_size: int) -> Any:
        """A device command to the file inside."""
        self.file._pass_("ioctl", command, argument, data, out_size)
        return self._opened.call("ioctl", command, argument, data, out_size, default=errno.ENOTTY)

    def poll(self, events: int, wake: Callable[[], object] | None) -> Any:
        """What the file inside is ready for."""
        self.file._pass_("poll", events)
        ready = self._opened.call("poll", events, wake)
        return events if ready is None else ready


@node_class
class WrapFile(WrapMember, FileNode):
    """A regular file shown through another. What it does not override is passed on to `inner`.

    Each open, read and write reaches Python; only the page cache of the kernel may stand before it, where it
    stands before the file inside and is told of each change.

    Arguments:
        inner: The file inside.
        above: The wrapper that asks for it.
    """

    #: What is open of such a file.
    handle_class: ClassVar[type[WrapHandle]] = WrapHandle

    _inner_: Any = attrs.field(init=False, default=None, repr=False)
    _wrapped_: WrapTree = attrs.field(init=False, repr=False)

    def __init__(self, inner: Node, above: WrapMember | None = None) -> None:
        FileNode.__init__(self)
        self._wrap_(inner, above)

    @property
    def policy(self) -> Policy:
        inner = self._inner_
        # The page cache is for bytes of which every change is told: not of what lies on a disk, say.
        told = isinstance(inner, (File, MemoryFile, WrapFile)) and inner.policy is Policy.PAGE
        return Policy.PAGE if told else Policy.DYNAMIC

    @property
    def write_style(self) -> WriteStyle:
        style: WriteStyle = self._inner_.write_style
        return style

    @property
    def readable(self) -> bool:
        readable: bool = self._inner_.readable
        return readable

    @property
    def writable(self) -> bool:
        writable: bool = self._inner_.writable or capability(self._inner_, "write") is not None
        return writable

    def size(self) -> int | None:
        size: int | None = self._inner_.size()
        return size

    def blocks(self, size: int) -> int:
        blocks: int = self._inner_.blocks(size)
        return blocks

    def content(self) -> bytes:
        """The whole content, as readers of the wrapper get it."""
        handle = self.open(os.O_RDONLY)
        try:
            pieces = []
            offset = 0
            while piece := bytes(handle.read(1 << 20, offset)):
                pieces.append(piece)
                offset += len(piece)
            return b"".join(pieces)
        finally:
            handle.release()

    def open(self, flags: int) -> Any:
        """Open the file inside."""
        self._pass_("open", flags)
        made = Fresh.take(self, flags)
        opening = open_inner(self._inner_, flags) if made is None else opened_by(self._inner_, made, flags)
        return then(opening, lambda opened: self.handle_class(self, opened, flags))

    def _opened_by_(self, handle: object, flags: int, inner_flags: int) -> Any:
        """What `open` returns, when the file inside was opened, with *inner_flags*, by who made it."""
        return Fresh(self, handle, inner_flags).through(lambda: self.open(flags))
