"""What wrappers of all kinds have in common: attributes are those of the node inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusetree.nodes.attributes import Attributes
from fusetree.nodes.base import Node
from fusetree.nodes.wrapping import passing
from fusetree.nodes.wrapping.tree import WrapTree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusetree.nodes.wrapping.directory import WrapDir

    _Base = Node
else:
    _Base = object

__all__ = ["WrapMember", "unwrapped"]


class WrapMember(_Base):
    """Mixed into each class of wrappers. `inner` is the node inside, `top` the wrapper that the program made,
    which all wrappers below it know.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        _inner_: Any
        _wrapped_: WrapTree

    def _wrap_(self, inner: Node, above: WrapMember | None) -> None:
        self._inner_ = inner
        self._wrapped_ = WrapTree(self) if above is None else above._wrapped_
        self._wrapped_.joined(self, inner)

    @property
    def inner(self) -> Any:
        """The node inside."""
        return self._inner_

    @property
    def top(self) -> WrapDir:
        """The wrapper that the program made: the place for what all of the tree needs."""
        top: Any = self._wrapped_.top or self
        return top  # type: ignore[no-any-return]  # trees begin with a WrapDir

    def passing(self, node: Node, operation: str, arguments: tuple[Any, ...]) -> None:
        """Called, on the wrapper that the program made, before anything is passed on to a node inside: to
        log it, to count it, or to raise the `OSError` that refuses it.

        Arguments:
            node: The wrapper that was asked.
            operation: The name of the capability (fusetree.nodes.capabilities), such as "lookup" or "read".
            arguments: What it was asked with.
        """

    def _pass_(self, operation: str, *arguments: Any) -> None:
        self.top.passing(self, operation, arguments)

    # ---- attributes

    @property
    def mode(self) -> int:
        """Permission bits of the node inside."""
        mode: int = self._inner_.mode
        return mode

    @mode.setter
    def mode(self, mode: int) -> None:
        self._inner_.mode = mode

    @property
    def uid(self) -> int | None:
        """The owner of the node inside."""
        uid: int | None = self._inner_.uid
        return uid

    @uid.setter
    def uid(self, uid: int | None) -> None:
        self._inner_.uid = uid

    @property
    def gid(self) -> int | None:
        """The owner's group of the node inside."""
        gid: int | None = self._inner_.gid
        return gid

    @gid.setter
    def gid(self, gid: int | None) -> None:
        self._inner_.gid = gid

    @property
    def ino(self) -> int:
        """The inode number of the node inside: mount the two trees at two places."""
        ino: int = self._inner_.ino
        return ino

    @property
    def atime_ns(self) -> int:
        """When the node inside was last read."""
        time: int = self._inner_.atime_ns
        return time

    @property
    def mtime_ns(self) -> int:
        """When the content of the node inside last changed."""
        time: int = self._inner_.mtime_ns
        return time

    @property
    def ctime_ns(self) -> int:
        """When the node inside last changed."""
        time: int = self._inner_.ctime_ns
        return time

    def set_times(self, *, atime_ns: int | None = None, mtime_ns: int | None = None) -> None:
        """Set the times of the node inside."""
        self._inner_.set_times(atime_ns=atime_ns, mtime_ns=mtime_ns)

    @property
    def nlink(self) -> int:
        """How many names the node inside has."""
        nlink: int = self._inner_.nlink
        return nlink

    @property
    def has_xattrs(self) -> bool:
        """Whether the node inside has extended attributes."""
        inner = self._inner_
        asked = any(passing.capability(inner, name) is not None for name in ("getxattr", "listxattr"))
        return inner.has_xattrs if asked else bool(inner._doc_())

    def _doc_(self) -> str | None:
        doc: str | None = self._inner_._doc_()
        return doc

    # ---- capabilities

    def getattr(self) -> Attributes:
        """What the node inside says of itself."""
        self._pass_("getattr")
        asked = passing.capability(self._inner_, "getattr")
        answer: Attributes = Attributes() if asked is None else asked()
        return answer

    def setattr(self, changes: Attributes) -> None:
        """Change the node inside."""
        self._pass_("setattr", changes)
        return passing.setattr_(self._inner_, changes)  # type: ignore[no-any-return]  # a coroutine, perhaps

    def getxattr(self, name: str) -> bytes:
        """An extended attribute of the node inside."""
        self._pass_("getxattr", name)
        value: bytes = passing.getxattr(self._inner_, name)
        return value

    def listxattr(self) -> Iterable[str]:
        """The extended attributes of the node inside."""
        self._pass_("listxattr")
        names: Iterable[str] = passing.listxattr(self._inner_)
        return names

    def setxattr(self, name: str, value: bytes) -> None:
        """Set one of the node inside."""
        self._pass_("setxattr", name, value)
        return passing.setxattr(self._inner_, name, value)  # type: ignore[no-any-return]  # a coroutine, perhaps

    def removexattr(self, name: str) -> None:
        """Remove one of the node inside."""
        self._pass_("removexattr", name)
        return passing.removexattr(self._inner_, name)  # type: ignore[no-any-return]  # a coroutine, perhaps

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._inner_!r}>"


def unwrapped(node: Node) -> Node:
    """The node inside, if it is a wrapper."""
    inner: Node | None = getattr(node, "_inner_", None)
    return node if inner is None else inner
