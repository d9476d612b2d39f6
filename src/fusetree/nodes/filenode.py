"""What every regular file is, and what the adapter may do with it: how it is read, what a write means."""

from __future__ import annotations

import enum
import errno
import stat
from typing import TYPE_CHECKING, Any, ClassVar, Final

from fusetree.nodes.base import Node, node_class

if TYPE_CHECKING:
    from fusetree.nodes.filerange import FileRange

__all__ = ["MAX_VALUE_SIZE", "FileNode", "Policy", "WriteStyle"]

#: The longest value, document or line that may be written to a node, in bytes; more is answered with EFBIG.
#: It bounds what a writer can make the program hold. (The content of a `File` is not a value, and not
#: bounded by this.)
MAX_VALUE_SIZE: Final = 16 * 1024 * 1024


class Policy(enum.Enum):
    """How readers get a regular file's content, and what may be kept of it."""

    #: Bytes that lie in a file: the kernel's page cache keeps them, the size is known, mmap works. What is
    #: read is what was written.
    PAGE = "page"
    #: The text of an immutable value: each open pins the bytes of that moment, and they may be published.
    SNAPSHOT = "snapshot"
    #: Made anew by Python at each open, and pinned for it; never published.
    DYNAMIC = "dynamic"


class WriteStyle(enum.Enum):
    """What a write(2) to a regular file means."""

    #: Writing is refused.
    NONE = "none"
    #: Each write(2) is one whole value, stored at once.
    VALUE = "value"
    #: Writes are gathered, and stored at flush or fsync if any came since.
    DOCUMENT = "document"
    #: Each complete line is a call; what is left without a newline is one at flush.
    LINES = "lines"
    #: Bytes at an offset.
    BYTES = "bytes"


@node_class
class FileNode(Node):
    """Whatever is a regular file to the kernel: a `File`, the file of an entry, a computed file, an action,
    and a class of your own that answers by itself (`fusetree.nodes.capabilities`).

    The properties say what the adapter may do with it. `content` and `store` may run the program's own
    code and raise what it raises.
    """

    file_type: ClassVar[int] = stat.S_IFREG

    @property
    def policy(self) -> Policy:
        """How readers get the content, and what may be kept of it."""
        return Policy.DYNAMIC

    @property
    def write_style(self) -> WriteStyle:
        """What a write(2) means; `WriteStyle.NONE` refuses it."""
        return WriteStyle.NONE

    @property
    def readable(self) -> bool:
        """Whether there is anything to read. Without it reading is refused with EACCES, to root too."""
        return True

    @property
    def writable(self) -> bool:
        """Whether writing is possible at all (the mode bits say for whom). Without it, it is refused."""
        return False

    def size(self) -> int | None:
        """The size in bytes, or None when it is only known after the content was made."""
        return None

    def blocks(self, size: int) -> int:
        """How much a content of *size* bytes occupies, in units of 512 bytes."""
        return (size + 511) >> 9

    def content(self) -> bytes:
        """The whole content as it is now. It may run the program's own code."""
        raise PermissionError(errno.EACCES, "there is nothing to read here")

    def _source_(self) -> bytes | memoryview | FileRange:
        """The content without a copy of it, if it lies somewhere and stays as it is: a read-only buffer, or a
        part of a file of the host.
        """
        return self.content()

    def _opened_(self) -> Any:
        """The content for one open file: bytes, or (`Policy.DYNAMIC` only) an iterator of texts and bytes,
        which is taken from as far as the file is read; or a coroutine of either.
        """
        return self.content()

    def store(self, data: bytes, append: bool = False) -> None:
        """Take what was written: a value, a document, a line, or for a `File` its whole content.

        Arguments:
            data: What was written.
            append: Whether the file was opened to append. Only a `File` cares: a value is always whole.

        Raises:
            ValueError, TypeError: It is not a value that the node takes; nothing has changed.
            OSError: Refused with this errno.
        """
        raise PermissionError(errno.EACCES, "nothing can be written here")

    def write_at(self, data: bytes, offset: int) -> int:
        """Put bytes at an offset (`WriteStyle.BYTES` only), and return how many were taken."""
        raise PermissionError(errno.EACCES, "nothing can be written here")

    def truncate(self, size: int) -> None:
        """Cut off or fill up with zeros (`WriteStyle.BYTES` only)."""
        raise PermissionError(errno.EACCES, "nothing can be written here")
