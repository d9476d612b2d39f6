"""A value of a running program's object as a file: what a reader opens is the value of that moment.

It knows the directory above it, an object too (`fusetree.nodes.live`), and its name there, and asks for the
value each time.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from fusetree.nodes.base import node_class
from fusetree.nodes.entries import check_size
from fusetree.nodes.filenode import FileNode, Policy, WriteStyle
from fusetree.nodes.leaves import leaf_codec, part_codec
from fusetree.nodes.lines import Text
from fusetree.nodes.refusals import refusals, refused

if TYPE_CHECKING:
    from fusetree.nodes.codecs import Codec
    from fusetree.nodes.live import LiveDir

__all__ = ["LiveFile"]


@node_class
class LiveFile(FileNode):
    """A value of an object as a file; a `LiveDir` makes them. What a reader opens is the value of that
    moment.
    """

    _above_: LiveDir
    _name_: str
    _writable_: bool

    def __init__(self, above: LiveDir, name: str, writable: bool) -> None:
        FileNode.__init__(self, mode=0o644 if writable else 0o444, uid=above.uid, gid=above.gid)
        self._above_ = above
        self._name_ = name
        self._writable_ = writable

    def _read_(self) -> tuple[Any, Codec]:
        """The value and its codec at this moment."""
        above = self._above_
        with refusals():
            view = above._view_()
            value = view.get(self._name_)
            codec = leaf_codec(value, view.annotation(self._name_), exact=above._manner_.exact)
        return value, codec or part_codec(value)

    def _codec_(self) -> Codec:
        return self._read_()[1]

    @property
    def policy(self) -> Policy:
        return Policy.DYNAMIC

    @property
    def ttl(self) -> float:
        return self._above_._manner_.ttl

    @property
    def write_style(self) -> WriteStyle:
        if not self._writable_:
            return WriteStyle.NONE
        return WriteStyle.VALUE if isinstance(self._codec_(), Text) else WriteStyle.DOCUMENT

    @property
    def writable(self) -> bool:
        return self._writable_

    def size(self) -> int | None:
        try:
            value, codec = self._read_()
            return len(codec.encode(value)) if codec.immutable else None
        except Exception:  # noqa: BLE001 - what is wrong is told to who opens it
            return None

    def content(self) -> bytes:
        value, codec = self._read_()
        return codec.encode(value)

    def store(self, data: bytes, append: bool = False) -> None:
        check_size(data)
        if not self._writable_:
            raise refused(errno.EACCES)
        value = self._codec_().decode(data)
        with refusals():
            self._above_._view_().set(self._name_, value)
        self.changed()

    def _doc_(self) -> str | None:
        try:
            return self._above_._view_().doc(self._name_)
        except Exception:  # noqa: BLE001 - there is nothing to say of what is not there
            return None

    def __repr__(self) -> str:
        return f"<file {self._name_!r} of {self._above_!r}>"
