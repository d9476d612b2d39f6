"""`PathOperations`: a file system of handlers that get whole paths, as programs of fusepy and mfusepy
have.
"""

from __future__ import annotations

import errno
import inspect
import os
import stat
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fusetree.nodes import Dir
    from fusetree.routing.path_tree import PathTree

__all__ = ["PathOperations"]

Path = str


def _refuse(number: int) -> NoReturn:
    raise OSError(number, os.strerror(number))


class PathOperations:
    """A file system whose handlers get whole paths ("/" is the top), as in fusepy and mfusepy: derive from
    it, define what it can do, and hand an object of the class to `mount`, or put it into a `Dir`.

    Handlers refuse by raising `OSError` (the class alone is enough: `FileNotFoundError()`), or return a
    negated errno. All else that they raise is a bug: EIO, and the traceback in the log. They may be
    ``async``, but for `init` and `destroy`. What a class does not define costs no call, and is refused as
    its docstring says.

    **Paths follow the files.** Who has a file open goes on with it when it, or a directory above it, is
    renamed: the handlers get the path of the moment. A file that is removed or replaced while it is open is
    renamed to a hidden name at the top, which is neither listed nor found, and removed when it is closed; so
    it needs `rename`. With ``hard_remove`` it is removed at once: its handlers get the last path that it
    had, and must go by `fh`.

    **Hard links.** Two paths are one file, with one inode, when `link` made the second, or when `getattr`
    tells the same ``st_ino`` for both, and ``st_nlink`` above 1. Without ``st_ino`` inode numbers are given
    out, and kept as long as the kernel knows the file.

    `fh` is what `open` or `create` returned, of any type: 0 without them.

    Attributes:
        use_ns: Whether times are nanoseconds, in dicts of `getattr` and in `utimens`; else they are seconds.
        hard_remove: Whether files that are open are removed at once.
        ttl: For how long the kernel may keep names and attributes, in seconds; what programs change through
            the mount is right all the same.
    """

    use_ns: ClassVar[bool] = False
    hard_remove: ClassVar[bool] = False
    ttl: float = 0.0

    #: The handlers that the class defines.
    _defined: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._defined = frozenset(
            name
            for name in _HANDLERS
            if getattr(cls, name, None) not in (None, getattr(PathOperations, name))
        )
        for name in ("init", "destroy"):
            if inspect.iscoroutinefunction(getattr(cls, name)):
                raise TypeError(f"{cls.__name__}.{name} is async: no loop runs then; make it ordinary")

    def __fusetree_node__(self) -> Dir:
        """The directory at the top, the same at each call."""
        tree: PathTree | None = self.__dict__.get("_tree")
        if tree is None:
            from fusetree.routing.path_tree import PathTree

            tree = self.__dict__.setdefault("_tree", PathTree(self, self._defined))
        return tree.root

    # ---- the file system

    def init(self, path: Path) -> None:
        """It is about to be mounted; *path* is "/". What it raises is raised by `mount`."""

    def destroy(self, path: Path) -> None:
        """It is not mounted any more; *path* is "/"."""

    def statfs(self, path: Path) -> dict[str, int]:
        """How large it is, for df(1): ``f_bsize`` (``f_frsize``), ``f_blocks``, ``f_bavail``, ``f_files``,
        ``f_ffree``. Not defined: no blocks at all. Asked of what is mounted only, not below a `Dir`.
        """
        return {}

    # ---- attributes

    def getattr(self, path: Path, fh: Any = None) -> Any:
        """Attributes: a dict with keys as in struct stat, or an object with such attributes
        (`os.stat_result`). ``st_mode`` with the file type is needed. `FileNotFoundError` when there is
        nothing. `fh` is given for a file that was removed, and is open.
        """
        if path != "/":
            _refuse(errno.ENOENT)
        return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}

    def chmod(self, path: Path, mode: int) -> Any:
        """Set the permission bits; *mode* has the file type, too. Not defined: EROFS."""
        _refuse(errno.EROFS)

    def chown(self, path: Path, uid: int, gid: int) -> Any:
        """Set the owner and the group; -1 leaves one as it is. Not defined: EROFS."""
        _refuse(errno.EROFS)

    def truncate(self, path: Path, length: int, fh: Any = None) -> Any:
        """Set the size, in bytes. `fh` as for `getattr`. Not defined: EROFS, for opening with O_TRUNC,
        too.
        """
        _refuse(errno.EROFS)

    def utimens(self, path: Path, times: tuple[float, float] | None = None) -> Any:
        """Set the times of access and of change. Not defined: EROFS."""
        _refuse(errno.EROFS)

    def access(self, path: Path, amode: int) -> Any:
        """Raise `PermissionError` for what is not allowed; on a mount with ``default_permissions=False``
        only. Not defined: what the permission bits say.
        """
        return 0

    def getxattr(self, path: Path, name: str, position: int = 0) -> bytes:
        """An extended attribute; OSError(ENODATA) when there is none. Not defined: there are none."""
        _refuse(errno.ENODATA)

    def listxattr(self, path: Path) -> Iterable[str]:
        """The names of the extended attributes. Not defined: none."""
        return []

    def setxattr(self, path: Path, name: str, value: bytes, options: int, position: int = 0) -> Any:
        """Set an extended attribute; *options* is 0, since its flags were looked after. Not defined:
        EOPNOTSUPP.
        """
        _refuse(errno.EOPNOTSUPP)

    def removexattr(self, path: Path, name: str) -> Any:
        """Remove an extended attribute, or OSError(ENODATA). Not defined: ENODATA."""
        _refuse(errno.ENODATA)

    # ---- names

    def opendir(self, path: Path) -> Any:
        """A handle that `readdir` and `releasedir` get. Not defined: it is 0."""
        return 0

    def readdir(self, path: Path, fh: Any) -> Any:
        """The names in a directory, taken from as a reader goes on: texts, or tuples that begin with one;
        "." and ".." may be among them. Not defined: none are listed.
        """
        return [".", ".."]

    def releasedir(self, path: Path, fh: Any) -> Any:
        """The names were read, or the directory was closed."""
        return 0

    def fsyncdir(self, path: Path, datasync: int, fh: Any) -> Any:
        """Bring the names of a directory to their store; `fh` is 0."""
        return 0

    def readlink(self, path: Path) -> str:
        """The target of a symbolic link. Not defined: EINVAL."""
        _refuse(errno.EINVAL)

    def mkdir(self, path: Path, mode: int) -> Any:
        """Make a directory. Not defined: EROFS."""
        _refuse(errno.EROFS)

    def mknod(self, path: Path, mode: int, dev: int) -> Any:
        """Make a special file, or without `create` a regular one; *mode* has the file type. Not defined:
        EPERM.
        """
        _refuse(errno.EPERM)

    def symlink(self, target: Path, source: str) -> Any:
        """Make a symbolic link at the path *target* that leads to *source*. Not defined: EROFS."""
        _refuse(errno.EROFS)

    def link(self, target: Path, source: Path) -> Any:
        """Give the file at *source* the path *target*, too. Not defined: EROFS."""
        _refuse(errno.EROFS)

    def unlink(self, path: Path) -> Any:
        """Remove a name of a file. Not defined: EROFS."""
        _refuse(errno.EROFS)

    def rmdir(self, path: Path) -> Any:
        """Remove a directory, or OSError(ENOTEMPTY). Not defined: EROFS."""
        _refuse(errno.EROFS)

    def rename(self, old: Path, new: Path) -> Any:
        """Move a file or a directory, in place of what is at *new*. With a third parameter it gets the flags
        of renameat2(2), and exchanges for RENAME_EXCHANGE (2); without one that is EINVAL, and
        RENAME_NOREPLACE is looked after. Not defined: EROFS.
        """
        _refuse(errno.EROFS)

    # ---- files

    def create(self, path: Path, mode: int, fi: Any = None) -> Any:
        """Make a file and open it; what it returns is `fh`. A third parameter without a default gets
        `os.O_RDWR`. Not defined: `mknod` and `open`, or EROFS.
        """
        _refuse(errno.EROFS)

    def open(self, path: Path, flags: int) -> Any:
        """Open a file; what it returns is `fh`. O_TRUNC is not among the flags: `truncate` is called. Not
        defined: it is 0.
        """
        return 0

    def read(self, path: Path, size: int, offset: int, fh: Any) -> Any:
        """*size* bytes from *offset* on, fewer at the end only. Not defined: EACCES for opening."""
        _refuse(errno.EACCES)

    def write(self, path: Path, data: bytes, offset: int, fh: Any) -> Any:
        """Write at *offset*, and return how many bytes were taken; None means all. Not defined: EROFS for
        opening.
        """
        _refuse(errno.EROFS)

    def flush(self, path: Path, fh: Any) -> Any:
        """A descriptor was closed; an error reaches close(2)."""
        return 0

    def release(self, path: Path, fh: Any) -> Any:
        """The last descriptor of an open file was closed. Errors reach nobody."""
        return 0

    def fsync(self, path: Path, datasync: int, fh: Any) -> Any:
        """Bring the content to its store, and unless *datasync* the attributes too."""
        return 0

    def fallocate(self, path: Path, mode: int, offset: int, size: int, fh: Any) -> Any:
        """Take or give back space, as *mode* says. Not defined: EOPNOTSUPP."""
        _refuse(errno.EOPNOTSUPP)

    def lseek(self, path: Path, offset: int, whence: int, fh: Any) -> int:
        """Where the next data (`os.SEEK_DATA`) or hole begins. Not defined: all is data."""
        _refuse(errno.EINVAL)

    def ioctl(self, path: Path, cmd: int, arg: int, fh: Any, flags: int, data: bytes) -> Any:
        """A device command; *data* is what lies at the address *arg*, and bytes that are returned are put
        there. Not defined: ENOTTY.
        """
        _refuse(errno.ENOTTY)

    def poll(self, path: Path, fh: Any, events: int, wake: Callable[[], object] | None) -> Any:
        """Which of *events* (`select.POLLIN` and the like) the open file is ready for; 0: none. When *wake*
        is given somebody waits: keep it, and call it once something has changed; then this is asked again.
        Not defined: it is always ready to be read and written.
        """
        return events

    def copy_file_range(
        self, path: Path, fh: Any, offset: int, target: Path, target_fh: Any, target_offset: int, length: int
    ) -> Any:
        """Copy up to *length* bytes from *offset* on to another file, or another part of the same one, and
        return how many were copied. Not defined: the kernel reads and writes.
        """
        _refuse(errno.EOPNOTSUPP)

    def lock(self, path: Path, fh: Any, cmd: int, lock: Any) -> Any:
        """A lock of fcntl(2), on a mount with ``locks="program"``, which a class with this handler needs.
        *lock* is a `lowlevel.FileLock`, whose `owner` tells processes apart.

        `fcntl.F_GETLK`: return one that keeps *lock* from being set (`FileLock.conflicts` tells), or None.
        `F_SETLK`: set it, or with type `F_UNLCK` remove what its owner holds in its range; OSError(EAGAIN)
        when another owner's is in the way. `F_SETLKW`: the same, and return when it can be had; be ``async``
        for that. Whoever holds some and closes the file is unlocked by a call with `F_UNLCK` for all of it.
        Not defined: the kernel keeps these locks.
        """
        _refuse(errno.ENOLCK)

    def flock(self, path: Path, fh: Any, op: int) -> Any:
        """A lock of flock(2) on the open file as a whole, on such a mount: `fcntl.LOCK_SH`, `LOCK_EX` or
        `LOCK_UN`. When it cannot be had and *op* has `LOCK_NB`: OSError(EAGAIN), else return when it can; be
        ``async`` for that. With a fourth parameter it gets a number that tells open files apart, where *fh*
        does not. At the end of an open file that was locked it is called with `LOCK_UN`. Not defined: the
        kernel keeps these locks.
        """
        _refuse(errno.ENOLCK)


_HANDLERS: Final = tuple(
    name for name, value in vars(PathOperations).items() if inspect.isfunction(value) and name[0] != "_"
)
