"""System calls by path, as a program makes them, answered by a pretended kernel.

`PathClient` does what the VFS and ``fs/fuse`` do between a program and the server: walks the path, checks
permissions, keeps to caches, and sends the requests that remain.  Errors are the `OSError` subclasses that
the program would see.
"""

from __future__ import annotations

import errno
import os
import stat

from fusetree.testing.directories import ClientDirectory
from fusetree.testing.files import ClientFile, open_node
from fusetree.testing.kernel import Moment
from fusetree.testing.protocol import FUSE_ROOT_ID, Opcode
from fusetree.testing.values import Attributes, AttrReply, Entry
from fusetree.testing.vfs import VFS, Place, error
from fusetree.testing.wire import Statfs

__all__ = ["PathClient"]

_MODES = {
    "r": os.O_RDONLY,
    "r+": os.O_RDWR,
    "w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    "w+": os.O_RDWR | os.O_CREAT | os.O_TRUNC,
    "a": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "a+": os.O_RDWR | os.O_CREAT | os.O_APPEND,
    "x": os.O_WRONLY | os.O_CREAT | os.O_EXCL,
    "x+": os.O_RDWR | os.O_CREAT | os.O_EXCL,
}
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_XATTR_UNSUPPORTED = errno.EOPNOTSUPP


class PathClient(VFS):
    """A program on a mounted tree.  Paths are relative to the tree's root; a leading slash is allowed."""

    # -- looking -----------------------------------------------------------------------------------

    def stat(self, path: str | bytes = "", *, follow: bool = True) -> Attributes:
        """Attributes by path (``stat``; without *follow* ``lstat``)."""
        with self.operation() as held:
            return self.attributes(self.existing(path, held, follow=follow).node)

    def lstat(self, path: str | bytes) -> Attributes:
        """Attributes by path, of a link itself."""
        return self.stat(path, follow=False)

    def exists(self, path: str | bytes) -> bool:
        """True when *path* leads to something; a dangling link does not."""
        try:
            self.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def node_id(self, path: str | bytes = "", *, follow: bool = False) -> int:
        """The node id under *path*, as the server gave it."""
        with self.operation() as held:
            return self.existing(path, held, follow=follow).node

    def readlink(self, path: str | bytes) -> str:
        """The target of a symbolic link; EINVAL when *path* is none."""
        with self.operation() as held:
            node = self.existing(path, held, follow=False).node
            if self.kind(node) != stat.S_IFLNK:
                raise error(errno.EINVAL, path)
            return os.fsdecode(self.link_target(node))

    def access(self, path: str | bytes, mask: int) -> bool:
        """What ``access`` does: True when the caller may."""
        with self.operation() as held:
            node = self.existing(path, held).node
            try:
                self.require(node, mask, path)
                if not self.default_permissions and self.supported(Opcode.ACCESS):
                    self.raw.access(node, mask)
            except PermissionError:
                return False
            except OSError as exc:
                if exc.errno != errno.ENOSYS:
                    raise
                self.never_again(Opcode.ACCESS)
            return True

    def statvfs(self, path: str | bytes = "") -> Statfs:
        """What ``statvfs`` does."""
        with self.operation() as held:
            return self.raw.statfs(self.existing(path, held).node)

    # -- directories -------------------------------------------------------------------------------

    def opendir(self, path: str | bytes = "", *, block: int = 4096) -> ClientDirectory:
        """Open a directory; *block* is how many bytes each READDIR asks for."""
        with self.operation() as held:
            node = self.existing(path, held).node
            if self.kind(node) != stat.S_IFDIR:
                raise error(errno.ENOTDIR, path)
            self.require(node, os.R_OK, path)
            return ClientDirectory(self, node, block=block)

    def listdir(self, path: str | bytes = "", *, plus: bool | None = None, block: int = 4096) -> list[str]:
        """The names in a directory, in the server's order, without ``.`` and ``..``."""
        with self.opendir(path, block=block) as directory:
            names = [line.name for line in directory.read_all(plus=plus)]
        return [os.fsdecode(name) for name in names if name not in (b".", b"..")]

    def scandir(self, path: str | bytes = "", *, plus: bool | None = None) -> dict[str, tuple[int, int]]:
        """The names with ``d_ino`` and ``d_type`` (``DT_*``), ``.`` and ``..`` too."""
        with self.opendir(path) as directory:
            return {os.fsdecode(line.name): (line.ino, line.type) for line in directory.read_all(plus=plus)}

    def walk(self, path: str = "") -> list[str]:
        """All paths below *path*, parents before children, links not followed."""
        found: list[str] = []
        for name in self.listdir(path):
            below = f"{path}/{name}" if path else name
            found.append(below)
            if stat.S_ISDIR(self.lstat(below).st_mode):
                found += self.walk(below)
        return found

    # -- files -------------------------------------------------------------------------------------

    def open(self, path: str | bytes, mode: str | int = "r", *, permissions: int = 0o666) -> ClientFile:
        """Open a file.

        Args:
            mode: a mode of Python's `open` (always binary), or flags of open(2).
            permissions: of a file that is made.
        """
        flags = mode if isinstance(mode, int) else _MODES[mode.replace("b", "")]
        with self.operation() as held:
            follow = not flags & (os.O_NOFOLLOW | os.O_EXCL)
            place = self.resolve(path, held, follow=follow)
            if not place.node:
                if not flags & os.O_CREAT:
                    raise error(errno.ENOENT, path)
                return self._create(place, flags, permissions, held, path)
            if flags & os.O_CREAT and flags & os.O_EXCL:
                raise error(errno.EEXIST, path)
            kind = self.kind(place.node)
            access = flags & os.O_ACCMODE
            if kind == stat.S_IFLNK:
                raise error(errno.ELOOP, path)
            if kind == stat.S_IFDIR and (access != os.O_RDONLY or flags & os.O_CREAT):
                raise error(errno.EISDIR, path)
            mask = {os.O_RDONLY: os.R_OK, os.O_WRONLY: os.W_OK}.get(access, os.R_OK | os.W_OK)
            self.require(place.node, mask | (os.W_OK if flags & os.O_TRUNC else 0), path)
            try:
                return open_node(self, place.node, flags)
            except OSError as exc:
                if exc.errno != errno.ESTALE:
                    raise
            # As the VFS does: asked again, what the name leads to.
            with self.kernel.lock:
                self.kernel.name_removed(place.parent, place.name)
            return open_node(self, self.existing(path, held, follow=follow).node, flags)

    def _create(
        self, place: Place, flags: int, permissions: int, held: list[int], path: str | bytes
    ) -> ClientFile:
        self.require(place.parent, os.W_OK | os.X_OK, path)
        asked = self._asked()

        def taken(entry: Entry) -> None:
            self._made(place, entry, asked, held)

        _, opened = self.raw.create(place.parent, place.name, flags & ~os.O_NOCTTY, permissions, taken=taken)
        return ClientFile(self, held[-1], flags, opened)

    def read_bytes(self, path: str | bytes, *, block: int = 65536) -> bytes:
        """The whole content, through ``open``, ``read`` of *block* bytes until one is empty, and
        ``close``.
        """
        with self.open(path) as file:
            return file.read(block=block)

    def read_text(self, path: str | bytes, *, block: int = 65536) -> str:
        """The whole content, decoded."""
        return self.read_bytes(path, block=block).decode()

    def write(
        self,
        path: str | bytes,
        data: str | bytes,
        *,
        append: bool = False,
        truncate: bool = True,
        create: bool = False,
        block: int | None = None,
    ) -> int:
        """What a shell's ``printf data > path`` does: ``open``, ``write``, ``close``; how many bytes were
        taken.

        Args:
            append: as ``>>``: ``O_APPEND`` and no truncation.
            truncate: open with ``O_TRUNC``.
            create: open with ``O_CREAT``.
            block: how many bytes each write(2) has; None: all in one.
        """
        flags = os.O_WRONLY | (os.O_CREAT if create else 0)
        flags |= os.O_APPEND if append else os.O_TRUNC if truncate else 0
        raw = data.encode() if isinstance(data, str) else data
        size = block or max(len(raw), 1)
        with self.open(path, flags) as file:
            return sum(file.write(raw[start : start + size]) for start in range(0, len(raw), size))

    # -- changing ----------------------------------------------------------------------------------

    def mkdir(self, path: str | bytes, mode: int = 0o777) -> None:
        """What ``mkdir`` does."""
        with self.operation() as held:
            place = self._free(path, held)
            asked = self._asked()
            self.raw.mkdir(place.parent, place.name, mode, taken=lambda e: self._made(place, e, asked, held))

    def mknod(self, path: str | bytes, mode: int, rdev: int = 0) -> None:
        """What ``mknod`` does."""
        with self.operation() as held:
            place = self._free(path, held)
            asked = self._asked()
            self.raw.mknod(
                place.parent, place.name, mode, rdev, taken=lambda e: self._made(place, e, asked, held)
            )

    def symlink(self, target: str | bytes, path: str | bytes) -> None:
        """What ``symlink`` does: make *path*, which points to *target*."""
        with self.operation() as held:
            place = self._free(path, held)
            asked = self._asked()
            self.raw.symlink(
                place.parent,
                place.name,
                os.fsencode(target),
                taken=lambda e: self._made(place, e, asked, held),
            )

    def link(self, path: str | bytes, new: str | bytes) -> None:
        """What ``link`` does: one more name for *path*."""
        with self.operation() as held:
            node = self.existing(path, held, follow=False).node
            if self.kind(node) == stat.S_IFDIR:
                raise error(errno.EPERM, path)
            place = self._free(new, held)
            asked = self._asked()
            self.raw.link(node, place.parent, place.name, taken=lambda e: self._made(place, e, asked, held))

    def unlink(self, path: str | bytes) -> None:
        """What ``unlink`` does."""
        self._remove(path, directory=False)

    def rmdir(self, path: str | bytes) -> None:
        """What ``rmdir`` does."""
        self._remove(path, directory=True)

    def _remove(self, path: str | bytes, *, directory: bool) -> None:
        with self.operation() as held:
            place = self.existing(path, held, follow=False)
            if place.node == FUSE_ROOT_ID:
                raise error(errno.EBUSY, path)
            self.require(place.parent, os.W_OK | os.X_OK, path)
            if (self.kind(place.node) == stat.S_IFDIR) != directory:
                raise error(errno.ENOTDIR if directory else errno.EISDIR, path)
            (self.raw.rmdir if directory else self.raw.unlink)(place.parent, place.name)
            with self.kernel.lock:
                self.kernel.directory_changed_here(place.parent)
                self.kernel.attributes_changed_here(place.node)
                self.kernel.name_removed(place.parent, place.name)

    def rename(self, old: str | bytes, new: str | bytes, *, flags: int = 0) -> None:
        """What ``rename`` does, or ``renameat2`` with ``RENAME_NOREPLACE`` (1) or ``RENAME_EXCHANGE`` (2) in
        *flags*.
        """
        with self.operation() as held:
            source = self.existing(old, held, follow=False)
            target = self.resolve(new, held, follow=False)
            if FUSE_ROOT_ID in (source.node, target.node):
                raise error(errno.EBUSY)
            self.require(source.parent, os.W_OK | os.X_OK, old)
            self.require(target.parent, os.W_OK | os.X_OK, new)
            if flags & _RENAME_EXCHANGE and not target.node:
                raise error(errno.ENOENT, new)
            if target.node and not flags & _RENAME_EXCHANGE:
                if flags & _RENAME_NOREPLACE:
                    raise error(errno.EEXIST, new)
                moved_is_dir = self.kind(source.node) == stat.S_IFDIR
                if moved_is_dir != (self.kind(target.node) == stat.S_IFDIR):
                    raise error(errno.ENOTDIR if moved_is_dir else errno.EISDIR, new)
            asked = self._asked()
            self.raw.rename(source.parent, source.name, target.parent, target.name, flags)
            self._renamed(source, target, asked, exchanged=bool(flags & _RENAME_EXCHANGE))

    def _renamed(self, source: Place, target: Place, asked: Moment, *, exchanged: bool) -> None:
        kernel = self.kernel
        with kernel.lock:
            for parent in {source.parent, target.parent}:
                kernel.directory_changed_here(parent)
            for node in (source.node, target.node):
                kernel.attributes_changed_here(node)
            if exchanged:
                kernel.name_removed(source.parent, source.name)
                kernel.name_removed(target.parent, target.name)
            elif source.node != target.node:
                kernel.name_moved(source.parent, source.name, target.parent, target.name, asked)

    def truncate(self, path: str | bytes, size: int) -> None:
        """What ``truncate`` does."""
        with self.operation() as held:
            node = self.existing(path, held).node
            if self.kind(node) == stat.S_IFDIR:
                raise error(errno.EISDIR, path)
            self.require(node, os.W_OK, path)
            self.raw.setattr(node, size=size, taken=self._attributes_taken(node))
            with self.kernel.lock:
                self.kernel.inode(node).pages.clear()

    def chmod(self, path: str | bytes, mode: int) -> None:
        """What ``chmod`` does."""
        with self.operation() as held:
            node = self.existing(path, held).node
            self.require_owner(node, path)
            self.raw.setattr(node, mode=mode | self.kind(node), taken=self._attributes_taken(node))

    def chown(self, path: str | bytes, uid: int = -1, gid: int = -1) -> None:
        """What ``chown`` does; -1 leaves an id as it is."""
        with self.operation() as held:
            node = self.existing(path, held).node
            self.require_owner(node, path)
            self.raw.setattr(
                node,
                uid=None if uid == -1 else uid,
                gid=None if gid == -1 else gid,
                taken=self._attributes_taken(node),
            )

    def utime(self, path: str | bytes, *, ns: tuple[int, int] | None = None) -> None:
        """What ``utimensat`` does: access and modification time in nanoseconds, or now."""
        with self.operation() as held:
            node = self.existing(path, held).node
            self.require_owner(node, path)
            if ns is None:
                self.raw.setattr(node, atime_now=True, mtime_now=True, taken=self._attributes_taken(node))
            else:
                self.raw.setattr(node, atime_ns=ns[0], mtime_ns=ns[1], taken=self._attributes_taken(node))

    # -- extended attributes -----------------------------------------------------------------------

    def getxattr(self, path: str | bytes, name: str) -> bytes:
        """What ``getxattr`` does."""
        with self.operation() as held, _XattrErrors():
            return self.raw.getxattr(self.existing(path, held).node, name.encode())

    def setxattr(self, path: str | bytes, name: str, value: bytes, flags: int = 0) -> None:
        """What ``setxattr`` does."""
        with self.operation() as held, _XattrErrors():
            self.raw.setxattr(self.existing(path, held).node, name.encode(), value, flags)

    def listxattr(self, path: str | bytes) -> list[str]:
        """What ``listxattr`` does."""
        with self.operation() as held, _XattrErrors():
            return [name.decode() for name in self.raw.listxattr(self.existing(path, held).node)]

    def removexattr(self, path: str | bytes, name: str) -> None:
        """What ``removexattr`` does."""
        with self.operation() as held, _XattrErrors():
            self.raw.removexattr(self.existing(path, held).node, name.encode())

    # -- memory ------------------------------------------------------------------------------------

    def drop_caches(self) -> None:
        """Drop all names, and give back the lookups of every node that no open handle keeps (``echo 2 >
        drop_caches``).
        """
        self.connection.pump()
        with self.kernel.lock:
            self.kernel.drop_unused()
        self.give_back()

    @property
    def lookup_counts(self) -> dict[int, int]:
        """How many lookups the server may count, by node id, for all nodes that have any."""
        self.connection.pump()
        with self.kernel.lock:
            return self.kernel.lookup_counts

    # -- shared ------------------------------------------------------------------------------------

    def _asked(self) -> Moment:
        with self.kernel.lock:
            return self.kernel.moment()

    def _free(self, path: str | bytes, held: list[int]) -> Place:
        place = self.resolve(path, held, follow=False)
        if place.node:
            raise error(errno.EEXIST, path)
        self.require(place.parent, os.W_OK | os.X_OK, path)
        return place

    def _made(self, place: Place, entry: Entry, asked: Moment, held: list[int]) -> None:
        """Take in the entry of a name that was made by this client."""
        self.kernel.directory_changed_here(place.parent)
        self.kernel.entry_came(place.parent, place.name, entry, asked)
        self.kernel.hold(entry.node_id)
        held.append(entry.node_id)

    def _attributes_taken(self, node: int) -> _Taken:
        return _Taken(self, node, self._asked())


class _Taken:
    """Remembers the attributes that a SETATTR brings."""

    def __init__(self, client: PathClient, node: int, asked: Moment) -> None:
        self._client, self._node, self._asked = client, node, asked

    def __call__(self, reply: AttrReply) -> None:
        self._client.kernel.attributes_came(self._node, reply, self._asked)


class _XattrErrors:
    """ENOSYS from the xattr family reaches programs as EOPNOTSUPP."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, value: BaseException | None, traceback: object) -> None:
        if isinstance(value, OSError) and value.errno == errno.ENOSYS:
            raise error(_XATTR_UNSUPPORTED) from value
