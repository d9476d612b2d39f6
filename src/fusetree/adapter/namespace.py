"""Handlers of names: lookup, and what programs do to names through the mount.

A directory refuses changes of its names with EROFS unless its class has the method for it
(fusetree.nodes.capabilities). The kernel has checked the mode bits before, and holds the directory's lock
during each of these requests; the program's own threads, and other mounts of the same tree, may change the
directory at any moment all the same.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from fusetree.adapter.directories import DirectoryHandlers
from fusetree.adapter.editing import rename_edited
from fusetree.adapter.files import FileHandlers
from fusetree.adapter.handles import Handle
from fusetree.adapter.names import decode
from fusetree.adapter.steps import handler
from fusetree.adapter.tree import S_IFDIR, S_IFLNK, S_IFREG, refuse
from fusetree.adapter.usercode import call, call_told
from fusetree.flags import MAX_NAME_BYTES, RENAME_EXCHANGE, RENAME_NOREPLACE
from fusetree.nodes.attributes import Attributes
from fusetree.nodes.base import Node
from fusetree.nodes.directory import Dir
from fusetree.nodes.held import flip_lock, seen, state, steady, undisturbed
from fusetree.nodes.moves import exchange, move

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree._lowlevel.nodeattributes import NodeAttributes
    from fusetree.adapter.kinds import Kind, Method
    from fusetree.adapter.steps import Steps
    from fusetree.lowlevel import EntryAttributes, FileInfo, RequestContext
    from fusetree.nodes.editable import EditableDir
    from fusetree.nodes.filenode import FileNode

    N = TypeVar("N", bound=Node)

__all__ = ["NameHandlers"]

#: A directory with no more children is published as a whole when the first of its names is asked for.
_PUBLISHED_AT_LOOKUP: Final = 1024


def _text(name: bytes) -> str:
    """A name as the tree has it; ENAMETOOLONG for one that none can have."""
    if len(name) > MAX_NAME_BYTES:
        refuse(errno.ENAMETOOLONG)
    return decode(name)


class NameHandlers(FileHandlers, DirectoryHandlers):
    """Handlers that take a directory and a name."""

    @handler
    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> Steps[EntryAttributes]:
        """The attributes of a child; ENOENT when there is none."""
        attempts = 0
        while True:
            flips = state.flips
            if not flips & 1:
                directory = self.directory(parent_inode)
                kind = self.kind_of(directory)
                text = _text(name)
                told = None
                if kind.lookup is None:
                    child = self._declared(parent_inode, directory, kind, text)
                else:
                    child, told = yield from self._found(directory, text)
                if child is None:
                    refuse(errno.ENOENT)
                found = yield from self._entry(directory, child, told)
                if state.flips == flips:  # else name and attributes may not belong together
                    return found
                attempts += 1
                if attempts > 8 and kind.lookup is not None:
                    return found  # it takes longer than the time between two transactions
            with flip_lock:
                pass

    def _declared(self, inode: int, directory: Dir, kind: Kind, name: str) -> Node | None:
        """A child of a directory whose class answers no lookups; its names are published if they are few."""
        view = seen(directory)
        child = view.child(name)
        small = not kind.names and len(view) <= _PUBLISHED_AT_LOOKUP
        if small and not self.inode_table.is_published(inode):
            self.publish_directory(inode, directory)
        return child

    def _entry(self, directory: Dir, child: Node, told: Attributes | None = None) -> Steps[NodeAttributes]:
        """The answer to who looked a child up or made it; *told* is what was found with it."""
        if self.kind_of(directory).lookup is not None:
            return self._own_entry(directory, child, told)
        if child.file_type == S_IFDIR:
            self.inode_table.directory_moved(child, directory.ino)
        return self.entries.attributes(child)

    def _own_entry(self, directory: Dir, child: Node, told: Attributes | None) -> Steps[NodeAttributes]:
        """The same where the directory's class answers lookups: the name may be kept for its `ttl`."""
        attr = yield from self.entries.attributes(child, told)
        if attr.publish:
            attr.publish = False
            attr.attr_timeout = min(attr.ttl, self.timeout)
        attr.entry_timeout = min(directory.ttl, self.timeout)
        return attr

    def _child(self, directory: Dir, name: str) -> Steps[Node | None]:
        """What a name leads to."""
        if self.kind_of(directory).lookup is None:
            return directory.child(name)
        child, _ = yield from self._found(directory, name)
        return child

    def _found(self, directory: Dir, name: str) -> Steps[tuple[Node | None, Attributes | None]]:
        """What a name leads to by the directory's `lookup`, and the attributes that were found with it."""
        method = cast("Method", self.kind_of(directory).lookup)
        try:
            found = yield steady(lambda: call(method, directory, name))
        except OSError as error:
            if error.errno == errno.ENOENT or isinstance(error, FileNotFoundError):  # of whatever class
                return None, None
            raise
        if found is None or isinstance(found, Node):
            return found, None
        if isinstance(found, tuple) and len(found) == 2:
            child, told = found
            if isinstance(child, Node) and isinstance(told, Attributes):
                return child, told
        raise TypeError(
            f"{type(directory).__name__}.lookup({name!r}) must return a node or None, or a node and its "
            f"Attributes, not {found!r}"
        )

    # ---- making

    @handler
    def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: RequestContext
    ) -> Steps[tuple[FileInfo, EntryAttributes]]:
        """Make a file by the directory's `create`, and open it."""
        directory, text = yield from self._free_place(parent_inode, name)
        mode = self.masked(directory, mode, ctx)
        absent = directory._unseen_(text)
        node, made_open = yield from self._create(directory, text, mode, ctx, flags)
        if node is absent and flags & os.O_ACCMODE != os.O_RDONLY:
            flags |= os.O_TRUNC  # a new file is empty, says who made it
        attr = self.entries.begin(node)  # keeps the node id while it is opened
        info = yield from self.open_node(attr.node_id, node, flags, made_open)
        if node in self.mistaken:
            opened = self.inode_table.state(info.fh)
            if isinstance(opened, Handle):
                opened.unsettled = self.mistaken.pop(node, None)
        try:
            answer = yield from self._entry(directory, node)
        except BaseException:
            yield self.release(info.fh)  # type: ignore[func-returns-value]  # a coroutine, perhaps
            raise
        return info, answer

    @handler
    def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: RequestContext
    ) -> Steps[EntryAttributes]:
        """Make a regular file as `create` does, and a special one by the directory's `mknod`; EPERM where it
        has none, as mknod(2) says.
        """
        directory, text = yield from self._free_place(parent_inode, name)
        mode = self.masked(directory, mode, ctx)
        file_type = stat.S_IFMT(mode) or S_IFREG
        if file_type == S_IFREG:
            file, _ = yield from self._create(directory, text, mode, ctx)
            attr = yield from self._entry(directory, file)
            return attr
        method = self.kind_of(directory).mknod
        if method is None and not self.ro:
            refuse(errno.EPERM)
        made = yield self.names_call(directory, self._allowed(method), directory, text, mode, rdev)
        node = self._made(directory, text, made, file_type, "mknod", ctx)
        attr = yield from self._entry(directory, node)
        return attr

    @handler
    def mkdir(self, parent_inode: int, name: bytes, mode: int, ctx: RequestContext) -> Steps[EntryAttributes]:
        """Make a directory by the directory's `mkdir`."""
        directory, text = yield from self._free_place(parent_inode, name)
        method = self._allowed(self.kind_of(directory).mkdir)
        permissions = self.masked(directory, mode, ctx) & 0o7777
        if directory.mode & stat.S_ISGID:
            permissions |= stat.S_ISGID
        made = yield self.names_call(directory, method, directory, text, permissions)
        node = self._made(directory, text, made, S_IFDIR, "mkdir", ctx)
        attr = yield from self._entry(directory, node)
        return attr

    @handler
    def symlink(
        self, parent_inode: int, name: bytes, target: bytes, ctx: RequestContext
    ) -> Steps[EntryAttributes]:
        """Make a symbolic link by the directory's `symlink`."""
        directory, text = yield from self._free_place(parent_inode, name)
        method = self._allowed(self.kind_of(directory).symlink)
        made = yield self.names_call(directory, method, directory, text, decode(target))
        node = self._made(directory, text, made, S_IFLNK, "symlink", ctx)
        attr = yield from self._entry(directory, node)
        return attr

    @handler
    def link(
        self, inode: int, new_parent_inode: int, new_name: bytes, ctx: RequestContext
    ) -> Steps[EntryAttributes]:
        """Give a file one more name, if the directory's `link` lets it."""
        node: Node = self.node(inode)
        directory, text = yield from self._free_place(new_parent_inode, new_name)
        method = self._allowed(self.kind_of(directory).link)
        if node.file_type == S_IFDIR:
            refuse(errno.EPERM)
        yield self.names_call(directory, method, directory, text, node)
        self._put(directory, text, node)
        attr = yield from self._entry(directory, node)
        return attr

    def _create(
        self, directory: Dir, name: str, mode: int, ctx: RequestContext, flags: int | None = None
    ) -> Steps[tuple[FileNode, object | None]]:
        """A new file and, when it is to be opened with *flags*, what its `open` would return."""
        opened: object | None = None
        kind = self.kind_of(directory)
        if kind.create_open is not None and flags is not None:
            method = self._allowed(kind.create_open)
            made, opened = yield self.names_call(directory, method, directory, name, mode & 0o7777, flags)
        else:
            method = self._allowed(kind.create)
            made = yield self.names_call(directory, method, directory, name, mode & 0o7777)
        return cast("FileNode", self._made(directory, name, made, S_IFREG, "create", ctx)), opened

    def masked(self, directory: Dir, mode: int, ctx: RequestContext) -> int:
        """A mode without what the caller's umask forbids, where neither the kernel nor the class sees to
        it.
        """
        return mode & ~ctx.umask if self.applies_umask and not directory._does_all_ else mode

    def _free_place(self, inode: int, name: bytes) -> Steps[tuple[Dir, str]]:
        """A directory, and a name that is free there."""
        if state.active is not None:
            undisturbed()
        directory = self.directory(inode)
        text = _text(name)
        child = yield from self._child(directory, text)
        if child is not None and (yield from self._is_there(directory, child)):
            refuse(errno.EEXIST)
        return directory, text

    def _is_there(self, directory: Dir, child: Node) -> Steps[bool]:
        """Whether what a class's `lookup` found exists: it may leave that to the attributes of the node, as
        whoever looked the name up was told.
        """
        if self.kind_of(directory).lookup is None:
            return True
        try:
            yield from self.entries.attributes(child)
        except OSError as error:
            if error.errno == errno.ENOENT or isinstance(error, FileNotFoundError):
                return False
            raise
        return True

    def _allowed(self, method: Callable[..., Any] | None) -> Callable[..., Any]:
        if method is None or self.ro:
            refuse(errno.EROFS)
        return method

    def _made(
        self, directory: Dir, name: str, made: object, file_type: int, method: str, ctx: RequestContext
    ) -> Node:
        """See to it that what a method made is a node of the right kind, owned by who asked, and in its
        place.
        """
        if not isinstance(made, Node) or made.file_type != file_type:
            kind = {S_IFREG: "a file", S_IFDIR: "a directory", S_IFLNK: "a symbolic link"}.get(
                file_type, "a special file of the type that is asked for"
            )
            where = f"{type(directory).__name__}.{method}"
            raise TypeError(f"{where}({name!r}, ...) must return {kind}, not {made!r}")
        if not directory._returns_(name, made):
            self.give_to(directory, made, ctx)
        self._put(directory, name, made)
        return made

    def give_to(self, directory: Dir, made: Node, ctx: RequestContext) -> None:
        """Let a new node belong to who asked for it, unless its class has said whose it is."""
        if made.uid is None:
            call(setattr, made, "uid", ctx.uid)
        if made.gid is None:
            inherited = directory.mode & stat.S_ISGID
            call(setattr, made, "gid", self.entries.group(directory) if inherited else ctx.gid)

    def _put(self, directory: Dir, name: str, node: Node) -> None:
        if self.kind_of(directory).names:
            return  # its own business
        present = directory.child(name)
        if present is node:
            return
        if present is not None:  # somebody else was quicker
            refuse(errno.EEXIST)
        call_told(self.observer, None, directory._give_name_, name, node)

    # ---- removing and moving

    @handler
    def unlink(self, parent_inode: int, name: bytes, ctx: RequestContext) -> Steps[None]:
        """Remove a name, if the directory's `unlink` lets it."""
        directory, text, child = yield from self._taken_place(parent_inode, name)
        method = self._allowed(self.kind_of(directory).unlink)
        if child.file_type == S_IFDIR:
            refuse(errno.EISDIR)
        yield self.names_call(directory, method, directory, text)
        self._remove(directory, text, child)

    @handler
    def rmdir(self, parent_inode: int, name: bytes, ctx: RequestContext) -> Steps[None]:
        """Remove a directory without names of its own, if the `rmdir` of the one that holds it lets it."""
        directory, text, child = yield from self._taken_place(parent_inode, name)
        method = self._allowed(self.kind_of(directory).rmdir)
        if not isinstance(child, Dir):
            refuse(errno.ENOTDIR)
        # The files that its class declares go with it, as in configfs: nobody could remove them before.
        if not self.kind_of(child).names and any(not child.declares(entry) for entry in child):
            refuse(errno.ENOTEMPTY)
        yield self.names_call(directory, method, directory, text)
        self._remove(directory, text, child)

    @handler
    def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: RequestContext,
    ) -> Steps[None]:
        """Move a name, or let two change places, if the directories' `rename` lets it; what had the new name
        loses it.
        """
        source, old_text, child = yield from self._taken_place(parent_inode_old, name_old)
        target = self.directory(parent_inode_new)
        new_text = _text(name_new)
        method = self._allowed(self.kind_of(source).rename)
        self._allowed(self.kind_of(target).rename)
        if flags not in (0, RENAME_NOREPLACE, RENAME_EXCHANGE):
            refuse(errno.EINVAL)  # as rename(2) says of flags that a file system does not support
        replaced = yield from self._child(target, new_text)
        if (
            flags == RENAME_NOREPLACE
            and replaced is not None
            and (yield from self._is_there(target, replaced))
        ):
            refuse(errno.EEXIST)
        if flags == RENAME_EXCHANGE and replaced is None:
            refuse(errno.ENOENT)
        if self.kind_of(target).names and not self.kind_of(source).names:
            refuse(errno.EXDEV)  # nobody could put it there; programs copy then
        if target._edited_ and not source._edited_:
            refuse(errno.EXDEV)
        yield self.names_call(source, method, source, old_text, target, new_text, flags)
        if source._edited_:
            edited = yield from rename_edited(
                self, cast("EditableDir", source), old_text, child, cast("EditableDir", target), new_text
            )
            if edited:
                return
        if self.kind_of(source).names or self.kind_of(target).names:
            return  # their own business
        if source.child(old_text) is not child or target.child(new_text) is child:
            return  # the method moved it, or they are two names of one file
        try:
            source._refuse_declared_(old_text)
            target._refuse_declared_(new_text)
        except ValueError:
            refuse(errno.EROFS)
        try:
            if flags == RENAME_EXCHANGE:
                call_told(self.observer, None, exchange, source, old_text, target, new_text)
            else:
                call_told(self.observer, None, move, source, old_text, target, new_text, old_text)
        except ValueError:
            refuse(errno.EINVAL)  # below itself
        except KeyError:
            refuse(errno.ENOENT)

    def _taken_place(self, inode: int, name: bytes) -> Steps[tuple[Dir, str, Node]]:
        """A directory, and a name that leads somewhere there."""
        if state.active is not None:
            undisturbed()
        directory = self.directory(inode)
        text = _text(name)
        child = yield from self._child(directory, text)
        if child is None:
            refuse(errno.ENOENT)
        return directory, text, child

    def _remove(self, directory: Dir, name: str, child: Node) -> None:
        if self.kind_of(directory).names or directory.child(name) is not child:
            return  # its own business, or the method has done it
        try:
            call_told(self.observer, None, directory._take_name_, name)
        except KeyError:
            return  # somebody else has
        except ValueError:
            refuse(errno.EROFS)  # the class declares it
