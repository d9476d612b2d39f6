"""`HostDir`: a directory of the host, shown through."""

from __future__ import annotations

import errno
import os
import stat
import sys
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import attrs

from fusetree.nodes.attributes import FileSystemSize
from fusetree.nodes.base import Node, node_class
from fusetree.nodes.directory import Dir
from fusetree.nodes.host import names
from fusetree.nodes.host.acting import as_caller
from fusetree.nodes.host.file import HostFile
from fusetree.nodes.host.inodes import HostInode, key_of
from fusetree.nodes.host.member import HostMember
from fusetree.nodes.host.special import SPECIAL, HostSymlink
from fusetree.nodes.host.tree import HostTree, check_name
from fusetree.nodes.refusals import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fusetree.nodes.filenode import FileNode
    from fusetree.nodes.host.descriptors import Descriptor
    from fusetree.nodes.host.opened import HostReader

__all__ = ["HostDir"]

# In a class that has a method `list`, the name means that.
_Names = list[str]
_Items = list[tuple[str, Node]]

#: Whether the names that the operating system gives as text are the tree's text.
_IS_UTF8: Final = (
    sys.getfilesystemencoding() == "utf-8" and sys.getfilesystemencodeerrors() == "surrogateescape"
)


@node_class
class HostDir(HostMember, Dir):
    """A directory of the host as a node: what is in it is shown through, and whoever changes it changes the
    host.

    Mount it, or hang it anywhere in a tree: ``Dir({"src": HostDir("/usr/src")})``. Nothing outside of it can
    be reached through it: symbolic links are shown and never followed here, and whatever somebody moves about
    on the host meanwhile, names are only looked for in directories that were found below. Hard links are one
    file, renames on the host are followed, numbers of links and inodes are the host's.

    When root serves, each request is done on the host with the rights of who asks: user, group and
    supplementary groups. Else with those of the server.

    The kernel keeps names and attributes for `ttl` seconds, so what changes on the host shows after that at
    the latest; contents are kept in its page cache as long as time and size of the file stay the same.

    Subclasses may decide what is seen (`shows`) and what stands for it (`wrap`); directories below are of
    the same class and have the same values in the fields that it adds.

    Arguments:
        path: The host directory. It is opened now, and stays it even if it is renamed.
        writable: Whether programs may change it; EROFS if not.
        ttl: For how long the kernel may keep names and attributes, in seconds.
        filter: Called with a path below the directory (``"a/b.txt"``); what it says no to is not there.
        max_descriptors: How many descriptors are held to remember files by; None: half of what the process
            may have (RLIMIT_NOFILE). Beyond that, those not used lately are closed, and found again by name.

    Raises:
        OSError: It is not there, or no directory.
        ValueError: A negative `ttl`, or less than one descriptor.
    """

    #: The class of its regular files.
    file_class: ClassVar[type[HostFile]] = HostFile

    # What the constructor was given, until _set_up_ has opened it.
    _path_: str | bytes | os.PathLike[str] | None = attrs.field(
        default=None, alias="path", kw_only=True, repr=False
    )
    _writable_: bool = attrs.field(default=False, alias="writable", kw_only=True, repr=False)
    _ttl_: float = attrs.field(default=1.0, alias="ttl", kw_only=True, repr=False)
    _filter_: Callable[[str], object] | None = attrs.field(
        default=None, alias="filter", kw_only=True, repr=False
    )
    _limit_: int | None = attrs.field(default=None, alias="max_descriptors", kw_only=True, repr=False)
    _host_: HostTree = attrs.field(init=False, default=None, repr=False)
    _inode_: HostInode = attrs.field(init=False, default=None, repr=False)
    _shown_: weakref.ref[Node] | None = attrs.field(init=False, default=None, repr=False)

    def __init__(
        self,
        path: str | bytes | os.PathLike[str],
        writable: bool = False,
        *,
        ttl: float = 1.0,
        filter: Callable[[str], object] | None = None,
        max_descriptors: int | None = None,
    ) -> None:
        self._path_ = path
        self._writable_ = writable
        self._ttl_ = ttl
        self._filter_ = filter
        self._limit_ = max_descriptors
        self._host_ = None  # type: ignore[assignment]  # until _set_up_
        Dir.__init__(self)

    def _set_up_(self) -> None:
        Dir._set_up_(self)
        if getattr(self, "_host_", None) is not None:
            return
        path, ttl, limit = self._path_, self._ttl_, self._limit_
        if path is None:
            raise TypeError(f"{type(self).__name__}() needs a path: the host directory that it shows")
        if not ttl >= 0:
            raise ValueError(f"ttl is a number of seconds, not {ttl!r}")
        if limit is not None and limit < 1:
            raise ValueError(f"max_descriptors is at least 1, not {limit}")
        host = HostTree(path, writable=self._writable_, ttl=ttl, shown=self._filter_, limit=limit)
        self._path_ = self._filter_ = None
        self._start_(host, host.top, None)
        host.join(host.top.key, self)

    # ---- what a subclass may decide

    def shows(self, name: str) -> bool:
        """Whether a name of this directory is to be seen. What is not can neither be made (EPERM)."""
        return True

    def wrap(self, name: str, node: Node) -> Node:
        """The node that stands for a file of the host: *node* itself, or one of your own, which answers by
        asking it. It is called once for each file as long as anybody knows the result, and must be of the
        same type.
        """
        return node

    def _shows_(self, name: str) -> bool:
        shown = self._host_.shown
        return self.shows(name) and (shown is None or bool(shown(self._below_(name))))

    def _below_(self, name: str) -> str:
        """The path of a name, from the top."""
        above = [part.decode("utf-8", "surrogateescape") for part in self._inode_.names()]
        return "/".join([*above, name])

    # ---- names

    def lookup(self, name: str) -> Node | None:
        """The node of a name, the same for the same file; None when there is none."""
        place = check_name(name)
        if not self._shows_(name):
            return None
        member = self._find_(place)
        return None if member is None else self._represent_(name, member)

    def _find_(self, place: bytes) -> HostMember | None:
        """Our own node of what has a name."""
        host = self._host_
        directory = self._inode_.descriptor()
        try:
            with as_caller():
                descriptor = host.finder.see(directory, place)
        except FileNotFoundError:
            return None
        found = os.fstat(descriptor)
        key = key_of(found)
        known = host.known(key)
        if known is not None and known._inode_.is_again(descriptor, found):
            known._is_at_(self, place)
            return known
        inode = HostInode(host.finder, descriptor, found, (self._inode_, place))
        return host.join(key, self._new_(inode), instead_of=known)

    def _new_(self, inode: HostInode) -> HostMember:
        file_type = inode.key[2]
        if file_type == stat.S_IFREG:
            return self.file_class(self._host_, inode, self)
        if file_type == stat.S_IFDIR:
            return self._sub_(inode)
        if file_type == stat.S_IFLNK:
            return HostSymlink(self._host_, inode, self)
        return SPECIAL[file_type](self._host_, inode, self)

    def _sub_(self, inode: HostInode) -> HostDir:
        """A directory below: like this one, but for where it is."""
        made = type(self).__new__(type(self))
        made._host_ = self._host_
        Dir.__init__(made)
        made._path_ = made._filter_ = None
        for name in _own_fields(type(self)):
            object.__setattr__(made, name, getattr(self, name))
        getattr(made, "__dict__", {}).update(getattr(self, "__dict__", {}))
        made._start_(self._host_, inode, self)
        return made

    def _represent_(self, name: str, member: HostMember) -> Node:
        """What is shown for it."""
        reference = member._shown_
        shown = None if reference is None else reference()
        if shown is not None:
            return shown
        made = self.wrap(name, member)
        if made is not member:
            if getattr(made, "file_type", None) != member.file_type:
                raise TypeError(
                    f"{type(self).__name__}.wrap({name!r}, ...) must return a node of the same file type, "
                    f"not {made!r}"
                )
            self._host_.stands_for(made, member)
        member._shown_ = weakref.ref(made)
        return made

    def list(self) -> Iterable[tuple[str, int, int]]:
        """The names, with inode numbers and types where they are known for nothing."""
        path = self._inode_.descriptor().path
        with as_caller():
            opened = self._reading_(path)
        return self._listed_(opened)

    def _reading_(self, path: str) -> Descriptor:
        # Not by ".", which would take the right to search.
        return self._host_.finder.open(lambda: os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def _listed_(self, opened: Descriptor) -> Iterator[tuple[str, int, int]]:
        shown = self._host_.shown
        above = self._below_("")
        is_ours = self._inode_.key[0] == self._host_.device
        with os.scandir(opened) as entries:
            for entry in entries:
                name = entry.name if _IS_UTF8 else os.fsencode(entry.name).decode("utf-8", "surrogateescape")
                if self.shows(name) and (shown is None or shown(above + name)):
                    yield name, entry.inode() if is_ours else 0, _type_of(entry)

    # ---- making

    def create_open(self, name: str, mode: int, flags: int) -> tuple[FileNode, HostReader | None]:
        """A new file, and it opened: whatever its permissions let do later."""
        descriptor = names.create(self, name, mode, flags)
        member = self._made_(name)
        found = os.fstat(descriptor)
        if not isinstance(member, HostFile) or member._inode_.key != key_of(found):
            raise refused(errno.ENOENT)  # somebody was quicker, and it is gone already
        shown: Any = self._represent_(name, member)
        if shown is not member:
            return shown, None
        return member, member._handle_(descriptor, flags)

    def create(self, name: str, mode: int) -> FileNode:
        """A new file."""
        names.create(self, name, mode, os.O_WRONLY)
        return cast("FileNode", self._represent_(name, self._made_(name)))

    def tmpfile(self, mode: int, flags: int) -> tuple[FileNode, HostReader]:
        """A new file that has no name, and it opened."""
        host = self._host_
        opened = names.nameless(self, mode, flags)
        path = opened.path
        seen = host.finder.open(lambda: os.open(path, os.O_PATH | os.O_CLOEXEC))
        found = os.fstat(seen)
        # Called as the kernel calls it; nothing is looked for by that name, since the descriptor stays.
        inode = HostInode(host.finder, seen, found, (self._inode_, b"#%d" % found.st_ino))
        made: Any = host.join(inode.key, self._new_(inode), instead_of=host.known(inode.key))
        return made, made._handle_(opened, flags)

    def mkdir(self, name: str, mode: int) -> Dir:
        """A new directory."""
        names.mkdir(self, name, mode)
        return cast("Dir", self._represent_(name, self._made_(name)))

    def mknod(self, name: str, mode: int, rdev: int) -> Node:
        """A new special file."""
        names.mknod(self, name, mode, rdev)
        return self._represent_(name, self._made_(name))

    def symlink(self, name: str, target: str) -> Node:
        """A new symbolic link."""
        names.symlink(self, name, target)
        return self._represent_(name, self._made_(name))

    def _made_(self, name: str) -> HostMember:
        made = self._find_(check_name(name))
        if made is None:  # somebody was quicker, and it is gone already
            raise refused(errno.ENOENT)
        return made

    # ---- other changes

    def link(self, name: str, node: Node) -> None:
        """One more name for a file."""
        names.link(self, name, node)

    def unlink(self, name: str) -> None:
        """A name goes."""
        names.unlink(self, name, is_directory=False)

    def rmdir(self, name: str) -> None:
        """An empty directory goes; what is not shown makes it not empty, too."""
        names.unlink(self, name, is_directory=True)

    def rename(self, name: str, directory: Dir, new_name: str, flags: int) -> None:
        """A name moves, within the same host directory (else EXDEV)."""
        target = self._host_.behind(directory)
        if not isinstance(target, HostDir):
            raise refused(errno.EXDEV)
        names.move(self, name, target, new_name, flags)

    def fsync(self, datasync: bool) -> None:
        """Bring the names to the host's disk."""
        (os.fdatasync if datasync else os.fsync)(self._reading_(self._inode_.descriptor().path))

    def statfs(self) -> FileSystemSize:
        """What the host says of its file system."""
        found = os.fstatvfs(self._inode_.descriptor())
        return FileSystemSize(
            block_size=found.f_frsize,
            blocks=found.f_blocks,
            free_blocks=found.f_bfree,
            available_blocks=found.f_bavail,
            files=found.f_files,
            free_files=found.f_ffree,
        )

    # ---- for the program

    def child(self, name: str) -> Node | None:
        """The node of a name, or None."""
        return None if name in ("", ".", "..") else self.lookup(name)

    def _name_of_(self, child: Node) -> str | None:
        member = self._host_.behind(child)
        place = None if member is None else member._inode_.place
        if place is None or place[0] is not self._inode_:
            return None
        return place[1].decode("utf-8", "surrogateescape")

    def keys(self) -> _Names:
        """The names at this moment."""
        return [name for name, _, _ in self.list()]

    def items(self) -> _Items:
        """Names and nodes at this moment."""
        return [(name, node) for name in self.keys() if (node := self.lookup(name)) is not None]

    def __len__(self) -> int:
        return sum(1 for _ in self.list())

    def __setitem__(self, path: str, value: Any) -> None:
        directory, name = self._place_(path)
        if isinstance(directory, HostDir):
            raise TypeError(
                f"{name!r}: nodes cannot be put into a directory of the host; "
                f"make the file at {directory.host_path!r}"
            )
        directory[name] = value

    def __delitem__(self, path: str) -> None:
        directory, name = self._place_(path)
        if not isinstance(directory, HostDir):
            del directory[name]
            return
        node = directory.lookup(name)
        if node is None:
            raise KeyError(path)
        names.unlink(directory, name, is_directory=node.file_type == stat.S_IFDIR)

    def move(self, old: str, new: str) -> None:
        """Rename on the host, as rename(2) does."""
        source, name = self._place_(old)
        target, new_name = self._place_(new)
        if not isinstance(source, HostDir):
            source.move(name, new)
            return
        if source.lookup(name) is None:
            raise KeyError(old)
        source.rename(name, target, new_name, 0)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())


def _own_fields(cls: type[HostDir]) -> Iterator[str]:
    """The fields that a subclass adds."""
    both: Any = HostDir, cls  # attrs' own mark of its classes is not seen by type checkers here
    ours, all_of_them = ({field.name for field in attrs.fields(one)} for one in both)
    return iter(all_of_them - ours)


def _type_of(entry: os.DirEntry[str]) -> int:
    """The type as readdir(3) has it, where the host's listing tells; 0 for what is rare."""
    if entry.is_file(follow_symlinks=False):
        return stat.S_IFREG >> 12
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR >> 12
    return stat.S_IFLNK >> 12 if entry.is_symlink() else 0
