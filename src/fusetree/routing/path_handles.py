"""What is open of a file by its path: it calls the handlers with the path of the moment, and with what `open`
or `create` returned.

The methods are taken into classes as those of nodes are (fusetree.routing.path_nodes).
"""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from fusetree.nodes.refusals import refused
from fusetree.routing.steps import stepwise

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.routing.path_nodes import PathFile

__all__ = ["HANDLE_METHODS", "PathHandle"]

Steps = Generator[Any, Any, Any]

#: The capabilities of open files, and the handlers of which one is enough to have them.
HANDLE_METHODS: Final[dict[str, tuple[str, ...]]] = {
    "read": ("read",),
    "write": ("write",),
    "flush": ("flush",),
    "release": ("release", "unlink", "rename"),
    "fsync": ("fsync",),
    "fallocate": ("fallocate",),
    "lseek": ("lseek",),
    "ioctl": ("ioctl",),
    "poll": ("poll",),
    "copy_file_range": ("copy_file_range",),
    "getlk": ("lock",),
    "setlk": ("lock",),
    "flock": ("flock",),
}


class PathHandle:
    """An open file.

    Attributes:
        node: The file.
        fh: What the handler of `open` or `create` returned.
    """

    __slots__ = ("fh", "node")

    def __init__(self, node: PathFile, fh: Any) -> None:
        self.node = node
        self.fh = fh

    def _read_(self, size: int, offset: int) -> Any:
        node = self.node
        return node._ask_(node._position_.tree.operations.read, size, offset, self.fh)

    def _write_(self, data: bytes, offset: int) -> Any:
        return self.node._write_through_(data, offset, self.fh)

    def _flush_(self) -> Any:
        node = self.node
        return node._ask_(node._position_.tree.operations.flush, self.fh)

    def _fsync_(self, datasync: bool) -> Any:
        node = self.node
        return node._ask_(node._position_.tree.operations.fsync, datasync, self.fh)

    def _fallocate_(self, mode: int, offset: int, length: int) -> Any:
        node = self.node
        return node._ask_(node._position_.tree.operations.fallocate, mode, offset, length, self.fh)

    def _lseek_(self, offset: int, whence: int) -> Any:
        node = self.node
        return node._ask_(node._position_.tree.operations.lseek, offset, whence, self.fh)

    def _ioctl_(self, command: int, argument: int, data: bytes, out_size: int) -> Any:
        node = self.node
        return node._ask_(node._position_.tree.operations.ioctl, command, argument, self.fh, 0, data)

    def _poll_(self, events: int, wake: Callable[[], object] | None) -> Any:
        node = self.node
        return node._ask_(node._position_.tree.operations.poll, self.fh, events, wake)

    def _copy_file_range_(self, offset: int, target: Any, target_offset: int, length: int) -> Any:
        """Ask for it with two paths, each of which may change meanwhile."""
        node = self.node
        tree = node._position_.tree
        if not isinstance(target, PathHandle) or target.node._position_.tree is not tree:
            raise refused(errno.EOPNOTSUPP)  # the kernel then reads and writes
        other, fh = target.node, target.fh
        copying = tree.operations.copy_file_range

        def copy_to(path: str) -> Any:
            return node._ask_(copying, self.fh, offset, path, fh, target_offset, length)

        copied = other._ask_(copy_to)
        return other._then_tell_(copied) if tree.operations.ttl else copied

    def _getlk_(self, lock: Any) -> Any:
        node = self.node
        return node._ask_(node._position_.tree.operations.lock, self.fh, fcntl.F_GETLK, lock)

    def _setlk_(self, lock: Any, wait: bool) -> Any:
        node = self.node
        command = fcntl.F_SETLKW if wait else fcntl.F_SETLK
        return node._ask_(node._position_.tree.operations.lock, self.fh, command, lock)

    def _flock_(self, operation: int, owner: int) -> Any:
        node = self.node
        tree = node._position_.tree
        more = (owner,) if tree.flock_takes_owner else ()
        return node._ask_(tree.operations.flock, self.fh, operation, *more)

    def _release_(self) -> Any:
        """The end of it; the last one of a file that was removed takes the hidden name along."""
        node = self.node
        position = node._position_
        tree = position.tree
        if tree.tracks:
            with tree.lock:
                hidden = position.hidden
                if not hidden:  # nor will it be on behalf of this one
                    position.handles = tuple(known for known in position.handles if known is not self)
            if hidden:
                return self._release_hidden_()
        return node._ask_(tree.operations.release, self.fh) if tree.releases else None

    @stepwise
    def _release_hidden_(self) -> Steps:
        node = self.node
        position = node._position_
        tree = position.tree
        try:
            if tree.releases:
                yield node._ask_(tree.operations.release, self.fh)
        finally:
            with tree.lock:
                position.handles = tuple(known for known in position.handles if known is not self)
                hidden, last = position.hidden, not position.handles
                if hidden and last:
                    position.hidden = ""
                    tree.hidden.discard(hidden)
            if hidden and last:
                yield tree.operations.unlink(f"/{hidden}")
