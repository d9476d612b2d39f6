"""`Dir`: named children in the order in which they were put there.

Rule: no code of the program runs under a lock: what is given is made into a node first, and what is replaced
or removed is let go last. (How children change, and who is told: `fusetree.nodes.children`.)
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from fusetree.nodes.auto import as_node
from fusetree.nodes.base import Node, check_mode, node_class
from fusetree.nodes.children import put, take_out, tell_links
from fusetree.nodes.declared import NOTHING_DECLARED, Declared
from fusetree.nodes.held import hold, state
from fusetree.nodes.links import add_link, check_place, drop_link
from fusetree.nodes.locks import LINKS, structure_lock
from fusetree.nodes.moves import move
from fusetree.nodes.names import check_name
from fusetree.nodes.observers import Pending, settle
from fusetree.nodes.transactions import transaction

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from typing_extensions import Self

__all__ = ["Dir"]


@node_class
class Dir(Node):
    """A directory: a mapping from names to nodes, in insertion order.

    Reading and changing it reads like a dict, and a path reaches below: ``root["a/b"]``. What is put in
    becomes a node by itself: a mapping a directory, text and bytes a `File`, a function a file that is
    computed when it is opened. Mounts are told of each change before the call returns.

    A directory is at one place of a tree: putting it at a second is a ValueError. A file or symbolic link
    under two names is a hard link.

    Arguments:
        children: What it holds at first.
        mode: Permission bits.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.

    Raises:
        ValueError: A name that no directory can hold (empty, ".", "..", with "/" or NUL, longer than 255
            bytes), or a directory that has a place in this tree already.
        TypeError: A value that is no node and cannot become one.
    """

    file_type: ClassVar[int] = stat.S_IFDIR

    # What @node found in the class: files and children that every instance has.
    _declared_: ClassVar[Declared] = NOTHING_DECLARED

    # Whether it is an `EditableDir`.
    _edited_: ClassVar[bool] = False

    _mode_: int = attrs.field(default=0o555, alias="mode", kw_only=True, converter=check_mode, repr=False)
    # What the constructor was given, until _set_up_ has made nodes of it.
    _given_: Mapping[str, Any] | None = attrs.field(default=None, alias="children", kw_only=True, repr=False)
    # Changed under self.lock; reading one item or a copy needs no lock. None until a @node object is first
    # touched: the nodes of its entries are made then, and kept.
    _children_: dict[str, Node] | None = attrs.field(init=False, default=None, repr=False)
    # How many children are directories; changed under self.lock. Negative until _set_up_.
    _subdirectories_: int = attrs.field(init=False, default=-1, repr=False)

    def __init__(
        self,
        children: Mapping[str, Any] | None = None,
        mode: int = 0o555,
        *,
        uid: int | None = None,
        gid: int | None = None,
        ino: int = 0,
    ) -> None:
        Node.__init__(self, mode=mode, uid=uid, gid=gid, ino=ino)
        self._given_ = children
        self._children_ = None
        self._subdirectories_ = -1
        self._set_up_()

    def __attrs_post_init__(self) -> None:
        self._set_up_()

    def _set_up_(self) -> None:
        """Make nodes of what the constructor was given, and let those that are declared know their place.

        @node sees to it that this runs before a class's own `__attrs_post_init__`, which may call it again.
        """
        if self._subdirectories_ >= 0:
            return
        declared = self._declared_
        declared.check_class(type(self))
        declared.resolve()
        given, self._given_ = self._given_, None
        children: dict[str, Node] = {}
        if given is not None:
            if not isinstance(given, Mapping):
                raise TypeError(f"the children of a directory are a mapping, not {type(given).__name__}")
            for name, value in given.items():
                check_name(name)
                if name in declared.files:
                    raise ValueError(
                        f"{name!r} is declared by {type(self).__name__}, and cannot be a child as well"
                    )
                children[name] = self._as_child_(value)
        inside = [*declared.take_children(self), *children.values()]
        subdirectories = 0
        linked: list[Node] = []
        known: list[tuple[Node, int]] = []  # by other names, to whom it may matter that this is one more
        if state.active is not None:
            for child in inside:
                if child._parents_ is not None:
                    hold(child)  # its names are counted
        with LINKS:
            try:
                for child in inside:
                    directory = child if isinstance(child, Dir) else None
                    if directory is not None:
                        check_place(self, directory)
                        subdirectories += 1
                    had = add_link(child, self, is_directory=directory is not None)
                    if had:
                        known.append((child, had))
                    linked.append(child)
            except ValueError:
                for child in linked:
                    drop_link(child, self)
                raise
        self._subdirectories_ = subdirectories
        if children or not declared.files:
            self._children_ = {**declared.make_files(self), **children}
        pending: Pending = []
        for child, had in known:
            tell_links(child, had, pending)
        if pending:
            settle(pending)

    def _tree_(self) -> dict[str, Node]:
        """The children by name, made if this is the first touch."""
        children = self._children_
        return self._make_files_() if children is None else children

    def _make_files_(self) -> dict[str, Node]:
        with self.lock:
            children = self._children_
            if children is None:
                children = self._children_ = self._declared_.make_files(self)
            return children

    # ---- what the adapter does for programs

    def _give_name_(self, name: str, node: Node) -> None:
        """Give a name to what a capability made, or moved."""
        self[name] = node

    def _take_name_(self, name: str) -> None:
        """Take a name away; KeyError when there is none, ValueError when the class declares it."""
        del self[name]

    def _returns_(self, name: str, node: Node) -> bool:
        """Whether a node had this name before and gets it back: it keeps its owner then."""
        return False

    def _unseen_(self, name: str) -> Node | None:
        """A declared file that has no name at present."""
        return None

    # ---- reading

    @property
    def lock(self) -> threading.RLock:
        """The structure lock: while it is held, the children do not change. Hold it briefly, and run no
        foreign code.
        """
        return structure_lock(self)

    @property
    def nlink(self) -> int:
        """2 and one for each directory in it, as directories count."""
        return 2 + self._subdirectories_

    def child(self, name: str) -> Node | None:
        """The child of that name, or None. `name` is one name, never a path."""
        return self._tree_().get(name)

    def children_snapshot(self) -> list[tuple[str, Node]]:
        """Names and nodes as they are at this moment, in order."""
        children = self._tree_()
        with self.lock:
            return list(children.items())

    def __getitem__(self, path: str) -> Node:
        """The node at a path below this directory; KeyError when there is none."""
        found = self._tree_().get(path)
        if found is not None:
            return found
        # Any key may be asked for, as with a dict. Names made on demand are known to `child` only.
        if isinstance(path, str):
            here: Node = self
            for name in path.split("/"):
                step = here.child(name) if isinstance(here, Dir) else None
                if step is None:
                    raise KeyError(path)
                here = step
            return here
        raise KeyError(path)

    def get(self, path: str, default: Any = None) -> Any:
        """The node at a path below this directory, or `default` when there is none."""
        try:
            return self[path]
        except KeyError:
            return default

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self.get(path) is not None

    def __iter__(self) -> Iterator[str]:
        """The names, as they are at this moment."""
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self._tree_())

    def __bool__(self) -> bool:
        return True  # an empty directory is one, too

    def keys(self) -> list[str]:
        """The names, as they are at this moment, in order."""
        return [name for name, _ in self.children_snapshot()]

    def values(self) -> list[Node]:
        """The nodes, as they are at this moment, in order."""
        return [child for _, child in self.items()]

    def items(self) -> list[tuple[str, Node]]:
        """Names and nodes, as they are at this moment, in order."""
        return self.children_snapshot()

    def _name_of_(self, child: Node) -> str | None:
        """A name of a child, for messages; None when it has none here."""
        return next((name for name, node in self.children_snapshot() if node is child), None)

    # ---- changing (how a child comes and goes: fusetree.nodes.children)

    def __setitem__(self, path: str, value: Any) -> None:
        """Put a node at a path below this directory, in place of what is there; the directories above must
        exist.

        Raises:
            KeyError: A directory above it does not exist.
            ValueError: A name that no directory can hold; a directory that has a place in this tree
                already; the name of an entry, whose value is set by assigning the attribute.
            TypeError: A value that is no node and cannot become one.
        """
        directory, name = self._place_(path)
        check_name(name)
        declared = directory._declared_.files.get(name)
        if declared is not None:
            declared.replace(directory, value)
            return
        put(directory, name, directory._as_child_(value))

    def __delitem__(self, path: str) -> None:
        """Remove the node at a path below this directory, with all that is below it.

        Raises:
            KeyError: There is none.
            ValueError: It is declared by the class, and as lasting as the directory.
        """
        directory, name = self._place_(path)
        directory._refuse_declared_(name)
        if take_out(directory, name) is None:
            raise KeyError(path)

    def move(self, old: str, new: str) -> None:
        """Move a node from one path below this directory to another, as rename(2) does.

        A file that is at the new path is replaced, a directory only when it is empty and a directory comes.

        Raises:
            KeyError: There is nothing at `old`, or a directory above `new` does not exist.
            ValueError: A name that no directory can hold; a directory would come below itself; one of the
                two is declared by its class.
            OSError: EISDIR, ENOTDIR or ENOTEMPTY, as rename(2).
        """
        source, old_name = self._place_(old)
        target, new_name = self._place_(new)
        check_name(new_name)
        source._refuse_declared_(old_name)
        target._refuse_declared_(new_name)
        move(source, old_name, target, new_name, old)

    def transaction(self) -> AbstractContextManager[None]:
        """Make all changes of a block visible at once: ``with root.transaction():``.

        Until the block ends, readers through a mount see everything as it was before, while the block itself
        sees what it has changed. Then all of it appears together: no request is answered with one half of it,
        and when the `with` statement has returned, no reader gets an older answer. An exception that leaves
        the block takes the changes back: attributes, children, contents. (Not what was changed inside a value
        in place, a list that is appended to, say, nor what lies outside of the nodes.)

        It covers whatever this thread (task, context) changes in the block, in any tree; blocks inside it are
        part of it. Transactions of other threads wait. What other threads change without one is visible at
        once, unless the block has changed the same node before: then together with it.

        Requests that change something through a mount, and those that run code of the program (computed
        files, documents, classes that answer by themselves), wait until the block has ended, for ten seconds
        at most (EBUSY): keep it short, and do not wait in it for somebody who uses the mount.

        Raises:
            RuntimeError: Another task of this thread is in a transaction: do not await inside of one on a
                loop where other tasks begin some.
        """
        return transaction()

    def _as_child_(self, value: Any) -> Node:
        """The node that something becomes when it is put here."""
        return as_node(value)

    def _place_(self, path: str) -> tuple[Dir, str]:
        """The directory that holds the last name of a path, and that name."""
        if not isinstance(path, str):
            raise TypeError(f"a name in a directory is str, not {type(path).__name__}: {path!r}")
        above, slash, name = path.rpartition("/")
        if not slash:
            return self, path
        directory = self[above]
        if not isinstance(directory, Dir):
            raise KeyError(path)
        return directory, name

    def declares(self, name: str) -> bool:
        """Whether *name* is that of a child which the class declares, and which therefore stays."""
        return name in self._declared_.files

    def _refuse_declared_(self, name: str) -> None:
        if self.declares(name):
            raise ValueError(f"{name!r} is declared by {type(self).__name__}: it stays where it is")

    def _before_(self) -> None:
        self._tree_()  # the nodes of its entries are the same before and after

    def _after_copy_(self, copy: Self) -> None:
        copy._children_ = dict(self._tree_())

    def __repr__(self) -> str:
        children = self._children_
        inside = "untouched" if children is None else f"of {len(children)}"
        return f"<{type(self).__name__} {inside} at {id(self):#x}>"
