"""What a node can do when a program asks through a mount: one method for each capability.

A class of nodes has a capability by defining the method of that name; what it does not define has the
default that the protocol's docstring states. The methods are looked up once for each class, never at a
request. They speak of nodes, of names (`str`; bytes that are not UTF-8 as surrogate escapes) and of handles,
never of inode numbers, and they may run in several threads at once.

A method refuses by raising an `OSError`; the class alone is enough (`PermissionError()` is EACCES).
Everything else that it raises is a bug: the caller gets EIO, the traceback is logged.

**Returning allows.** What a method of a directory leaves undone is done when it has returned: the node that
`create` made gets its name, the name that `unlink` allowed goes. A class that answers `lookup` or `list`
itself has no children that the library could change: there the methods do all.

**No caching unless asked for.** What `getattr`, `lookup` or `list` answer is kept by the kernel for the
node's `ttl` (0 seconds unless the class says otherwise), and what `read` answers not at all. What is declared
is kept until it changes.

**Sync or async.** Any of the methods may be ``async def``, of a node and of a handle, and `list` may be an
asynchronous generator. Under `async with mount(...)` they run in the loop that serves the tree, asyncio's or
trio's; else in an asyncio loop that the mount has in a thread of its own, which begins with the first of
them. A request that waits holds no thread, and is cancelled when its caller is killed or gives up.

**Who asks** is told by `fusetree.context()`, in a method and in all that it calls or awaits.

**Locks** are kept by the kernel, for all files of a mount, unless it is made with ``locks="program"``. Then
`getlk`, `setlk` and `flock` of a file are asked, and a file without them has locks that work as the kernel's.
A file that has them cannot be opened in a mount whose locks the kernel keeps.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Mapping
    from concurrent.futures import Future

    from fusetree.nodes.attributes import Attributes, FileSystemSize
    from fusetree.nodes.base import Node
    from fusetree.nodes.directory import Dir
    from fusetree.nodes.filenode import FileNode

__all__ = [
    "CAPABILITIES",
    "FOR_THE_PROGRAM",
    "STANDS_FOR",
    "CanAccess",
    "CanBacking",
    "CanCopyFileRange",
    "CanCreate",
    "CanCreateOpen",
    "CanFallocate",
    "CanFileno",
    "CanFlock",
    "CanFlush",
    "CanFsync",
    "CanGetattr",
    "CanGetlk",
    "CanGetxattr",
    "CanIoctl",
    "CanLink",
    "CanList",
    "CanListxattr",
    "CanLookup",
    "CanLseek",
    "CanMkdir",
    "CanMknod",
    "CanOpen",
    "CanPoll",
    "CanRead",
    "CanReadlink",
    "CanRelease",
    "CanRemovexattr",
    "CanRename",
    "CanRmdir",
    "CanSetattr",
    "CanSetlk",
    "CanSetxattr",
    "CanStatfs",
    "CanSymlink",
    "CanTmpfile",
    "CanUnlink",
    "CanWrite",
    "check_capabilities",
    "for_the_program",
    "inherits",
]

_F = TypeVar("_F", bound="Callable[..., Any]")

# -------------------------------------------------------------------------------- names of a directory


class CanLookup(Protocol):
    """Directory: which names there are, asked for one at a time."""

    def lookup(self, name: str) -> Node | tuple[Node, Attributes] | None:
        """The node of that name, or None (ENOENT). Return the same object as long as it is the same file: a
        new one is another inode. With the node it may return what the node's `getattr` would answer, which
        is then not asked for, unless the node has a `ttl`. Default: the directory's children.
        """


class CanList(Protocol):
    """Directory: which names there are, all of them."""

    def list(
        self,
    ) -> (
        Iterable[str | tuple[str, Node] | tuple[str, int, int]]
        | AsyncIterable[str | tuple[str, Node] | tuple[str, int, int]]
    ):
        """The names, or pairs of name and node, which tell the type too, or where that would cost too much:
        name, inode number and type (``DT_*`` of dirent.h; each 0 if it is not known). It is called when the
        directory is opened, and taken from as a reader goes on, so it may be a generator of a million names,
        also an asynchronous one. Default: the directory's children.
        """


class CanCreate(Protocol):
    """Directory: new regular files."""

    def create(self, name: str, mode: int) -> FileNode:
        """The new file for open(2) with O_CREAT, or mknod(2) of a regular file, with these permission bits.
        If its `uid` or `gid` is None it belongs to who made it. Default: EROFS.
        """


class CanCreateOpen(Protocol):
    """Directory: new regular files, where making and opening one is one step."""

    def create_open(self, name: str, mode: int, flags: int) -> tuple[FileNode, object | None]:
        """The new file for open(2) with O_CREAT and these flags, and what the `open` of the file would
        return; None lets it be opened as any. It may be opened for writing although its permission bits
        forbid that. mknod(2) still asks `create`. Default: `create`, and the file's `open`.
        """


class CanTmpfile(Protocol):
    """Directory: new regular files without a name, where libfuse (3.17) has them."""

    def tmpfile(self, mode: int, flags: int) -> FileNode | tuple[FileNode, object | None]:
        """The new file for open(2) with O_TMPFILE and these flags, with these permission bits, and with it
        what its `open` would return, where making and opening it is one step. Nobody can look it up;
        linkat(2) gives it a name later, through `link`, unless *flags* has O_EXCL. If its `uid` or `gid` is
        None it belongs to who made it. A class that has `create`, `create_open` or `wrap` of its own does not
        inherit it. Default: EOPNOTSUPP, as file systems say that have no such files.
        """


class CanMkdir(Protocol):
    """Directory: new directories."""

    def mkdir(self, name: str, mode: int) -> Dir:
        """The new directory for mkdir(2). Default: EROFS."""


class CanMknod(Protocol):
    """Directory: new special files."""

    def mknod(self, name: str, mode: int, rdev: int) -> Node:
        """The new `Fifo`, `Socket` or `Device` for mknod(2), mkfifo(3) or bind(2); *mode* has the file type
        too. Default: EPERM, which mknod(2) names for it.
        """


class CanSymlink(Protocol):
    """Directory: new symbolic links."""

    def symlink(self, name: str, target: str) -> Node:
        """The new symbolic link for symlink(2). Default: EROFS."""


class CanLink(Protocol):
    """Directory: one more name for a file."""

    def link(self, name: str, node: Node) -> None:
        """Allow link(2): *node*, which is no directory, gets the name. Default: EROFS."""


class CanUnlink(Protocol):
    """Directory: names of files go."""

    def unlink(self, name: str) -> None:
        """Allow unlink(2). The file lives on while it is open. Default: EROFS."""


class CanRmdir(Protocol):
    """Directory: directories in it go."""

    def rmdir(self, name: str) -> None:
        """Allow rmdir(2) of a directory that has no files but those its class declares (else ENOTEMPTY,
        without asking). Default: EROFS.
        """


class CanRename(Protocol):
    """Directory: names move away and come."""

    def rename(self, name: str, directory: Dir, new_name: str, flags: int) -> None:
        """Allow rename(2), asked of the directory that loses the name; the class of *directory*, which gets
        it, must have the method too. *flags* is 0, `RENAME_NOREPLACE` (looked after already) or
        `RENAME_EXCHANGE`. Default: EROFS.
        """


# ----------------------------------------------------------------------------------------- of any node


class CanGetattr(Protocol):
    """Any node: attributes that are known when they are asked for."""

    def getattr(self) -> Attributes:
        """What differs from the node's own attributes (`mode`, `uid`, the times). Default: those."""


class CanSetattr(Protocol):
    """Any node, handle: chmod(2), chown(2), truncate(2), utimensat(2)."""

    def setattr(self, changes: Attributes) -> None:
        """Allow what is not None in *changes*. Mode, owner, times and the size of a `File` are set when it
        has returned; the size of a file with a `read` or `write` of its own is the method's to set. Default:
        EROFS for mode and owner; size and times change where the file can be written, and so do the times of
        a directory that lets names in. Truncating a file that has `write` and not `setattr` changes nothing.
        """


class CanReadlink(Protocol):
    """Symbolic link: a target that is known when it is asked for."""

    def readlink(self) -> str:
        """The target. Default: the `target` of the `Symlink`."""


class CanAccess(Protocol):
    """Any node: access(2), on a mount with ``default_permissions=False``."""

    def access(self, mask: int) -> bool:
        """Whether all of *mask* (`os.R_OK`, `os.W_OK`, `os.X_OK`) is allowed (else EACCES). Default: what the
        permission bits say.
        """


class CanStatfs(Protocol):
    """The directory that is mounted: how large the file system is."""

    def statfs(self) -> FileSystemSize:
        """What statfs(2) tells. Default: no blocks at all, as in /proc."""


class CanGetxattr(Protocol):
    """Any node: extended attributes are read."""

    def getxattr(self, name: str) -> bytes:
        """The value of an extended attribute, or OSError(ENODATA). Default: ENODATA."""


class CanListxattr(Protocol):
    """Any node: extended attributes are listed."""

    def listxattr(self) -> Iterable[str]:
        """The names of the extended attributes. Default: none."""


class CanSetxattr(Protocol):
    """Any node: extended attributes are set."""

    def setxattr(self, name: str, value: bytes) -> None:
        """Set an extended attribute; the flags of setxattr(2) are looked after with `getxattr`. Default:
        EOPNOTSUPP.
        """


class CanRemovexattr(Protocol):
    """Any node: extended attributes go."""

    def removexattr(self, name: str) -> None:
        """Remove an extended attribute, or OSError(ENODATA). Default: ENODATA."""


# ----------------------------------------------------------------- of a file, or of what its open made


class CanOpen(Protocol):
    """File: open(2)."""

    def open(self, flags: int) -> object | None:
        """Allow open(2) with these flags, and return a handle or None. The methods from `read` to `poll` that
        the handle has are called for this open file, the node's own otherwise. Truncation by O_TRUNC follows,
        through `setattr`. Default: None.
        """


class CanFileno(Protocol):
    """Handle: the content lies in a file of the host."""

    def fileno(self) -> int:
        """A descriptor that is open for reading while the handle lives. Unless the handle has `read`, reads
        are answered from it at the same offset, without Python and without a copy through it. Default: none.
        """


class CanBacking(Protocol):
    """Handle: the content is that of a file of the host, byte for byte."""

    def backing(self) -> int:
        """A descriptor of that file, which on a mount with `passthrough` the kernel reads, writes and maps by
        itself from then on: `read` and `write` are not called, and nobody hears of what is written until the
        file is closed. It is asked once, when the file is opened. A class that has `read`, `write` or
        `fileno` of its own does not inherit it. Default: none.
        """


class CanRead(Protocol):
    """File, handle: read(2)."""

    def read(self, size: int, offset: int) -> bytes | bytearray | memoryview | Future[bytes]:
        """*size* bytes from *offset* on, fewer at the end only. Who has to wait for them may return a
        `concurrent.futures.Future`, which holds no thread: it is cancelled when the reader gives up, and at
        once (EAGAIN) for an open file with O_NONBLOCK. Default of a node: its declared content, or EACCES; of
        a handle: the node's.
        """


class CanWrite(Protocol):
    """File, handle: write(2)."""

    def write(self, data: bytes, offset: int) -> int | None:
        """Take *data* at *offset*, and return how many bytes were taken; None means all. Default of a node:
        what is declared, or EROFS; of a handle: the node's.
        """


class CanFlush(Protocol):
    """File, handle: close(2)."""

    def flush(self) -> None:
        """A descriptor was closed; an error reaches close(2). It comes once for each duplicate of the
        descriptor. Default: nothing to do.
        """


class CanRelease(Protocol):
    """File, handle: the end of an open file."""

    def release(self) -> None:
        """The last descriptor of an open file was closed. Errors reach nobody. Default: nothing to do."""


class CanFsync(Protocol):
    """File, handle, directory: fsync(2)."""

    def fsync(self, datasync: bool) -> None:
        """Bring the content to its store, and unless *datasync* the attributes too. Default: nothing to
        do.
        """


class CanFallocate(Protocol):
    """File, handle: fallocate(2)."""

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        """Take or give back the space of *length* bytes from *offset* on, as *mode* says (``FALLOC_FL_*`` of
        linux/falloc.h). Default: EOPNOTSUPP; posix_fallocate(3) then writes.
        """


class CanLseek(Protocol):
    """File, handle: lseek(2) with SEEK_DATA and SEEK_HOLE."""

    def lseek(self, offset: int, whence: int) -> int:
        """Where the next data or hole begins, from *offset* on; OSError(ENXIO) when there is none. Default:
        the whole file is data.
        """


class CanCopyFileRange(Protocol):
    """File, handle: copy_file_range(2)."""

    def copy_file_range(self, offset: int, target: Any, target_offset: int, length: int) -> int:
        """Copy up to *length* bytes to another file of the tree, and return how many were copied. *target* is
        the other node; for the method of a handle it is the other's handle. Default:
        EOPNOTSUPP; the kernel then reads and writes.
        """


class CanIoctl(Protocol):
    """File, handle, directory: ioctl(2)."""

    def ioctl(self, command: int, argument: int, data: bytes, out_size: int) -> int | bytes | None:
        """A device command. *argument* is what the caller gave, *data* what lies there if it is an address;
        bytes that are returned, *out_size* at most, are put there. Default: ENOTTY.
        """


class CanPoll(Protocol):
    """File, handle: poll(2), select(2)."""

    def poll(self, events: int, wake: Callable[[], object] | None) -> int:
        """Which of *events* (`select.POLLIN` and the like) the file is ready for; 0: none. When *wake* is
        given somebody waits: keep it, and call it once something has changed; then this is asked again.
        Default: always ready to be read and written.
        """


class CanGetlk(Protocol):
    """File, handle, on a mount with ``locks="program"``: fcntl(2) with F_GETLK."""

    def getlk(self, lock: Any) -> Any:
        """A `lowlevel.FileLock` that keeps *lock*, which is one too, from being set, or None
        (`FileLock.conflicts` tells). It goes with `setlk`. Default: one that the library keeps.
        """


class CanSetlk(Protocol):
    """File, handle, on a mount with ``locks="program"``: fcntl(2) with F_SETLK and F_SETLKW."""

    def setlk(self, lock: Any, wait: bool) -> None:
        """Set *lock*, a `lowlevel.FileLock`, or with type `F_UNLCK` remove what ``lock.owner`` holds in its
        range. When another owner's is in the way: OSError(EAGAIN), or with *wait* return when it is gone; be
        ``async`` for that, or return a `concurrent.futures.Future`. Whoever holds some and closes the file is
        unlocked by a call with `F_UNLCK` for all of it. Default: the library keeps locks as the kernel would.
        """


class CanFlock(Protocol):
    """File, handle, on a mount with ``locks="program"``: flock(2)."""

    def flock(self, operation: int, owner: int) -> None:
        """Lock the open file *owner* as a whole: `fcntl.LOCK_SH`, `LOCK_EX` or `LOCK_UN`. When it cannot be
        had and *operation* has `LOCK_NB`: OSError(EAGAIN), else return when it can, as in `setlk`. At the end
        of an open file that was locked it is called with `LOCK_UN`. Default: the library keeps locks as the
        kernel would.
        """


#: The names of all capabilities.
CAPABILITIES: Final = frozenset(
    {
        *(
            "lookup",
            "list",
            "create",
            "create_open",
            "tmpfile",
            "mkdir",
            "mknod",
            "symlink",
            "link",
            "unlink",
            "rmdir",
            "rename",
        ),
        *("getattr", "setattr", "readlink", "access", "statfs"),
        *("getxattr", "listxattr", "setxattr", "removexattr"),
        *("open", "fileno", "backing", "read", "write", "flush", "release", "fsync"),
        *("fallocate", "lseek", "copy_file_range", "ioctl", "poll"),
        *("getlk", "setlk", "flock"),
    }
)

#: What is not inherited by a class that has one of these methods of its own: it stands for them.
STANDS_FOR: Final[Mapping[str, frozenset[str]]] = {
    "backing": frozenset({"read", "write", "fileno"}),
    "tmpfile": frozenset({"create", "create_open", "wrap"}),
    "create_open": frozenset({"create"}),
}

#: The attribute of a method that has the name of a capability, and is none.
FOR_THE_PROGRAM: Final = "__fusetree_for_the_program__"


def for_the_program(method: _F) -> _F:
    """Mark a method that happens to have the name of a capability: the program calls it, no mount does."""
    setattr(method, FOR_THE_PROGRAM, True)
    return method


def inherits(owner: type, name: str) -> bool:
    """Whether a class has a capability that it inherited: not past a class that has by itself what the
    method stands for (`STANDS_FOR`).
    """
    replaced = STANDS_FOR.get(name)
    if replaced is None:
        return True
    for cls in owner.__mro__:
        own = vars(cls)
        if name in own:
            break
        if not replaced.isdisjoint(own):
            return False
    return True


def check_capabilities(cls: type) -> None:
    """Refuse what a class defines and no mount could call; once, when the class is made.

    Raises:
        TypeError: A capability other than `list` is an asynchronous generator.
    """
    for name, value in vars(cls).items():
        if name in CAPABILITIES and name != "list" and inspect.isasyncgenfunction(value):
            raise TypeError(f"{cls.__name__}.{name} is an asynchronous generator: one answer is returned")
