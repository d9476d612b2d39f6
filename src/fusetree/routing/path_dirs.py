"""The directories of whole paths: names are looked up with `getattr`, and what happens to names is called as
it is asked for.

Two names are one file when `link` made the second, or when `getattr` says so in `st_ino` (and `st_nlink` is
above 1). A file that is removed while it is open is renamed to a hidden name at the top, and removed when it
is closed, so that handlers that know paths only can go on; with `hard_remove` it is removed at once.
"""

from __future__ import annotations

import errno
import logging
import stat
from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from fusetree.nodes import Dir, FileSystemSize, Node
from fusetree.nodes.base import node_class
from fusetree.nodes.links import add_link, drop_link
from fusetree.nodes.locks import LINKS
from fusetree.nodes.observers import Observer
from fusetree.nodes.owed import Owed
from fusetree.nodes.refusals import refused
from fusetree.routing.ondemand import OnDemandDir
from fusetree.routing.path_nodes import PathFile, PathLink, PathMember, PathSpecial
from fusetree.routing.path_values import Told, checked, file_system_size, is_missing, told_by, value_of
from fusetree.routing.positions import Position
from fusetree.routing.steps import stepwise

if TYPE_CHECKING:
    from fusetree.routing.path_tree import PathTree

__all__ = ["PathDir"]

logger = logging.getLogger("fusetree.routing")

Steps = Generator[Any, Any, Any]

_RENAME_EXCHANGE = 2


@node_class
class PathDir(PathMember, OnDemandDir):
    """A directory by its path."""

    _position_: Position

    def __init__(self, tree: PathTree, directory: PathDir | None, name: str, ino: int = 0) -> None:
        OnDemandDir.__init__(self, None, 0o755, ino=ino)
        self._position_ = Position(tree, directory, name)

    @property
    def nlink(self) -> int:
        """1: nobody counts the directories in it, and programs know that number for it."""
        return 1

    def lookup(self, name: str) -> Any:
        """The node of a name and its attributes, as `getattr` tells."""
        position = self._position_
        tree = position.tree
        if tree.hidden and not position.names and name in tree.hidden:
            return None
        path = position.below(name)
        try:
            found = tree.operations.getattr(path)
        except OSError as error:
            if not is_missing(error):
                raise
            return self._missed_(name, path)
        if type(found) is CoroutineType:
            return self._lookup_later_(name, path, Owed(found))
        return self._found_(name, found)

    def child(self, name: str) -> Node | None:
        """The node of a name, or None."""
        found: Any = OnDemandDir.child(self, name)
        child: Node | None = found[0] if isinstance(found, tuple) else found
        return child

    def list(self) -> Any:
        """The names, as `readdir` tells."""
        return self._list_()

    # ---- looking

    async def _lookup_later_(self, name: str, path: str, owed: Owed) -> Any:
        try:
            return self._found_(name, await owed.coroutine)
        except OSError as error:
            if not is_missing(error):
                raise
            again = self._missed_(name, path)
            return await again if isinstance(again, CoroutineType) else again

    @stepwise
    def _missed_(self, name: str, path: str) -> Steps:
        """Nothing was found; unless a directory above has moved meanwhile, there is nothing."""
        now = self._position_.below(name)
        if now == path:
            self._vanished_(name)
            return None
        found = yield self._position_.tree.operations.getattr(now)
        return self._found_(name, found)

    def _found_(self, name: str, found: Any) -> Any:
        told = told_by(checked(found), self._position_.tree.operations.use_ns)
        node = self._node_of_(name, found, told)
        return node, node._counted_(told[3])

    def _node_of_(self, name: str, found: Any, told: Told) -> Any:
        """The node that a name has, by what `getattr` told of it."""
        file_type, inode, nlink, _ = told
        known: Any = self._known_as_(name)
        if known is not None:
            if _is_still(known, file_type, inode, found):
                return known
            self._vanished_(name)
        tree = self._position_.tree
        shared = inode and nlink > 1 and file_type != stat.S_IFDIR
        if shared:
            other: Any = tree.by_inode.get((inode, file_type))
            if other is not None and not other._position_.removed:
                return self._named_(name, other)
        made = tree.class_of(file_type)(tree, self, name, ino=inode)
        made._position_.inode = inode
        if isinstance(made, PathSpecial):
            made._rdev_ = value_of(found, "st_rdev") or 0
        elif isinstance(made, PathLink):
            made._mark_ = _mark(found)
        if shared:
            made = tree.by_inode.setdefault((inode, file_type), made)
        return self._named_(name, made)

    def _named_(self, name: str, node: Any) -> Node:
        """Enter a node under a name; another thread's, if that was quicker."""
        tree = self._position_.tree
        entered = self._enter_(name, node, type(node))
        if entered is node:
            with tree.lock:
                node._position_.add(self, name)
            with LINKS:
                add_link(node, self, is_directory=False)
        found: Node = entered
        return found

    def _vanished_(self, name: str) -> None:
        """A name is gone, or another file's: who has the old one open goes on with that."""
        gone: Any = self._forget_(name)
        if gone is not None:
            with self._position_.tree.lock:
                gone._position_.drop(self, name)
            with LINKS:
                drop_link(gone, self)

    def _list_(self) -> Any:
        """The names that the handler tells."""
        tree = self._position_.tree
        if "readdir" not in tree.defined:
            return ()
        path = self._position_.path()
        fh = tree.operations.opendir(path) if "opendir" in tree.defined else 0
        if not isinstance(fh, CoroutineType):
            told = tree.operations.readdir(path, fh)
            if not isinstance(told, (CoroutineType, AsyncIterator)):
                return self._names_(path, fh, told)
            return self._names_later_(path, fh, Owed(told) if isinstance(told, CoroutineType) else told)
        return self._names_later_(path, Owed(fh), None)

    def _names_(self, path: str, fh: Any, told: Any) -> Iterator[str]:
        tree = self._position_.tree
        try:
            for item in _iterable(told):
                name = _name_of(item)
                if self._shows_(name):
                    yield name
        finally:
            if "releasedir" in tree.defined:
                tree.operations.releasedir(path, fh)

    async def _names_later_(self, path: str, fh: Any, told: Any) -> AsyncIterator[str]:
        tree = self._position_.tree
        if isinstance(fh, Owed):
            fh = await fh.coroutine
            told = tree.operations.readdir(path, fh)
        try:
            if isinstance(told, CoroutineType):
                told = await told
            elif isinstance(told, Owed):
                told = await told.coroutine
            items = told if isinstance(told, AsyncIterator) else _one_by_one(_iterable(told))
            async for item in items:
                name = _name_of(item)
                if self._shows_(name):
                    yield name
        finally:
            if "releasedir" in tree.defined:
                released = tree.operations.releasedir(path, fh)
                if isinstance(released, CoroutineType):
                    await released

    def _shows_(self, name: str) -> bool:
        position = self._position_
        if name in (".", ".."):
            return False
        return bool(position.names) or name not in position.tree.hidden

    # ---- making

    @stepwise
    def _create_(self, name: str, mode: int) -> Steps:
        tree = self._position_.tree
        operations = tree.operations
        self._vanished_(name)
        created: tuple[Any] | None = None
        if "create" in tree.defined:
            path = self._position_.below(name)
            # The access mode of the open that follows is not known yet: both serves all.
            more = (2,) if tree.create_takes_flags else ()
            fh = yield operations.create(path, mode | stat.S_IFREG, *more)
            created = (checked(fh),)
        else:
            checked((yield operations.mknod(self._position_.below(name), mode | stat.S_IFREG, 0)))
        made = tree.file_class(tree, self, name)
        made._created_ = created
        self._tell_if_kept_()
        return self._named_(name, made)

    @stepwise
    def _mkdir_(self, name: str, mode: int) -> Steps:
        tree = self._position_.tree
        checked((yield tree.operations.mkdir(self._position_.below(name), mode)))
        return self._new_(name, stat.S_IFDIR)

    @stepwise
    def _mknod_(self, name: str, mode: int, rdev: int) -> Steps:
        tree = self._position_.tree
        checked((yield tree.operations.mknod(self._position_.below(name), mode, rdev)))
        made: Any = self._new_(name, stat.S_IFMT(mode))
        made._rdev_ = rdev
        return made

    @stepwise
    def _symlink_(self, name: str, target: str) -> Steps:
        tree = self._position_.tree
        checked((yield tree.operations.symlink(self._position_.below(name), target)))
        return self._new_(name, stat.S_IFLNK)

    def _new_(self, name: str, file_type: int) -> Node:
        self._vanished_(name)
        self._tell_if_kept_()
        tree = self._position_.tree
        return self._named_(name, tree.class_of(file_type)(tree, self, name))

    @stepwise
    def _link_(self, name: str, node: Node) -> Steps:
        tree = self._position_.tree
        if not isinstance(node, PathMember) or node._position_.tree is not tree:
            raise refused(errno.EXDEV)
        checked((yield tree.operations.link(self._position_.below(name), node._position_.path())))
        self._vanished_(name)
        self._named_(name, node)
        self._tell_if_kept_()
        node._tell_if_kept_()

    # ---- removing and moving

    @stepwise
    def _unlink_(self, name: str) -> Steps:
        tree = self._position_.tree
        node: Any = self._known_as_(name)
        if node is not None and _must_hide(node):
            yield from self._hide_(name, node)
        else:
            checked((yield tree.operations.unlink(self._position_.below(name))))
            self._vanished_(name)
        self._tell_if_kept_()
        if node is not None:
            node._tell_if_kept_()

    @stepwise
    def _rmdir_(self, name: str) -> Steps:
        tree = self._position_.tree
        checked((yield tree.operations.rmdir(self._position_.below(name))))
        self._vanished_(name)
        self._tell_if_kept_()

    def _hide_(self, name: str, node: PathFile) -> Steps:
        """Keep a file that is open, and loses its last name, under a hidden one until it is closed."""
        tree = self._position_.tree
        hidden = tree.hidden_name()
        with tree.lock:
            tree.hidden.add(hidden)
        try:
            checked((yield tree.operations.rename(self._position_.below(name), f"/{hidden}")))
        except BaseException:
            with tree.lock:
                tree.hidden.discard(hidden)
            raise
        self._forget_(name)
        with tree.lock:
            node._position_.hide(hidden)
            closed = not node._position_.handles  # meanwhile
        with LINKS:
            drop_link(node, self)
        if closed:
            with tree.lock:
                node._position_.hidden = ""
                tree.hidden.discard(hidden)
            checked((yield tree.operations.unlink(f"/{hidden}")))

    def _show_again_(self, name: str, node: PathFile) -> Steps:
        """Give a file its name back, which it was to lose."""
        tree = self._position_.tree
        hidden = node._position_.hidden
        checked((yield tree.operations.rename(f"/{hidden}", self._position_.below(name))))
        with tree.lock:
            tree.hidden.discard(hidden)
            node._position_.show(self, name)
        self._take_over_(name, node, self)

    @stepwise
    def _rename_(self, name: str, directory: Dir, new_name: str, flags: int) -> Steps:
        tree = self._position_.tree
        if not isinstance(directory, PathDir) or directory._position_.tree is not tree:
            raise refused(errno.EXDEV)
        exchanges = flags == _RENAME_EXCHANGE
        if exchanges and not tree.renames_flags:
            raise refused(errno.EINVAL)
        replaced: Any = directory._known_as_(new_name)
        moving: Any = self._known_as_(name)
        more = (flags,) if tree.renames_flags else ()
        old, new = self._position_.below(name), directory._position_.below(new_name)
        hides = replaced is not None and replaced is not moving and not exchanges and _must_hide(replaced)
        if hides:
            yield from directory._hide_(new_name, replaced)
        try:
            checked((yield tree.operations.rename(old, new, *more)))
        except OSError:
            if hides and replaced._position_.hidden:
                yield from directory._show_again_(new_name, replaced)
            raise
        self._moved_(name, moving, directory, new_name, replaced, exchanges)

    def _moved_(
        self, name: str, moving: Any, directory: PathDir, new_name: str, replaced: Any, exchanges: bool
    ) -> None:
        """Let the nodes follow what the handler has done."""
        tree = self._position_.tree
        old, new = (self, name), (directory, new_name)
        self._forget_(name)
        if not exchanges:
            directory._vanished_(new_name)
        with tree.lock:
            if moving is not None:
                moving._position_.move(old, new)
            if exchanges and replaced is not None:
                replaced._position_.move(new, old)
            if isinstance(moving, PathDir) or isinstance(replaced, PathDir):
                tree.moves += 1
        directory._take_over_(new_name, moving, self)
        if exchanges:
            self._take_over_(name, replaced, directory)
        for node in (self, directory, moving, replaced):
            if node is not None:
                node._tell_if_kept_()

    @stepwise
    def _statfs_(self) -> Steps:
        found = yield self._ask_(self._position_.tree.operations.statfs)
        size: FileSystemSize = file_system_size(found)
        return size

    def _fsync_(self, datasync: bool) -> Any:
        return self._ask_(self._position_.tree.operations.fsyncdir, datasync, 0)

    # ---- the life of the file system

    def attach(self, observer: Observer) -> None:
        """The first mount that uses the directory at the top begins the file system."""
        tree = self._position_.tree
        begins = not self._position_.names and not self._observers_
        OnDemandDir.attach(self, observer)
        if begins and "init" in tree.defined:
            tree.operations.init("/")

    def detach(self, observer: Observer) -> None:
        """The last one that used it ends it."""
        tree = self._position_.tree
        had = bool(self._observers_)
        OnDemandDir.detach(self, observer)
        if self._position_.names or not had or self._observers_:
            return
        for hidden in sorted(tree.hidden):  # what was still open when the mount was taken away
            try:
                tree.operations.unlink(f"/{hidden}")
            except Exception:
                logger.exception("%r could not be removed", f"/{hidden}")
        tree.hidden.clear()
        if "destroy" in tree.defined:
            tree.operations.destroy("/")


def _must_hide(node: Any) -> bool:
    """Whether a file that loses a name has no other, and is open."""
    if not isinstance(node, PathFile):
        return False
    position = node._position_
    return bool(position.handles) and len(position.names) == 1 and position.tree.can_hide


def _is_still(known: Any, file_type: int, inode: int, found: Any) -> bool:
    """Whether what a name leads to is the file that is known by it."""
    position = known._position_
    if known.file_type != file_type or (inode and position.inode and inode != position.inode):
        return False
    if isinstance(known, PathLink):  # the kernel keeps targets
        mark, known._mark_ = known._mark_, _mark(found)
        return mark in ((None, None), known._mark_)
    if inode and not position.inode:
        position.inode = inode
    return True


def _mark(found: Any) -> tuple[Any, Any]:
    return value_of(found, "st_size"), value_of(found, "st_mtime")


async def _one_by_one(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


def _iterable(told: Any) -> Iterable[Any]:
    """What `readdir` returned, or TypeError; a negated errno is raised."""
    if not isinstance(checked(told), Iterable) or isinstance(told, (str, bytes)):
        raise TypeError(f"readdir() must return the names, not {told!r}")
    return told  # type: ignore[no-any-return]  # it is one


def _name_of(item: Any) -> str:
    """The name of one thing that `readdir` told: it alone, or with attributes and an offset."""
    name = item[0] if isinstance(item, tuple) and item else item
    if not isinstance(name, str):
        raise TypeError(f"readdir() must give names, or tuples that begin with one, not {item!r}")
    return name
