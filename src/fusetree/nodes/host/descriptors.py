"""Descriptors that are closed with the last reference to them, and how many of them there may be.

A descriptor's number must not mean another file while somebody still uses it. So descriptors are objects, and
calls get the object: one that another thread lets go of meanwhile is closed when the call is over.
"""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Descriptor", "DescriptorPath", "usual_limit"]


class Descriptor(int):
    """An open descriptor of ours. It is its number itself."""

    def __new__(cls, fd: int) -> Self:
        return super().__new__(cls, fd)

    def __del__(self) -> None:
        os.close(self)

    @property
    def path(self) -> DescriptorPath:
        """A path that leads to it and nowhere else, not even on when it is a symbolic link."""
        return DescriptorPath(self)


class DescriptorPath(str):
    """The path of a descriptor, which it refers to: a call that gets it can rely on it as long as it runs."""

    __slots__ = ("_descriptor",)
    _descriptor: Descriptor

    def __new__(cls, descriptor: Descriptor) -> Self:
        self = super().__new__(cls, f"/proc/self/fd/{int(descriptor)}")
        self._descriptor = descriptor
        return self


#: However many descriptors a process may have, no more than this many are held to remember files by.
_MANY: Final = 32768


def usual_limit() -> int:
    """How many descriptors are held to remember files by, unless somebody says: half of what the process may
    have, since what is open through the mount needs some, too.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MANY if soft == resource.RLIM_INFINITY else max(16, min(soft // 2, _MANY))
