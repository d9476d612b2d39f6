"""The files of a node object's entries: each reads as the attribute's value, and writing assigns it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from fusetree.nodes.base import node_class
from fusetree.nodes.codecs import is_document
from fusetree.nodes.filenode import MAX_VALUE_SIZE, FileNode, Policy, WriteStyle
from fusetree.nodes.held import seen
from fusetree.nodes.hooks import tell
from fusetree.nodes.locks import gate

if TYPE_CHECKING:
    import threading

    from typing_extensions import Self

    from fusetree.nodes.base import Node
    from fusetree.nodes.declared import Field
    from fusetree.nodes.directory import Dir

__all__ = ["EntryFile", "check_size"]


def check_size(data: bytes) -> None:
    """Refuse what is too long for a value: OSError with EFBIG."""
    if len(data) > MAX_VALUE_SIZE:
        raise OSError(errno.EFBIG, f"{len(data)} bytes are more than a value may have ({MAX_VALUE_SIZE})")


@node_class
class EntryFile(FileNode):
    """The file of one entry of one object. It is made when the object's directory is first touched, and kept.

    It holds no value: the attribute does. Reading it shows the attribute, and a write assigns it, so
    converters and validators of the attribute have their say.
    """

    _owner_: Dir
    _field_: Field

    def __init__(self, owner: Dir, field: Field) -> None:
        FileNode.__init__(self, mode=field.options.mode, uid=owner.uid, gid=owner.gid)
        self._owner_ = owner
        self._field_ = field

    @property
    def policy(self) -> Policy:
        return Policy.SNAPSHOT if self._field_.codec.immutable else Policy.DYNAMIC

    @property
    def write_style(self) -> WriteStyle:
        field = self._field_
        if not field.options.writable:
            return WriteStyle.NONE
        return WriteStyle.DOCUMENT if is_document(field.codec) else WriteStyle.VALUE

    @property
    def readable(self) -> bool:
        return self._mode_ & 0o444 != 0

    @property
    def writable(self) -> bool:
        return self._field_.options.writable

    def size(self) -> int | None:
        return len(self.content()) if self._field_.codec.immutable else None

    def content(self) -> bytes:
        field = self._field_
        return field.codec.encode(getattr(self._owner_, field.name))

    def store(self, data: bytes, append: bool = False) -> Any:
        field = self._field_
        if not field.options.writable:
            raise PermissionError(errno.EACCES, f"{field.file} is not writable")
        check_size(data)
        value: Any = field.codec.decode(data)
        owner, hook = self._owner_, field.options.on_change
        if hook is None:
            setattr(owner, field.name, value)
            return None
        old = getattr(owner, field.name, None)
        setattr(owner, field.name, value)
        return tell(hook, owner, field.file, old, getattr(owner, field.name))

    def _gate_(self) -> threading.RLock:
        # The setter of the owner passes through one gate for the owner and all its entries.
        return gate(self._owner_)

    def _held_with_(self) -> Node | None:
        return self._owner_

    def _after_copy_(self, copy: Self) -> None:
        copy._owner_ = seen(self._owner_)

    def _doc_(self) -> str | None:
        return self._field_.options.doc

    def __repr__(self) -> str:
        return f"<file {self._field_.file!r} of a {type(self._owner_).__name__}>"
