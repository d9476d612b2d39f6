"""Wrappers of symbolic links and special files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from fusetree.nodes.attributes import Attributes
from fusetree.nodes.base import Node, node_class
from fusetree.nodes.special import SpecialNode
from fusetree.nodes.symlink import Symlink
from fusetree.nodes.wrapping.members import WrapMember
from fusetree.nodes.wrapping.passing import capability

if TYPE_CHECKING:
    from fusetree.nodes.wrapping.tree import WrapTree

__all__ = ["WrapSpecial", "WrapSymlink"]


@node_class
class WrapSymlink(WrapMember, Symlink):
    """A symbolic link shown through another. What it does not override is passed on.

    Arguments:
        inner: The symbolic link inside.
        above: The wrapper that asks for it.
    """

    _inner_: Any = attrs.field(init=False, default=None, repr=False)
    _wrapped_: WrapTree = attrs.field(init=False, repr=False)

    def __init__(self, inner: Node, above: WrapMember | None = None) -> None:
        Symlink.__init__(self, ".")
        self._wrap_(inner, above)

    def getattr(self) -> Attributes:
        """What the link inside says of itself; the size is the length of the target."""
        answer = WrapMember.getattr(self)
        known = type(self).readlink is WrapSymlink.readlink and capability(self._inner_, "readlink") is None
        if not known or type(answer) is not Attributes or answer.size is not None:
            return answer
        size = len(self._inner_.target.encode("utf-8", "surrogateescape"))
        return attrs.evolve(answer, size=size, blocks=0)

    def readlink(self) -> str:
        """The target of the link inside."""
        self._pass_("readlink")
        method = capability(self._inner_, "readlink")
        target: str = self._inner_.target if method is None else method()
        return target


@node_class
class WrapSpecial(WrapMember, SpecialNode):
    """A special file shown through another.

    Arguments:
        inner: The `Fifo`, `Socket` or `Device` inside.
        above: The wrapper that asks for it.
    """

    _inner_: Any = attrs.field(init=False, default=None, repr=False)
    _wrapped_: WrapTree = attrs.field(init=False, repr=False)

    def __init__(self, inner: Node, above: WrapMember | None = None) -> None:
        SpecialNode.__init__(self)
        self._wrap_(inner, above)

    @property
    def file_type(self) -> int:  # type: ignore[override]  # that of the node inside, for life
        """The type of the node inside."""
        file_type: int = self._inner_.file_type
        return file_type

    @property
    def rdev(self) -> int:
        """The device number of the node inside."""
        rdev: int = self._inner_.rdev
        return rdev
